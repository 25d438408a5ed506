//! Each lint fires where it should and is silent where it should not.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use supervisor_api::policy::{AutoShutdown, Backoff, Heartbeat, OnExhausted, RestartType};
use supervisor_core::{ChildSettings, lint};
use supervisor_testkit::*;

/// What is found in a tree, as `path: key: words…` lines.
fn found(tree: Tree) -> Vec<String> {
    let findings = lint(&tree.resolve().unwrap_or_else(|mistakes| panic!("{mistakes:?}")));
    assert!(findings.iter().all(|finding| finding.warning), "a lint never refuses a tree");
    findings.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn fires(tree: Tree, wanted: &str) {
    let found = found(tree);
    let [line] = found.as_slice() else { panic!("one finding is wanted: {found:#?}") };
    assert!(line.contains(wanted), "{line}\ndoes not contain\n{wanted}");
}

#[track_caller]
fn silent(tree: Tree) {
    assert_eq!(found(tree), [""; 0]);
}

fn transient(child: Child) -> Child {
    child.restart(RestartType::Transient)
}

fn quick(child: Child) -> Child {
    child.backoff(Backoff::none())
}

#[test]
fn a_plain_tree_has_no_findings() {
    silent(one_for_all([service("db"), worker("w").after(["db"]), job("j"), sidecar("log", "db")]));
    silent(otp(one_for_one([perm("a"), sup("s", one_for_one([tran("b"), temp("c")]))])));
}

#[test]
fn r49_budgets_that_multiply_to_many_starts_are_told_with_the_product() {
    let tree = |restarts| {
        let below = one_for_one([service("leaf")]).budget(restarts, secs(30));
        otp(one_for_one([sup("s", below)]).budget(10, secs(60)))
    };
    fires(
        tree(20),
        "/s: budget: budgets multiply through levels: a child here may be started 21 x 11 = 231 times",
    );
    fires(tree(20), "within 90s before the tree gives up (R49)");
    silent(tree(10));
}

#[test]
fn r49_a_level_that_never_gives_up_or_ends_the_chain_does_not_multiply() {
    let below = || one_for_one([service("leaf")]).budget(100, secs(6_000));
    silent(one_for_one([sup("s", below())]).unlimited());
    silent(one_for_one([sup("s", below()).optional()]).budget(10, secs(60)));
    silent(one_for_one([service("leaf")]).budget(1_000, secs(60_000)));
    silent(one_for_one([sup("s", one_for_one([temp("leaf"), job("j")]).budget(100, secs(6_000)))]));
}

#[test]
fn r49_the_product_is_what_the_machine_does() {
    // 3 x 2 = 6 starts, and no seventh.
    let below = one_for_one([perm("leaf")]).budget(2, secs(60));
    let mut bench = Bench::launch(otp(one_for_one([sup("s", below)]).budget(1, secs(60))));
    for start in 1..=6 {
        assert_eq!(bench.generation("s/leaf"), start);
        bench.crash("s/leaf");
    }
    assert!(bench.ended().is_some(), "the tree gives up with the sixth failure");
}

#[test]
fn r50_many_dynamic_children_that_share_few_restarts_are_told() {
    let tree = |children| one_for_one([sup("sessions", dynamic(children))]);
    fires(tree(10_000), "/sessions: budget: up to 10000 children share 5 restarts within 60s");
    silent(tree(500));
    let with = |settings| one_for_one([sup("sessions", dynamic(10_000).defaults(settings))]);
    silent(with(ChildSettings { restart: Some(RestartType::Temporary), ..ChildSettings::default() }));
    silent(with(ChildSettings { on_exhausted: Some(OnExhausted::Quarantine), ..ChildSettings::default() }));
    silent(one_for_one([sup("sessions", dynamic(10_000).budget(100, secs(60)))]));
    silent(one_for_one([sup("sessions", dynamic(10_000).unlimited())]));
}

#[test]
fn r33_restarts_without_a_budget_and_without_a_pause_are_told() {
    let wanted = "/a: backoff: with an unlimited budget and no delay";
    fires(one_for_one([quick(service("a"))]).unlimited(), wanted);
    fires(one_for_one([quick(service("a")).optional().unlimited()]), wanted);
    silent(one_for_one([service("a")]).unlimited());
    silent(one_for_one([quick(service("a"))]));
    silent(one_for_one([quick(service("a")).optional().budget(3, secs(10))]).unlimited());
    silent(one_for_one([quick(temp("a"))]).unlimited());
    silent(one_for_one([quick(service("a")).budget(3, secs(10))]).unlimited());
    silent(one_for_one([quick(service("a")).unlimited()]));
}

#[test]
fn r47_a_supervisor_that_would_be_lost_is_told() {
    let below = || one_for_one([service("a")]);
    fires(
        one_for_one([transient(sup("s", below()))]),
        "/s: restart_policy: a transient supervisor that gives up",
    );
    let temporary = |tree| sup("s", tree).restart(RestartType::Temporary);
    fires(one_for_one([temporary(below())]), "/s: restart_policy: a temporary supervisor that gives up");
    fires(one_for_one([transient(sup("s", dynamic(10)))]), "/s: restart_policy");
    silent(one_for_one([sup("s", below())]));
    silent(one_for_one([transient(sup("s", below())).critical()]));
    silent(one_for_one([transient(sup("s", below().unlimited()))]));
    silent(one_for_one([transient(sup("s", one_for_one([temp("a"), job("j"), service("o").optional()])))]));
    let significant = transient(sup("s", below())).significant();
    silent(one_for_one([significant]).auto_shutdown(AutoShutdown::AnySignificant));
}

#[test]
fn r83_a_permanent_supervisor_that_ends_by_itself_is_told() {
    let below = || one_for_one([worker("w").significant()]).auto_shutdown(AutoShutdown::AnySignificant);
    fires(one_for_one([sup("s", below())]), "/s: auto_shutdown: a permanent supervisor that ends by itself");
    silent(one_for_one([transient(sup("s", below())).critical()]));
    silent(below());
}

#[test]
fn r78_an_automatic_shutdown_that_nothing_can_set_off_is_told() {
    let any = AutoShutdown::AnySignificant;
    fires(
        one_for_one([worker("w")]).auto_shutdown(any),
        "/: auto_shutdown: no child is significant, so 'any_significant' never fires (R78)",
    );
    silent(one_for_one([worker("w").significant()]).auto_shutdown(any));
    let whole = |below| one_for_one([transient(sup("s", below)).significant()]).auto_shutdown(any);
    fires(
        whole(one_for_one([service("a")]).unlimited()),
        "/s: significant: this supervisor never ends by itself",
    );
    silent(whole(one_for_one([service("a")])));
    let ends = one_for_one([worker("w").significant()]).unlimited().auto_shutdown(any);
    silent(whole(ends));
}

#[test]
fn d21_a_critical_child_below_one_that_can_be_parked_is_told() {
    let below = || one_for_one([service("a").critical()]);
    fires(one_for_one([sup("s", below()).optional()]), "/s/a: criticality: it is critical, but /s is parked");
    let deep = one_for_one([sup("s", one_for_one([sup("t", below())])).optional()]);
    fires(deep, "/s/t/a: criticality: it is critical, but /s is parked");
    silent(one_for_one([sup("s", below())]));
    silent(one_for_one([sup("s", below().unlimited()).optional()]));
}

#[test]
fn d21_r19_a_critical_child_that_leaves_no_trace_is_told() {
    fires(one_for_one([temp("a").critical()]), "/a: criticality: it is critical, but temporary");
    silent(one_for_one([job("a").critical()]));
    silent(one_for_one([temp("a")]));
}

#[test]
fn d11_whoever_depends_on_a_child_that_can_be_parked_is_told() {
    let wanted = "/web: dependencies: 'db' is parked when its budget is exhausted";
    fires(one_for_one([service("db").optional(), service("web").after(["db"])]), wanted);
    fires(one_for_one([sidecar("db", "web").on_exhausted(OnExhausted::Quarantine), service("web")]), wanted);
    silent(one_for_one([service("db"), service("web").after(["db"])]));
    silent(one_for_one([service("db").optional(), service("web")]));
    silent(one_for_one([service("db").optional().unlimited(), service("web").after(["db"])]));
    silent(one_for_one([job("db").optional(), service("web").after(["db"])]));
}

#[test]
fn d11_restart_dependants_without_any_is_told() {
    fires(
        one_for_one([service("db").restart_dependants(), service("web")]),
        "/db: restart_dependants: has no effect",
    );
    silent(one_for_one([service("db").restart_dependants(), service("web").after(["db"])]));
}

#[test]
fn d3_d13_a_hang_that_is_found_so_late_that_the_back_off_never_grows_is_told() {
    let beats = |seconds| Heartbeat { interval: secs(seconds), timeout: secs(5), max_retries: 3 };
    fires(
        one_for_one([service("a").heartbeat(beats(20))]),
        "/a: health_check: a run that hangs from its start is found after 65s",
    );
    silent(one_for_one([service("a").heartbeat(beats(18))]));
    let just = Heartbeat { interval: secs(18), timeout: secs(6), max_retries: 3 };
    fires(one_for_one([service("a").heartbeat(just)]), "is found after 60s");
    fires(one_for_one([service("a").heartbeat(beats(18)).start_period(secs(1))]), "is found after 60s");
    silent(one_for_one([quick(service("a")).heartbeat(beats(20))]));
}

#[test]
fn r51_an_unreachable_budget_and_r62_a_finite_grace_on_a_supervisor_are_among_the_findings() {
    let slow = Backoff { jitter_ratio: 0.0, ..Backoff::exponential(secs(30), secs(30)) };
    fires(one_for_one([service("a").backoff(slow)]), "/a: budget: with this back-off 5 restarts take longer");
    silent(one_for_one([service("a").backoff(slow)]).budget(5, secs(600)));
    let below = one_for_one([service("a")]);
    fires(
        one_for_one([sup("s", below).grace(Duration::from_secs(1))]),
        "/s: shutdown.graceful_timeout_ms: a finite grace",
    );
}
