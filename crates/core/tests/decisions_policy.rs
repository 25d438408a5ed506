//! Decisions D1-D4: the OTP profile, exact time, back-off, budgets.

use std::collections::BTreeSet;
use std::time::Duration;

use supervisor_api::policy::{
    AutoShutdown, Backoff, Budget, OnExhausted, OnStartFailure, Profile, RestartType, StartOrder, StopOrder,
    Strategy,
};
use supervisor_api::{Exit, Lifecycle};
use supervisor_core::{ChildPolicy, Resolved};
use supervisor_testkit::*;

// ---- D1 ----

/// One tree in which something of everything is left unsaid.
fn unsaid() -> Tree {
    one_for_one([
        child("nothing"),
        service("service"),
        worker("worker"),
        job("job"),
        job("retry").retry(),
        child("optional").optional(),
        child("critical").critical(),
        sup("nested", one_for_one([child("inner")])),
    ])
}

fn policies(resolved: &Resolved) -> Vec<(String, ChildPolicy)> {
    let children = resolved.root.children.iter();
    children.map(|child| (child.id.to_string(), (*child.policy).clone())).collect()
}

/// Where two policies differ, by field.
fn differences(one: &ChildPolicy, other: &ChildPolicy) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    macro_rules! compare {
        ($($field:ident)+) => { $(if one.$field != other.$field { found.insert(stringify!($field)); })+ };
    }
    compare!(role restart keeps_row criticality readiness ready_within backoff budget on_exhausted streak_limit);
    compare!(own_streak_limit grace abort_wait heartbeat significant permissions restart_dependants is_supervisor);
    found
}

#[test]
fn d1_the_default_profile_differs_from_otp_in_exactly_the_list() {
    let product = unsaid().resolve().unwrap();
    let otp = unsaid().profile(Profile::Otp).resolve().unwrap();

    let (ours, theirs) = (&product.root.context.policy, &otp.root.context.policy);
    assert_eq!((ours.budget, theirs.budget), (Budget::new(5, secs(60)), Budget::new(1, secs(5))));
    for policy in [ours, theirs] {
        assert_eq!(policy.strategy, Strategy::OneForOne);
        assert_eq!(policy.on_exhausted, OnExhausted::Escalate);
        assert_eq!(policy.order, StartOrder::Declared, "'dependencies' is a stack file's default");
        assert_eq!(policy.stop, StopOrder::Sequential);
        assert_eq!(policy.on_start_failure, OnStartFailure::Unwind, "'retry' is a stack file's default");
        assert_eq!(policy.auto_shutdown, AutoShutdown::Never, "'all_done' is a stack file's default");
    }

    let expected: [(&str, &[&str]); 8] = [
        ("nothing", &["backoff", "ready_within"]),
        ("service", &["backoff", "ready_within"]),
        ("worker", &["backoff", "ready_within", "restart"]),
        ("job", &["backoff", "keeps_row", "ready_within", "restart"]),
        ("retry", &["backoff", "keeps_row", "ready_within", "restart"]),
        ("optional", &["backoff", "budget", "on_exhausted", "ready_within"]),
        ("critical", &["backoff", "ready_within"]),
        ("nested", &["backoff"]),
    ];
    for ((name, fields), ((_, one), (_, other))) in
        expected.into_iter().zip(policies(&product).iter().zip(&policies(&otp)))
    {
        let found: Vec<_> = differences(one, other).into_iter().collect();
        assert_eq!(found, fields, "{name}");
    }
}

#[test]
fn d1_d15_the_values_of_the_default_profile() {
    let resolved = unsaid().resolve().unwrap();
    let policies = policies(&resolved);
    let of = |name: &str| &policies.iter().find(|(other, _)| other == name).unwrap().1;
    assert_eq!(of("nothing").backoff, Backoff::exponential(ms(100), secs(30)));
    assert_eq!((of("nothing").backoff.jitter_ratio, of("nothing").backoff.reset_after), (0.2, secs(60)));
    assert_eq!(of("nothing").ready_within, Some(60_000_000_000));
    assert_eq!(of("nested").ready_within, None);
    assert_eq!(of("service").restart, RestartType::Permanent);
    assert_eq!(of("worker").restart, RestartType::Transient);
    assert_eq!((of("job").restart, of("job").keeps_row), (RestartType::Temporary, true));
    assert_eq!((of("retry").restart, of("retry").keeps_row), (RestartType::Transient, true));
    assert_eq!(of("optional").on_exhausted, OnExhausted::Quarantine);
    assert_eq!(of("optional").budget, Some(Budget::new(5, secs(60))), "the supervisor's figures");
    assert_eq!(of("critical").on_exhausted, OnExhausted::Escalate);
}

