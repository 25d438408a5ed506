//! Shutdown: rules R53-R66, and R97, R100, R110, R112, R113, R115 which say more of the same.

use supervisor_api::{EventKind, Exit, Lifecycle};
use supervisor_core::{Command, End, Reply};
use supervisor_testkit::*;

const FOUR: [&str; 4] = ["a", "b", "c", "d"];

fn slow(name: &str) -> Child {
    perm(name).always(Run::healthy().stops_after(ms(200)))
}

fn deaf(name: &str) -> Child {
    perm(name).always(Run::healthy().ignores_stop())
}

#[test]
fn r53_children_are_stopped_one_at_a_time_in_reverse() {
    let mut bench = Bench::launch(otp(one_for_one(FOUR.map(slow))));
    bench.take();
    bench.shutdown();
    assert_eq!(bench.take(), ["stop d"]);
    bench.pass(ms(199));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["down d", "stop c"]);
    bench.pass(ms(599));
    assert_eq!(bench.take(), ["down c", "stop b", "down b", "stop a"]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["down a", "done shutdown"]);
}

#[test]
fn r53_nested_supervisors_are_stopped_from_the_inside() {
    let below = one_for_one([perm("x"), perm("y")]);
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), sup("s", below), perm("b")])));
    bench.take();
    bench.shutdown();
    assert_eq!(
        bench.take(),
        [
            "stop b",
            "down b",
            "stop s/y",
            "down s/y",
            "stop s/x",
            "down s/x",
            "stop a",
            "down a",
            "done shutdown",
        ]
    );
}

#[test]
fn r54_a_dynamic_supervisor_asks_all_at_once() {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(9))])));
    for name in FOUR {
        bench.start_child("d", slow(name));
    }
    bench.take();
    bench.shutdown();
    let mut asked = bench.take();
    asked.sort();
    assert_eq!(asked, ["stop d/a", "stop d/b", "stop d/c", "stop d/d"]);
    bench.pass(ms(199));
    assert_eq!(bench.ended(), None);
    bench.pass(ms(1));
    assert!(bench.ended().is_some(), "the total is the slowest");
}

/// Its children were added with dependencies, before a new spec made it dynamic.
#[test]
fn r54_d11_a_supervisor_that_becomes_dynamic_asks_also_those_at_once_who_depend_on_each_other() {
    let tree = |below: Tree| one_for_one([sup("d", below)]);
    for below in [one_for_one([]), one_for_one([]).concurrent()] {
        let mut bench = Bench::launch(tree(below));
        for child in [
            slow("db"),
            slow("web").after(["db"]),
            sidecar("log", "web").always(Run::healthy().stops_after(ms(200))),
        ] {
            let added = bench.add("d", child);
            bench.ok(added);
        }
        bench.apply(tree(dynamic(9)));
        bench.take();
        bench.restart("d");
        let mut asked = bench.take();
        asked.sort();
        assert_eq!(asked, ["stop d/db", "stop d/log", "stop d/web"]);
    }
}

#[test]
fn r55_d8_brutal_kills_without_asking() {
    let mut bench = Bench::launch(otp(one_for_one([perm("a").brutal()])));
    bench.take();
    bench.shutdown();
    assert_eq!(bench.take(), ["kill a", "down a: aborted after its grace", "done shutdown"]);
}

#[test]
fn r55_d8_a_timeout_asks_waits_and_kills() {
    let mut bench = Bench::launch(otp(one_for_one([deaf("a").grace(ms(700))])));
    bench.take();
    bench.shutdown();
    assert_eq!(bench.take(), ["stop a"]);
    assert_eq!(bench.state("a"), Lifecycle::Stopping);
    bench.pass(ms(699));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["kill a", "down a: aborted after its grace", "done shutdown"]);
}

#[test]
fn r55_d8_the_default_grace_is_five_seconds() {
    for profile in [otp, |tree| tree] {
        let mut bench = Bench::launch(profile(one_for_one([deaf("a")])));
        bench.shutdown();
        bench.take();
        bench.pass(ms(4_999));
        assert_eq!(bench.take(), [""; 0]);
        bench.pass(ms(1));
        assert_eq!(bench.take()[0], "kill a");
    }
}

#[test]
fn r55_d8_infinity_asks_and_waits_for_ever() {
    let mut bench = Bench::launch(otp(one_for_one([deaf("a").infinite()])));
    bench.take();
    bench.shutdown();
    bench.pass(secs(1_000_000));
    assert_eq!(bench.take(), ["stop a"]);
    bench.end("a", Exit::Completed);
    assert_eq!(bench.take(), ["down a", "done shutdown"]);
}

