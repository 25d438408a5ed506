//! What is done: the request, the wait for its effect, and what is said about it.

use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};
use supervisor_api::EventKind::*;
use supervisor_api::Lifecycle::*;
use supervisor_api::wire::*;

use crate::shop::{Said, Shop};
use crate::target::{World, obey};

#[test]
fn each_command_is_sent_as_it_was_typed_and_its_effect_is_told() {
    let table = [
        (&["restart", "/api"][..], Command::RestartChild, "/api", "/api restarted: running, run 2\n"),
        (&["restart", "api"], Command::RestartChild, "/api", "/api restarted: running, run 2\n"),
        (&["pause", "mail"], Command::PauseChild, "/jobs/mail", "/jobs/mail paused: paused, run 1\n"),
        (&["resume", "/api"], Command::ResumeChild, "/api", "/api resumed: running, run 1\n"),
        (&["quarantine", "/api"], Command::QuarantineChild, "/api", "/api quarantined: quarantined, run 1\n"),
        (&["remove", "/api", "--yes"], Command::RemoveChild, "/api", "/api removed\n"),
        (&["restart", "/jobs", "-y"], Command::RestartChild, "/jobs", "/jobs restarted: running, run 2\n"),
    ];
    for (args, command, path, said) in table {
        let shop = Shop::after(|_| {});
        let args = [args, &["--reason", "a test"]].concat();
        let end = shop.say(&args);
        assert_eq!((end.out.as_str(), end.code), (said, Some(0)), "{args:?}: {}", end.err);
        let sent = shop.world(|world| world.commands.clone());
        assert_eq!(sent.len(), 1, "{args:?}");
        assert_eq!(sent[0].command, command);
        assert_eq!(sent[0].target, CommandTarget { child_path: Some(path.to_owned()), child_manifest: None });
        assert_eq!((sent[0].reason.as_str(), sent[0].requested_by.as_str()), ("a test", "ann"));
        assert_eq!(sent[0].confirmed, command.needs_confirmation());
        assert!(sent[0].requested_at_unix_nanos.is_some());
    }
}

#[test]
fn what_happens_meanwhile_is_shown() {
    let shop = Shop::after(|_| {});
    let said = shop.say(&["restart", "/api", "--reason", "a test", "--by", "bob"]);
    let words: Vec<_> = said.err.lines().map(|line| line.split(" by ").next().unwrap()).collect();
    assert_eq!(
        words,
        ["  /api stopping", "  /api stopped", "  /api starting", "  /api running"],
        "{}",
        said.err
    );
    assert!(said.err.contains("by bob (a test)"), "{}", said.err);
}

#[test]
fn as_json_it_is_the_result_of_the_wire_and_nothing_else() {
    let shop = Shop::after(|_| {});
    let said = shop.json(&["restart", "/api", "--reason", "a test", "--command-id", "c-7"]);
    let value = said.json();
    assert_eq!(said.err, "");
    let result: ControlCommandResult = serde_json::from_value(value["result"].clone()).unwrap();
    assert_eq!((&value["type"], &*result.command_id), (&json!("command_result"), "c-7"));
    assert!(result.accepted && result.status.is(CommandStatus::Completed));
}

