//! Disks that fail: what is refused, what is lost, and how it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use supervisor_api::report::AuditState;
use supervisor_api::wire::{AuditResult, CommandStatus, ErrorCode, WireError};
use supervisor_ledger::verify;

use super::*;
use crate::audit::AuditDenial;
use crate::ids::Once;

fn code(error: &WireError) -> ErrorCode {
    error.code.known().unwrap()
}

#[tokio::test(start_paused = true)]
async fn s12_without_an_intent_on_the_disk_nothing_is_done_and_the_audit_heals_with_the_disk() {
    for (mood, says) in [
        (Mood::Fails(EIO), "the device is failing"),
        (Mood::Fails(EROFS), "mount that file system writable"),
        (Mood::Full, "make room on that file system"),
    ] {
        let (home, hand) = (home(), Hand::new());
        let once = moody(&home.path, &hand, false).await;
        assert!(carry_out(&once, 7, "before").await.1);
        hand.set(mood);
        for _ in 0..3 {
            let (result, done) = carry_out(&once, 7, "c").await;
            let error = result.unwrap_err();
            assert_eq!((code(&error), done), (ErrorCode::AuditWriteFailed, false), "{mood:?}");
            assert!(error.message.contains("nothing was done") && error.message.contains(says), "{error}");
            assert_eq!(error.target_id.as_deref(), Some(TARGET));
        }
        let health = once.audit().health();
        assert!(health.state == AuditState::Broken && health.refuses_commands && !health.fail_open);
        assert!(health.problem.unwrap().contains(says), "{mood:?}");
        // Answers that need no intent are still given.
        let (result, done) = carry_out(&once, 7, "before").await;
        assert!(result.unwrap().accepted && !done);

        hand.set(Mood::Well);
        // Nobody asks for anything meanwhile.
        until("it heals", || once.audit().health().state == AuditState::Sound).await;
        assert!(!once.audit().health().refuses_commands);
        let (result, done) = carry_out(&once, 7, "c").await;
        assert!(result.unwrap().accepted && done, "the id was not used up");
        once.close().await;
        let refused = records(&home.path);
        let refused: Vec<_> = refused.iter().filter(|(_, record)| record.code().is_some()).collect();
        assert_eq!(refused.len(), 3, "what was refused meanwhile is recorded when the disk is well");
        verify(&home.path).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s12_a_disk_that_is_well_again_is_found_so_by_a_command_without_waiting_for_the_next_try() {
    let (home, hand) = (home(), Hand::new());
    let once = moody(&home.path, &hand, false).await;
    hand.set(Mood::Fails(EIO));
    assert!(!carry_out(&once, 7, "c").await.1);
    let began = tokio::time::Instant::now();
    hand.set(Mood::Well);
    // The refusal is being recorded: a write that was begun before may still fail, and take this one with it.
    let done = carry_out(&once, 7, "c").await.1 || carry_out(&once, 7, "c").await.1;
    assert!(done && began.elapsed() == Duration::ZERO);
    assert_eq!(once.audit().health().state, AuditState::Sound);
}

#[tokio::test(start_paused = true)]
async fn s12_with_fail_open_commands_go_on_and_health_says_so_and_they_are_remembered_all_the_same() {
    let (home, hand) = (home(), Hand::new());
    let once = moody(&home.path, &hand, true).await;
    assert!(once.audit().health().fail_open, "also when it has not come to that");
    hand.set(Mood::Full);
    let (result, done) = carry_out(&once, 7, "c").await;
    assert!(result.unwrap().accepted && done);
    let health = once.audit().health();
    assert!(health.state == AuditState::Broken && health.fail_open && !health.refuses_commands);
    assert_eq!(health.waiting_outcomes, 1);
    hand.set(Mood::Well);
    until("it heals", || once.audit().health().waiting_outcomes == 0).await;
    once.close().await;

    assert_eq!(entries(&home.path), ["outcome"]);
    let once = open(&home.path).await;
    let (result, done) = carry_out(&once, 7, "c").await;
    assert!(result.unwrap().accepted && !done, "it is not carried out again by the next target");
}

#[tokio::test(start_paused = true)]
async fn s16_an_outcome_that_the_disk_does_not_take_is_told_and_is_recorded_later() {
    let (home, hand) = (home(), Hand::new());
    let once = moody(&home.path, &hand, false).await;
    let asked = restart("c");
    let act = {
        let (hand, result) = (hand.clone(), completed(&asked));
        async move {
            hand.set(Mood::Fails(EIO));
            result
        }
    };
    let result = once.run(&caller(7), &asked, None, act).await.unwrap();
    assert!(result.status.is(CommandStatus::Completed));
    let health = once.audit().health();
    assert_eq!((health.waiting_outcomes, health.lost), (1, 0));
    assert_eq!(entries(&home.path), ["intent"]);
    hand.set(Mood::Well);
    until("it is recorded", || once.audit().health().waiting_outcomes == 0).await;
    let all = records(&home.path);
    let (_, outcome) = all.last().unwrap();
    assert_eq!(outcome.intent, Some(all[0].0));
    assert!(outcome.outcome.as_ref().unwrap().result.is(AuditResult::Completed));
    once.close().await;
    let once = open(&home.path).await;
    assert!(carry_out(&once, 7, "c").await.0.unwrap().accepted);
}

#[tokio::test(start_paused = true)]
async fn s12_a_disk_that_does_not_answer_is_waited_for_ten_seconds_and_then_no_more() {
    let (home, hand) = (home(), Hand::new());
    let once = moody(&home.path, &hand, false).await;
    hand.set(Mood::Hangs);
    let first = tokio::spawn({
        let once = once.clone();
        async move { carry_out(&once, 7, "c").await }
    });
    // The time stands still as long as a thread waits for the disk.
    while hand.hanging() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_millis(9_900)).await;
    assert!(!first.is_finished());
    tokio::time::advance(Duration::from_millis(101)).await;
    let (result, done) = first.await.unwrap();
    let error = result.unwrap_err();
    assert!(!done && code(&error) == ErrorCode::AuditWriteFailed && error.message.contains("10 seconds"));
    let health = once.audit().health();
    assert!(health.state == AuditState::Broken && health.refuses_commands);
    // Refused at once, without another thread that waits.
    let (result, done) = carry_out(&once, 7, "d").await;
    assert!(!done && code(&result.unwrap_err()) == ErrorCode::AuditWriteFailed);

    hand.set(Mood::Well);
    until("it heals", || once.audit().health().state == AuditState::Sound).await;
    assert!(carry_out(&once, 7, "d").await.1);
    once.close().await;
    // The intent was on the disk in the end, so a record says that nothing was done.
    let of_c: Vec<_> = records(&home.path);
    let of_c: Vec<_> = of_c.iter().filter(|(_, record)| record.command_id.as_deref() == Some("c")).collect();
    let words: Vec<_> = of_c.iter().map(|(_, record)| record.entry.to_string()).collect();
    assert!(words.contains(&"intent".to_owned()) && words.contains(&"outcome".to_owned()), "{words:?}");
    let once = open(&home.path).await;
    assert!(carry_out(&once, 7, "c").await.1, "and so the id is free");
}

#[tokio::test(start_paused = true)]
async fn s12_denials_never_wait_for_the_disk_and_are_bounded() {
    let (home, hand) = (home(), Hand::new());
    let once = moody(&home.path, &hand, false).await;
    hand.set(Mood::Hangs);
    let error = WireError::new(ErrorCode::PeerCredUidMismatch, "user 9 may not connect");
    // Nothing is awaited here: a denial that waited would never return.
    for uid in 0..5_000 {
        let peer = supervisor_socket::Peer { uid, gid: 1, pid: None };
        once.audit().deny(AuditDenial::peer(Some(peer), &error));
    }
    let health = once.audit().health();
    assert!(health.lost > 0 && health.lost < 5_000, "{health:?}");
    hand.set(Mood::Well);
    until("all are written", || once.audit().health().sequence >= 1_024).await;
    once.close().await;
    let lost = once.audit().health().lost;
    let all = records(&home.path);
    let (_, first) = &all[0];
    assert_eq!((first.entry.as_str(), first.action.as_str()), ("denial", "connect"));
    assert_eq!(first.peer.map(|peer| peer.uid), Some(0));
    assert_eq!(first.code().and_then(|code| code.known()), Some(ErrorCode::PeerCredUidMismatch));
    let counted: u64 = all.iter().filter_map(|(_, record)| record.count).sum();
    let each = all.iter().filter(|(_, record)| record.count.is_none()).count() as u64;
    assert_eq!(counted + each + lost, 5_000, "each is recorded, counted, or told as lost");
}

#[tokio::test(start_paused = true)]
async fn s16_denials_of_one_user_that_come_in_a_storm_are_counted_within_a_minute() {
    let home = home();
    let once = open(&home.path).await;
    let error = WireError::new(ErrorCode::AuthzDenied, "a viewer may not do that");
    for _ in 0..1_000 {
        once.audit().deny(AuditDenial::command(&caller(7), &restart("c"), &error));
    }
    until("the count is written", || once.audit().health().sequence == 61).await;
    once.close().await;
    let all = records(&home.path);
    assert_eq!(all.last().unwrap().1.count, Some(940));
    assert_eq!(all.last().unwrap().1.peer.map(|peer| peer.uid), Some(7));
}

#[tokio::test(start_paused = true)]
async fn s16_a_directory_that_cannot_be_used_is_tried_again_until_it_can() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    fs::create_dir(&home.path).unwrap();
    fs::set_permissions(&home.path, fs::Permissions::from_mode(0o777)).unwrap();
    let once = open(&home.path).await;
    let health = once.audit().health();
    assert!(health.state == AuditState::Broken && health.refuses_commands);
    assert!(health.problem.unwrap().contains("not safe for a ledger"));
    let (result, done) = carry_out(&once, 7, "c").await;
    assert!(!done && code(&result.unwrap_err()) == ErrorCode::AuditWriteFailed);
    fs::set_permissions(&home.path, fs::Permissions::from_mode(0o700)).unwrap();
    until("it is opened", || once.audit().health().state == AuditState::Sound).await;
    assert!(carry_out(&once, 7, "c").await.1);
    once.close().await;
    assert_eq!(entries(&home.path), ["denial", "intent", "outcome"]);
}