#[test]
fn r55_r62_a_supervisor_with_a_finite_grace_is_killed_with_all_below_it() {
    let below = one_for_one([deaf("x").infinite(), deaf("y").infinite()]);
    let tree = otp(one_for_one([perm("a"), sup("s", below).grace(secs(3))]));
    let warnings = tree.resolve().unwrap().warnings;
    assert!(warnings.iter().any(|finding| finding.path == "/s" && finding.message.contains("R62")));
    let mut bench = Bench::launch(tree);
    bench.take();
    bench.shutdown();
    bench.pass(ms(2_999));
    assert_eq!(bench.take(), ["stop s/y"]);
    bench.pass(ms(1));
    let mut trace = bench.take();
    let end = trace.split_off(trace.len() - 3);
    assert_eq!(end, ["stop a", "down a", "done shutdown"]);
    for line in ["kill s/x", "kill s/y"] {
        assert!(trace.iter().any(|other| other == line), "{trace:?}");
    }
}

#[test]
fn r58_r62_a_supervisor_that_is_killed_after_its_grace_is_reported_and_a_brutal_one_is_not() {
    let below = || one_for_one([deaf("x").infinite()]);
    let tree = one_for_one([sup("late", below()).grace(ms(20)), sup("brutal", below()).brutal()]);
    let mut bench = Bench::launch(otp(tree));
    bench.terminate("late");
    bench.pass(ms(20));
    bench.terminate("brutal");
    let reports = |bench: &Bench, name| bench.events(EventKind::ChildStopError, name).len();
    assert_eq!((reports(&bench, "late"), reports(&bench, "brutal")), (1, 0));
    assert_eq!((bench.state("late"), bench.state("brutal")), (Lifecycle::Stopped, Lifecycle::Stopped));
    assert_eq!(bench.row("late").generation, 1);
}

#[test]
fn r62_a_supervisor_is_waited_for_for_ever_by_default() {
    let below = one_for_one([deaf("x").infinite()]);
    for tree in [otp(one_for_one([sup("s", below.clone())])), one_for_one([sup("s", below)])] {
        assert!(tree.resolve().unwrap().warnings.is_empty());
        let mut bench = Bench::launch(tree);
        bench.shutdown();
        bench.take();
        bench.pass(secs(100_000));
        assert_eq!(bench.take(), [""; 0]);
    }
}

#[test]
fn r56_d8_a_grace_of_zero_asks_then_kills() {
    let mut bench = Bench::launch(otp(one_for_one([deaf("a").grace(ms(0)), deaf("b").grace(ms(0))])));
    bench.take();
    bench.shutdown();
    assert_eq!(
        bench.take(),
        [
            "stop b",
            "kill b",
            "down b: aborted after its grace",
            "stop a",
            "kill a",
            "down a: aborted after its grace",
            "done shutdown",
        ]
    );
    assert_eq!(bench.now(), ms(0));
}

#[test]
fn r57_after_a_kill_death_is_waited_for() {
    let stubborn = perm("b").grace(secs(1)).always(Run::healthy().ignores_stop().dies_after(ms(900)));
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), stubborn])));
    bench.take();
    bench.shutdown();
    bench.pass(ms(1_899));
    assert_eq!(bench.take(), ["stop b", "kill b"]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["down b: aborted after its grace", "stop a", "down a", "done shutdown"]);
}

#[test]
fn r58_d22_which_ends_are_shutdown_errors() {
    let with = || Exit::StoppedWith { value: "v".into() };
    let killed = || Exit::Killed { signal: 9, by_us: true };
    let cases = [
        (perm("x"), Exit::Stopped, false),
        (tran("x"), Exit::Stopped, false),
        (temp("x"), Exit::Stopped, false),
        (perm("x"), with(), true),
        (tran("x"), with(), false),
        (temp("x"), with(), false),
        (perm("x"), Exit::failed("bad"), true),
        (tran("x"), Exit::failed("bad"), true),
        (temp("x"), Exit::failed("bad"), true),
        (tran("x"), Exit::Killed { signal: 11, by_us: false }, true),
        (perm("x"), killed(), true),
    ];
    for (child, exit, reported) in cases {
        let name = format!("{child:?} ends with {exit}");
        let child = child.always(Run::healthy().stops_with(exit.clone()));
        let mut bench = Bench::launch(otp(one_for_one([perm("a"), child])));
        bench.take();
        bench.shutdown();
        let trace = bench.take();
        assert_eq!(trace[2..], ["stop a", "down a", "done shutdown"], "the order is unaffected: {name}");
        let errors = bench.events(EventKind::ChildStopError, "x");
        assert_eq!(errors.len(), usize::from(reported), "{name}");
        if reported {
            assert_eq!(errors[0].detail.as_ref().unwrap().exit, Some(exit), "with the real reason");
        }
        assert!(matches!(bench.ended(), Some(End::Shutdown { .. })), "uncharged");
    }
}

