//! The queue and its batches under the model checker: many schedules, each one repeatable.
//!
//! `cargo xtask shuttle` builds the crate with `--cfg shuttle` and runs these. A deadlock, which is what a lost
//! wake-up leads to, fails a test as an assertion does. There are no files here: the writer says of each batch
//! whether it is on the disk.

use std::sync::Arc;

use serde_json::value::RawValue;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, Runner};

use crate::error::Error;
use crate::head::Head;
use crate::ledger::Ticket;
use crate::queue::{Health, Queue};

/// Where the schedules begin.
const SEED: u64 = 3;
const SCHEDULES: usize = 2_000;

/// Runs `code` under random schedules, and under some that stop somebody for long at up to three places.
fn explore(code: fn()) {
    run(RandomScheduler::new_from_seed(SEED, SCHEDULES), code);
    run(PctScheduler::new_from_seed(SEED, 3, SCHEDULES / 2), code);
}

fn run(scheduler: impl Scheduler + 'static, code: fn()) {
    let mut config = Config::new();
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(code);
}

fn queue() -> Arc<Queue> {
    Arc::new(Queue::new(Head::START, 1 << 20, Health::Sound))
}

fn append(queue: &Arc<Queue>) -> Result<Ticket, Error> {
    let body = RawValue::from_string("1".into()).unwrap();
    let (sequence, stamp, batch) = queue.append(&body)?;
    Ok(Ticket::new(queue, sequence, stamp, batch))
}

/// A writer whose batches reach the disk as long as `good` says so of their number. Returns how many there were.
fn writer(queue: &Arc<Queue>, good: fn(usize) -> bool) -> JoinHandle<usize> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        let mut batches = 0;
        while let Some(work) = queue.next() {
            match good(batches) {
                true => queue.succeeded(&work, Ok(())),
                false => queue.failed(&work, &Error::Options("the disk is broken")),
            }
            batches += 1;
        }
        queue.end();
        batches
    })
}

/// Threads that each append a record and wait for it, or for a task that does.
fn appenders(queue: &Arc<Queue>, count: usize) -> Vec<JoinHandle<Result<u64, Error>>> {
    let append_and_wait = |number: usize| {
        let queue = Arc::clone(queue);
        thread::spawn(move || {
            let ticket = append(&queue)?;
            if number % 2 == 0 { ticket.wait() } else { shuttle::future::block_on(ticket) }
        })
    };
    (0..count).map(append_and_wait).collect()
}

fn joined<T: 'static>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn everybody_who_waits_is_told_whenever_they_come() {
    explore(|| {
        let queue = queue();
        let writer = writer(&queue, |_| true);
        let mut sequences: Vec<u64> =
            joined(appenders(&queue, 3)).into_iter().map(|outcome| outcome.unwrap()).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, [1, 2, 3]);
        assert_eq!(queue.durable().sequence, 3);
        queue.close();
        assert!(writer.join().unwrap() <= 3);
    });
}

#[test]
fn a_failure_is_told_to_those_it_concerns_and_to_nobody_else() {
    explore(|| {
        let queue = queue();
        let writer = writer(&queue, |batch| batch != 0);
        let outcomes = joined(appenders(&queue, 3));
        let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        assert!(good < 3, "the first batch held somebody's record");
        assert_eq!((queue.durable().sequence, queue.lost()), (good, 3 - good));
        queue.close();
        writer.join().unwrap();
    });
}

#[test]
fn what_nobody_waits_for_is_written_at_the_end_and_whoever_waits_late_is_told() {
    explore(|| {
        let queue = queue();
        let writer = writer(&queue, |_| true);
        let unheeded = append(&queue).unwrap();
        let late = append(&queue).unwrap();
        let waiting = thread::spawn(move || late.wait());
        queue.close();
        assert_eq!(waiting.join().unwrap().unwrap(), 2);
        writer.join().unwrap();
        assert_eq!(queue.durable().sequence, 2);
        assert_eq!(unheeded.wait().unwrap(), 1);
    });
}

#[test]
fn a_writer_that_panics_leaves_nobody_waiting() {
    explore(|| {
        let queue = queue();
        let panicking = Arc::clone(&queue);
        // It takes its work, and then it is gone.
        let writer = thread::spawn(move || {
            drop(panicking.next());
            panicking.end();
        });
        for outcome in joined(appenders(&queue, 3)) {
            assert!(matches!(outcome, Err(Error::Ended)), "{outcome:?}");
        }
        writer.join().unwrap();
        assert!(matches!(queue.health(), Health::Broken { error: Error::Ended }));
    });
}
