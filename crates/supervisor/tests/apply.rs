//! A new spec for a tree that runs: what it changes, what it leaves alone, and that its plan says so before (D12).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{Counter, event, lifecycle, ms, secs, service, settle, start, state};
use tokio_supervisor::{
    ChildContext, ChildSpec, CommandResult, EventItem, EventKind, Lifecycle, NotAsPlanned, Plan, Registry,
    StartOrder, SupervisorError, SupervisorHandle, SupervisorSpec, UnknownFactory,
};

async fn apply(handle: &SupervisorHandle, spec: SupervisorSpec) -> (Plan, Vec<NotAsPlanned>) {
    // A test that would wait for ever fails instead.
    let applied = tokio::time::timeout(secs(3600), handle.apply(spec, "test", "a new spec")).await;
    match applied.unwrap_or_else(|_| panic!("{:?}", handle.current_state())).unwrap() {
        CommandResult::Applied { plan, not_as_planned } => (plan, not_as_planned),
        other => panic!("{other:?}"),
    }
}

fn paths(paths: &[tokio_supervisor::SupervisorPath]) -> Vec<&str> {
    paths.iter().map(|path| path.as_str()).collect()
}

fn generation(handle: &SupervisorHandle, child: &str) -> u64 {
    handle.child(child).unwrap().state.generation
}

/// Children added, removed, restarted, changed while they run, and how many are left alone.
fn said(plan: &Plan) -> (Vec<&str>, Vec<&str>, Vec<&str>, Vec<&str>, u64) {
    let Plan { added, removed, restarted, updated, unchanged } = plan;
    (paths(added), paths(removed), paths(restarted), paths(updated), *unchanged)
}

#[tokio::test(start_paused = true)]
async fn d12_each_child_is_added_removed_restarted_changed_live_or_left_alone() {
    let [same, policy, tags, gone] = ["same", "policy", "tags", "gone"].map(service);
    let old = [same.clone(), policy.clone(), tags.clone(), service("code"), gone];
    let handle = start(SupervisorSpec::root(old)).await;
    let new = || {
        let code = service("code").grace(secs(9));
        [same.clone(), policy.clone().grace(secs(9)), tags.clone().tags(["blue"]), code, service("new")]
    };
    let (first, second) = (SupervisorSpec::root(new()), SupervisorSpec::root(new()));
    let plan = handle.plan(first.clone()).unwrap();
    assert_eq!(said(&plan), (vec!["/new"], vec!["/gone"], vec!["/code"], vec!["/policy", "/tags"], 1));

    let (done, not_as_planned) = apply(&handle, first).await;
    assert_eq!((&done, not_as_planned), (&plan, vec![]));
    assert_eq!(
        ["same", "policy", "tags", "code", "new"].map(|child| generation(&handle, child)),
        [1, 1, 1, 2, 1]
    );
    assert!(matches!(handle.find("gone"), Err(SupervisorError::ChildNotFound { .. })));
    assert_eq!(&*handle.child("tags").unwrap().tags[0], "blue");
    let mut events = handle.events_after(0);
    let applied = event(&mut events, "/", EventKind::SpecApplied).await;
    assert_eq!(applied.event.numbers, [1, 1, 3, 1]);
    let detail = applied.event.detail.unwrap();
    assert_eq!(
        (detail.requested_by.as_deref(), detail.reason.as_deref()),
        (Some("test"), Some("a new spec"))
    );

    // The same closures made anew are others.
    let again = handle.plan(second).unwrap();
    assert_eq!(paths(&again.restarted), ["/code", "/new"]);
}

#[tokio::test(start_paused = true)]
async fn d12_a_plan_changes_nothing_and_a_refused_spec_neither() {
    let tree = SupervisorSpec::root([service("a").tags(["old"]), service("b")]);
    let handle = start(tree.clone()).await;
    let before = (handle.current_state(), handle.subscribe_events().position());
    handle.plan(SupervisorSpec::root([service("a"), service("c")])).unwrap();
    let bad = [
        SupervisorSpec::root([service("a").tags(["new"]), service("c").depends_on(["nobody"])]),
        SupervisorSpec::root([service("x y")]),
        SupervisorSpec::root([ChildSpec::supervisor(SupervisorSpec::new("a"))]),
    ];
    for bad in bad {
        let planned = handle.plan(bad.clone()).unwrap_err();
        assert!(
            matches!(&planned, SupervisorError::InvalidSpec(findings) if !findings.is_empty()),
            "{planned}"
        );
        let refused = handle.apply(bad, "test", "a mistake").await.unwrap_err();
        assert_eq!(refused.to_string(), planned.to_string());
    }
    for (by, reason) in [("", "why"), ("me", " ")] {
        let error = handle.apply(tree.clone(), by, reason).await.unwrap_err();
        assert!(matches!(error, SupervisorError::InvalidTransition { .. }), "{error}");
    }
    assert_eq!((handle.current_state(), handle.subscribe_events().position()), before);
    assert_eq!(&*handle.child("a").unwrap().tags[0], "old");
    assert!(handle.plan(tree).unwrap().is_empty(), "what it ran is still what it runs");
}

