//! Disks that fail: what is said, what is kept, and how it goes on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{EIO, ENOSPC, EROFS, Fault, Model, bodies, home, open, small};
use supervisor_ledger::{Access, Disk, DiskFile, Error, Folder, Health, Ledger, Options, verify, verify_on};

/// Twelve records that need more than one segment.
fn write(ledger: &Ledger, acknowledged: &mut Vec<String>) {
    for number in 0..12 {
        let body = format!("{number} {}", "x".repeat(200));
        if ledger.commit(&body).is_ok() {
            acknowledged.push(body);
        }
    }
}

#[test]
fn each_call_may_fail_before_or_after_it_has_done_its_work() {
    for fault in [Fault::Before(EIO), Fault::After(EIO), Fault::Before(ENOSPC), Fault::Short(1)] {
        let mut call = 0;
        loop {
            let model = Model::new(call as u64);
            let ledger = open(&model, &small());
            model.fault(call, fault);
            let before = model.calls();
            let mut acknowledged = Vec::new();
            write(&ledger, &mut acknowledged);
            let reached = model.calls() - before > call;
            assert!(acknowledged.len() >= 11, "one fault costs one record at most");
            model.mend();
            ledger.commit("last").unwrap();
            acknowledged.push("last".into());
            assert!(matches!(ledger.health(), Health::Sound));
            assert_eq!(bodies(model.disk()), acknowledged, "call {call}, {fault:?}");
            drop(ledger);
            model.crash();
            assert_eq!(bodies(model.disk()), acknowledged, "call {call}, {fault:?}, after a crash");
            verify_on(model.disk()).unwrap();
            if !reached {
                break;
            }
            call += 1;
        }
        assert!(call > 24, "{call}");
    }
}

#[test]
fn a_disk_that_fails_from_some_call_on_costs_nothing_that_was_acknowledged() {
    for call in 0..24 {
        let model = Model::new(call as u64);
        let ledger = open(&model, &small());
        for later in call..call + 200 {
            model.fault(later, Fault::Before(EROFS));
        }
        let mut acknowledged = Vec::new();
        write(&ledger, &mut acknowledged);
        let Health::Broken { error } = ledger.health() else { panic!("call {call}: it is not broken") };
        let text = error.to_string();
        assert!(
            text.contains("Read-only file system") && text.contains("mount that file system writable"),
            "{text}"
        );
        drop(ledger);
        model.crash();
        let ledger = open(&model, &small());
        assert!(bodies(model.disk()).starts_with(&acknowledged), "call {call}");
        ledger.commit("after").unwrap();
    }
}

#[test]
fn a_broken_ledger_is_mended_by_a_sync_once_the_disk_is_well_and_goes_on_in_a_new_segment() {
    let model = Model::new(3);
    let ledger = open(&model, &Options::default());
    ledger.commit("before").unwrap();
    model.fail(EIO);
    ledger.commit("lost").unwrap_err();
    ledger.sync().unwrap().wait().unwrap_err();
    assert!(matches!(ledger.health(), Health::Broken { .. }));
    assert_eq!(ledger.durable().sequence, 1);
    model.mend();
    ledger.sync().unwrap().wait().unwrap();
    assert!(matches!(ledger.health(), Health::Sound));
    assert_eq!(model.files().len(), 2);
    ledger.commit("after").unwrap();
    let verified = verify_on(model.disk()).unwrap();
    assert_eq!((verified.segments, verified.records), (2, 2));
    assert_eq!(bodies(model.disk()), ["before", "after"]);
    // A sync of a sound ledger begins no segment.
    ledger.sync().unwrap().wait().unwrap();
    assert_eq!(model.files().len(), 2);
}

#[test]
fn opening_fails_with_the_file_and_the_remedy_and_can_be_tried_again() {
    let mut call = 0;
    loop {
        let model = Model::new(call as u64);
        drop(open(&model, &small()));
        model.fault(call, Fault::Before(EIO));
        match Ledger::open_on(model.disk(), &small(), drop) {
            Ok(_) => break,
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("/model") && text.contains("the device is failing"), "{text}");
            }
        }
        open(&model, &small()).commit("x").unwrap();
        call += 1;
    }
    assert!(call >= 3, "{call}");
}

#[test]
fn a_ledger_that_cannot_be_begun_leaves_nothing_in_the_way() {
    for call in 0..4 {
        for fault in [Fault::Before(ENOSPC), Fault::After(ENOSPC)] {
            let model = Model::new(call as u64);
            model.fault(call, fault);
            Ledger::open_on(model.disk(), &small(), drop).unwrap_err();
            open(&model, &small()).commit("x").unwrap();
            assert_eq!(bodies(model.disk()), ["x"]);
        }
    }
}

#[test]
fn old_segments_that_cannot_be_removed_stop_nobody_and_are_removed_later() {
    let model = Model::new(1);
    let options = small().total_bytes(4_000);
    let ledger = open(&model, &options);
    let body = "x".repeat(700);
    while model.files().len() < 2 {
        ledger.commit(&body).unwrap();
    }
    // A commit with a new segment makes it, syncs the directory, writes, syncs, and then removes the oldest.
    let mut overgrown = false;
    for _ in 0..20 {
        let segments = model.files().len();
        model.fault(4, Fault::Before(EIO));
        ledger.commit(&body).unwrap();
        if let Health::Overgrown { error } = ledger.health() {
            overgrown = true;
            assert!(error.to_string().starts_with("cannot remove /model/segment-"), "{error}");
            assert!(model.files().len() > segments);
            ledger.commit(&body).unwrap();
            assert!(matches!(ledger.health(), Health::Sound));
        }
        model.mend();
    }
    assert!(overgrown);
    let total: usize = model.files().values().map(Vec::len).sum();
    assert!(total <= 4_000, "{total}");
}

/// A real directory whose new files are `/dev/full` when asked for.
struct Full(Folder, AtomicBool);

impl Disk for Full {
    fn place(&self) -> String {
        self.0.place()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.0.create(name)?;
        if !self.1.load(Ordering::SeqCst) {
            return Ok(file);
        }
        Ok(Box::new(File::options().write(true).open("/dev/full")?))
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(name, access)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

#[test]
fn a_file_on_dev_full_is_a_full_disk_and_the_ledger_recovers_when_there_is_room() {
    let home = home();
    let disk = Arc::new(Full(Folder::for_writing(&home.path).unwrap(), AtomicBool::new(false)));
    let options = Options::default().segment_bytes(1);
    let ledger = Ledger::open_on(Arc::clone(&disk) as Arc<dyn Disk>, &options, drop).unwrap();
    ledger.commit("before").unwrap();
    disk.1.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let error = ledger.commit("lost").unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Io { .. }) && error.is_retryable(), "{text}");
        assert!(text.contains("segment-0000000002.jsonl: No space left on device"), "{text}");
        assert!(text.contains("make room on that file system"), "{text}");
    }
    disk.1.store(false, Ordering::SeqCst);
    ledger.commit("after").unwrap();
    drop(ledger);
    let verified = verify(&home.path).unwrap();
    assert_eq!((verified.segments, verified.records, verified.end.sequence), (2, 2, 2));
}
