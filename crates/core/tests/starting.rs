//! Starting: rules R1-R15.

use supervisor_api::policy::{AutoShutdown, Backoff, Budget, Grace, RestartType, Strategy};
use supervisor_api::{EventKind, Exit, Lifecycle, SupervisorError};
use supervisor_core::{End, Reply};
use supervisor_testkit::*;

/// Children that report ready after 10 ms.
fn slow(name: &str) -> Child {
    perm(name).explicit().always(Run::ready_after(ms(10)))
}

fn fails(name: &str) -> Child {
    perm(name).explicit().always(Run::fails_to_start())
}

#[test]
fn r1_a_child_is_spawned_only_when_the_one_before_it_is_started() {
    let mut bench = Bench::launch(otp(one_for_one([slow("a"), slow("b"), slow("c")])));
    assert_eq!(bench.take(), ["start a"]);
    bench.pass(ms(9));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["ready a", "start b"]);
    bench.pass(ms(10));
    assert_eq!(bench.take(), ["ready b", "start c"]);
    bench.pass(ms(10));
    assert_eq!(bench.take(), ["ready c", "started"]);
    assert_eq!(bench.lives("c"), [Lifecycle::Starting, Lifecycle::Running]);
}

#[test]
fn r2_r111_a_failed_initial_start_is_unwound_in_reverse_and_is_not_retried() {
    let tree = one_for_one([slow("a"), slow("b"), fails("z"), slow("never")]).budget(9, secs(5));
    let mut bench = Bench::launch(otp(tree));
    bench.pass(ms(20));
    assert_eq!(
        bench.take(),
        [
            "start a",
            "ready a",
            "start b",
            "ready b",
            "start z",
            "down z: failed: no start",
            "stop b",
            "down b",
            "stop a",
            "down a",
            "done start failed z: failed: no start",
        ]
    );
    assert_eq!(bench.generation("never"), 0);
    assert_eq!(bench.count(EventKind::BudgetExhausted), 0);
    bench.pass(secs(60));
    assert_eq!(bench.take(), [""; 0], "nothing is tried again");
}

#[test]
fn r3_a_supervisor_that_cannot_start_is_a_start_failure_of_its_parent() {
    let below = one_for_one([perm("x").explicit(), fails("y")]);
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), sup("s", below), perm("never")])));
    let trace = bench.take();
    assert_eq!(
        trace[..trace.len() - 1],
        [
            "start a",
            "start s/x",
            "ready s/x",
            "start s/y",
            "down s/y: failed: no start",
            "stop s/x",
            "down s/x",
            "stop a",
            "down a",
        ]
    );
    let Some(End::StartFailed { path, .. }) = bench.ended() else { panic!("{:?}", bench.ended()) };
    assert!(path.as_str().starts_with("/s"), "{path}");
    assert_eq!(bench.events(EventKind::ChildStartFailed, "s").len(), 1, "a start error");
    assert!(bench.events(EventKind::ChildFailed, "s").is_empty(), "not a crash");
    assert_eq!(bench.generation("never"), 0);
}

#[test]
fn r3_r32_a_supervisor_whose_restart_cannot_start_is_tried_again_and_charged() {
    let x = perm("x").explicit().runs(2..=3, Run::fails_to_start());
    let tree = one_for_one([sup("s", one_for_one([x]).budget(0, secs(5)))]);
    let mut bench = Bench::launch(otp(tree.clone().budget(3, secs(5))));
    bench.take();
    bench.crash("s/x");
    assert_eq!(
        bench.take(),
        [
            "down s/x: failed: boom",
            "start s/x",
            "down s/x: failed: no start",
            "start s/x",
            "down s/x: failed: no start",
            "start s/x",
            "ready s/x",
        ]
    );
    let mut poor = Bench::launch(otp(tree.budget(2, secs(5))));
    poor.crash("s/x");
    assert_eq!(poor.take().last().map(String::as_str), Some("done gave up"), "each attempt is charged");
}