#[test]
fn add_sends_the_text_of_the_file() {
    let shop = Shop::after(|_| {});
    let file = shop.home.path().join("cache.yaml");
    let text = "name: cache\nkind: process\ncommand: [\"true\"]\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let args = ["add", "--under", "/jobs", file, "--reason", "faster", "--yes"];
    shop.say(&args).is("a child under /jobs added");
    let sent = shop.world(|world| world.commands.remove(0));
    assert_eq!(sent.target.child_manifest, Some(Value::from(text)));
    assert_eq!(sent.target.child_path.as_deref(), Some("/jobs"));
    assert!(sent.confirmed);

    let mut child = shop
        .command(&["add", "-", "--reason", "faster", "--yes"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    Said::from(child.wait_with_output().unwrap()).is("a child under / added");
}

/// A target that takes signals.
fn signalled(world: &mut World) {
    world.capabilities = vec!["command.signal_child".to_owned()];
}

#[test]
fn signal_sends_the_word_of_manifests_however_it_was_typed() {
    for typed in ["HUP", "sighup", "SIGHUP"] {
        let shop = Shop::after(signalled);
        shop.say(&["signal", "mail", typed, "--reason", "new rules"])
            .is("/jobs/mail was sent SIGHUP: running, run 1");
        let sent = shop.world(|world| world.commands.remove(0));
        assert_eq!((sent.command, sent.signal.as_deref()), (Command::SignalChild, Some("SIGHUP")));
        assert_eq!(sent.target.child_path.as_deref(), Some("/jobs/mail"));
        assert!(!sent.confirmed, "it is not asked about");
    }
}

#[test]
fn signal_is_offered_only_by_a_target_that_says_so() {
    let shop = Shop::after(|_| {});
    shop.say(&["signal", "mail", "HUP", "--reason", "x"])
        .fails(1, &["shop does not offer command.signal_child: it is not among the capabilities"]);
    let line = shop.json(&["signal", "mail", "HUP", "--reason", "x"]).json();
    assert_eq!((&line["type"], &line["exit_code"]), (&json!("error"), &json!(1)));
    assert_eq!(shop.world(|world| world.commands.len()), 0);
}

#[test]
fn a_word_that_is_no_signal_is_answered_with_all_that_are() {
    let shop = Shop::after(signalled);
    for word in ["SEGV", "9", "", "SIG", "SIGSIGHUP"] {
        let words = ["SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGKILL"];
        shop.say(&["signal", "mail", word, "--reason", "x"]).fails(2, &words);
    }
    assert_eq!(shop.world(|world| world.commands.len()), 0);
}

#[test]
fn what_cannot_be_a_manifest_is_not_sent() {
    let shop = Shop::after(|_| {});
    let big = shop.home.path().join("big.yaml");
    std::fs::write(&big, vec![b'#'; (1 << 20) + 1]).unwrap();
    let big = big.to_str().unwrap().to_owned();
    for (file, words) in [("/nonexistent", "cannot read /nonexistent"), (&*big, "longer than 1 MiB")] {
        shop.say(&["add", file, "--reason", "x", "--yes"]).fails(2, &[words]);
    }
    assert_eq!(shop.world(|world| world.commands.len()), 0);
}

#[test]
fn shutdown_ends_well_whether_the_answer_comes_or_the_target_is_gone_first() {
    let shop = Shop::after(|_| {});
    shop.say(&["shutdown", "--reason", "over", "--yes"]).is("shop is down");

    // It says that it goes on and that it is down, and goes.
    let mut shop = Shop::after(|world| {
        world.obey = Arc::new(|world, asked| ControlCommandResult {
            status: CommandStatus::Accepted.into(),
            ..obey(world, asked)
        });
    });
    let child = shop
        .command(&["shutdown", "--reason", "over", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shop.until("it is sent", |world| !world.commands.is_empty());
    shop.dies();
    Said::from(child.wait_with_output().unwrap()).is("shop is down");
}

/// A target that says that commands go on until they are sent for the third time and `/api` runs.
fn slow(world: &mut World) {
    world.event(ChildStopping, "/api", Stopping, json!({}));
    world.obey = Arc::new(|world, asked| {
        let is_over = world.row("/api").lifecycle_state.is(Running) && world.commands.len() > 2;
        match is_over {
            true => ControlCommandResult::completed(asked, UnixNanos(1)),
            false => ControlCommandResult::accepted(asked),
        }
    });
}

#[test]
fn a_command_that_goes_on_is_waited_for_under_the_same_id() {
    let shop = Shop::after(slow);
    let child = shop
        .command(&["restart", "/api", "--reason", "x"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shop.until("it is sent", |world| !world.commands.is_empty());
    shop.world(|world| world.event(ChildRunning, "/api", Running, json!({})));
    let said = Said::from(child.wait_with_output().unwrap());
    said.is("/api restarted: running, run 1");
    assert!(said.err.contains("the target goes on with it; waiting"), "{}", said.err);
    let ids =
        shop.world(|world| world.commands.iter().map(|sent| sent.command_id.clone()).collect::<Vec<_>>());
    // More often when the child comes late.
    assert!(ids.len() >= 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_target_that_takes_no_command_twice_tells_the_end_by_an_event() {
    for (text, code) in [(None, 0), (Some("/api did not start"), 1)] {
        let shop = Shop::after(|world| {
            world.idempotent = false;
            slow(world);
        });
        let mut command = shop.command(&["restart", "/api", "--reason", "x", "--command-id", "c-9"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        shop.until("it is sent", |world| !world.commands.is_empty());
        let mut more = json!({"correlation_id": "c-9", "took_ms": 5});
        if let Some(text) = text {
            more["text"] = text.into();
        }
        shop.world(|world| world.event(CommandCompleted, "/api", Running, more));
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
        assert_eq!(said.err.contains("command_failed: /api did not start"), code == 1, "{}", said.err);
        assert_eq!(shop.world(|world| world.commands.len()), 1, "it is sent once");
    }
}

#[test]
fn without_waiting_it_returns_when_the_command_is_taken() {
    let shop = Shop::after(|world| {
        world.obey = Arc::new(|world, asked| {
            let id = json!({"correlation_id": asked.command_id});
            world.event(ChildStopping, "/api", Stopping, id);
            world.silent = true;
            ControlCommandResult::accepted(asked)
        });
    });
    let said = shop.say(&["restart", "/api", "--reason", "x", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(shop.world(|world| world.commands.len()), 1);

    let refused = Shop::after(|_| {});
    refused.world(|world| {
        world.obey = Arc::new(|world, asked| {
            let error = WireError::new(ErrorCode::ValidationFailed, "not now").on(world.target_id());
            ControlCommandResult::rejected(asked, error, UnixNanos(1))
        });
    });
    refused.say(&["restart", "/api", "--reason", "x", "--no-wait"]).fails(1, &["validation_failed: not now"]);
}

#[test]
fn a_dangerous_command_shows_whom_it_affects_and_is_not_sent_without_a_yes() {
    let shop = Shop::after(|_| {});
    let file = shop.home.path().join("c.yaml");
    std::fs::write(&file, "name: cache\nkind: async_worker\n").unwrap();
    let file = file.to_str().unwrap();
    let table = [
        (&["shutdown"][..], &["the whole tree", "Below it 5 children", "/jobs/mail, running"][..]),
        (&["remove", "/db"], &["stops /db and takes it out", "needed by /api"]),
        (&["restart", "/jobs"], &["Below it 2 children", "/jobs/nightly, completed", "is lost"]),
        (&["pause", "/jobs"], &["stops /jobs and holds it"]),
        (&["quarantine", "/jobs"], &["stops /jobs and parks it"]),
        (&["add", file], &["adds a child under /", "name: cache"]),
    ];
    for (args, words) in table {
        let said = shop.say(&[args, &["--reason", "x"]].concat());
        said.fails(2, words);
        said.fails(2, &["`--yes`"]);
    }
    assert_eq!(shop.world(|world| world.commands.len()), 0);
}

#[test]
fn a_target_that_knows_what_would_happen_is_asked() {
    let answer = |refusal: Value| {
        json!({"command": "remove_child", "refusal": refusal, "affected": [
            {"child_path": "/db", "effect": "removed"},
            {"child_path": "/api", "effect": "waiting", "because": "it depends on /db"},
        ]})
    };
    let shop = Shop::after(|world| {
        world.capabilities = vec!["what_if".to_owned()];
        world.what_if = Some(serde_json::from_value(answer(Value::Null)).unwrap());
    });
    let words = ["/db: removed", "/api: waiting, because it depends on /db"];
    shop.say(&["remove", "/db", "--reason", "x"]).fails(2, &words);

    let error = json!(WireError::new(ErrorCode::ValidationFailed, "/api depends on it"));
    shop.world(|world| world.what_if = Some(serde_json::from_value(answer(error)).unwrap()));
    shop.say(&["remove", "/db", "--reason", "x"]).fails(1, &["validation_failed: /api depends on it"]);
    assert_eq!(shop.world(|world| world.commands.len()), 0);
}
