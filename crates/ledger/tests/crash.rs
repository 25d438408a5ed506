//! What a crash leaves, and what recovery makes of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{EIO, ENOSPC, Fault, Model, bodies, lay_out, open, small};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use supervisor_ledger::{Ledger, Options, Ticket, verify_on};

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    /// Waits for the records from the newest back.
    Wait,
    Sync,
    /// The call that is so many from now fails.
    Fault(usize, Fault),
    Fill(usize),
    Mend,
    /// The program is killed: files stay as they are seen.
    Kill,
    /// The power fails.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let fault =
        prop_oneof![Just(Fault::Before(EIO)), Just(Fault::After(EIO)), (1usize..200).prop_map(Fault::Short)];
    prop_oneof![
        8 => (0usize..900).prop_map(Step::Append),
        6 => Just(Step::Wait),
        1 => Just(Step::Sync),
        3 => (0usize..12, fault).prop_map(|(call, fault)| Step::Fault(call, fault)),
        1 => (0usize..2_000).prop_map(Step::Fill),
        2 => Just(Step::Mend),
        1 => Just(Step::Kill),
        2 => Just(Step::Crash),
    ]
}

/// A life of a ledger, and what somebody who listens to its answers knows.
struct Life {
    model: Model,
    ledger: Option<Ledger>,
    waiting: Vec<(String, Ticket)>,
    acknowledged: Vec<String>,
    /// Everything that was ever handed over, in order.
    appended: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let model = Model::new(seed);
        let ledger = Some(open(&model, &small()));
        Self { model, ledger, waiting: Vec::new(), acknowledged: Vec::new(), appended: Vec::new() }
    }

    fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append(length) => {
                let body = format!("{} {}", self.appended.len(), "x".repeat(*length));
                let ticket = self.ledger().append(&body).unwrap();
                self.appended.push(body.clone());
                self.waiting.push((body, ticket));
            }
            Step::Wait => self.wait(),
            Step::Sync => drop(self.ledger().sync().unwrap().wait()),
            Step::Fault(call, fault) => self.model.fault(*call, *fault),
            Step::Fill(room) => self.model.room(*room),
            Step::Mend => self.model.mend(),
            Step::Kill => self.end(false),
            Step::Crash => self.end(true),
        }
    }

    /// The newest first: if it is acknowledged, everything before it must be.
    fn wait(&mut self) {
        let waited: Vec<_> =
            self.waiting.drain(..).rev().map(|(body, ticket)| (body, ticket.wait().is_ok())).collect();
        self.acknowledged.extend(waited.into_iter().rev().filter(|(_, good)| *good).map(|(body, _)| body));
    }

    fn end(&mut self, crash: bool) {
        // A ledger that is dropped writes what waits: nothing can any more.
        self.model.fail(EIO);
        self.waiting.clear();
        self.ledger = None;
        self.model.mend();
        if crash {
            self.model.crash();
        }
        self.ledger = Some(open(&self.model, &small()));
        self.check();
    }

    fn check(&self) {
        let verified = verify_on(self.model.disk()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(verified.torn, None, "recovery has removed it");
        let found = bodies(self.model.disk());
        assert_eq!(verified.records, found.len() as u64);
        assert!(is_part(&self.acknowledged, &found), "an acknowledged record is missing");
        assert!(is_part(&found, &self.appended), "a record was never appended, or is out of order");
    }
}

/// Whether `whole` without some of its items is `part`.
fn is_part(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|item| item == wanted))
}

fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_fails_and_whenever_it_crashes_nothing_acknowledged_is_lost(
        seed in any::<u64>(),
        steps in vec(step(), 1..120),
    ) {
        let mut life = Life::new(seed);
        for step in &steps {
            life.take(step);
        }
        life.wait();
        life.end(true);
        // And it goes on.
        let before = life.appended.len();
        life.take(&Step::Append(10));
        life.wait();
        prop_assert_eq!(life.acknowledged.last(), life.appended.get(before));
        life.end(false);
    }
}

/// The steps on many disks, which lose different things.
fn replay(steps: &[Step]) {
    for seed in 0..64 {
        let mut life = Life::new(seed);
        steps.iter().for_each(|step| life.take(step));
    }
}

#[test]
fn a_cut_whose_sync_failed_is_made_again_by_the_next_program() {
    let eio = Fault::Before(EIO);
    replay(&[
        Step::Append(731),
        Step::Wait,
        Step::Append(199),
        Step::Fill(1),
        Step::Fault(3, eio),
        Step::Wait,
        Step::Kill,
        Step::Append(578),
        Step::Wait,
        Step::Append(0),
        Step::Wait,
        Step::Crash,
    ]);
}

#[test]
fn a_segment_whose_removal_was_not_synced_does_not_come_back_behind_the_next_program() {
    let eio = Fault::Before(EIO);
    replay(&[
        Step::Append(600),
        Step::Wait,
        Step::Append(800),
        Step::Fault(3, eio),
        Step::Fault(5, eio),
        Step::Wait,
        Step::Kill,
        Step::Append(0),
        Step::Wait,
        Step::Crash,
    ]);
}

/// A ledger of several segments whose last records were not synced: the files, and the length of the last one up to
/// which it was.
fn unsynced() -> (std::collections::BTreeMap<String, Vec<u8>>, String, usize, usize) {
    let model = Model::new(1);
    let ledger = open(&model, &small());
    for number in 0..10 {
        ledger.commit(&format!("record {number} {}", "x".repeat(300))).unwrap();
    }
    let synced = model.files();
    let (name, before) =
        synced.last_key_value().map(|(name, content)| (name.clone(), content.len())).unwrap();
    for number in 10..12 {
        ledger.commit(&format!("record {number} {}", "ä".repeat(20))).unwrap();
    }
    let files = model.files();
    assert_eq!(files.len(), synced.len(), "no segment began meanwhile");
    assert!(files.len() > 2);
    let length = files[&name].len();
    (files, name, before, length)
}