#[test]
fn r4_a_child_that_declines_is_no_failure() {
    let declines = |child: Child| child.explicit().always(Run::declines());
    let tree = one_for_one([declines(perm("p")), declines(tran("t")), declines(temp("x")), perm("z")]);
    let mut bench = Bench::launch(otp(tree.budget(0, secs(5))));
    assert_eq!(
        bench.take(),
        ["start p", "declined p", "start t", "declined t", "start x", "declined x", "start z", "started"]
    );
    assert_eq!(bench.state("p"), Lifecycle::Stopped, "the spec stays");
    assert_eq!(bench.state("t"), Lifecycle::Stopped);
    assert_eq!(bench.find("x"), None, "a temporary one is dropped");
    assert_eq!(bench.events(EventKind::ChildDeclined, "p").len(), 1);
}

#[test]
fn r4_a_dynamic_supervisor_stores_nothing_of_a_child_that_declines() {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(1))])));
    let ticket = bench.start_child("d", perm("x").explicit().always(Run::declines()));
    assert!(matches!(bench.ok(ticket), Reply::Added { .. }), "the caller gets 'ok, no process'");
    assert_eq!(bench.find("d/x"), None);
    let ticket = bench.start_child("d", perm("y"));
    bench.ok(ticket);
    assert_eq!(bench.state("d/y"), Lifecycle::Running, "no place was taken");
}

#[test]
fn r6_every_mistake_is_found_before_anything_is_started() {
    let bad_supervisor = one_for_one([perm("x"), perm("x")]).budget(1, ms(0));
    let tree = one_for_one([
        perm("a"),
        perm("a"),
        perm("b").after(["nobody"]),
        perm("c").significant(),
        perm("d").budget(1, ms(0)),
        sup("s", bad_supervisor),
        sup("dyn", dynamic(1).with(perm("y"))),
    ]);
    let findings = Bench::try_begin(&otp(tree), 0).err().expect("a tree with mistakes");
    let mistakes: Vec<_> = findings.iter().filter(|f| !f.warning).map(|f| f.path.as_str()).collect();
    for path in ["/a", "/b", "/c", "/d", "/s", "/s/x", "/dyn"] {
        assert!(mistakes.contains(&path), "{path} is missing in {findings:?}");
    }
    let twice = findings.iter().find(|f| f.path == "/a").expect("the duplicate");
    assert!(twice.message.contains("'a'"), "a duplicate is named: {}", twice.message);
}

#[test]
fn r7_otp_defaults() {
    let resolved = otp(one_for_one([child("w"), sup("s", one_for_one([]))])).resolve().unwrap();
    let root = &resolved.root.context.policy;
    assert_eq!(root.strategy, Strategy::OneForOne);
    assert_eq!(root.budget, Budget::new(1, secs(5)));
    assert_eq!(root.auto_shutdown, AutoShutdown::Never);
    let [worker, supervisor] = &resolved.root.children[..] else { panic!("two children") };
    for child in [worker, supervisor] {
        assert_eq!(child.policy.restart, RestartType::Permanent);
        assert_eq!(child.policy.backoff, Backoff::none());
        assert!(!child.policy.significant);
    }
    assert_eq!(worker.policy.grace, Grace::Timeout(secs(5)));
    assert_eq!(supervisor.policy.grace, Grace::Infinity);
    assert!(!worker.policy.is_supervisor && supervisor.policy.is_supervisor);
}

#[test]
fn r8_a_name_nobody_has_is_an_error_with_the_nearest_one() {
    let findings = one_for_one([perm("database"), perm("api").after(["databse"])]).resolve().unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].message.contains("database"), "{}", findings[0].message);
}

#[test]
fn r9_start_child_appends_to_the_order() {
    let tree = one_for_one([perm("a"), perm("b")]);
    let mut bench = Bench::launch(otp(tree));
    let ticket = bench.start_child("/", perm("new"));
    assert!(matches!(bench.ok(ticket), Reply::Added { state: Lifecycle::Running, generation: 1, .. }));
    bench.take();
    bench.shutdown();
    assert_eq!(
        bench.take(),
        ["stop new", "down new", "stop b", "down b", "stop a", "down a", "done shutdown"]
    );
}

#[test]
fn r9_an_added_child_is_after_everything_under_rest_for_one() {
    let mut bench = Bench::launch(otp(rest_for_one([perm("a"), perm("b")]).budget(5, secs(5))));
    bench.start_child("/", perm("new"));
    bench.take();
    bench.crash("b");
    assert_eq!(bench.take(), ["down b: failed: boom", "stop new", "down new", "start b", "start new"]);
    bench.crash("new");
    assert_eq!(bench.take(), ["down new: failed: boom", "start new"]);
}