#[tokio::test(start_paused = true)]
async fn s12_an_audit_that_is_off_says_so_and_commands_go_on() {
    let once = Once::open(&crate::AuditConfig::Off, TARGET.into()).await;
    let health = once.audit().health();
    assert!(health.state == AuditState::Off && !health.refuses_commands && health.place.is_none());
    assert!(carry_out(&once, 7, "c").await.1);
    assert!(!carry_out(&once, 7, "c").await.1, "an id is used once all the same");
    once.audit().deny(AuditDenial::peer(None, &WireError::new(ErrorCode::PeerCredUnavailable, "?")));
    once.close().await;
}

#[tokio::test(start_paused = true)]
async fn s12_an_act_that_panics_is_recorded_as_unknown_and_not_done_again() {
    let home = home();
    let once = open(&home.path).await;
    let result = once.run(&caller(7), &restart("c"), None, async { panic!("planned") }).await;
    assert_eq!(code(&result.unwrap_err()), ErrorCode::ReplayDetected);
    let again = Arc::new(AtomicBool::new(false));
    let act = {
        let again = Arc::clone(&again);
        async move {
            again.store(true, Ordering::SeqCst);
            completed(&restart("c"))
        }
    };
    let result = once.run(&caller(7), &restart("c"), None, act).await;
    assert_eq!(code(&result.unwrap_err()), ErrorCode::ReplayDetected);
    assert!(!again.load(Ordering::SeqCst));
    once.close().await;
    let all = records(&home.path);
    assert!(all[1].1.outcome.as_ref().unwrap().result.is(AuditResult::Unknown));
}