#[test]
fn r58_d22_being_killed_is_a_shutdown_error_after_a_timeout_but_not_under_brutal_kill() {
    for (child, reported) in
        [(deaf("x").grace(secs(1)), 1), (deaf("x").grace(ms(0)), 1), (perm("x").brutal(), 0)]
    {
        let mut bench = Bench::launch(otp(one_for_one([child])));
        bench.shutdown();
        bench.pass(secs(1));
        assert!(bench.ended().is_some());
        assert_eq!(bench.events(EventKind::ChildStopError, "x").len(), reported);
    }
}

#[test]
fn r59_a_child_that_was_dead_when_the_stop_came_has_its_real_exit() {
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), perm("b")])));
    bench.take();
    bench.queue_end("b", Exit::failed("by itself"));
    bench.shutdown();
    assert_eq!(bench.take(), ["stop b", "down b: failed: by itself", "stop a", "down a", "done shutdown"]);
    let told = bench.heard().iter().filter(|heard| heard.name == "b");
    let exits: Vec<_> = told.filter_map(|heard| heard.event.detail.as_ref()?.exit.clone()).collect();
    assert!(!exits.is_empty() && exits.iter().all(|exit| *exit == Exit::failed("by itself")), "{exits:?}");
}

#[test]
fn r63_d16_a_hard_stop_kills_everything_and_waits_for_nobody() {
    let below = one_for_one([deaf("x").infinite(), perm("y").always(Run::healthy().immortal())]);
    let mut bench = Bench::launch(otp(one_for_one([deaf("a"), sup("s", below)])));
    bench.take();
    bench.say(supervisor_core::Input::HardStop);
    let mut trace = bench.take();
    let last = trace.pop();
    assert_eq!(last.as_deref(), Some("done dropped"));
    trace.sort();
    assert_eq!(trace, ["kill a", "kill s/x", "kill s/y"]);
    assert_eq!(bench.ended(), Some(&End::Dropped));
    bench.pass(secs(60));
    let after = bench.take();
    assert!(after.iter().all(|line| line.starts_with("down")), "{after:?}");
}

#[test]
fn d16_a_hard_stop_kills_nobody_a_second_time() {
    let stuck = perm("stuck").always(Run::healthy().immortal()).abort_wait(ms(50));
    let mut bench = Bench::launch(otp(one_for_one([stuck, perm("a")])));
    bench.pause("stuck");
    bench.pass(secs(10));
    assert_eq!(bench.state("stuck"), Lifecycle::Unresponsive);
    bench.take();
    bench.say(supervisor_core::Input::HardStop);
    assert_eq!(bench.take(), ["kill a", "done dropped"]);
}

#[test]
fn d15_d16_after_a_hard_stop_no_sidecar_is_asked_to_stop() {
    let stuck = sidecar("proxy", "main").always(Run::healthy().dies_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([slow("main"), stuck]));
    bench.remove("main");
    bench.take();
    bench.say(supervisor_core::Input::HardStop);
    assert_eq!(bench.take(), ["kill proxy", "kill main", "done dropped"]);
    bench.pass(secs(60));
    let after = bench.take();
    assert!(after.iter().all(|line| line.starts_with("down")), "{after:?}");
}

#[test]
fn r64_once_shutdown_has_begun_nothing_starts_and_late_exits_are_consumed() {
    let waiting = perm("w").explicit().runs(2..=9, Run::fails_to_start()).steps(ms(50), secs(1));
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), waiting, slow("b")]).unlimited()));
    bench.crash("w");
    assert_eq!(bench.state("w"), Lifecycle::Backoff);
    bench.take();
    bench.shutdown();
    bench.pass(ms(100));
    bench.crash("a");
    let add = bench.start_child("/", perm("late"));
    bench.refused(add);
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["stop b", "down a: failed: boom", "down b", "done shutdown"]);
    assert_eq!(bench.find("late"), None);
}