#[test]
fn r10_start_child_with_an_id_that_exists_is_refused_and_its_spec_discarded() {
    let x = perm("x").explicit().steps(ms(100), secs(1)).runs(2..=2, Run::fails_to_start());
    let mut bench = Bench::launch(otp(one_for_one([x]).budget(9, secs(5))));
    let other = || tran("x").brutal();

    let running = bench.start_child("/", other());
    assert!(
        matches!(bench.refused(running), SupervisorError::AlreadyStarted { path } if path.as_str() == "/x")
    );
    bench.crash("x");
    assert_eq!(bench.state("x"), Lifecycle::Backoff);
    let in_retry = bench.start_child("/", other());
    assert!(matches!(bench.refused(in_retry), SupervisorError::AlreadyPresent { .. }));
    bench.terminate("x");
    let stopped = bench.start_child("/", other());
    assert!(matches!(bench.refused(stopped), SupervisorError::AlreadyPresent { .. }));
    assert_eq!(bench.state("x"), Lifecycle::Stopped);
    assert_eq!(bench.policy("x").restart, RestartType::Permanent, "the new spec is discarded");
    assert_eq!(bench.policy("x").grace, Grace::Timeout(secs(5)));
}

#[test]
fn r11_r43_a_child_whose_first_start_fails_is_not_kept_and_not_charged() {
    let mut bench = Bench::launch(otp(one_for_all([perm("a")]).budget(0, secs(5))));
    bench.take();
    let ticket = bench.start_child("/", fails("x"));
    let SupervisorError::StartFailed { path, exit } = bench.refused(ticket) else { panic!("start failed") };
    assert_eq!((path.as_str(), exit), ("/x", &Exit::failed("no start")));
    assert_eq!(bench.find("x"), None);
    assert_eq!(bench.take(), ["start x", "down x: failed: no start"], "siblings are untouched");
    bench.pass(secs(60));
    assert_eq!(bench.take(), [""; 0], "and nothing is tried again");
}

#[test]
fn r14_a_panic_while_starting_is_an_ordinary_start_error() {
    let panic = Exit::Panicked { message: "no".into(), location: None };
    let panics = perm("x").explicit().always(Run::never_ready().ends_after(ms(0), panic.clone()));
    let mut bench = Bench::launch(otp(one_for_one([perm("a")]).budget(0, secs(5))));
    let ticket = bench.start_child("/", panics.clone());
    assert!(matches!(bench.refused(ticket), SupervisorError::StartFailed { exit, .. } if *exit == panic));
    assert_eq!(bench.state("a"), Lifecycle::Running, "the supervisor lives");

    let bench = Bench::launch(otp(one_for_one([panics])));
    assert!(matches!(bench.ended(), Some(End::StartFailed { exit, .. }) if *exit == panic));
}

#[test]
fn r15_d7_requests_do_not_wait_for_a_slow_start_but_starts_keep_their_order() {
    let tree = one_for_one([perm("slow").explicit().always(Run::ready_after(secs(9))), perm("b"), perm("c")]);
    let mut bench = Bench::launch(otp(tree));
    assert_eq!(bench.take(), ["start slow"]);

    let pause = bench.pause("b");
    let remove = bench.remove("c");
    bench.ok(pause);
    bench.ok(remove);
    assert_eq!(bench.state("b"), Lifecycle::Paused);
    assert_eq!(bench.find("c"), None);
    let added = bench.start_child("/", perm("late"));
    assert_eq!(bench.take(), [""; 0], "what is added starts after those before it");
    bench.pass(secs(9));
    assert_eq!(bench.take(), ["ready slow", "start late", "started"]);
    bench.ok(added);
}

#[test]
fn r15_d7_shutdown_does_not_wait_for_a_slow_start() {
    let tree = one_for_one([perm("a"), perm("slow").explicit().always(Run::never_ready()), perm("b")]);
    let mut bench = Bench::launch(otp(tree));
    bench.take();
    let ticket = bench.shutdown();
    assert_eq!(bench.take(), ["stop slow", "down slow", "stop a", "down a", "done shutdown"]);
    assert_eq!(bench.ok(ticket), &Reply::Shutdown);
}
