//! What a run can do with its context: readiness, heartbeats, notes, logs, variables.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::Arc;

use common::{Counter, Notes, event, idle, lifecycle, ms, secs, service, settle, start, state};
use tokio_supervisor::{
    ChildSpec, EventKind, Exit, Health, Lifecycle, LogItem, Readiness, Severity, Supervisor, SupervisorError,
    SupervisorSpec,
};

#[tokio::test(start_paused = true)]
async fn d19_a_child_is_started_when_it_says_that_it_is_ready() {
    let child = ChildSpec::service("a", |ctx| async move {
        tokio::time::sleep(secs(2)).await;
        ctx.ready();
        ctx.ready();
        idle(ctx).await;
    });
    let before = tokio::time::Instant::now();
    let handle = start(SupervisorSpec::root([child.ready_within(secs(5))])).await;
    assert_eq!(before.elapsed(), secs(2));
    let row = handle.child("a").unwrap().state;
    assert_eq!((row.lifecycle_state, row.readiness), (Lifecycle::Running, Readiness::Ready));
    let ready = common::kinds(&handle).into_iter().filter(|(kind, _)| *kind == EventKind::ChildReady).count();
    assert_eq!(ready, 1);
}

#[tokio::test(start_paused = true)]
async fn d19_a_start_that_takes_too_long_fails() {
    let child = ChildSpec::service("a", idle).ready_within(secs(3));
    let error = Supervisor::start(SupervisorSpec::root([child])).await.unwrap_err();
    let SupervisorError::StartFailed { path, exit } = error else { panic!("{error}") };
    assert_eq!(path.as_str(), "/a");
    assert!(matches!(exit, Exit::TimedOut { .. }), "{exit}");
}

#[tokio::test(start_paused = true)]
async fn r4_a_child_may_decline_to_start() {
    let child = ChildSpec::service("a", |ctx| async move { ctx.decline("nothing to do here") });
    let handle = start(SupervisorSpec::root([child.ready_within(secs(5)), service("b")])).await;
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Stopped);
    assert_eq!(lifecycle(&handle, "/b"), Lifecycle::Running);
    let declined = event(&mut handle.events_after(0), "/a", EventKind::ChildDeclined).await;
    assert!(declined.to_string().contains("nothing to do here"), "{declined}");
}

