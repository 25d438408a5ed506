//! Every way in which a verb does not do what it was asked for, and its exit code.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::common::home;
use crate::said::Said;
use crate::shop::Shop;
use crate::skip::is_root;

/// The uid of nobody we know.
const STRANGER: u32 = 54_321;

#[test]
fn refused_1_usage_2_and_not_permitted_4_with_code_and_remedy() {
    let shop = Shop::up();
    let file = |name: &str, text: &str| {
        let path = shop.run.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let web = file("web.yaml", "name: web\nkind: process\ncommand: [sleep, \"1\"]\n");
    let wrong = file("wrong.yaml", "name: x\nkind: proces\n");
    let refused: &[(&[&str], i32, &[&str])] = &[
        (&["restart", "/wbe"], 1, &["there is no child /wbe; did you mean /web?"]),
        (&["remove", "/web"], 1, &["validation_failed", "/mail depends on it; remove that first"]),
        (
            &["signal", "/jobs", "HUP"],
            1,
            &["validation_failed", "takes no signals; only a program does, while it runs"],
        ),
        (
            &["signal", "/broken", "HUP"],
            1,
            &["validation_failed", "/broken is quarantined and takes no signals"],
        ),
        (&["restart", "/"], 1, &["the root takes no restart; shut the whole tree down, or name a child"]),
        (&["add", &web], 1, &["/web"]),
        (&["add", "--under", "/web", &web], 1, &["validation_failed", "/web"]),
        (&["add", &wrong], 1, &["validation_failed", "proces"]),
        (
            &["restart", "/locked"],
            4,
            &["authz_denied: /locked does not allow restart_child; to allow it, set `allow_restart: true`"],
        ),
        (&["pause", "/locked"], 4, &["authz_denied", "allow_shutdown"]),
        (&["quarantine", "/locked"], 4, &["authz_denied", "allow_shutdown"]),
        (&["remove", "/locked"], 4, &["authz_denied", "allow_shutdown"]),
        (
            &["signal", "/locked", "TERM"],
            4,
            &[
                "authz_denied: /locked does not allow SIGTERM, but SIGHUP; to allow it, add it to `allowed_signals`",
            ],
        ),
        (
            &["signal", "/locked", "RELOAD"],
            1,
            &["validation_failed", "/locked has no `reload_signal`: say in"],
        ),
        (&["signal", "/web", "SEGV"], 2, &["possible values: SIGTERM, SIGINT, SIGQUIT, SIGHUP"]),
        (&["add", "/nonexistent"], 2, &["cannot read /nonexistent"]),
        (&["restart", "/a//b"], 2, &[]),
    ];
    for (args, code, words) in refused {
        let said = shop.act(args);
        said.fails(*code, words);
        assert_eq!(said.out, "", "{args:?}");
    }
    for verb in ["status", "why", "logs"] {
        shop.say(&[verb, "/mial"]).fails(1, &["there is no child /mial; did you mean /mail?"]);
    }
    // Without a terminal nobody can be asked.
    let new = file("new.yaml", "name: new\nkind: process\ncommand: [sleep, \"1\"]\n");
    for args in [&["remove", "/mail"][..], &["shutdown"], &["restart", "/jobs"], &["add", &new]] {
        shop.say(&[args, &["--reason", "x"]].concat()).fails(2, &["say `--yes`"]);
    }
    for args in
        [&["restart", "/web"][..], &["restart", "--reason", "x"], &["restart", "/web", "--reason", " "]]
    {
        shop.say(args).fails(2, &[]);
    }
    assert_eq!(shop.row("/web"), Some(("running".to_owned(), 1)), "nothing was done");
}

#[test]
fn no_target_3() {
    let home = home();
    let absent = home.path().join("run/x.sock");
    for verb in [&["tree"][..], &["health"], &["restart", "/web", "--reason", "x"]] {
        let mut command = crate::common::supervisor(home.path());
        let said: Said = command.args(verb).arg("--socket").arg(&absent).output().unwrap().into();
        said.fails(3, &["there is no socket"]);
    }
}

#[test]
fn another_user_4() {
    if !is_root("another_user_4") {
        return;
    }
    let shop = Shop::up();
    // The binary as a descriptor, so that it is found also by a user who may not enter the directory in which it lies.
    let binary = File::open(env!("CARGO_BIN_EXE_supervisor")).unwrap();
    for form in ["table", "json"] {
        let mut command = Command::new("/proc/self/fd/0");
        command
            .stdin(binary.try_clone().unwrap())
            .args(["tree", "--output", form, "--socket"])
            .arg(shop.socket());
        command.current_dir("/").env("HOME", "/").env_remove("XDG_RUNTIME_DIR").uid(STRANGER).gid(STRANGER);
        let said: Said = command.output().unwrap().into();
        said.fails(4, &["shop.sock"]);
        assert_eq!(form == "json", said.out.contains("\"not_permitted\""), "{}", said.out);
    }
    assert_eq!(shop.row("/web"), Some(("running".to_owned(), 1)));
}

#[test]
fn what_does_not_end_in_time_5_and_goes_on() {
    let mut shop = Shop::up();
    // However long it takes until it is taken.
    shop.act(&["pause", "/stubborn", "--no-wait"]).is("sent");
    shop.run.event("ChildStopping", "/stubborn");
    shop.act(&["pause", "/stubborn", "--timeout", "2"]).fails(5, &["within 2 s"]);
    assert_eq!(shop.row("/stubborn"), Some(("stopping".to_owned(), 1)));
    let said = shop.json(&["pause", "/stubborn", "--reason", "x", "--timeout", "2"]);
    assert_eq!((said.code, said.json()["error"]["code"].as_str()), (Some(5), Some("timed_out")));
    // Nobody else waits for it.
    shop.act(&["restart", "/web"]).is("/web restarted: running, run 2");
}
