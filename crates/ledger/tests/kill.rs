//! A writer that is killed at any moment keeps its word.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use common::{bodies, home, small};
use supervisor_ledger::{Error, Folder, Ledger, verify};

/// Says to the copy of this program that it is to write, and where.
const WRITE_TO: &str = "SUPERVISOR_LEDGER_TEST_WRITES_TO";

const THREADS: u64 = 4;

/// Writes until it is killed, and says of each record that it was acknowledged.
#[test]
#[ignore = "it is the program that the other test starts and kills"]
fn the_writer_that_is_killed() {
    let Some(path) = std::env::var_os(WRITE_TO) else { return };
    let ledger = Ledger::open(&path, &small().total_bytes(u64::MAX)).unwrap();
    let next = AtomicU64::new(ledger.durable().sequence);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let body = format!("{}:{}", std::process::id(), next.fetch_add(1, Ordering::SeqCst));
                    ledger.commit(&body).unwrap();
                    // One write of a whole line: a pipe keeps it in one piece.
                    std::io::stderr().write_all(format!("done {body}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

/// Starts a writer, kills it after `count` acknowledgements, and returns all that came.
fn write_and_kill(path: &Path, count: usize) -> Vec<String> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_writer_that_is_killed", "--ignored", "--nocapture"])
        .env(WRITE_TO, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut take = |line: String| acknowledged.extend(line.strip_prefix("done ").map(str::to_owned));
    lines.by_ref().take(count).for_each(|line| take(line.unwrap()));
    writer.kill().unwrap();
    // What was said before the end counts too.
    lines.for_each(|line| take(line.unwrap()));
    writer.wait().unwrap();
    acknowledged
}

#[test]
fn killed_at_any_moment_a_writer_has_kept_what_it_acknowledged() {
    let home = home();
    let mut acknowledged = BTreeSet::new();
    for round in 0..12 {
        // Different counts end in different moments; which one exactly is up to the system.
        let said = write_and_kill(&home.path, 1 + round * 17 % 60);
        assert!(!said.is_empty());
        acknowledged.extend(said);
        // As it was left, and as recovery makes it.
        let left = verify(&home.path).unwrap();
        let ledger = Ledger::open(&home.path, &small()).unwrap();
        assert_eq!(ledger.removed(), left.torn.as_ref());
        drop(ledger);
        let verified = verify(&home.path).unwrap();
        assert_eq!((verified.torn, verified.end), (None, left.end));
        let found = bodies(std::sync::Arc::new(Folder::for_reading(&home.path).unwrap()));
        let once: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(once.len(), found.len(), "a record is there twice");
        let missing: Vec<_> = acknowledged.difference(&once).collect();
        assert!(missing.is_empty(), "acknowledged and missing: {missing:?}");
    }
}

#[test]
fn a_killed_writer_leaves_no_lock_and_a_living_one_keeps_others_out() {
    let home = home();
    let ledger = Ledger::open(&home.path, &small()).unwrap();
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_writer_that_is_killed", "--ignored", "--nocapture"])
        .env(WRITE_TO, &home.path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&other.stderr) + String::from_utf8_lossy(&other.stdout);
    assert!(!other.status.success());
    assert!(said.contains("InUse") && said.contains(&std::process::id().to_string()), "{said}");
    drop(ledger);
    assert!(!write_and_kill(&home.path, 3).is_empty());
    let again = Ledger::open(&home.path, &small());
    assert!(!matches!(again, Err(Error::InUse { .. })), "{again:?}");
}