#[tokio::test(start_paused = true)]
async fn declining_after_a_start_or_with_a_bad_end_changes_nothing() {
    let immediate = ChildSpec::worker("immediate", |ctx| async move { ctx.decline("too late") });
    let bad = ChildSpec::job("bad", |ctx| async move {
        ctx.decline("and yet");
        Err::<(), _>("broken")
    });
    let tree = SupervisorSpec::root([immediate, bad.ready_within(secs(5))]);
    let error = Supervisor::start(tree).await.unwrap_err();
    assert!(error.to_string().contains("broken"), "{error}");
    let immediate = ChildSpec::worker("immediate", |ctx| async move { ctx.decline("too late") });
    let handle = start(SupervisorSpec::root([immediate])).await;
    state(&handle, "/immediate", Lifecycle::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn d13_missed_heartbeats_make_a_child_stale_then_unhealthy_then_restarted() {
    let child = ChildSpec::service("a", |ctx| async move {
        for _ in 0..3 {
            tokio::time::sleep(ms(900)).await;
            ctx.heartbeat();
        }
        idle(ctx).await;
    });
    let handle = start(SupervisorSpec::root([child.heartbeat(secs(1), ms(500), 2)])).await;
    let mut events = handle.events_after(0);
    let missed = event(&mut events, "/a", EventKind::ChildHeartbeatMissed).await;
    assert_eq!((missed.at, missed.event.row.health), (2_700_000_000 + 1_500_000_000, Health::Stale));
    let unhealthy = event(&mut events, "/a", EventKind::ChildUnhealthy).await;
    assert_eq!((unhealthy.at, unhealthy.event.numbers[0]), (missed.at + 1_000_000_000, 2));
    let failed = event(&mut events, "/a", EventKind::ChildFailed).await;
    assert!(matches!(failed.event.detail.unwrap().exit, Some(Exit::Unhealthy { .. })));
    event(&mut events, "/a", EventKind::ChildRestarted).await;
    let failure = handle.child("a").unwrap().state.last_failure.unwrap();
    assert!(matches!(failure, Exit::Unhealthy { .. }), "{failure}");
    let past = handle.exits("a").unwrap();
    assert_eq!((past.len(), &past[0].exit), (1, &failure), "one end per run, as the machine knows it");
}

#[tokio::test(start_paused = true)]
async fn d13_a_run_that_says_it_has_failed_is_stopped_at_once_and_one_that_winds_down_is_not_probed() {
    let calls = Counter::default();
    let counted = calls.clone();
    let child = ChildSpec::service("a", |ctx| async move {
        if ctx.generation() == 1 {
            ctx.missed("one of many");
            ctx.unwell("out of memory");
            ctx.missed("another");
        } else {
            ctx.winds_down();
        }
        idle(ctx).await;
    });
    let child = child.probe(secs(1), secs(1), 9, move |ctx| {
        let second = ctx.generation() == 2;
        if second {
            counted.add();
        }
        async { Ok::<(), &str>(()) }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    let mut events = handle.events_after(0);
    let unhealthy = event(&mut events, "/a", EventKind::ChildUnhealthy).await;
    assert_eq!((unhealthy.at, &unhealthy.event.numbers[..2]), (0, &[9, 9][..]));
    assert!(unhealthy.to_string().contains("out of memory"), "{unhealthy}");
    event(&mut events, "/a", EventKind::ChildRestarted).await;
    // It has to be gone before its promise is broken, all the same.
    event(&mut events, "/a", EventKind::ChildUnhealthy).await;
    assert_eq!(calls.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn d13_a_probe_is_called_every_interval_and_its_misses_are_told_once_each() {
    let calls = Counter::default();
    let counted = calls.clone();
    let child = ChildSpec::service("a", idle).probe(secs(1), ms(100), 3, move |ctx| {
        let call = counted.add();
        async move {
            match (ctx.generation(), call) {
                (1, 1 | 2) => Ok(()),
                (1, 3) => Err("no answer"),
                (1, 4) => std::future::pending().await,
                (1, _) => panic!("the probe is broken"),
                _ => Ok(()),
            }
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    let mut events = handle.events_after(0);
    let first = event(&mut events, "/a", EventKind::ChildHeartbeatMissed).await;
    assert!(first.at == 2_000_000_000 && first.to_string().contains("no answer"), "{} {first}", first.at);
    let second = event(&mut events, "/a", EventKind::ChildHeartbeatMissed).await;
    assert!(second.to_string().contains("longer than 100ms"), "{second}");
    let third = event(&mut events, "/a", EventKind::ChildUnhealthy).await;
    assert!(third.to_string().contains("the probe panicked"), "{third}");
    event(&mut events, "/a", EventKind::ChildRestarted).await;
    tokio::time::sleep(secs(10)).await;
    assert_eq!(handle.child("a").unwrap().state.generation, 2);
    let missed =
        common::kinds(&handle).iter().filter(|(kind, _)| *kind == EventKind::ChildHeartbeatMissed).count();
    assert_eq!(missed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_does_not_keep_a_run_from_ending() {
    let child = ChildSpec::worker("a", |_| async { tokio::time::sleep(ms(10)).await }).probe(
        secs(1),
        secs(100),
        3,
        |_| std::future::pending::<Result<(), String>>(),
    );
    let handle = start(SupervisorSpec::root([child])).await;
    let completed = event(&mut handle.events_after(0), "/a", EventKind::ChildCompleted).await;
    assert_eq!(completed.at, 10_000_000);
}

#[tokio::test(start_paused = true)]
async fn what_a_child_says_of_itself_can_be_read() {
    let child = ChildSpec::service("a", |ctx| async move {
        ctx.phase("loading");
        ctx.progress("3 of 7");
        ctx.gauge("queue", 4.5);
        ctx.log(Severity::Warning, "disk is slow", [("ms", "250")]);
        ctx.log(Severity::Info, "going on", [] as [(&str, &str); 0]);
        ctx.phase("p".repeat(1000));
        idle(ctx).await;
    });
    let handle = start(SupervisorSpec::root([child.tags(["storage", "slow"])])).await;
    let mut logs = handle.logs_after(0);
    settle().await;
    let child = handle.child("a").unwrap();
    assert!(child.phase.unwrap().len() < 300);
    assert_eq!((child.progress.as_deref(), child.gauges["queue"]), (Some("3 of 7"), 4.5));
    assert_eq!(child.tags, [Arc::from("storage"), Arc::from("slow")]);
    let lines = handle.logs("a").unwrap();
    assert_eq!(lines.iter().map(|line| line.sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(lines[0].to_string(), "/a warning: disk is slow ms=250");
    assert_eq!(logs.try_next(), Some(LogItem::Line(Arc::clone(&lines[0]))));
    assert_eq!((logs.position(), handle.subscribe_logs().position()), (1, 2));
    handle.restart_child("a", "ops", "x").await.unwrap();
    assert!(handle.child("a").unwrap().progress.is_some(), "kept across restarts");
    handle.shutdown("ops", "x").await.unwrap();
    let mut left = 0;
    while logs.next().await.is_some() {
        left += 1;
    }
    assert!(left >= 1, "the stream ends with the tree");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_log_lines_is_bounded_and_the_loss_is_exact() {
    let child = ChildSpec::service("a", |ctx| async move {
        for n in 0..10_000 {
            ctx.log(Severity::Info, format!("line {n} {}", "x".repeat(100)), [] as [(&str, &str); 0]);
        }
        idle(ctx).await;
    });
    let handle = start(SupervisorSpec::root([child])).await;
    let mut logs = handle.logs_after(0);
    settle().await;
    let kept = handle.logs("a").unwrap();
    assert!(kept.len() < 2000 && kept.last().unwrap().sequence == 10_000);
    assert_eq!(kept.len() as u64 + handle.child("a").unwrap().dropped_logs, 10_000);
    assert_eq!(handle.dropped_logs(), handle.child("a").unwrap().dropped_logs);
    let Some(LogItem::Gap(gap)) = logs.try_next() else { panic!() };
    let mut followed = 0;
    while let Some(LogItem::Line(_)) = logs.try_next() {
        followed += 1;
    }
    assert_eq!(gap.missed() + followed, 10_000);
}

#[tokio::test(start_paused = true)]
async fn variables_and_secrets_reach_the_run_and_are_not_printed() {
    let path = std::env::var("PATH").unwrap();
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |ctx| {
        for (name, value) in ctx.env() {
            noted.add(format!("{name}={}", value.expose()));
        }
        noted.add(ctx.secret("search").unwrap().expose());
        noted.add(format!("{:?} {:?}", ctx.secret("search"), ctx));
        idle(ctx)
    })
    .env("PORT", "80")
    .env_secret("SEARCH", "search")
    .secret("search", "PATH", true);
    let handle = start(SupervisorSpec::root([child])).await;
    settle().await;
    let seen = notes.all();
    assert_eq!(seen[..3], ["PORT=80".to_owned(), format!("SEARCH={path}"), path.clone()]);
    assert!(!seen[3].contains(&path), "{}", seen[3]);
    assert!(!format!("{:?}", handle.child("a").unwrap()).contains(&path));
}

#[tokio::test(start_paused = true)]
async fn a_required_secret_that_is_absent_refuses_the_start_and_is_named() {
    let child =
        ChildSpec::service("a", idle).secret("token", "NO_SUCH_VARIABLE_7", true).ready_within(secs(1));
    let error = Supervisor::start(SupervisorSpec::root([child])).await.unwrap_err().to_string();
    assert!(error.contains("'token'") && error.contains("NO_SUCH_VARIABLE_7"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn stopping_resolves_in_any_task_and_for_combinators() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |ctx| {
        let noted = noted.clone();
        async move {
            for n in 0..3 {
                let (ctx, noted) = (ctx.clone(), noted.clone());
                tokio::spawn(async move {
                    ctx.stopping().await;
                    noted.add(format!("task {n}"));
                });
            }
            let token = ctx.token();
            let own = token.clone();
            tokio::spawn(async move { own.cancelled().await });
            ctx.token().cancel();
            assert!(!ctx.is_stopping(), "a token of the user's stops nothing");
            let done = ctx.run_until_stopped(std::future::pending::<()>()).await;
            assert!(done.is_none() && token.is_cancelled());
            assert_eq!(ctx.run_until_stopped(async { 7 }).await, None);
            noted.add("run");
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    settle().await;
    handle.pause_child("a", "ops", "x").await.unwrap();
    settle().await;
    let mut seen = notes.all();
    seen.sort();
    assert_eq!(seen, ["run", "task 0", "task 1", "task 2"]);
}

#[tokio::test]
async fn a_blocking_child_has_a_thread_named_after_it_and_waits_synchronously() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::blocking("indexer", move |ctx| {
        noted.add(std::thread::current().name().unwrap_or("?").to_owned());
        assert!(!ctx.is_stopping() && !ctx.wait_stopping(ms(1)));
        assert!(tokio::runtime::Handle::try_current().is_ok());
        ctx.ready();
        assert!(ctx.wait_stopping(secs(3600)), "woken by the request, not by time");
        noted.add("asked");
        Ok::<(), String>(())
    });
    let handle = start(SupervisorSpec::root([child.ready_within(secs(60)).grace(secs(60))])).await;
    let result = common::shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
    assert_eq!(notes.all(), ["/indexer", "asked"]);
    assert_eq!(result.outcomes[0].exit, Some(Exit::Stopped));
}
