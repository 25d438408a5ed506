//! Following a target over deaths, restarts, losses and silence.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod script;
mod target;

use std::time::Duration;

use proptest::prelude::*;
use script::Step::{Hang, Hear, Say};
use script::{after_hello, answer, fixtures, play};
use serde_json::json;
use supervisor_api::Lifecycle;
use supervisor_api::wire::*;
use supervisor_client::{Backoff, Follower, Happening, Lost, Settings, Stale, View};
use target::{Target, World, folder, path};
use tokio::time::{Instant, timeout};

/// No jitter, so that times can be compared.
fn settings() -> Settings {
    Settings { backoff: Backoff { jitter: 0.0, ..Backoff::default() }, ..Settings::default() }
}

/// What the next happening is, in a word and a number.
async fn next(follower: &mut Follower) -> String {
    match follower.next().await {
        Happening::Connected(_) => "connected".to_owned(),
        Happening::Resumed(_) => "resumed".to_owned(),
        Happening::Restarted(_) => "restarted".to_owned(),
        Happening::Event(event) => format!("event {}", event.sequence),
        Happening::Log(log) => format!("log {}", log.sequence.unwrap()),
        Happening::Delta(_) => "delta".to_owned(),
        Happening::Gap { stream, gap } => format!("gap {stream} {} {}", gap.from, gap.to),
        Happening::Refreshed => "refreshed".to_owned(),
        Happening::Problem(error) => format!("problem {}", error.code),
        Happening::Disconnected { why, .. } => format!("disconnected {why:?}"),
        Happening::Unreachable { retry_in, .. } => format!("unreachable {}", retry_in.as_millis()),
        other => panic!("{other:?}"),
    }
}

/// All happenings up to and with the first that begins so, but for failed attempts.
async fn until(follower: &mut Follower, end: &str) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    while !seen.last().is_some_and(|last| last.starts_with(end)) {
        let happening = next(follower).await;
        if !happening.starts_with("unreachable") {
            seen.push(happening);
        }
        assert!(seen.len() < 10_000);
    }
    seen
}

fn assert_same_rows(follower: &Follower, target: &Target) {
    let tree = follower.view().current().expect("the view is current");
    let ours = &tree.state().runtime_state;
    assert_eq!(*ours, target.world(|world| world.state()).runtime_state);
}

#[tokio::test(start_paused = true)]
async fn the_view_is_what_the_fixtures_fold_to() {
    for name in ["fold_upsert", "fold_replace"] {
        let folder = folder();
        let path = folder.path().join("s.sock");
        let lines = fixtures(name);
        let (last, rest) = lines.split_last().unwrap();
        let result = json!({"type": "subscription", "target_id": "shop", "subscription": "events"});
        let mut steps = vec![Hear, Say(json!({"request_id": "2", "ok": true, "result": result}).to_string())];
        // The first line answers the first question about the state, and the last, after a gap, the second one.
        let has_gap = rest.iter().any(|line| line.starts_with(r#"{"type":"gap""#));
        let with = |line: &str, id: &str| {
            let mut answer: serde_json::Value = serde_json::from_str(line).unwrap();
            answer["request_id"] = id.into();
            [Hear, Say(answer.to_string())]
        };
        steps.extend(with(&rest[0], "3"));
        steps.extend(rest[1..].iter().cloned().map(Say));
        steps.extend(has_gap.then(|| with(last, "4")).into_iter().flatten());
        steps.push(Hang);
        play(&path, vec![after_hello(steps)]);
        let mut follower = Follower::new(&path, settings());
        let mut stale = 0;
        while timeout(Duration::from_millis(300), follower.next()).await.is_ok() {
            stale += usize::from(matches!(follower.view(), View::Stale { why: Stale::Gap, .. }));
        }
        let TargetLine::Response(expected) = TargetLine::read(last.as_bytes()).unwrap() else { panic!() };
        let Some(Ok(ResultBody::State { state, .. })) = expected.into_result() else { panic!() };
        assert_eq!(follower.view().current().unwrap().state(), &*state, "{name}");
        assert_eq!((stale > 0, has_gap), (has_gap, name == "fold_replace"));
    }
}

#[tokio::test]
async fn everything_is_told_in_order_and_is_in_the_view() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), World::shop()).await;
    let mut follower = Follower::new(target.path(), settings()).logs(None);
    assert!(matches!(follower.view(), View::Unknown));
    assert_eq!(next(&mut follower).await, "connected");
    assert_same_rows(&follower, &target);

    target.world(|world| world.fails("/api", "boom"));
    assert_eq!(next(&mut follower).await, "event 1");
    assert_same_rows(&follower, &target);
    let row = follower.view().current().unwrap().row(&path("/api")).unwrap().clone();
    assert!(row.lifecycle_state.is(Lifecycle::Backoff));

    target.world(|world| world.log("/db", "ready"));
    assert_eq!(next(&mut follower).await, "log 1");
    target.world(|world| world.delta(StateDelta { dropped_log_count: Some(3), ..StateDelta::default() }));
    assert_eq!(next(&mut follower).await, "delta");
    assert_eq!(follower.view().current().unwrap().state().dropped_log_count, 3);
    assert_eq!(follower.view().current().unwrap().state().recent_logs.len(), 1);
}