#[tokio::test(start_paused = true)]
async fn d12_old_bodies_run_on_and_new_ones_run_from_the_next_start() {
    let [kept, old, new] = [(); 3].map(|()| Counter::default());
    let counting = |name: &str, counter: &Counter| {
        let counter = counter.clone();
        ChildSpec::service(name, move |ctx: ChildContext| {
            counter.add();
            async move { _ = ctx.stopping().await }
        })
    };
    let a = counting("a", &kept);
    let handle = start(SupervisorSpec::root([a.clone(), counting("b", &old)])).await;
    apply(&handle, SupervisorSpec::root([a, counting("b", &new)])).await;
    assert_eq!([&kept, &old, &new].map(Counter::get), [1, 1, 1]);
    for child in ["a", "b"] {
        handle.restart_child(child, "test", "once more").await.unwrap();
    }
    assert_eq!([&kept, &old, &new].map(Counter::get), [2, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_no_spec_names_any_more_is_dropped() {
    let alive = std::sync::Arc::new(());
    let holding = |name: &str| {
        let held = alive.clone();
        ChildSpec::service(name, move |ctx: ChildContext| {
            let held = held.clone();
            async move {
                ctx.stopping().await;
                drop(held);
            }
        })
    };
    let a = service("a");
    let handle = start(SupervisorSpec::root([a.clone(), holding("b")])).await;
    handle.add_child_spec("/", holding("extra"), "test", "more").await.unwrap();
    for _ in 0..5 {
        apply(&handle, SupervisorSpec::root([a.clone(), holding("b")])).await;
    }
    // One factory and one run of `b`, the same of `extra`, and the test's own.
    settle().await;
    assert_eq!(std::sync::Arc::strong_count(&alive), 5);
    let bad = SupervisorSpec::root([holding("b"), service("c").depends_on(["nobody"])]);
    handle.apply(bad, "test", "a mistake").await.unwrap_err();
    settle().await;
    assert_eq!(std::sync::Arc::strong_count(&alive), 5);
    apply(&handle, SupervisorSpec::root([a])).await;
    settle().await;
    assert_eq!(std::sync::Arc::strong_count(&alive), 3, "only what an operator added is left");
    handle.restart_child("extra", "test", "it still can").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn d12_a_child_that_an_operator_added_stays_and_is_the_specs_own_once_that_names_it() {
    let (a, extra) = (service("a"), service("extra"));
    let handle = start(SupervisorSpec::root([a.clone()])).await;
    handle.add_child_spec("/", extra.clone(), "test", "more").await.unwrap();
    let (plan, _) = apply(&handle, SupervisorSpec::root([a.clone()])).await;
    assert_eq!((plan.is_empty(), lifecycle(&handle, "/extra")), (true, Lifecycle::Running));
    let (plan, _) = apply(&handle, SupervisorSpec::root([a.clone(), extra.clone()])).await;
    assert_eq!((plan.is_empty(), generation(&handle, "extra")), (true, 1));
    handle.restart_child("extra", "test", "its body is there").await.unwrap();
    let (plan, _) = apply(&handle, SupervisorSpec::root([a])).await;
    assert_eq!(paths(&plan.removed), ["/extra"]);
}

/// `extra` is added and waits for `db`, which is not ready. A spec that does not name it leaves what it is to run; one that
/// does makes that its own.
#[tokio::test(start_paused = true)]
async fn d12_what_an_added_child_runs_is_there_when_its_first_run_comes_after_a_new_spec() {
    for named in [false, true] {
        let alive = std::sync::Arc::new(());
        let db = ChildSpec::service("db", |ctx: ChildContext| async move {
            tokio::time::sleep(secs(5)).await;
            ctx.ready();
            ctx.stopping().await;
        })
        .ready_within(secs(9));
        let extra = {
            let alive = std::sync::Arc::clone(&alive);
            ChildSpec::service("extra", move |ctx: ChildContext| {
                let alive = std::sync::Arc::clone(&alive);
                async move {
                    ctx.stopping().await;
                    drop(alive);
                }
            })
            .depends_on(["db"])
        };
        let handle = start(SupervisorSpec::root([service("a")])).await;
        let a = service("a");
        handle.apply(SupervisorSpec::root([a.clone()]), "test", "begin").await.unwrap();
        let adder = handle.clone();
        let db_too = db.clone();
        let adding = tokio::spawn(async move { adder.add_child_spec("/", db_too, "test", "more").await });
        settle().await;
        handle.add_child_spec("/", extra.clone(), "test", "more").await.unwrap();
        assert_eq!(lifecycle(&handle, "/extra"), Lifecycle::Waiting);
        // What a spec names comes back with its supervisor (R48), and so is kept.
        let more: Vec<ChildSpec> =
            if named { vec![a, service("b"), db, extra.clone()] } else { vec![a, service("b")] };
        drop(extra);
        apply(&handle, SupervisorSpec::root(more)).await;
        adding.await.unwrap().unwrap();
        tokio::time::sleep(secs(9)).await;
        assert_eq!(lifecycle(&handle, "/extra"), Lifecycle::Running, "named: {named}");
        // The run, what it was made by, and the test.
        assert_eq!(std::sync::Arc::strong_count(&alive), 3);
        handle.remove_child("extra", "test", "no more").await.unwrap();
        settle().await;
        let kept = if named { 2 } else { 1 };
        assert_eq!(std::sync::Arc::strong_count(&alive), kept, "named: {named}");
    }
}

#[tokio::test(start_paused = true)]
async fn d12_d11_dependencies_order_the_starts_and_the_stops() {
    let slow = |name: &str| {
        ChildSpec::service(name, |ctx: ChildContext| async move {
            tokio::time::sleep(secs(1)).await;
            ctx.ready();
            ctx.stopping().await;
        })
        .ready_within(secs(5))
    };
    let a = service("a");
    let handle = start(SupervisorSpec::root([a.clone()])).await;
    let more = [a.clone(), slow("api").depends_on(["db"]), slow("db")];
    let begun = tokio::time::Instant::now();
    let (plan, not_as_planned) = apply(&handle, SupervisorSpec::root(more)).await;
    // In effective order, and not before the last is ready.
    assert_eq!((paths(&plan.added), not_as_planned), (vec!["/db", "/api"], vec![]));
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(["/db", "/api"].map(|child| lifecycle(&handle, child)), [Lifecycle::Running; 2]);
    let position = handle.subscribe_events().position();
    let (plan, _) = apply(&handle, SupervisorSpec::root([a])).await;
    assert_eq!(paths(&plan.removed), ["/api", "/db"]);
    let mut events = handle.events_after(position);
    let mut stops = Vec::new();
    while let Some(EventItem::Event(event)) = events.try_next() {
        if event.event.kind == EventKind::ChildStopping {
            stops.push(event.path.to_string());
        }
    }
    assert_eq!(stops, ["/api", "/db"]);
}

#[tokio::test(start_paused = true)]
async fn d12_below_the_root_only_what_changed_is_touched() {
    let (a, x, y, z) = (service("a"), service("x"), service("y"), service("z"));
    let tree = |strategy, below: Vec<ChildSpec>| {
        let s = SupervisorSpec::new("s").strategy(strategy).children(below);
        SupervisorSpec::root([a.clone(), ChildSpec::supervisor(s)])
    };
    use tokio_supervisor::Strategy::{OneForAll, OneForOne};
    let handle = start(tree(OneForOne, vec![x.clone(), y.clone()])).await;
    let (plan, _) = apply(&handle, tree(OneForAll, vec![x.clone(), z.clone(), service("y")])).await;
    assert_eq!(said(&plan), (vec!["/s/z"], vec![], vec!["/s/y"], vec!["/s"], 2));
    assert_eq!(["/a", "/s", "/s/x", "/s/y", "/s/z"].map(|child| generation(&handle, child)), [1, 1, 1, 2, 1]);
    let with_tags = tree(OneForAll, vec![x, z, y]).strategy(OneForAll);
    let plan = handle.plan(with_tags).unwrap();
    assert_eq!((paths(&plan.restarted), paths(&plan.updated)), (vec!["/s/y"], vec!["/"]));
}

#[tokio::test(start_paused = true)]
async fn d12_who_does_not_start_or_waits_is_named_when_everybody_else_is_there() {
    let a = service("a");
    let handle = start(SupervisorSpec::root([a.clone()]).unlimited()).await;
    let never = |name: &str| {
        ChildSpec::service(name, |ctx: ChildContext| async move { _ = ctx.stopping().await })
            .ready_within(secs(2))
    };
    let new = || [a.clone(), never("bad"), service("after").depends_on(["bad"]), service("good")];
    let told = |children: &[NotAsPlanned]| -> Vec<_> {
        let told = |child: &NotAsPlanned| (child.child_path.to_string(), child.lifecycle_state, child.failed);
        children.iter().map(told).collect()
    };
    let one_by_one = SupervisorSpec::root(new()).unlimited();
    let (_, not_as_planned) = apply(&handle, one_by_one).await;
    let [bad, after, good] = ["/bad", "/after", "/good"].map(str::to_owned);
    use Lifecycle::{Backoff, Declared, Waiting};
    let mut seen = told(&not_as_planned);
    seen.sort();
    assert_eq!(
        seen,
        [(after.clone(), Declared, false), (bad.clone(), Backoff, true), (good, Declared, false)]
    );

    let by_dependencies =
        |children| SupervisorSpec::root(children).unlimited().order(StartOrder::Dependencies);
    apply(&handle, by_dependencies(vec![a.clone()])).await;
    let (_, not_as_planned) = apply(&handle, by_dependencies(new().to_vec())).await;
    let mut seen = told(&not_as_planned);
    seen.sort();
    assert_eq!(seen, [(after, Waiting, false), (bad, Backoff, true)]);
    assert_eq!(lifecycle(&handle, "/good"), Lifecycle::Running);

    // What an operator holds is held, and runs the new thing when it is let go.
    handle.pause_child("good", "test", "hold").await.unwrap();
    let (plan, not_as_planned) = apply(&handle, by_dependencies(vec![a, service("good")])).await;
    assert_eq!((paths(&plan.updated), not_as_planned), (vec!["/good"], vec![]));
    assert_eq!(lifecycle(&handle, "/good"), Lifecycle::Paused);
}

#[tokio::test(start_paused = true)]
async fn an_apply_is_over_with_the_tree() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    let waits = ChildSpec::service("waits", |ctx: ChildContext| async move { _ = ctx.stopping().await })
        .ready_eventually();
    let (two, spec) = (handle.clone(), SupervisorSpec::root([service("a"), waits]));
    let applying = tokio::spawn(async move { two.apply(spec, "test", "for ever").await });
    state(&handle, "/waits", Lifecycle::Starting).await;
    assert!(!applying.is_finished());
    handle.shutdown("test", "enough").await.unwrap();
    let CommandResult::Applied { not_as_planned, .. } = applying.await.unwrap().unwrap() else { panic!() };
    assert!(
        not_as_planned[0].failed && not_as_planned[0].child_path.as_str() == "/waits",
        "{not_as_planned:?}"
    );
    let late = handle.apply(SupervisorSpec::root([]), "test", "late").await.unwrap_err();
    assert!(matches!(late, SupervisorError::Ended { .. }), "{late}");
    assert!(matches!(handle.plan(SupervisorSpec::root([])), Err(SupervisorError::Ended { .. })));
}

#[tokio::test(start_paused = true)]
async fn manifests_that_say_the_same_run_the_same() {
    let registry = || {
        Registry::new().kind(tokio_supervisor::Kind::Process, |manifest, _| {
            Ok(ChildSpec::managed(
                &manifest.name,
                |ctx: ChildContext| async move { _ = ctx.stopping().await },
            ))
        })
    };
    let child = |json: serde_json::Value| {
        let manifest = serde_json::from_value(json).unwrap();
        registry()
            .build(&manifest, &tokio_supervisor::SupervisorPath::root(), None, UnknownFactory::Refuse)
            .unwrap()
    };
    let base = serde_json::json!({"name": "p", "kind": "process", "command": ["sleep", "1"],
        "environment": [{"name": "A", "value": "1"}]});
    let with = |key: &str, value: serde_json::Value| {
        let mut json = base.clone();
        json[key] = value;
        SupervisorSpec::root([child(json)])
    };
    let handle = start(SupervisorSpec::root([child(base.clone())])).await;
    assert!(handle.plan(SupervisorSpec::root([child(base.clone())])).unwrap().is_empty());
    for (key, value) in [
        ("shutdown", serde_json::json!({"graceful_timeout_ms": 9})),
        ("tags", serde_json::json!(["blue"])),
        ("criticality", serde_json::json!("critical")),
        ("restart_policy", serde_json::json!("transient")),
        ("ready_within_secs", serde_json::json!(7)),
    ] {
        let plan = handle.plan(with(key, value)).unwrap();
        assert_eq!((paths(&plan.updated), plan.restarted.len()), (vec!["/p"], 0), "{key}");
    }
    for (key, value) in [
        ("command", serde_json::json!(["sleep", "2"])),
        ("stop_signal", serde_json::json!("INT")),
        ("working_dir", serde_json::json!("/")),
        ("environment", serde_json::json!([{"name": "A", "value": "2"}])),
        ("env_file", serde_json::json!(["a.env"])),
        ("secrets", serde_json::json!([{"name": "k", "key": "PATH"}])),
        ("readiness", serde_json::json!({"log_line": "up"})),
    ] {
        let plan = handle.plan(with(key, value)).unwrap();
        assert_eq!((paths(&plan.restarted), plan.updated.len()), (vec!["/p"], 0), "{key}");
    }
}

/// A small generator of numbers, the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit) as usize
    }
}

/// A random tree out of children that each have three bodies.
fn random(numbers: &mut Numbers, bodies: &[Vec<ChildSpec>]) -> SupervisorSpec {
    let mut pick = |from: &[Vec<ChildSpec>]| {
        let mut picked: Vec<ChildSpec> = Vec::new();
        let mut last = None;
        for (at, versions) in from.iter().enumerate() {
            if numbers.below(4) == 0 {
                continue;
            }
            let mut child = versions[numbers.below(3)].clone();
            child = match numbers.below(6) {
                0 => child.grace(ms(700)),
                1 => child.tags(["blue"]),
                _ => child,
            };
            if let Some(on) = last.filter(|_| numbers.below(3) == 0) {
                child = child.depends_on([format!("c{on}")]);
            }
            last = Some(at);
            picked.push(child);
        }
        picked
    };
    let (mut above, below) = (pick(bodies), pick(bodies));
    above.push(ChildSpec::supervisor(SupervisorSpec::new("s").children(below)));
    SupervisorSpec::root(above)
}

#[tokio::test(start_paused = true)]
async fn d12_what_a_plan_says_is_what_the_apply_does_and_the_way_back_restores() {
    let bodies: Vec<Vec<ChildSpec>> =
        (0..6).map(|at| (0..3).map(|_| service(&format!("c{at}"))).collect()).collect();
    let mut numbers = Numbers(7);
    let mut touched = [0; 4];
    let mut current = random(&mut numbers, &bodies);
    let handle = start(current.clone()).await;
    for round in 0..150 {
        let new = random(&mut numbers, &bodies);
        for spec in [new.clone(), current.clone(), new.clone()] {
            let before = handle.snapshot();
            let plan = handle.plan(spec.clone()).unwrap();
            let (done, not_as_planned) = apply(&handle, spec.clone()).await;
            assert_eq!((&done, not_as_planned), (&plan, vec![]), "round {round}");
            for row in before.iter() {
                let (path, was) = (row.path, row.row.generation);
                let now = handle.child(path).map(|child| child.state.generation);
                match now {
                    Err(_) => assert!(plan.removed.contains(path), "round {round}: {path} is gone"),
                    Ok(now) if now == was => {
                        assert!(!plan.restarted.contains(path) && !plan.removed.contains(path), "{path}");
                    }
                    Ok(_) => assert!(plan.restarted.contains(path), "round {round}: {path} was restarted"),
                }
            }
            let known: Vec<_> = before.iter().map(|row| row.path.clone()).collect();
            for row in handle.snapshot().iter().filter(|row| !known.contains(row.path)) {
                assert!(plan.added.contains(row.path), "round {round}: {} came", row.path);
                assert_eq!(row.row.lifecycle, Lifecycle::Running);
            }
            let again = handle.plan(spec).unwrap();
            assert!(again.is_empty(), "round {round}: {again:?}");
            let lists = [&plan.added, &plan.removed, &plan.restarted, &plan.updated];
            for (sum, list) in touched.iter_mut().zip(lists) {
                *sum += list.len();
            }
        }
        current = new;
    }
    assert!(touched.iter().all(|count| *count > 100), "the rounds reach too little: {touched:?}");
}
