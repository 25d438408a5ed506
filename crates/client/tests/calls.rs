//! One connection: typed calls, deadlines, and targets that misbehave.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod script;
mod target;

use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use script::Step::{self, Hang, Hear, Raw, Say};
use script::{after_hello, answer, fixture, play};
use serde_json::json;
use supervisor_api::EventKind::ChildFailed;
use supervisor_api::wire::*;
use supervisor_client::{CallError, ConnectError, Lost, Session, Settings};
use supervisor_socket::Standing;
use target::{Target, World, folder, path};
use tokio::time::{Instant, timeout};

fn whole() -> StateParams {
    StateParams::default()
}

fn restart(at: &str) -> ControlCommandRequest {
    ControlCommandRequest {
        command_id: "c-1".into(),
        target_id: "shop".into(),
        expect_state_generation: None,
        command: Command::RestartChild,
        target: CommandTarget { child_path: Some(at.to_owned()), child_manifest: None },
        signal: None,
        stack: None,
        rollback: false,
        reason: "a test".to_owned(),
        requested_by: "ann".to_owned(),
        confirmed: false,
        requested_at_unix_nanos: None,
    }
}

/// A session with a server that plays this after hello.
async fn session(steps: impl IntoIterator<Item = Step>) -> (Session, tempfile::TempDir) {
    let folder = folder();
    let path = folder.path().join("s.sock");
    play(&path, vec![after_hello(steps)]);
    (Session::connect(&path, &Settings::default()).await.unwrap(), folder)
}

#[tokio::test]
async fn every_call_has_its_typed_answer_and_all_share_one_connection() {
    let folder = folder();
    let mut world = World::shop();
    world.capabilities = vec!["why".to_owned(), "what_if".to_owned()];
    let why = json!({"child_path": "/api", "sentence": "so", "chain": [], "next": "nothing"});
    world.why = Some(serde_json::from_value(why).unwrap());
    let what_if = json!({"command": "remove_child", "affected": [], "refusal": null});
    world.what_if = Some(serde_json::from_value(what_if).unwrap());
    let target = Target::start(&folder.path().join("s.sock"), world).await;
    let mut session = Session::connect(target.path(), &Settings::default()).await.unwrap();

    assert_eq!(session.hello().target_id(), "shop");
    assert_eq!(session.hello().role.as_deref(), Some("operator"));
    assert!(session.hello().has(Method::Why) && !session.hello().has(Method::Plan));
    assert_eq!(session.peer().pid, Some(std::process::id()));
    let state = session.state(whole()).await.unwrap();
    assert_eq!(state.runtime_state.len(), 6);
    let under = StateParams { under: Some(path("/jobs")), ..whole() };
    assert_eq!(session.state(under).await.unwrap().runtime_state.len(), 3);
    assert_eq!(session.subscribe(Stream::Events, None).await, Ok(Some(1)));
    assert_eq!(session.why("/api").await.unwrap().sentence, "so");
    let what_if =
        WhatIfParams { command: Command::RemoveChild.into(), target: CommandTarget::default(), stack: None };
    assert!(session.what_if(what_if).await.unwrap().refusal.is_none());
    let Err(CallError::Refused(error)) = session.plan("version: 1").await else { panic!() };
    assert!(error.code.is(ErrorCode::UnsupportedMethod));

    let result = session.command(restart("/api")).await.unwrap();
    assert!(result.status.is(CommandStatus::Completed) && result.accepted);
    let state = session.state(whole()).await.unwrap();
    assert_eq!(state.runtime_state[2].generation, 2, "the next read shows it");
    for sequence in 1..=4 {
        let Push::Event { event, .. } = session.push().await.unwrap() else { panic!() };
        assert_eq!((event.sequence, event.correlation_id.as_deref()), (sequence, Some("c-1")));
    }
    assert_eq!(target.open(), 1);

    let result = session.command(restart("/nobody")).await.unwrap();
    assert!(result.status.is(CommandStatus::Rejected) && result.error.is_some());
}