#[tokio::test]
async fn after_the_target_hung_up_the_view_is_stale_and_the_streams_go_on_where_they_ended() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let target = Target::start(&path, World::shop()).await;
    let mut follower = Follower::new(&path, settings()).logs(Some(1));
    target.world(|world| (world.fails("/api", "1"), world.log("/db", "1")));
    until(&mut follower, "log 1").await;

    let mut world = target.die().await;
    assert_eq!(next(&mut follower).await, "disconnected Closed");
    assert!(matches!(follower.view(), View::Stale { why: Stale::Disconnected, .. }));
    for n in 2..=4 {
        world.fails("/api", &n.to_string());
        world.log("/db", &n.to_string());
    }
    let target = Target::start(&path, world).await;
    let seen = until(&mut follower, "log 4").await;
    assert_eq!(seen, ["resumed", "event 2", "event 3", "event 4", "log 2", "log 3", "log 4"]);
    assert_same_rows(&follower, &target);
    target.world(|world| world.fails("/api", "5"));
    assert_eq!(next(&mut follower).await, "event 5");
}

#[tokio::test]
async fn what_the_target_no_longer_keeps_is_told_once_as_a_gap_and_the_state_is_read_again() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let target = Target::start(&path, World::shop()).await;
    let mut follower = Follower::new(&path, settings()).logs(None);
    until(&mut follower, "connected").await;
    target.world(|world| (world.fails("/api", "1"), world.log("/db", "1")));
    until(&mut follower, "log 1").await;
    let mut world = target.die().await;
    for n in 2..=9 {
        world.fails("/api", &n.to_string());
        world.log("/db", &n.to_string());
    }
    world.kept = (7, 8);
    let target = Target::start(&path, world).await;
    let mut seen = until(&mut follower, "refreshed").await;
    while !seen.contains(&"log 9".to_owned()) {
        seen.push(next(&mut follower).await);
    }
    // When the answer about the state comes among the others is open.
    seen.retain(|what| what != "refreshed");
    assert_eq!(
        seen,
        [
            "disconnected Closed",
            "resumed",
            "gap events 2 6",
            "gap logs 2 7",
            "event 7",
            "event 8",
            "event 9",
            "log 8",
            "log 9"
        ]
    );
    assert_same_rows(&follower, &target);
}

#[tokio::test]
async fn a_gap_on_a_living_connection_makes_the_view_stale_until_the_state_was_read_again() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), World::shop()).await;
    let mut follower = Follower::new(target.path(), settings());
    until(&mut follower, "connected").await;
    target.world(|world| {
        for n in 1..=5 {
            world.fails("/api", &n.to_string());
        }
        world.kept.0 = 6;
    });
    assert_eq!(next(&mut follower).await, "gap events 1 5");
    assert!(matches!(follower.view(), View::Stale { why: Stale::Gap, .. }));
    assert_eq!(next(&mut follower).await, "refreshed");
    assert_same_rows(&follower, &target);
    assert_eq!(target.world(|world| world.states), 2);
}

#[tokio::test]
async fn a_first_event_that_is_asked_for_and_gone_is_a_gap() {
    let folder = folder();
    let mut world = World::shop();
    for n in 1..=5 {
        world.fails("/api", &n.to_string());
        world.log("/db", "x");
    }
    world.kept = (4, 5);
    let target = Target::start(&folder.path().join("s.sock"), world).await;
    let mut follower = Follower::new(target.path(), settings()).events_from(2).logs(Some(1));
    let mut seen = until(&mut follower, "log 5").await;
    seen.retain(|what| what != "refreshed");
    assert_eq!(seen, ["connected", "gap events 2 3", "gap logs 1 4", "event 4", "event 5", "log 5"]);
}