#[test]
fn cut_at_any_byte_behind_the_last_sync_every_synced_record_is_there_and_it_goes_on() {
    let (files, name, synced, length) = unsynced();
    for cut in synced..=length {
        let mut files = files.clone();
        files.get_mut(&name).unwrap().truncate(cut);
        let model = Model::with(&files);
        let whole = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        let kept = (files.values().map(|content| whole(content)).sum::<usize>() - files.len()) as u64;
        assert!(kept >= 10);
        let torn = files[&name].last() != Some(&b'\n');
        let seen = verify_on(model.disk()).unwrap();
        assert_eq!((seen.records, seen.torn.is_some()), (kept, torn), "cut at {cut}");

        let ledger = open(&model, &small());
        assert_eq!(ledger.removed(), seen.torn.as_ref());
        assert_eq!(ledger.commit("next").unwrap(), kept + 1);
        let verified = verify_on(model.disk()).unwrap();
        assert_eq!((verified.records, verified.torn), (kept + 1, None), "cut at {cut}");
    }
}

#[test]
fn a_segment_whose_header_was_cut_short_is_made_anew() {
    let (files, name, ..) = unsynced();
    let length = files[&name].iter().position(|byte| *byte == b'\n').unwrap();
    for cut in 0..=length {
        let mut files = files.clone();
        files.get_mut(&name).unwrap().truncate(cut);
        let model = Model::with(&files);
        assert!(verify_on(model.disk()).unwrap().torn.is_some(), "cut at {cut}");
        let ledger = open(&model, &small());
        let next = ledger.durable().sequence + 1;
        assert_eq!(ledger.commit(&"x".repeat(1_500)).unwrap(), next);
        assert_eq!(model.files().last_key_value().unwrap().0, &name);
        assert_eq!(verify_on(model.disk()).unwrap().end.sequence, next, "cut at {cut}");
    }
}

#[test]
fn a_last_line_with_a_wrong_crc_is_removed_and_one_before_it_is_not() {
    let (files, name, synced, length) = unsynced();
    let flipped = |at: usize| {
        let mut files = files.clone();
        files.get_mut(&name).unwrap()[at] ^= 1;
        lay_out(&files)
    };
    let home = flipped(length - 40);
    let ledger = Ledger::open(&home.path, &small()).unwrap();
    assert_eq!(ledger.removed().unwrap().flaw.sequence, Some(12));
    assert_eq!(ledger.durable().sequence, 11);
    drop(ledger);

    let home = flipped(synced + 40);
    let before = std::fs::read(home.path.join(&name)).unwrap();
    let text = Ledger::open(&home.path, &small()).unwrap_err().to_string();
    assert!(text.contains(&format!("{name} line")) && text.contains("record 11"), "{text}");
    assert_eq!(std::fs::read(home.path.join(&name)).unwrap(), before, "nothing was removed");
}

#[test]
fn what_a_failed_sync_left_in_memory_is_written_again_before_anything_follows_it() {
    let model = Model::new(7);
    let ledger = open(&model, &Options::default());
    ledger.commit("first").unwrap();
    // The second record is written and its sync fails, and so does every attempt to cut it off: the program is
    // killed before it can. What the next one reads is in memory only.
    let ticket = ledger.append("second").unwrap();
    model.fault(1, Fault::Before(EIO));
    for call in 2..40 {
        model.fault(call, Fault::Before(EIO));
    }
    ticket.wait().unwrap_err();
    drop(ledger);
    model.mend();
    assert_eq!(bodies(model.disk()), ["first", "second"]);

    let ledger = open(&model, &Options::default());
    ledger.commit("third").unwrap();
    drop(ledger);
    model.crash();
    assert_eq!(bodies(model.disk()), ["first", "second", "third"]);
    verify_on(model.disk()).unwrap();
}

#[test]
fn a_record_that_was_called_lost_does_not_turn_up_when_the_program_is_killed_then() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    ledger.commit("kept").unwrap();
    model.fault(1, Fault::Before(EIO));
    ledger.commit("lost").unwrap_err();
    drop(ledger);
    let ledger = open(&model, &Options::default());
    assert_eq!((ledger.removed(), ledger.durable().sequence), (None, 1));
    assert_eq!(bodies(model.disk()), ["kept"]);
}

#[test]
fn a_full_disk_takes_nothing_with_it() {
    for room in 0..1_200 {
        let model = Model::new(room as u64);
        let ledger = open(&model, &small());
        ledger.commit("kept").unwrap();
        model.room(room);
        let outcomes: Vec<_> = (0..4).map(|number| ledger.commit(&format!("{number}")).is_ok()).collect();
        if let Some(full) = outcomes.iter().position(|good| !good) {
            let error = format!("{:?}", ledger.health());
            assert!(error.contains("Broken") && error.contains(&format!("code: {ENOSPC}")), "{error}");
            assert!(outcomes[full..].iter().filter(|good| **good).count() <= 1, "{outcomes:?}");
        }
        model.mend();
        ledger.commit("after").unwrap();
        let mut expected = vec!["kept".to_owned()];
        expected.extend((0..4).filter(|number| outcomes[*number]).map(|number| number.to_string()));
        expected.push("after".into());
        assert_eq!(bodies(model.disk()), expected, "room for {room}");
        drop(ledger);
        model.crash();
        assert_eq!(bodies(model.disk()), expected, "room for {room}");
    }
}
