//! The link by which a person signs in: where it is shown, and where it is not.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::browser::trade;
use crate::common::{self, file, home, supervisor};
use crate::{SHOP, dashboard, link, run_with};

#[tokio::test]
async fn a_link_is_good_once_and_another_is_there_at_once() {
    let run = run_with(&[]);
    let first = link(&run);
    assert_eq!(trade(&first).await.0, 200);
    assert_eq!(trade(&first).await.0, 401, "the second time");
    let second = common::soon("another link", || Some(link(&run)).filter(|link| *link != first));
    assert_eq!(trade(&second).await.0, 200);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn the_file_with_the_link_is_its_users_alone_and_is_gone_with_the_run() {
    let run = run_with(&[]);
    link(&run);
    let place = run.home.path().join(".local/state/tokio-supervisor/shop/dashboard");
    assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    run.signal(Signal::TERM);
    common::soon("the end of the file", || (!place.exists()).then_some(()));
    let (code, out, said) =
        common::soon("nobody", || Some(dashboard(&run, &[])).filter(|(code, _, _)| *code == Some(3)));
    assert!(out.is_empty() && said.contains("supervisor run FILE"), "{code:?} {out} {said}");
    assert_eq!(run.end().code, Some(0));
}

/// A run that was killed has removed nothing. Whoever has its port now is not shown its link.
#[test]
fn a_link_that_a_killed_run_left_behind_is_not_printed() {
    let run = run_with(&[]);
    link(&run);
    let place = run.home.path().join(".local/state/tokio-supervisor/shop/dashboard");
    run.signal(Signal::KILL);
    common::soon("the end", || (dashboard(&run, &[]).0 == Some(3)).then_some(()));
    assert!(place.exists());
}

#[test]
fn the_stack_that_is_meant_is_named_when_there_are_several() {
    let run = run_with(&[]);
    let other = SHOP.replace("name: shop", "name: bank");
    let path = run.home.path().join("bank.yaml");
    std::fs::write(&path, other).unwrap();
    let mut second = supervisor(run.home.path());
    second.args(["run", "--dashboard", "127.0.0.1:0"]).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    let mut second = second.spawn().unwrap();
    common::soon("both", || (dashboard(&run, &[]).0 == Some(2)).then_some(()));
    let (_, _, said) = dashboard(&run, &[]);
    assert!(said.contains("bank, shop"), "{said}");
    let (code, out, _) = dashboard(&run, &["bank", "--output", "json"]);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, out["stack"].as_str()), (Some(0), Some("bank")));
    assert!(out["login_link"].as_str().unwrap().contains("/#code="));
    let (code, _, said) = dashboard(&run, &["house"]);
    assert!(code == Some(3) && said.contains("no stack `house`") && said.contains("bank, shop"), "{said}");
    kill_process(Pid::from_child(&second), Signal::TERM).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(0));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn what_is_no_terminal_gets_no_code() {
    for output in ["text", "json"] {
        let mut run = common::Run::start(home(), SHOP, &["--dashboard", "127.0.0.1:0", "--output", output]);
        run.line(|line| line.contains("http://127.0.0.1:"));
        let code = link(&run).split_once("#code=").unwrap().1.to_owned();
        let end = run.stop();
        let all = format!("{}\n{}", end.out.join("\n"), end.err);
        assert!(!all.contains("code=") && !all.contains(&code), "{all}");
        assert_eq!(all.contains("`supervisor dashboard shop`"), output == "text", "{all}");
    }
}

#[tokio::test]
async fn a_terminal_is_shown_a_link_that_is_good() {
    for output in ["text", "json"] {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let program = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let home = home();
        let path = file(home.path(), SHOP);
        let mut command = supervisor(home.path());
        command.args(["run", "--dashboard", "127.0.0.1:0", "--output", output]).arg(path).stdout(program);
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut person, mut seen) = (File::from(person), String::new());
        let ends = |character: char| !character.is_ascii_graphic() || character == '"';
        let link = loop {
            let mut bytes = [0; 4096];
            let read = person.read(&mut bytes).unwrap();
            seen += std::str::from_utf8(&bytes[..read]).unwrap();
            // It is whole when the line is.
            let lines = seen.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(link) = lines.flat_map(|line| line.split(ends)).find(|word| word.contains("/#code="))
            {
                break link.to_owned();
            }
        };
        assert_eq!(trade(&link).await.0, 200, "{seen}");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        // Somebody has to read until the end.
        std::thread::spawn(move || person.read_to_end(&mut Vec::new()));
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