/// A follower that has seen events 1 to 3 of a target that is gone.
async fn bereaved(path: &std::path::Path) -> (Follower, World) {
    let target = Target::start(path, World::shop()).await;
    let mut follower = Follower::new(path, settings()).logs(Some(1));
    target.world(|world| {
        for n in 1..=3 {
            world.fails("/api", &n.to_string());
            world.log("/db", &n.to_string());
        }
    });
    until(&mut follower, "log 3").await;
    let world = target.die().await;
    (follower, world)
}

/// A life in which other things happen, and so many.
fn another_life(events: u32) -> World {
    let mut world = World::shop();
    for n in 1..=events {
        world.fails("/db", &n.to_string());
        world.log("/api", "x");
    }
    world
}

#[tokio::test]
async fn another_life_that_has_told_less_is_seen_as_one_and_all_of_it_is_told() {
    for events in 0..=2 {
        let folder = folder();
        let path = folder.path().join("s.sock");
        let (mut follower, _) = bereaved(&path).await;
        let target = Target::start(&path, another_life(events)).await;
        let mut expected = vec!["disconnected Closed".to_owned(), "restarted".to_owned()];
        expected.extend((1..=events).map(|n| format!("event {n}")));
        expected.extend((1..=events).map(|n| format!("log {n}")));
        let last = expected.last().unwrap().clone();
        assert_eq!(until(&mut follower, &last).await, expected);
        assert_same_rows(&follower, &target);
    }
}

#[tokio::test]
async fn another_life_that_has_told_as_much_or_more_is_seen_by_the_event_itself() {
    for events in [3, 4, 100, 200] {
        let folder = folder();
        let path = folder.path().join("s.sock");
        let (mut follower, _) = bereaved(&path).await;
        let mut world = another_life(events);
        // As targets of another kind may: no recent events to compare, so only the stream can tell.
        let hides = events == 100;
        if hides {
            world.edit(|state| state.recent_events.clear());
        }
        let target = Target::start(&path, world).await;
        let seen = until(&mut follower, &format!("log {events}")).await;
        let begins = seen.iter().position(|what| what == "restarted").expect("seen as another life");
        assert_eq!(seen[begins + 1], "event 1");
        assert_eq!(
            seen.contains(&"disconnected AnotherLife".to_owned()),
            events >= 100,
            "{events}: {seen:?}"
        );
        assert_eq!(seen.iter().filter(|what| what.starts_with("event")).count(), events as usize);
        assert_same_rows(&follower, &target);
    }
}

#[tokio::test]
async fn another_target_at_the_same_socket_is_another_life() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let (mut follower, mut world) = bereaved(&path).await;
    world.edit(|state| state.target.target_id = "bank".into());
    world.events.iter_mut().for_each(|event| event.target_id = "bank".into());
    let _target = Target::start(&path, world).await;
    let seen = until(&mut follower, "event 3").await;
    assert_eq!(seen[1..3], ["restarted", "event 1"]);
    assert_eq!(&**follower.view().current().unwrap().target_id(), "bank");
}

#[tokio::test]
async fn what_is_pushed_for_another_target_is_not_taken() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let foreign = fixtures("pushes")[0].replace("\"shop\"", "\"bank\"");
    let own = fixtures("pushes")[0].clone();
    play(&path, vec![after_hello([Hear, answer(3, 2), Hear, answer(1, 3), Say(foreign), Say(own), Hang])]);
    let mut follower = Follower::new(&path, settings());
    assert_eq!(until(&mut follower, "event").await, ["connected", "event 21"]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_falls_silent_is_asked_after_15_seconds_and_left_after_10_more() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), World::shop()).await;
    let mut follower = Follower::new(target.path(), settings());
    until(&mut follower, "connected").await;
    let since = Instant::now();
    // It is only quiet: it answers, and nothing is told.
    assert!(timeout(Duration::from_secs(100), follower.next()).await.is_err());
    assert!(follower.view().current().is_some());

    target.world(|world| world.silent = true);
    assert!(timeout(Duration::from_secs(6), follower.next()).await.is_err());
    assert!(matches!(follower.view(), View::Stale { why: Stale::Silent, .. }));
    let happening = follower.next().await;
    assert!(matches!(happening, Happening::Disconnected { why: Lost::Silent { .. }, .. }), "{happening:?}");
    // Asked at 15, 30, 45, 60, 75, 90 and 105 seconds.
    assert_eq!(since.elapsed().as_secs(), 115);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_made_with_doubling_waits() {
    let folder = folder();
    let mut follower = Follower::new(folder.path().join("s.sock"), settings());
    let since = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let happening = follower.next().await;
        let Happening::Unreachable { why, retry_in } = happening else { panic!("{happening:?}") };
        assert!(why.is_absent());
        waits.push(retry_in.as_millis());
    }
    assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    assert_eq!(since.elapsed().as_millis(), 22_700, "all but the last have passed");
}