#[test]
fn r64_nothing_below_restarts_while_the_tree_ends_whatever_ends_it() {
    let tree = || {
        let below = one_for_one([perm("x"), perm("y").explicit().run(2, Run::ready_after(ms(10)))]);
        one_for_one([sup("s", below), slow("b"), tran("c").significant()])
            .auto_shutdown(supervisor_api::policy::AutoShutdown::AnySignificant)
            .budget(0, secs(5))
    };
    let ends: [fn(&mut Bench); 3] = [|b| b.crash("c"), |b| b.finish("c"), |b| _ = b.shutdown()];
    for end in ends {
        let mut bench = Bench::launch(otp(tree()));
        end(&mut bench);
        bench.pass(ms(100));
        bench.take();
        bench.crash("s/x");
        bench.crash("s/y");
        bench.pass(ms(100));
        let trace = bench.take();
        assert!(!trace.iter().any(|line| line.starts_with("start ")), "{trace:?}");
        assert!(bench.ended().is_some());
    }
}

#[test]
fn r100_d20_what_is_asked_for_during_a_shutdown_is_answered_promptly_and_starts_nothing() {
    let mut bench = Bench::launch(one_for_one([perm("a"), perm("done"), slow("b")]));
    bench.pause("done");
    bench.shutdown();
    bench.take();
    let tickets = [
        bench.add("/", perm("x")),
        bench.start_child("/", perm("y")),
        bench.restart("a"),
        bench.restart("b"),
        bench.resume("done"),
        bench.start_again("done"),
        bench.apply(one_for_one([perm("z")])),
    ];
    for ticket in &tickets[..2] {
        bench.refused(*ticket);
    }
    bench.pass(secs(1));
    for ticket in tickets {
        assert!(bench.reply(ticket).is_some(), "{ticket}");
    }
    assert!(!bench.take().iter().any(|line| line.starts_with("start ")));
}

#[test]
fn r65_d20_the_reply_comes_when_everything_is_down_and_carries_the_reason() {
    let mut bench = Bench::launch(otp(one_for_one([slow("a")])));
    let ticket = bench.shutdown();
    bench.pass(ms(199));
    assert_eq!(bench.reply(ticket), None);
    bench.pass(ms(1));
    assert_eq!(bench.ok(ticket), &Reply::Shutdown);
    let Some(End::Shutdown { reason }) = bench.ended() else { panic!("a shutdown") };
    assert!(reason.contains("a test"), "{reason}");
}

#[test]
fn r110_r115_d20_a_second_shutdown_joins_the_first() {
    let mut bench = Bench::launch(otp(one_for_one([slow("a")])));
    bench.take();
    let first = bench.shutdown();
    bench.pass(ms(100));
    let second = bench.shutdown();
    assert_eq!((bench.reply(first), bench.reply(second)), (None, None));
    bench.pass(ms(100));
    assert_eq!((bench.ok(first), bench.ok(second)), (&Reply::Shutdown, &Reply::Shutdown));
    assert_eq!(bench.take(), ["stop a", "down a", "done shutdown"], "it runs once");
    assert_eq!(bench.count(EventKind::ShutdownCompleted), 1);
}

#[test]
fn r115_d20_stopping_a_tree_in_which_nothing_runs_is_done_at_once() {
    let mut bench = Bench::launch(otp(one_for_one([])));
    let ticket = bench.shutdown();
    assert_eq!(bench.ok(ticket), &Reply::Shutdown);
    assert_eq!(bench.take(), ["started", "done shutdown"]);
}

#[test]
fn r112_d22_an_error_while_stopping_does_not_halt_the_rest_and_all_are_told() {
    let odd = |name| perm(name).always(Run::healthy().stops_with(Exit::failed("odd")));
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), odd("b"), perm("c"), odd("d")])));
    bench.shutdown();
    assert!(matches!(bench.ended(), Some(End::Shutdown { .. })));
    for name in ["b", "d"] {
        assert_eq!(bench.events(EventKind::ChildStopError, name).len(), 1);
    }
    assert_eq!(bench.count(EventKind::ChildStopError), 2);
}