#[tokio::test(start_paused = true)]
async fn s16_a_damaged_audit_refuses_commands_removes_nothing_and_a_new_directory_heals_it() {
    let home = home();
    let once = open(&home.path).await;
    for id in ["a", "b", "c"] {
        carry_out(&once, 7, id).await.0.unwrap();
    }
    once.close().await;
    let segment = home.path.join("segment-0000000001.jsonl");
    let whole = std::fs::read_to_string(&segment).unwrap();
    let damaged = whole.replacen("it is stuck", "it is fine!", 1);
    std::fs::write(&segment, &damaged).unwrap();
    let once = open(&home.path).await;
    let problem = once.audit().health().problem.unwrap();
    assert!(problem.contains("segment-0000000001.jsonl line 2") && problem.contains("nothing was removed"));
    let (result, done) = carry_out(&once, 7, "d").await;
    assert_eq!((code(&result.unwrap_err()), done), (ErrorCode::AuditWriteFailed, false));
    assert_eq!(std::fs::read_to_string(&segment).unwrap(), damaged);
    std::fs::rename(&home.path, home.path.with_extension("kept")).unwrap();
    until("it begins anew", || once.audit().health().state == AuditState::Sound).await;
    assert!(carry_out(&once, 7, "d").await.1);
}

#[tokio::test(start_paused = true)]
async fn s16_two_targets_do_not_write_to_one_audit_and_the_second_goes_on_when_the_first_has_ended() {
    let home = home();
    let first = open(&home.path).await;
    assert!(carry_out(&first, 7, "c").await.1);
    let second = open(&home.path).await;
    assert!(second.audit().health().problem.unwrap().contains("is in use"));
    assert!(!carry_out(&second, 7, "d").await.1);
    first.close().await;
    assert_eq!(code(&carry_out(&first, 7, "e").await.0.unwrap_err()), ErrorCode::AuditWriteFailed);
    until("it is opened", || second.audit().health().state == AuditState::Sound).await;
    assert!(!carry_out(&second, 7, "c").await.1, "what the first has done is known");
    assert!(carry_out(&second, 7, "d").await.1);
}

#[tokio::test(start_paused = true)]
async fn s12_closing_waits_five_seconds_for_commands_that_run_and_not_for_ever() {
    let home = home();
    let once = open(&home.path).await;
    for (id, seconds) in [("short", 3), ("long", 3_600)] {
        let (once, asked) = (once.clone(), restart(id));
        tokio::spawn(async move {
            let result = completed(&asked);
            let act = async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                result
            };
            once.run(&caller(7), &asked, None, act).await
        });
    }
    until("both have begun", || once.audit().health().sequence == 2).await;
    let began = tokio::time::Instant::now();
    once.close().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(entries(&home.path), ["intent", "intent", "outcome"]);
    let once = open(&home.path).await;
    assert!(carry_out(&once, 7, "short").await.0.unwrap().accepted);
    assert_eq!(code(&carry_out(&once, 7, "long").await.0.unwrap_err()), ErrorCode::ReplayDetected);
}