#[tokio::test(start_paused = true)]
async fn cancelling_costs_nothing_and_buys_no_time() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), World::shop()).await;
    let mut follower = Follower::new(target.path(), settings());
    let since = Instant::now();
    let mut seen = Vec::new();
    while seen.len() < 9 {
        let Ok(happening) = timeout(Duration::from_millis(1), next(&mut follower)).await else {
            if seen.len() == 8 {
                continue;
            }
            assert!(since.elapsed() < Duration::from_secs(5));
            if seen.len() < 7 {
                target.world(|world| world.fails("/api", "x"));
            } else {
                target.world(|world| world.silent = true);
                seen.push("silent".to_owned());
            }
            continue;
        };
        seen.push(happening);
    }
    let events: Vec<String> = (1..=6).map(|n| format!("event {n}")).collect();
    assert_eq!(seen[0], "connected");
    assert_eq!(seen[1..7], events);
    assert!(seen[8].starts_with("disconnected Silent"), "{}", seen[8]);
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_target_that_accepts_and_dies_is_not_asked_ten_times_a_second() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let script = after_hello([Hear, answer(3, 2), Hear, answer(1, 3)]);
    play(&path, vec![script; 5]);
    let mut follower = Follower::new(&path, settings());
    let mut waits = Vec::new();
    while waits.len() < 4 {
        if let Happening::Disconnected { retry_in, .. } = follower.next().await {
            waits.push(retry_in.as_millis());
        }
    }
    assert_eq!(waits, [100, 200, 400, 800]);
}

/// What can befall a target.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Events(u8),
    Forgets,
    Dies,
    BeginsAnew(u8),
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        4 => (1..20_u8).prop_map(Fate::Events),
        1 => Just(Fate::Forgets),
        2 => Just(Fate::Dies),
        1 => (0..30_u8).prop_map(Fate::BeginsAnew),
    ];
    proptest::collection::vec(fate, 1..12)
}

/// Each event is told once and in order, or is in a gap; and in the end the view is the target's.
async fn holds(fates: Vec<Fate>) {
    let folder = folder();
    let at = folder.path().join("s.sock");
    let mut target = Target::start(&at, World::shop()).await;
    let mut quick = settings();
    quick.backoff.longest = Duration::from_millis(100);
    let mut follower = Follower::new(&at, quick).events_from(1);
    let (mut next, mut life) = (1, 0);
    for (turn, fate) in fates.into_iter().enumerate() {
        match fate {
            Fate::Events(count) => target.world(|world| {
                for n in 0..count {
                    world.fails(if n % 3 == 0 { "/db" } else { "/api" }, &format!("{life} {turn} {n}"));
                }
            }),
            Fate::Forgets => target.world(|world| {
                world.kept.0 = world.events.last().map_or(world.kept.0, |last| last.sequence + 1);
            }),
            Fate::Dies => {
                let world = target.die().await;
                target = Target::start(&at, world).await;
            }
            Fate::BeginsAnew(count) => {
                target.die().await;
                life += 1;
                let mut world = World::shop();
                world.now += life * 1_000_000;
                for n in 0..count {
                    world.fails("/jobs/mail", &format!("{life} {n}"));
                }
                target = Target::start(&at, world).await;
            }
        }
        let end = target.world(|world| world.events.last().map_or(0, |last| last.sequence)) + 1;
        // A life without an event is like the one before; nothing is asserted until something shows it.
        loop {
            let is_there = next == end && follower.view().current().is_some();
            if is_there {
                let rows = target.world(|world| world.state().runtime_state);
                if follower.view().current().unwrap().state().runtime_state == rows {
                    break;
                }
            }
            match timeout(Duration::from_secs(30), follower.next()).await.expect("it comes to an end") {
                Happening::Event(event) => {
                    assert_eq!(event.sequence, next);
                    next += 1;
                }
                Happening::Gap { gap, .. } => {
                    assert_eq!(gap.from, next);
                    next = gap.to + 1;
                }
                Happening::Restarted(_) => next = 1,
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn each_event_is_told_once_or_is_in_a_gap_whatever_befalls_the_target(fates in fates()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(holds(fates));
    }
}
