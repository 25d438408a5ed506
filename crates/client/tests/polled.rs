//! Following a target that only answers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod target;

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use supervisor_api::wire::{StateDelta, Stream};
use supervisor_api::{EventKind, Lifecycle};
use supervisor_client::{Backoff, Follower, Happening, Settings, View};
use target::{Pushes, Target, World, folder, path};
use tokio::time::{Instant, timeout};

const POLL: Duration = Duration::from_secs(2);
const BOTH: [Pushes; 2] = [Pushes::Never, Pushes::Refused];

fn shop(pushes: Pushes) -> World {
    let mut world = World::shop();
    world.pushes = pushes;
    world
}

fn follower(path: &Path) -> Follower {
    let settings = Settings { backoff: Backoff { jitter: 0.0, ..Backoff::default() }, ..Settings::default() };
    Follower::new(path, settings).events_from(1).logs(Some(1)).polled(POLL)
}

async fn next(follower: &mut Follower) -> String {
    match follower.next().await {
        Happening::Connected(_) => "connected".to_owned(),
        Happening::Resumed(_) => "resumed".to_owned(),
        Happening::Restarted(_) => "restarted".to_owned(),
        Happening::Event(event) => format!("event {}", event.sequence),
        Happening::Log(log) => format!("log {}", log.sequence.unwrap()),
        Happening::Gap { stream, gap } => format!("gap {stream} {} {}", gap.from, gap.to),
        Happening::Refreshed => "refreshed".to_owned(),
        Happening::Disconnected { .. } => "disconnected".to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn told(follower: &mut Follower, most: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..most {
        seen.push(next(follower).await);
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn what_its_state_shows_as_new_is_told_and_is_in_the_view() {
    for pushes in BOTH {
        let folder = folder();
        let target = Target::start(&folder.path().join("s.sock"), shop(pushes)).await;
        target.world(|world| (world.fails("/api", "before"), world.log("/db", "before")));
        let mut follower = follower(target.path());
        assert_eq!(told(&mut follower, 3).await, ["connected", "event 1", "log 1"], "{pushes:?}");

        target.world(|world| {
            (world.fails("/api", "boom"), world.fails("/db", "boom"), world.log("/db", "late"))
        });
        let since = Instant::now();
        assert_eq!(told(&mut follower, 4).await, ["event 2", "event 3", "log 2", "refreshed"], "{pushes:?}");
        assert!(since.elapsed() <= POLL, "{:?}", since.elapsed());
        assert_eq!(follower.line(), None, "it was not pushed");
        let tree = follower.view().current().unwrap();
        assert!(tree.row(&path("/db")).unwrap().lifecycle_state.is(Lifecycle::Backoff));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_while_nothing_changes() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), shop(Pushes::Refused)).await;
    let mut follower = follower(target.path());
    told(&mut follower, 1).await;
    assert!(timeout(100 * POLL, follower.next()).await.is_err());
    let asked = target.world(|world| world.states);
    assert!((100..=103).contains(&asked), "{asked} in 200 seconds");
    assert!(follower.view().current().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_among_the_recent_ones_is_a_gap() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), shop(Pushes::Never)).await;
    target.world(|world| world.fails("/api", "1"));
    let mut follower = follower(target.path());
    assert_eq!(told(&mut follower, 2).await, ["connected", "event 1"]);
    target.world(|world| {
        for n in 2..=200 {
            world.fails("/api", &n.to_string());
        }
    });
    assert_eq!(told(&mut follower, 2).await, ["gap events 2 72", "event 73"]);
    assert_eq!(told(&mut follower, 128).await.last().unwrap(), "refreshed");
}

#[tokio::test(start_paused = true)]
async fn another_life_is_seen_without_a_lost_connection() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), shop(Pushes::Never)).await;
    target.world(|world| {
        for n in 1..=3 {
            world.fails("/api", &n.to_string());
        }
    });
    let mut follower = follower(target.path());
    assert_eq!(told(&mut follower, 4).await.last().unwrap(), "event 3");
    target.world(|world| {
        *world = shop(Pushes::Never);
        world.event(EventKind::ChildStarting, "/db", Lifecycle::Starting, json!({}));
    });
    assert_eq!(told(&mut follower, 3).await, ["disconnected", "restarted", "event 1"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_left_after_its_deadline() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), shop(Pushes::Refused)).await;
    let mut follower = follower(target.path());
    told(&mut follower, 1).await;
    target.world(|world| world.silent = true);
    let since = Instant::now();
    assert_eq!(next(&mut follower).await, "disconnected");
    assert!(since.elapsed() <= POLL + Duration::from_secs(10));
    assert!(matches!(follower.view(), View::Stale { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_pushes_is_not_asked_for_its_state_while_it_does() {
    let folder = folder();
    let mut world = World::shop();
    world.capabilities = vec!["why".to_owned()];
    let target = Target::start(&folder.path().join("s.sock"), world).await;
    let mut follower = follower(target.path());
    told(&mut follower, 1).await;
    assert!(timeout(10 * POLL, follower.next()).await.is_err());
    assert_eq!(target.world(|world| world.states), 1);
}

#[tokio::test]
async fn the_line_of_what_was_pushed_is_at_hand_as_it_came() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), World::shop()).await;
    let mut follower = Follower::new(target.path(), Settings::default()).logs(None);
    told(&mut follower, 1).await;
    assert_eq!(follower.line(), None);
    target.world(|world| world.fails("/api", "boom"));
    let Happening::Event(event) = follower.next().await else { panic!() };
    let push = supervisor_api::wire::Push::Event { target_id: "shop".into(), event };
    assert_eq!(follower.line(), Some(&*serde_json::to_string(&push).unwrap()));
    target.world(|world| world.delta(StateDelta { dropped_log_count: Some(3), ..StateDelta::default() }));
    let Happening::Delta(_) = follower.next().await else { panic!() };
    assert!(follower.line().unwrap().contains("\"dropped_log_count\":3"));
    target.world(|world| {
        for n in 0..3 {
            world.fails("/api", &n.to_string());
        }
        world.kept.0 = 4;
    });
    let Happening::Gap { stream: Stream::Events, .. } = follower.next().await else { panic!() };
    assert_eq!(follower.line(), None);
}

#[tokio::test(start_paused = true)]
async fn who_listens_is_to_be_of_the_user_that_was_asked_for() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), World::shop()).await;
    let us = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder.path()).unwrap());
    let mut stranger = follower(target.path()).listened_by(us + 1);
    let Happening::Unreachable { why, .. } = stranger.next().await else { panic!() };
    assert!(why.to_string().contains(&format!("a process of uid {us} listens")), "{why}");
    assert!(matches!(stranger.view(), View::Unknown));
    assert_eq!(next(&mut follower(target.path()).listened_by(us)).await, "connected");
}
