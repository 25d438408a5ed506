//! Doing, and seeing the effect.

use std::io::Write as _;
use std::process::Stdio;

use crate::said::Said;
use crate::shop::Shop;

const CACHE: &str = "name: cache\nkind: process\ncommand: [sleep, \"1000\"]\n";

/// What is typed, what is said, and of which child which state and run are seen then; `None`: it is gone.
type Row<'a> = (&'a [&'a str], &'a str, &'a str, Option<(&'a str, u64)>);

/// Every verb that changes something, in the order of a day: what is said, and what is seen right after.
#[test]
fn each_verb_does_what_it_says_and_the_next_read_shows_it() {
    let mut shop = Shop::up();
    let file = shop.run.home.path().join("cache.yaml");
    std::fs::write(&file, CACHE).unwrap();
    let file = file.to_str().unwrap();
    let table: [Row; 14] = [
        (&["restart", "/web"], "/web restarted: running, run 2", "/web", Some(("running", 2))),
        (&["pause", "mail"], "/mail paused: paused, run 1", "/mail", Some(("paused", 1))),
        (&["pause", "mail"], "/mail nothing had to be done: paused, run 1", "/mail", Some(("paused", 1))),
        (&["resume", "/mail"], "/mail resumed: running, run 2", "/mail", Some(("running", 2))),
        (
            &["quarantine", "/mail"],
            "/mail quarantined: quarantined, run 2",
            "/mail",
            Some(("quarantined", 2)),
        ),
        (&["restart", "/mail"], "/mail restarted: running, run 3", "/mail", Some(("running", 3))),
        (&["restart", "/jobs"], "/jobs restarted: running, run 2", "/jobs/one", Some(("running", 2))),
        (
            &["add", "--under", "/jobs", file],
            "/jobs/cache added: running, run 1",
            "/jobs/cache",
            Some(("running", 1)),
        ),
        (&["signal", "/web", "hup"], "/web was sent SIGHUP: running, run 2", "/web", Some(("running", 2))),
        (
            &["signal", "/web", "reload"],
            "/web was asked to reload: running, run 2",
            "/web",
            Some(("running", 2)),
        ),
        (
            &["signal", "locked", "SIGHUP"],
            "/locked was sent SIGHUP: running, run 1",
            "/web",
            Some(("running", 2)),
        ),
        (&["remove", "cache"], "/jobs/cache removed", "/jobs/cache", None),
        (&["remove", "/jobs"], "/jobs removed", "/jobs/one", None),
        (&["pause", "/stubborn", "--no-wait"], "sent", "/web", Some(("running", 2))),
    ];
    for (args, said, path, row) in table {
        shop.act(args).is(said);
        assert_eq!(shop.row(path), row.map(|(state, run)| (state.to_owned(), run)), "after {args:?}");
    }
    shop.run.output("/web", "heard");
    // A command is not carried out twice under one id.
    let again = ["--command-id", "c-1"];
    for _ in 0..2 {
        shop.act(&[&["restart", "/web"][..], &again].concat()).is("/web restarted: running, run 3");
    }
    shop.act(&[&["restart", "/mail"][..], &again].concat()).fails(1, &["command_id_conflict"]);
    // From standard input, and what happens meanwhile is told beside the answer.
    let args = ["add", "-", "--reason", "a test", "--yes"];
    let mut add = shop.command(&args);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(CACHE.as_bytes()).unwrap();
    let said = Said::from(add.wait_with_output().unwrap());
    said.is("/cache added: running, run 1");
    assert!(said.err.contains("  /cache starting by ann (a test)"), "{}", said.err);
}

#[test]
fn shutdown_ends_the_run_and_the_audit_has_it_all() {
    let mut shop = Shop::up();
    shop.act(&["remove", "/stubborn", "--no-wait"]).is("sent");
    // Killed before that, it would be started again.
    shop.run.event("ChildStopping", "/stubborn");
    // It goes on until the program is gone; then everybody can be stopped.
    let sent = shop.act(&["signal", "/stubborn", "KILL"]);
    // It may still be stopping when its state is read, or be gone.
    assert_eq!(sent.code, Some(0), "{}", sent.err);
    assert!(sent.out.starts_with("/stubborn was sent SIGKILL"), "{}", sent.out);
    shop.run.event("ChildRuntimeStateRemoved", "/stubborn");
    shop.act(&["restart", "/nobody"]).fails(1, &["there is no child /nobody"]);
    shop.act(&["restart", "/locked"]).fails(4, &["authz_denied"]);
    shop.act(&["shutdown"]).is("shop is down");
    shop.run.event("ShutdownCompleted", "/");
    let audit = shop.run.home.path().join(".local/state/tokio-supervisor/shop/audit");
    let audit = audit.to_str().unwrap();
    // Its last record is written before the run is gone.
    let shown = crate::common::soon("the outcome of the shutdown", || {
        let shown = shop.say(&["audit", "show", audit]);
        shown
            .out
            .contains("command.shutdown_tree for ann (a test): allowed, outcome completed")
            .then_some(shown.out)
    });
    for words in [
        "command.remove_child /stubborn for ann (a test): allowed, intent",
        "command.signal_child /stubborn for ann (a test): allowed, outcome completed",
        "command.restart_child /locked for ann (a test): denied, denial rejected: authz_denied",
    ] {
        assert!(shown.contains(words), "{words:?} is not in\n{shown}");
    }
    let records = shown.lines().count();
    let verified = shop.say(&["audit", "verify", audit]);
    assert!(
        verified.out.starts_with(&format!("{records} records in 1 segment, each in its place.")),
        "{}",
        verified.out
    );
    assert_eq!(shop.run.end().code, Some(0));
}