#[test]
fn d1_the_otp_profile_knows_permanent_only_and_is_inherited() {
    let resolved = otp(unsaid()).resolve().unwrap();
    for (name, policy) in policies(&resolved) {
        assert_eq!(policy.restart, RestartType::Permanent, "{name}");
        assert_eq!(policy.backoff, Backoff::none(), "{name}");
        assert_eq!(policy.ready_within, None, "{name}");
        assert_eq!(policy.on_exhausted, OnExhausted::Escalate, "{name}");
        assert!(!policy.keeps_row, "{name}");
    }
    let nested = resolved.root.children.last().unwrap().supervisor.as_ref().unwrap();
    assert_eq!(nested.context.policy.budget, Budget::new(1, secs(5)));
    assert_eq!(nested.children[0].policy.backoff, Backoff::none());
}

#[test]
fn d15_what_the_user_sets_wins_over_the_role() {
    let tree = one_for_one([
        worker("w").restart(RestartType::Permanent),
        service("s").restart(RestartType::Temporary),
        child("o").optional().on_exhausted(OnExhausted::Escalate),
    ]);
    let policies = policies(&tree.resolve().unwrap());
    assert_eq!(policies[0].1.restart, RestartType::Permanent);
    assert_eq!(policies[1].1.restart, RestartType::Temporary);
    assert_eq!(policies[2].1.on_exhausted, OnExhausted::Escalate);
}

// ---- D3 ----

/// Lets `name` crash, and says how many milliseconds it took until it ran again.
fn delay(bench: &mut Bench, name: &str) -> u128 {
    bench.crash_and_wait(name).as_millis()
}

fn stepped(name: &str) -> Child {
    perm(name).steps(ms(100), ms(400))
}

#[test]
fn d3_r104_the_first_restart_is_immediate_then_delays_double_up_to_the_longest() {
    let mut bench = Bench::launch(one_for_one([stepped("a")]).unlimited());
    let delays: Vec<_> = (0..6).map(|_| delay(&mut bench, "a")).collect();
    assert_eq!(delays, [0, 100, 200, 400, 400, 400]);
}

#[test]
fn d3_nothing_starts_before_the_delay_is_over() {
    let mut bench = Bench::launch(one_for_one([stepped("a")]).unlimited());
    bench.crash("a");
    bench.crash("a");
    assert_eq!(bench.state("a"), Lifecycle::Backoff);
    bench.take();
    bench.pass(Duration::from_nanos(99_999_999));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(Duration::from_nanos(1));
    assert_eq!(bench.take(), ["start a"]);
}

#[test]
fn d3_r104_jitter_is_real_bounded_and_decided_by_the_seed() {
    let backoff = Backoff::exponential(ms(1_000), ms(4_000));
    let sample = |seed| {
        let mut bench = Bench::begin(one_for_one([perm("a").backoff(backoff)]).unlimited(), seed);
        bench.settle();
        let delays: Vec<_> = (0..5).map(|_| delay(&mut bench, "a")).collect();
        delays
    };
    let mut seen = BTreeSet::new();
    for seed in 0..60 {
        let delays = sample(seed);
        assert_eq!(delays[0], 0);
        for (delay, nominal) in delays[1..].iter().zip([1_000, 2_000, 4_000, 4_000]) {
            let bounds = nominal * 8 / 10..=nominal * 12 / 10 + 1;
            assert!(bounds.contains(delay), "seed {seed}: {delay} ms for {nominal}");
        }
        assert_eq!(delays, sample(seed), "the same seed gives the same delays");
        seen.insert(delays[1]);
    }
    assert!(seen.len() > 20, "{seen:?}");
    assert!(seen.iter().any(|d| *d < 900) && seen.iter().any(|d| *d > 1_100), "{seen:?}");
}

