//! Duplicates, conflicts and replays, in one target and across two.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use supervisor_api::wire::{
    Command, CommandStatus, ControlCommandRequest, ControlCommandResult, ErrorCode, StateDelta, UnixNanos,
    WireError,
};
use supervisor_ledger::Ledger;
use tokio::sync::oneshot;

use super::{BodyDigest, Claim, Ids, Limits};
use crate::audit::tests::{asked, caller, carry_out, completed, home, open, records, restart, soon};

fn code(result: Result<ControlCommandResult, WireError>) -> ErrorCode {
    result.unwrap_err().code.known().unwrap()
}

#[tokio::test(start_paused = true)]
async fn s11_the_same_command_gets_the_outcome_of_the_first_and_another_is_refused() {
    let home = home();
    let once = open(&home.path).await;
    let (first, done) = carry_out(&once, 7, "c").await;
    let first = first.unwrap();
    assert!(done && first.status.is(CommandStatus::Completed));
    let (again, done) = carry_out(&once, 7, "c").await;
    assert_eq!((again.unwrap(), done), (first, false));
    let others = [
        ControlCommandRequest { reason: "another".into(), ..restart("c") },
        ControlCommandRequest { confirmed: true, ..restart("c") },
        asked("c", Command::PauseChild),
        ControlCommandRequest { target: Default::default(), ..restart("c") },
    ];
    for other in others {
        let refused = once.run(&caller(7), &other, None, async { unreachable!("it must not be done") }).await;
        assert_eq!(code(refused), ErrorCode::CommandIdConflict, "{other:?}");
    }
    // Who says it, and when, does not make it another command.
    let same = ControlCommandRequest {
        requested_by: "bob".into(),
        requested_at_unix_nanos: Some(UnixNanos(9)),
        ..restart("c")
    };
    assert!(once.run(&caller(7), &same, None, async { unreachable!("it was done") }).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn s11_users_do_not_see_each_others_ids() {
    let home = home();
    let once = open(&home.path).await;
    assert!(carry_out(&once, 7, "c").await.1);
    let other = ControlCommandRequest { reason: "another".into(), ..restart("c") };
    let result = completed(&other);
    assert!(
        once.run(&caller(8), &other, None, async move { result }).await.is_ok(),
        "no conflict with user 7"
    );
    once.close().await;
    let once = open(&home.path).await;
    assert!(!carry_out(&once, 7, "c").await.1);
    assert!(carry_out(&once, 9, "c").await.1);
}

#[tokio::test(start_paused = true)]
async fn s11_who_says_the_same_while_it_runs_waits_for_the_same_outcome() {
    let home = home();
    let once = open(&home.path).await;
    let (finish, finished) = oneshot::channel::<()>();
    let mut waiting = Vec::new();
    let mut act = Some(async move {
        let _ = finished.await;
        completed(&restart("c"))
    });
    for _ in 0..10 {
        let (once, act) = (once.clone(), act.take());
        waiting.push(tokio::spawn(async move {
            let act = async move { act.expect("it is done once").await };
            once.run(&caller(7), &restart("c"), None, act).await
        }));
        // So that the first is the one that can be done.
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    let other = ControlCommandRequest { reason: "another".into(), ..restart("c") };
    let refused = soon(once.run(&caller(7), &other, None, async { unreachable!() })).await;
    assert_eq!(code(refused), ErrorCode::CommandIdConflict, "also while it runs");
    finish.send(()).unwrap();
    for task in waiting {
        assert!(soon(task).await.unwrap().unwrap().accepted);
    }
    once.close().await;
    assert_eq!(records(&home.path).len(), 3, "an intent, an outcome, and the refusal");
}

#[tokio::test(start_paused = true)]
async fn s11_a_command_goes_on_when_nobody_waits_for_it_and_is_waited_for_again() {
    let home = home();
    let once = open(&home.path).await;
    let count = Arc::new(AtomicUsize::new(0));
    let (finish, finished) = oneshot::channel::<()>();
    let act = {
        let count = Arc::clone(&count);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = finished.await;
            completed(&restart("c"))
        }
    };
    let (who, asked) = (caller(7), restart("c"));
    let asking = once.run(&who, &asked, None, act);
    assert!(tokio::time::timeout(Duration::from_secs(30), asking).await.is_err());
    finish.send(()).unwrap();
    let (result, done) = carry_out(&once, 7, "c").await;
    assert!(result.unwrap().accepted && !done);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    once.close().await;
    assert_eq!(records(&home.path).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn s11_outcomes_outlive_the_target_but_for_what_changed() {
    let home = home();
    let once = open(&home.path).await;
    let refused = WireError::new(ErrorCode::ValidationFailed, "there is no child /web").on("shop");
    let told = ControlCommandResult {
        state_delta: Some(StateDelta::default()),
        outcome: Some(json!({"type": "child_control"})),
        ..ControlCommandResult::rejected(&restart("c"), refused, UnixNanos(9))
    };
    let result = told.clone();
    let first = once.run(&caller(7), &restart("c"), None, async move { result }).await.unwrap();
    assert_eq!(first, told, "who asked first is told everything");
    let long =
        ControlCommandResult { outcome: Some(json!("x".repeat(3_000))), ..completed(&restart("long")) };
    let result = long.clone();
    once.run(&caller(7), &restart("long"), None, async move { result }).await.unwrap();
    let kept = ControlCommandResult { state_delta: None, ..told };
    assert_eq!(carry_out(&once, 7, "c").await.0.unwrap(), kept);
    once.close().await;
    let once = open(&home.path).await;
    assert_eq!(carry_out(&once, 7, "c").await, (Ok(kept), false));
    assert_eq!(
        carry_out(&once, 7, "long").await,
        (Ok(ControlCommandResult { outcome: None, ..long }), false)
    );
    let other = ControlCommandRequest { reason: "another".into(), ..restart("c") };
    let refused = once.run(&caller(7), &other, None, async { unreachable!() }).await;
    assert_eq!(code(refused), ErrorCode::CommandIdConflict, "conflicts outlive it too");
}

#[tokio::test(start_paused = true)]
async fn s11_a_command_whose_outcome_a_crash_lost_is_not_done_again_and_the_audit_says_so() {
    let home = home();
    let once = open(&home.path).await;
    carry_out(&once, 7, "before").await.0.unwrap();
    // What a crash between the two records leaves behind.
    let intent = records(&home.path).remove(0).1;
    once.close().await;
    let digest = BodyDigest::of(7, "c", &restart("c").body()).to_string();
    let lost = supervisor_api::wire::AuditRecord {
        command_id: Some("c".into()),
        body_sha256: Some(digest),
        ..intent
    };
    Ledger::open(&home.path, &supervisor_ledger::Options::default()).unwrap().commit(&lost).unwrap();

    for _ in 0..2 {
        let once = open(&home.path).await;
        let (result, done) = carry_out(&once, 7, "c").await;
        assert_eq!((code(result), done), (ErrorCode::ReplayDetected, false));
        let other = ControlCommandRequest { reason: "another".into(), ..restart("c") };
        let refused = once.run(&caller(7), &other, None, async { unreachable!() }).await;
        assert_eq!(code(refused), ErrorCode::CommandIdConflict);
        assert!(!carry_out(&once, 7, "before").await.1);
        once.close().await;
        let unknown: Vec<_> =
            records(&home.path).into_iter().filter(|(_, record)| record.intent == Some(3)).collect();
        assert_eq!(unknown.len(), 1, "it is said once");
        assert_eq!(unknown[0].1.outcome.as_ref().unwrap().result.as_str(), "unknown");
    }
}

#[tokio::test(start_paused = true)]
async fn s11_an_id_is_forgotten_after_a_day() {
    let home = home();
    let once = open(&home.path).await;
    assert!(carry_out(&once, 7, "c").await.1);
    tokio::time::advance(Duration::from_secs(24 * 60 * 60 - 1)).await;
    assert!(!carry_out(&once, 7, "c").await.1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(carry_out(&once, 7, "c").await.1);
}

fn use_up(ids: &Ids, uid: u32, id: &str) -> bool {
    let name = Arc::from(id);
    match ids.claim(uid, &name, BodyDigest::of(uid, id, "")) {
        Claim::New(slot, _) => {
            slot.settle(completed(&restart(id)), completed(&restart(id)));
            true
        }
        Claim::Same(_) => false,
        Claim::Refused(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn s11_one_user_cannot_push_out_anothers_ids() {
    let ids = Ids::new(Limits::DEFAULT);
    for number in 0..100 {
        assert!(use_up(&ids, 7, &format!("mine-{number}")));
    }
    for number in 0..30_000 {
        assert!(use_up(&ids, 8, &format!("flood-{number}")));
    }
    for number in 0..100 {
        assert!(!use_up(&ids, 7, &format!("mine-{number}")), "{number}");
    }
    // Of the one with too many, the newest are there, up to the limit of all.
    assert!(!use_up(&ids, 8, "flood-29999") && !use_up(&ids, 8, "flood-20100"));
    assert!(use_up(&ids, 8, "flood-20099"), "100 are user 7's, 9 900 are left");
}

#[tokio::test(start_paused = true)]
async fn s11_commands_that_run_are_bounded_by_user_and_never_forgotten() {
    let ids = Ids::new(Limits { running: 6, running_of_one: 4, ..Limits::DEFAULT });
    let claim = |uid, id: &str| ids.claim(uid, &Arc::from(id), BodyDigest::of(uid, id, ""));
    let mut slots = Vec::new();
    for (uid, id) in [(7, "a"), (7, "b"), (7, "c"), (7, "d"), (8, "a"), (8, "b")] {
        let Claim::New(slot, _) = claim(uid, id) else { panic!("{uid} {id}") };
        slots.push(slot);
    }
    for (uid, says) in [(7, "4 commands"), (9, "6 commands")] {
        let Claim::Refused(error) = claim(uid, "one more") else { panic!("{uid}") };
        assert_eq!(error.code.known(), Some(ErrorCode::RateLimitExceeded));
        assert!(error.retryable && error.message.contains(says), "{error}");
    }
    tokio::time::advance(Duration::from_secs(48 * 60 * 60)).await;
    assert!(matches!(claim(7, "a"), Claim::Same(_)), "it runs after two days");
    slots.clear();
    assert!(matches!(claim(7, "a"), Claim::New(..)), "dropped before it began, it is free");
}