#[tokio::test]
async fn pushes_come_in_order_also_those_that_came_while_an_answer_was_waited_for() {
    let folder = folder();
    let target = Target::start(&folder.path().join("s.sock"), World::shop()).await;
    let mut session = Session::connect(target.path(), &Settings::default()).await.unwrap();
    session.subscribe(Stream::Events, None).await.unwrap();
    for n in 0..50 {
        target.world(|world| world.fails("/api", &format!("{n}")));
        if n % 7 == 0 {
            session.state(whole()).await.unwrap();
        }
    }
    for n in 0..50 {
        let Push::Event { event, .. } = session.push().await.unwrap() else { panic!() };
        assert!(event.sequence == n + 1 && event.event_type.is(ChildFailed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_answer_is_left_after_its_deadline() {
    let (mut session, _folder) = session([Hang]).await;
    let since = Instant::now();
    let error = session.state(whole()).await.unwrap_err();
    assert_eq!(since.elapsed().as_secs(), 10);
    assert!(error.is_timeout() && error.to_string().contains("`state` within 10 s"), "{error}");
    assert_eq!(session.state(whole()).await, Err(error), "it is not asked again");
    assert_eq!(since.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_command_has_40_seconds_and_hello_has_10() {
    let (mut session, folder) = session([Hang]).await;
    let since = Instant::now();
    assert!(session.command(restart("/api")).await.unwrap_err().is_timeout());
    assert_eq!(since.elapsed().as_secs(), 40);

    let path = folder.path().join("t.sock");
    play(&path, vec![vec![Hang]]);
    let since = Instant::now();
    assert!(Session::connect(&path, &Settings::default()).await.unwrap_err().is_timeout());
    assert_eq!(since.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_cancelled_call_is_passed_by_and_its_deadline_goes_on() {
    let (mut session, _folder) = session([Hear, Hear, answer(1, 2), answer(1, 3), Hear, Hang]).await;
    let cancelled = timeout(Duration::from_secs(3), session.state(whole())).await;
    assert!(cancelled.is_err());
    assert!(session.subscribe(Stream::Logs, None).await.is_err(), "the answer to 3 is a state");

    let since = Instant::now();
    for _ in 0..9 {
        assert!(timeout(Duration::from_secs(1), session.state(whole())).await.is_err());
    }
    let late = timeout(Duration::from_secs(2), session.state(whole())).await.expect("it ends by itself");
    assert!(late.unwrap_err().is_timeout());
    assert_eq!(since.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_call_begins_when_the_one_before_is_answered() {
    let (mut session, _folder) = session([Hear, Hear, answer(1, 2), Hang]).await;
    let since = Instant::now();
    assert!(timeout(Duration::from_secs(3), session.state(whole())).await.is_err());
    let second = timeout(Duration::from_secs(60), session.state(whole())).await.expect("it has a deadline");
    assert!(second.unwrap_err().is_timeout());
    assert_eq!(since.elapsed().as_secs(), 13);
}

#[tokio::test(start_paused = true)]
async fn half_a_line_is_no_answer() {
    let half = fixture("responses", 1).as_bytes()[..200].to_vec();
    let (mut ended, _a) = session([Hear, Raw(half.clone())]).await;
    let error = ended.state(whole()).await.unwrap_err();
    assert!(matches!(&error, CallError::Lost(Lost::Broken(why)) if why.contains("200 bytes")), "{error}");

    let (mut silent, _b) = session([Hear, Raw(half), Hang]).await;
    let since = Instant::now();
    assert!(matches!(silent.state(whole()).await, Err(CallError::Lost(_))));
    assert_eq!(since.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn whatever_is_no_answer_ends_the_connection_and_nothing_else() {
    let no_result = json!({"request_id": "2", "ok": true}).to_string();
    let lines: [&[u8]; 9] = [
        b"",
        b"\xff\xfe",
        b"null",
        b"[1]",
        b"{} {}",
        br#"{"request_id":"2","request_id":"2","ok":true}"#,
        br#"{"type":7}"#,
        br#"{"hello":"world"}"#,
        no_result.as_bytes(),
    ];
    for line in lines {
        let bytes = [line, b"\n"].concat();
        let (mut session, _folder) = session([Hear, Raw(bytes), Hang]).await;
        let error = session.state(whole()).await.unwrap_err();
        assert!(matches!(error, CallError::Lost(_)), "{:?}: {error}", String::from_utf8_lossy(line));
    }
    let deep = "[".repeat(100_000);
    let (mut session, _folder) = session([Hear, Say(deep), Hang]).await;
    assert!(matches!(session.state(whole()).await, Err(CallError::Lost(Lost::Garbage(_)))));
}

#[tokio::test]
async fn an_answer_nobody_asked_for_ends_the_connection() {
    let (mut session, _folder) = session([Hear, answer(1, 9), Hang]).await;
    assert_eq!(session.state(whole()).await, Err(CallError::Lost(Lost::Confused("9".to_owned()))));
}

#[tokio::test]
async fn what_a_later_version_says_is_passed_by() {
    let push = json!({"type": "weather", "sun": true}).to_string();
    let (mut session, _folder) = session([Say(push), Hear, answer(1, 2), Hear, answer(4, 3)]).await;
    assert!(session.state(whole()).await.is_ok());
    let other = session.subscribe(Stream::Events, None).await;
    assert!(matches!(other, Err(CallError::Unexpected { .. })), "logs are no events: {other:?}");
}

#[tokio::test]
async fn a_refusal_with_no_id_is_that_of_the_oldest_call() {
    let error = WireError::new(ErrorCode::RateLimitExceeded, "slower");
    let refused = serde_json::to_string(&Response::refused(INVALID_REQUEST, error.clone())).unwrap();
    let (mut session, _folder) =
        session([Hear, Say(refused.clone()), Hear, answer(1, 3), Say(refused)]).await;
    assert_eq!(session.state(whole()).await, Err(CallError::Refused(error.clone())));
    assert!(session.state(whole()).await.is_ok());
    assert_eq!(session.push().await, Err(Lost::Refused(error)));
}

#[tokio::test]
async fn who_is_turned_away_is_told_why() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let _target = Target::start_as(&path, World::shop(), Standing::Stranger).await;
    for _ in 0..50 {
        let error = Session::connect(&path, &Settings::default()).await.unwrap_err();
        assert!(error.is_denied() && !error.is_absent(), "{error:?}");
        assert_eq!(error.to_string(), "your user may not connect here");
    }
}

#[tokio::test]
async fn nobody_there_is_told_with_a_remedy() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let error = Session::connect(&path, &Settings::default()).await.unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("start its target"), "{error}");
    drop(StdListener::bind(&path).unwrap());
    let error = Session::connect(&path, &Settings::default()).await.unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("its target has ended"), "{error}");
}

#[tokio::test]
async fn another_protocol_is_named() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    let mut world = World::shop();
    world.protocol = "dashboard-ipc.v9".to_owned();
    let _target = Target::start(&path, world).await;
    let error = Session::connect(&path, &Settings::default()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Protocol { theirs, .. } if theirs == "dashboard-ipc.v9"));
}

#[tokio::test]
async fn pushes_that_nobody_takes_end_the_connection_at_4097() {
    for (count, lost) in [(4096, false), (4097, true)] {
        let push = fixture("pushes", 1);
        let many = format!("{push}\n").repeat(count).into_bytes();
        let (mut session, _folder) = session([Hear, Raw(many), answer(1, 2), Hang]).await;
        let state = session.state(whole()).await;
        assert_eq!(state.is_err(), lost);
        assert_eq!(state == Err(CallError::Lost(Lost::Behind)), lost);
        for _ in 0..4096 {
            session.push().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_line_longer_than_the_largest_reply_is_not_kept() {
    let folder = folder();
    let path = folder.path().join("s.sock");
    play(&path, vec![after_hello([Hear, Raw(vec![b'x'; 200_000]), Hang])]);
    let settings = Settings { largest_reply: 100_000, ..Settings::default() };
    let mut session = Session::connect(&path, &settings).await.unwrap();
    let error = session.state(whole()).await.unwrap_err();
    assert!(error.to_string().contains("longer than 100000 bytes"), "{error}");
}

#[tokio::test]
async fn a_large_request_to_a_target_that_waits_for_us_to_read_is_no_deadlock() {
    let push = fixture("pushes", 1);
    // More than a socket's buffers hold, in both directions.
    let many = format!("{push}\n").repeat(3_000).into_bytes();
    let (mut session, _folder) = session([Raw(many), Hear, answer(5, 2), Hang]).await;
    let mut command = restart("/db");
    command.reason = "x".repeat(2_000_000);
    let result = timeout(Duration::from_secs(60), session.command(command)).await.unwrap();
    assert!(result.unwrap().accepted);
}
