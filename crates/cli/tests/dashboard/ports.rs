//! Where the dashboard of a run listens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;

use serde_json::Value;

use crate::SHOP;
use crate::common::{Run, file, home, supervisor};

/// A run of this text as nobody tells it otherwise; what its first line says.
fn started(home: &tempfile::TempDir, text: &str, args: &[&str]) -> (std::process::Child, Value) {
    let path = file(home.path(), text);
    let mut command = supervisor(home.path());
    command.arg("run").args(["--output", "json"]).args(args).arg(path);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    // Who prints must not be stopped by a pipe that is full or gone.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (child, first)
}

fn stop(mut child: std::process::Child) {
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn address(started: &Value) -> SocketAddr {
    assert_eq!(started["type"], "started");
    started["dashboard"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap()
}

#[test]
fn by_default_it_is_on_9900_or_the_next_port_that_is_free() {
    // Somebody has it, whether that is this test or not.
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 9_900));
    let (one, other) = (home(), home());
    let (first, said) = started(&one, SHOP, &[]);
    let (second, also_said) = started(&other, SHOP, &[]);
    let (port, next) = (address(&said).port(), address(&also_said).port());
    assert!((9_901..=9_999).contains(&port) && (9_901..=9_999).contains(&next), "{port} {next}");
    assert_ne!(port, next);
    assert!(address(&said).ip().is_loopback());
    stop(first);
    stop(second);
}

#[test]
fn off_means_off_from_the_file_and_from_the_command_line() {
    let in_file = SHOP.replace("name: shop", "name: shop\ndashboard: off");
    for (text, args) in [(in_file.as_str(), &[][..]), (SHOP, &["--dashboard", "off"])] {
        let home = home();
        let (child, said) = started(&home, text, args);
        assert_eq!(said["dashboard"], Value::Null);
        assert!(!home.path().join(".local/state/tokio-supervisor/shop/dashboard").exists());
        stop(child);
    }
}

#[test]
fn the_command_line_goes_before_the_file() {
    let home = home();
    let in_file = SHOP.replace("name: shop", "name: shop\ndashboard: off");
    let (child, said) = started(&home, &in_file, &["--dashboard", "127.0.0.1:0"]);
    assert_ne!(address(&said).port(), 0);
    stop(child);
}

#[test]
fn an_address_that_was_asked_for_and_is_taken_is_73_and_nothing_is_started() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let in_file = SHOP.replace("name: shop", &format!("name: shop\ndashboard: {{listen: \"{address}\"}}"));
    for (text, args) in [(SHOP, &["--dashboard", &*address][..]), (&*in_file, &[])] {
        let end = Run::start_as_given(home(), text, args, &[]).end();
        assert_eq!(end.code, Some(73), "{}", end.err);
        let said = format!("supervisor: the dashboard cannot listen on {address}: ");
        assert!(end.err.contains(&said) && end.err.contains("give another port"), "{}", end.err);
        assert!(end.out.is_empty(), "{:?}", end.out);
    }
}

#[test]
fn an_address_of_another_machine_is_refused_on_the_command_line_and_in_the_file() {
    let home = home();
    let path =
        file(home.path(), &SHOP.replace("name: shop", "name: shop\ndashboard: {listen: \"0.0.0.0:9900\"}"));
    let checked = supervisor(home.path()).arg("check").arg(&path).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(checked.status.code() == Some(78) && said.contains("other machines"), "{said}");
    let run =
        supervisor(home.path()).args(["run", "--dashboard", "0.0.0.0:9900"]).arg(path).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(2) && said.contains("other machines"), "{said}");
}

/// Without a directory for its state a stack without a socket runs, and says what it lacks.
#[test]
fn a_dashboard_that_nobody_asked_for_is_no_condition() {
    let home = home();
    std::fs::write(home.path().join("no-directory"), "").unwrap();
    let state = home.path().join("no-directory").display().to_string();
    let mut run = Run::start_as_given(home, SHOP, &["--no-socket"], &[("XDG_STATE_HOME", &state)]);
    run.line(|line| line.ends_with("/web running"));
    let end = run.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(end.err.contains("the dashboard needs the directory of the stack's state"), "{}", end.err);
}