#[test]
fn d3_r104_a_run_that_lasts_ends_the_streak() {
    let mut bench = Bench::launch(one_for_one([stepped("a")]).unlimited());
    for _ in 0..3 {
        delay(&mut bench, "a");
    }
    assert_eq!(bench.row("a").attempt, 3);
    bench.pass(ms(59_999));
    assert_eq!(delay(&mut bench, "a"), 400, "not yet");
    bench.pass(secs(60));
    assert_eq!(delay(&mut bench, "a"), 0);
    assert_eq!(bench.row("a").attempt, 1, "the first restart of a new streak");
}

#[test]
fn d3_the_streak_ends_counted_from_started_not_from_spawned() {
    let slow = |name| stepped(name).explicit().always(Run::ready_after(secs(10)));
    let crash_after = |ran: Duration| {
        let mut bench = Bench::launch(one_for_one([slow("a")]).unlimited());
        bench.pass(secs(10));
        bench.crash("a");
        bench.pass(secs(10) + ran);
        bench.take();
        bench.crash("a");
        bench.take().len()
    };
    assert_eq!(crash_after(secs(55)), 1, "spawned 65 s ago, started 55 s ago: backs off");
    assert_eq!(crash_after(secs(60)), 2, "a new streak: starts at once");
}

#[test]
fn d3_an_operators_restart_and_resume_end_the_streak() {
    for by_hand in [
        |bench: &mut Bench| bench.restart("a"),
        |bench: &mut Bench| {
            bench.pause("a");
            bench.resume("a")
        },
    ] {
        let mut bench = Bench::launch(one_for_one([stepped("a")]).unlimited());
        for _ in 0..3 {
            delay(&mut bench, "a");
        }
        by_hand(&mut bench);
        assert_eq!(bench.row("a").attempt, 0);
        assert_eq!(delay(&mut bench, "a"), 0);
    }
}

#[test]
fn d3_completing_ends_the_streak() {
    let tree = one_for_one([stepped("a").restart(RestartType::Transient)]);
    let mut bench = Bench::launch(tree.unlimited());
    for _ in 0..3 {
        delay(&mut bench, "a");
    }
    bench.finish("a");
    bench.start_again("a");
    assert_eq!(delay(&mut bench, "a"), 0);
}

#[test]
fn d3_r17_a_clean_exit_of_a_permanent_child_grows_the_streak() {
    let mut bench = Bench::launch(one_for_one([stepped("a")]).unlimited());
    bench.finish("a");
    bench.finish("a");
    assert_eq!(bench.state("a"), Lifecycle::Backoff);
    bench.pass(ms(100));
    assert_eq!((bench.state("a"), bench.row("a").attempt), (Lifecycle::Running, 2));
}

#[test]
fn d3_d5_attempt_counts_restarts_of_the_streak_and_restart_count_all() {
    let mut bench = Bench::launch(one_for_one([stepped("a")]).unlimited());
    assert_eq!((bench.row("a").attempt, bench.row("a").restart_count), (0, 0));
    for n in 1..4 {
        delay(&mut bench, "a");
        assert_eq!((bench.row("a").attempt, bench.row("a").restart_count), (n, n));
    }
    bench.restart("a");
    assert_eq!((bench.row("a").attempt, bench.row("a").restart_count), (0, 3));
}

/// `b` has failed once, so its next restart has a delay of 100 ms.
fn group(tree: Tree) -> Bench {
    let mut bench = Bench::launch(tree.unlimited());
    bench.crash("b");
    bench.pass(secs(1));
    assert!(["a", "b", "c"].iter().all(|name| bench.state(name) == Lifecycle::Running));
    bench.take();
    bench
}

fn abc(c: Run) -> [Child; 3] {
    [stepped("a"), stepped("b"), stepped("c").always(c)]
}

#[test]
fn d3_a_group_is_stopped_at_once_and_started_when_the_delay_is_over() {
    let mut bench = group(one_for_all(abc(Run::healthy().stops_after(ms(30)))));
    bench.crash("b");
    assert_eq!(bench.take(), ["down b: failed: boom", "stop c"]);
    bench.pass(ms(30));
    assert_eq!(bench.take(), ["down c", "stop a", "down a"]);
    let states = ["a", "b", "c"].map(|name| bench.state(name));
    assert_eq!(states, [Lifecycle::Stopped, Lifecycle::Backoff, Lifecycle::Stopped]);
    bench.pass(ms(69));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["start a", "start b", "start c"]);
    let attempts = ["a", "b", "c"].map(|name| bench.row(name).attempt);
    assert_eq!(attempts, [0, 2, 0], "only the failed child's streak grows");
}

