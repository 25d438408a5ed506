//! Many callers, few syncs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use common::{EIO, Model, bodies, open};
use supervisor_ledger::{Health, Options, verify_on};

#[test]
fn everybody_who_comes_during_a_sync_shares_the_next_one() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    let before = model.syncs();
    model.hold();
    let first = ledger.append("first").unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| first.wait().unwrap());
        model.until_a_sync_waits();
        let tickets: Vec<_> = (0..100).map(|number| ledger.append(&format!("{number}")).unwrap()).collect();
        let waiting: Vec<_> =
            tickets.into_iter().map(|ticket| scope.spawn(|| ticket.wait().unwrap())).collect();
        model.release();
        assert_eq!(first.join().unwrap(), 1);
        let sequences: Vec<u64> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(sequences, (2..=101).collect::<Vec<_>>());
    });
    assert_eq!(model.syncs() - before, 2);
}

#[test]
fn records_of_many_threads_are_each_there_once_and_took_fewer_syncs_than_there_are_records() {
    const THREADS: usize = 16;
    const EACH: usize = 200;
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    let before = model.syncs();
    // The first sync ends when everybody has appended: all of that is one batch.
    model.hold();
    let first = ledger.append("first").unwrap();
    let begun = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| first.wait().unwrap());
        model.until_a_sync_waits();
        for writer in 0..THREADS {
            let (ledger, begun, model) = (&ledger, &begun, &model);
            scope.spawn(move || {
                for number in 0..EACH {
                    let ticket = ledger.append(&format!("{writer}:{number}")).unwrap();
                    if number == 0 && begun.fetch_add(1, Ordering::SeqCst) == THREADS - 1 {
                        model.release();
                    }
                    ticket.wait().unwrap();
                }
            });
        }
    });
    let syncs = model.syncs() - before;
    assert!(syncs <= THREADS * EACH + 2 - THREADS, "{syncs} syncs");
    let found = bodies(model.disk());
    assert_eq!(found.len(), THREADS * EACH + 1);
    for writer in 0..THREADS {
        let start = format!("{writer}:");
        let of_one: Vec<_> = found.iter().filter(|body| body.starts_with(&start)).collect();
        let expected: Vec<_> = (0..EACH).map(|number| format!("{writer}:{number}")).collect();
        assert_eq!(of_one, expected.iter().collect::<Vec<_>>());
    }
    verify_on(model.disk()).unwrap();
}

/// Counts how often it was woken, and wakes a thread.
struct Count(AtomicUsize, thread::Thread);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.unpark();
    }
}

#[test]
fn a_task_awaits_a_ticket_and_is_woken_once() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    model.hold();
    let count = Arc::new(Count(AtomicUsize::new(0), thread::current()));
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let ticket = ledger.append("record").unwrap();
    assert_eq!(ticket.sequence(), 1);
    let mut ticket = pin!(ticket);
    assert!(ticket.as_mut().poll(&mut context).is_pending());
    model.until_a_sync_waits();
    assert!(ticket.as_mut().poll(&mut context).is_pending());
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    model.release();
    while count.0.load(Ordering::SeqCst) == 0 {
        thread::park();
    }
    assert!(matches!(ticket.as_mut().poll(&mut context), Poll::Ready(Ok(1))));
    assert!(matches!(ticket.as_mut().poll(&mut context), Poll::Ready(Ok(1))), "it can be asked again");
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_task_that_moved_is_woken_where_it_is_now() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    model.hold();
    let old = Arc::new(Count(AtomicUsize::new(0), thread::current()));
    let new = Arc::new(Count(AtomicUsize::new(0), thread::current()));
    let mut ticket = pin!(ledger.append("record").unwrap());
    for count in [&old, &new] {
        let waker = Waker::from(Arc::clone(count));
        assert!(ticket.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    model.release();
    while new.0.load(Ordering::SeqCst) == 0 {
        thread::park();
    }
    assert_eq!(old.0.load(Ordering::SeqCst), 0);
}

#[test]
fn records_nobody_waits_for_are_written_when_somebody_waits_for_a_later_one_and_at_the_end() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    let calls = model.calls();
    for number in 0..5 {
        drop(ledger.append(&number.to_string()).unwrap());
    }
    assert_eq!(model.calls(), calls, "nothing is written yet");
    assert_eq!(ledger.durable().sequence, 0);
    assert_eq!(ledger.sync().unwrap().wait().unwrap(), 5);
    assert_eq!(ledger.durable().sequence, 5);
    drop(ledger.append("5").unwrap());
    ledger.close().unwrap();
    assert_eq!(bodies(model.disk()), ["0", "1", "2", "3", "4", "5"]);

    let ledger = open(&model, &Options::default());
    drop(ledger.append("6").unwrap());
    drop(ledger);
    assert_eq!(bodies(model.disk()).len(), 7);
}

#[test]
fn a_failed_sync_is_told_to_all_who_share_it_and_to_those_behind_them() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    ledger.commit("kept").unwrap();
    model.hold();
    let shared: Vec<_> = (0..3).map(|number| ledger.append(&number.to_string()).unwrap()).collect();
    thread::scope(|scope| {
        let shared: Vec<_> =
            shared.into_iter().map(|ticket| scope.spawn(|| ticket.wait().unwrap_err())).collect();
        model.until_a_sync_waits();
        let behind = ledger.append("behind").unwrap();
        model.fail(EIO);
        model.release();
        let texts: Vec<_> = shared.into_iter().map(|thread| thread.join().unwrap().to_string()).collect();
        assert!(
            texts[0].starts_with("cannot sync /model/segment-0000000001.jsonl: Input/output error"),
            "{texts:?}"
        );
        assert!(texts.iter().all(|text| *text == texts[0]));
        assert_eq!(behind.wait().unwrap_err().to_string(), texts[0]);
    });
    assert!(matches!(ledger.health(), Health::Broken { .. }));
    assert_eq!(ledger.lost(), 4);
    model.mend();
    assert_eq!(ledger.commit("next").unwrap(), 2, "the places of lost records are free");
    assert!(matches!(ledger.health(), Health::Sound));
    assert_eq!(bodies(model.disk()), ["kept", "next"]);
}

#[test]
fn a_ticket_of_a_lost_record_does_not_take_a_later_one_for_its_own() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    let lost = ledger.append("lost").unwrap();
    let other = ledger.append("lost too").unwrap();
    model.fail(EIO);
    other.wait().unwrap_err();
    model.mend();
    assert_eq!(ledger.commit("in its place").unwrap(), lost.sequence());
    lost.wait().unwrap_err();
}

#[test]
fn a_disk_that_does_not_keep_up_makes_appends_fail_and_not_wait() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    model.hold();
    let megabyte = "x".repeat(1 << 20);
    drop(ledger.append(&megabyte).unwrap());
    model.until_a_sync_waits();
    let mut taken = 1;
    let refused = loop {
        match ledger.append(&megabyte) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!((31..=33).contains(&taken), "{taken}");
    assert!(refused.is_retryable() && refused.to_string().contains("the disk does not keep up"), "{refused}");
    model.release();
    ledger.sync().unwrap().wait().unwrap();
    assert_eq!(ledger.commit("there is room again").unwrap(), taken + 1);
}