#[test]
fn r57_r97_r113_d8_shutdown_names_who_did_not_stop_and_goes_on_without_it() {
    let stuck = perm("stuck").grace(secs(2)).always(Run::healthy().immortal());
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), sup("s", one_for_one([stuck]))])));
    bench.take();
    let ticket = bench.shutdown();
    bench.pass(ms(2_999));
    assert_eq!(bench.take(), ["stop s/stuck", "kill s/stuck"]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["stop a", "down a", "done shutdown"]);
    bench.ok(ticket);
    assert_eq!(bench.state("s/stuck"), Lifecycle::Unresponsive, "it is never counted as stopped");
    let told = bench.events(EventKind::ChildUnresponsive, "s/stuck");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].numbers[0], 3_000, "how long it was waited for, in ms");
    bench.end("s/stuck", Exit::Aborted);
    assert_eq!(bench.take(), ["down s/stuck: aborted after its grace"], "a late exit is consumed");
}

#[test]
fn d20_cutting_graces_after_the_end_is_answered_and_nothing_more() {
    let mut bench = Bench::launch(one_for_one([perm("a")]));
    bench.shutdown();
    let told = bench.heard().len();
    let ticket = bench.skip_graces();
    assert_eq!(bench.ok(ticket), &Reply::GracesSkipped);
    assert_eq!(bench.heard().len(), told);
}

#[test]
fn d20_skipping_graces_cuts_every_one_that_remains_to_zero() {
    let mut bench = Bench::launch(otp(one_for_one([deaf("a").infinite(), deaf("b").infinite()])));
    let shutdown = bench.shutdown();
    bench.pass(secs(100));
    bench.take();
    let skip = bench.skip_graces();
    assert_eq!(bench.ok(skip), &Reply::GracesSkipped);
    let trace = bench.take();
    assert_eq!(trace[..2], ["kill b", "down b: aborted after its grace"]);
    assert!(trace.contains(&"kill a".to_owned()), "also of those that were not asked yet: {trace:?}");
    assert_eq!(trace.last().map(String::as_str), Some("done shutdown"));
    bench.ok(shutdown);
    assert_eq!(bench.now(), secs(100));
    assert_eq!(bench.count(EventKind::ShutdownPhaseChanged), 1);
}

#[test]
fn d19_concurrent_stop_asks_whatever_nobody_running_depends_on() {
    let tree = one_for_one([slow("db"), slow("api").after(["db"]), slow("web").after(["api"]), slow("log")]);
    let mut bench = Bench::launch(tree.concurrent());
    bench.take();
    bench.send(Command::Shutdown);
    let mut asked = bench.take();
    asked.sort();
    assert_eq!(asked, ["stop log", "stop web"]);
    bench.pass(ms(200));
    let mut trace = bench.take();
    trace.sort();
    assert_eq!(trace, ["down log", "down web", "stop api"]);
    bench.pass(ms(200));
    assert_eq!(bench.take(), ["down api", "stop db"]);
    bench.pass(ms(200));
    assert_eq!(bench.take(), ["down db", "done shutdown"]);
}

#[test]
fn d19_r57_a_concurrent_stop_waits_also_for_whom_somebody_else_is_stopping() {
    let stops = |name, span| perm(name).always(Run::healthy().stops_after(span));
    let below = || one_for_one([stops("db", secs(1)), stops("api", ms(200)).after(["db"])]).concurrent();
    let before: fn(&mut Bench) = |bench| _ = bench.quarantine("s/db");
    let nothing: fn(&mut Bench) = |_| ();
    for (first, then) in [(before, nothing), (nothing, before)] {
        let mut bench = Bench::launch(one_for_one([sup("s", below()), perm("a")]));
        first(&mut bench);
        let remove = bench.remove("s");
        then(&mut bench);
        bench.pass(ms(999));
        assert_eq!(bench.reply(remove), None, "the bench still runs: {:?}", bench.living());
        bench.pass(ms(1_000));
        bench.ok(remove);
        assert_eq!((bench.find("s"), bench.living()), (None, vec!["a".to_owned()]));
    }
}

/// Only `shutdown` was accepted by OTP from a permanent child; ours took any good end that came too early for one.
#[test]
fn r58_r59_a_permanent_child_that_ended_by_itself_before_it_was_stopped_is_reported() {
    let value = || Exit::StoppedWith { value: "x".into() };
    for exit in [Exit::Completed, value()] {
        let mut bench = Bench::launch(otp(one_for_all([perm("a"), perm("b"), tran("c")]).budget(9, secs(5))));
        bench.end_all([("a", Exit::failed("boom")), ("b", exit.clone())]);
        bench.end_all([("a", Exit::failed("boom")), ("c", exit)]);
        let reports = |name| {
            bench.events(EventKind::ChildFailed, name).len()
                + bench.events(EventKind::ChildStopError, name).len()
        };
        assert_eq!((reports("b"), reports("c")), (1, 0));
    }
}