#[test]
fn d3_r27_a_group_is_started_when_stopping_is_over_if_that_takes_longer() {
    let mut bench = group(one_for_all(abc(Run::healthy().stops_after(ms(300)))));
    bench.crash("b");
    bench.pass(ms(299));
    assert_eq!(bench.take(), ["down b: failed: boom", "stop c"]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["down c", "stop a", "down a", "start a", "start b", "start c"]);
}

#[test]
fn d3_a_failure_outside_the_scope_widens_it_and_the_largest_delay_counts() {
    let mut bench = Bench::launch(rest_for_one(abc(Run::healthy())).budget(3, secs(60)));
    bench.crash("c");
    bench.crash("c");
    assert_eq!(bench.state("c"), Lifecycle::Backoff);
    bench.pass(ms(40));
    bench.take();
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "stop b", "down b"]);
    bench.pass(ms(59));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["start a", "start b", "start c"]);
    bench.crash("c");
    assert!(bench.ended().is_some(), "the widening failure was charged: it was the third");
}

#[test]
fn d3_r28_a_member_that_ends_badly_while_stopped_is_not_charged_and_adds_no_delay() {
    let odd = Run::healthy().stops_after(ms(50)).stops_with(Exit::failed("odd"));
    let children = [stepped("a"), stepped("b"), stepped("c").run(2, odd)];
    let mut bench = Bench::launch(one_for_all(children).budget(2, secs(60)));
    bench.crash("b");
    bench.take();
    bench.crash("b");
    bench.pass(ms(100));
    assert_eq!(
        bench.take(),
        [
            "down b: failed: boom",
            "stop c",
            "down c: failed: odd",
            "stop a",
            "down a",
            "start a",
            "start b",
            "start c",
        ]
    );
    assert_eq!(bench.row("c").attempt, 0);
}

#[test]
fn d3_an_operators_restart_of_a_member_starts_the_group_now() {
    for member in ["a", "b"] {
        let mut bench = group(one_for_all(abc(Run::healthy())));
        bench.crash("b");
        bench.pass(ms(20));
        bench.take();
        let ticket = bench.restart(member);
        assert_eq!(bench.take(), ["start a", "start b", "start c"], "{member}");
        bench.ok(ticket);
        bench.pass(secs(1));
        assert_eq!(bench.take(), [""; 0]);
    }
}

#[test]
fn d3_d10_a_member_that_is_taken_out_takes_its_delay_with_it() {
    for take_out in [Bench::pause, Bench::quarantine, Bench::remove] {
        let mut bench = group(one_for_all(abc(Run::healthy())));
        bench.crash("b");
        bench.pass(ms(20));
        bench.take();
        let ticket = take_out(&mut bench, "b");
        bench.ok(ticket);
        assert_eq!(bench.take(), ["start a", "start c"], "the failed one: nothing is left to wait for");

        let mut bench = group(one_for_all(abc(Run::healthy())));
        bench.crash("b");
        bench.pass(ms(20));
        bench.take();
        take_out(&mut bench, "c");
        assert_eq!(bench.take(), [""; 0]);
        bench.pass(ms(80));
        assert_eq!(bench.take(), ["start a", "start b"], "another one: the rest waits on");
    }
}

#[test]
fn d3_d11_a_member_that_waits_is_stopped_with_its_group_and_waits_again_after_it() {
    let mut bench =
        Bench::launch(one_for_all([stepped("a"), stepped("db"), stepped("api").after(["db"])]).unlimited());
    bench.crash("a");
    bench.pause("db");
    bench.restart("api");
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    bench.crash("a");
    assert_eq!([bench.state("a"), bench.state("api")], [Lifecycle::Backoff, Lifecycle::Stopped]);
    bench.pass(ms(100));
    assert_eq!([bench.state("a"), bench.state("api")], [Lifecycle::Running, Lifecycle::Waiting]);
    bench.shutdown();
    assert_eq!(bench.state("api"), Lifecycle::Stopped);
}
