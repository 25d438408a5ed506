//! How fast a directory takes records: one sync each, many threads that share syncs, and one sync for all.
//!
//! `cargo run --release -p supervisor-ledger --example rate -- DIRECTORY [RECORDS]`. The directory is made, or must
//! hold nothing but a ledger; what is appended stays. Wall-clock figures of one run: look at several.

use std::error::Error;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use supervisor_ledger::{Ledger, Options, verify};

/// About what an audit writes for a command.
const BODY: &str = r#"{"peer":{"uid":1000,"gid":1000,"pid":4242},"connection_id":17,"frame_bytes":312,"actor":{"proved":"uid:1000","claimed":"ops"},"action":"restart_child","target":"/web/parser","decision":"accepted","reason":"deploy of 14:05"}"#;

const THREADS: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let directory = words.next().ok_or("name a directory for the ledger")?;
    let records: usize = words.next().map_or(Ok(20_000), |word| word.parse())?;
    let body: Box<serde_json::value::RawValue> = serde_json::from_str(BODY)?;
    let ledger = Ledger::open(&directory, &Options::default())?;

    let few = (records / 20).max(1);
    tell("one thread, a sync for each", few, timed(|| each(&ledger, &body, few))?);
    let of_each = (few / THREADS).max(1);
    let shared = timed(|| {
        std::thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(|| each(&ledger, &body, of_each)));
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    });
    tell(&format!("{THREADS} threads that each wait for their record"), of_each * THREADS, shared?);
    let all = timed(|| {
        for _ in 0..records {
            drop(ledger.append(&body)?);
        }
        ledger.sync()?.wait().map(drop)
    });
    tell("one thread, one sync at the end", records, all?);
    let end = ledger.durable().sequence;
    drop(ledger);
    tell("read and verify", usize::try_from(end)?, timed(|| verify(&directory).map(drop))?);
    Ok(())
}

fn each(
    ledger: &Ledger,
    body: &serde_json::value::RawValue,
    records: usize,
) -> Result<(), supervisor_ledger::Error> {
    (0..records).try_for_each(|_| ledger.commit(body).map(drop))
}

#[expect(clippy::disallowed_methods, reason = "measures real speed for the developer; no test waits on it")]
fn timed<E>(work: impl FnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

#[expect(clippy::print_stdout, reason = "figures are what this example is for")]
fn tell(what: &str, records: usize, took: Duration) {
    let each = took.as_secs_f64() / records as f64;
    println!(
        "{what}: {records} records in {took:.2?}, {:.1} us each, {:.0} a second",
        each * 1e6,
        1.0 / each
    );
}
