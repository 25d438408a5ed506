//! Sizes: segments, the whole, single records; and what a reader sees.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Model, bodies, home, open, small};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use supervisor_ledger::{
    Access, Disk, DiskFile, Error, Ledger, MAX_LINE, Options, Reader, Start, Unreadable, verify, verify_on,
};

#[test]
fn segments_end_before_they_are_too_large_and_the_next_says_which_it_follows() {
    let model = Model::new(1);
    let ledger = open(&model, &small());
    for number in 0..40 {
        drop(ledger.append(&format!("{number}")).unwrap());
    }
    ledger.sync().unwrap().wait().unwrap();
    let files = model.files();
    assert!(files.len() > 4);
    for (index, (name, content)) in
        files.values().enumerate().map(|(index, content)| (index, (index + 1, content)))
    {
        assert!(content.len() <= 2_000, "segment {name}");
        let first = content.split(|byte| *byte == b'\n').next().unwrap();
        let header: Value = serde_json::from_slice(first).unwrap();
        assert_eq!(header["segment"], json!(index + 1));
        assert_eq!(header["follows"], if index == 0 { Value::Null } else { json!(index) });
    }
    // One commit of many segments and many of one record give the same.
    assert_eq!(bodies(model.disk()), (0..40).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_ledger_that_is_opened_again_goes_on_in_the_same_segment() {
    let model = Model::new(1);
    for number in 0..3 {
        assert_eq!(open(&model, &Options::default()).commit("x").unwrap(), number + 1);
    }
    assert_eq!(model.files().len(), 1);
    assert_eq!(verify_on(model.disk()).unwrap().records, 3);
}

#[test]
fn the_oldest_segments_are_dropped_whole_and_verify_says_where_the_chain_begins() {
    let model = Model::new(1);
    let options = small().total_bytes(7_000);
    let ledger = open(&model, &options);
    let mut first_seen = 1;
    for number in 1..=200 {
        ledger.commit(&format!("{number}")).unwrap();
        let total: usize = model.files().values().map(Vec::len).sum();
        assert!(total <= 7_000, "{total}");
        let verified = verify_on(model.disk()).unwrap();
        assert_eq!(verified.end.sequence, number);
        match verified.start {
            Start::Origin => assert_eq!(verified.records, number),
            Start::Anchored { first_sequence, .. } => {
                assert_eq!(first_sequence + verified.records - 1, number);
                assert!(first_sequence >= first_seen);
                first_seen = first_sequence;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(first_seen > 150);
    drop(ledger);
    let ledger = open(&model, &options);
    assert_eq!(ledger.commit("201").unwrap(), 201);
}

#[test]
fn a_smaller_total_takes_effect_with_the_first_sync() {
    let model = Model::new(1);
    let ledger = open(&model, &small());
    (0..40).for_each(|_| drop(ledger.append("x").unwrap()));
    ledger.close().unwrap();
    let before = model.files().len();
    open(&model, &small().total_bytes(4_000)).commit("x").unwrap();
    assert!(model.files().len() < before);
}

#[test]
fn the_newest_segment_is_never_dropped_however_large_it_is() {
    let model = Model::new(1);
    let options = small().total_bytes(2_000);
    let ledger = open(&model, &options);
    for _ in 0..3 {
        ledger.commit(&"x".repeat(5_000)).unwrap();
        assert_eq!(model.files().len(), 1);
    }
    drop(ledger);
    assert_eq!(open(&model, &options).commit("y").unwrap(), 4);
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    for options in [Options::default().segment_bytes(0), Options::default().segment_bytes(10).total_bytes(9)]
    {
        let error = Ledger::open_on(Model::new(1).disk(), &options, drop).unwrap_err();
        assert!(matches!(error, Error::Options(_)), "{error}");
    }
}

#[test]
fn a_record_longer_than_a_segment_gets_one_of_its_own_and_one_longer_than_a_line_is_refused() {
    let model = Model::new(1);
    let ledger = open(&model, &small());
    for length in [1, 10_000, 1, MAX_LINE - 1_000] {
        ledger.commit(&"x".repeat(length)).unwrap();
    }
    assert_eq!(model.files().len(), 4);
    let error = ledger.append(&"x".repeat(MAX_LINE)).unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
    assert_eq!(ledger.commit("next").unwrap(), 5);
    assert_eq!(bodies(model.disk()).len(), 5);
}

#[test]
fn any_value_is_a_body_and_is_read_back_as_it_was() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    let values = [
        json!(null),
        json!({"action": "restart", "peer": {"uid": 1000}, "reason": "line\nfeed \u{0} \u{202e} ä <img src=x>"}),
        json!([1, -1, 0.5, u64::MAX]),
        json!("\",\"crc\":\"00000000\"}"),
    ];
    for value in &values {
        ledger.commit(value).unwrap();
    }
    let read: Vec<Value> =
        Reader::open_on(model.disk()).unwrap().map(|record| record.unwrap().body().unwrap()).collect();
    assert_eq!(read, values);
    let lines = model.files().into_values().next().unwrap();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), values.len() + 1, "one line each");
}

#[test]
fn what_would_take_more_than_a_line_or_is_no_json_is_refused() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    let broken = RawValue::from_string("[1,\n2]".into()).unwrap();
    let error = ledger.append(&*broken).unwrap_err();
    assert!(error.to_string().contains("line feed"), "{error}");
    let keys = BTreeMap::from([(vec![1], 2)]);
    assert!(matches!(ledger.append(&keys), Err(Error::NotJson { .. })));
    assert_eq!(ledger.commit("x").unwrap(), 1);
}

#[test]
fn whoever_opens_a_ledger_gets_every_record_on_the_way() {
    let home = home();
    let options = small();
    let ledger = Ledger::open(&home.path, &options).unwrap();
    (1..=30).for_each(|number| drop(ledger.append(&number).unwrap()));
    ledger.close().unwrap();
    let mut seen = Vec::new();
    let disk = Arc::new(supervisor_ledger::Folder::for_writing(&home.path).unwrap());
    let ledger = Ledger::open_on(disk, &options, |record| {
        seen.push((record.sequence, record.body::<u64>().unwrap()));
    });
    assert_eq!(ledger.unwrap().durable().sequence, 30);
    assert_eq!(seen, (1..=30).map(|number| (number, number)).collect::<Vec<_>>());
}

#[test]
fn a_reader_can_be_slower_than_the_writer_that_drops_what_it_has_not_read() {
    let home = home();
    let options = small().total_bytes(8_000);
    let ledger = Ledger::open(&home.path, &options).unwrap();
    for number in 0..10 {
        ledger.commit(&number).unwrap();
    }
    let mut reader = Reader::open(&home.path).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().sequence, 1);
    for number in 10..200 {
        ledger.commit(&number).unwrap();
    }
    // The file that it has open it reads to its end; the others it knew of are gone.
    let rest: Vec<u64> = reader.map(|record| record.unwrap().sequence).collect();
    assert!(!rest.is_empty() && rest.iter().copied().eq(2..2 + rest.len() as u64), "{rest:?}");
    assert!(matches!(verify(&home.path).unwrap().start, Start::Anchored { .. }));
}

/// A file that grows a little whenever somebody reads to its end.
#[derive(Clone)]
struct Growing {
    content: Arc<Vec<u8>>,
    shown: Arc<AtomicUsize>,
}

impl Disk for Growing {
    fn place(&self) -> String {
        "/growing".into()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(vec!["segment-0000000001.jsonl".into()])
    }
    fn open(&self, _: &str, _: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.clone()))
    }
    fn create(&self, _: &str) -> io::Result<Box<dyn DiskFile>> {
        unreachable!()
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        unreachable!()
    }
    fn sync(&self) -> io::Result<()> {
        unreachable!()
    }
}

impl DiskFile for Growing {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let shown = self.shown.load(Ordering::SeqCst).min(self.content.len());
        let read = (&self.content[offset as usize..shown]).read(into)?;
        if read == 0 {
            self.shown.fetch_add(97, Ordering::SeqCst);
        }
        Ok(read)
    }
    fn length(&self) -> io::Result<u64> {
        unreachable!()
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<usize> {
        unreachable!()
    }
    fn truncate(&self, _: u64) -> io::Result<()> {
        unreachable!()
    }
    fn sync(&self) -> io::Result<()> {
        unreachable!()
    }
}

#[test]
fn a_ledger_that_grows_while_it_is_read_is_not_taken_for_a_damaged_one() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    for number in 0..10 {
        ledger.commit(&number).unwrap();
    }
    let content = Arc::new(model.files().into_values().next().unwrap());
    for shown in 0..content.len() {
        let disk = Growing { content: Arc::clone(&content), shown: Arc::new(shown.into()) };
        let verified = verify_on(Arc::new(disk)).unwrap_or_else(|error| panic!("{shown} bytes: {error}"));
        assert_eq!(verified.end.sequence, verified.records);
    }
}

#[test]
fn a_line_is_read_by_its_place() {
    let home = home();
    let ledger = Ledger::open(&home.path, &Options::default()).unwrap();
    for number in 0..5 {
        ledger.commit(&number).unwrap();
    }
    let content = std::fs::read(home.path.join("segment-0000000001.jsonl")).unwrap();
    for record in Reader::open(&home.path).unwrap() {
        let record = record.unwrap();
        assert_eq!((record.segment, record.line), (1, record.sequence + 1));
        let line: Value = serde_json::Deserializer::from_slice(&content[record.byte as usize..])
            .into_iter()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(line["sequence"], json!(record.sequence));
        assert_eq!(line["body"].to_string(), record.body_text());
        assert!(record.recorded_at_unix_nanos > 1_600_000_000_000_000_000 && record.monotonic_nanos > 0);
    }
}

#[test]
fn records_are_read_as_values_and_one_of_another_kind_or_a_bad_line_stops_nobody() {
    let model = Model::new(1);
    let ledger = open(&model, &Options::default());
    for body in [json!({"n": 1}), json!("of another kind"), json!({"n": 3}), json!({"n": 4})] {
        ledger.commit(&body).unwrap();
    }
    drop(ledger);
    #[derive(serde::Deserialize)]
    struct Body {
        n: u64,
    }
    let mut files = model.files();
    let text = files.values_mut().next().unwrap();
    let at = text.windows(5).position(|window| window == br#""n":3"#).unwrap();
    text[at + 4] = b'5';
    let mut reader = Reader::open_on(Model::with(&files).disk()).unwrap();
    let read: Vec<_> = reader.entries::<Body>().collect();
    let said = read.iter().map(|entry| match entry {
        Ok(entry) => format!("{}: {}", entry.record.sequence, entry.body.n),
        Err(unreadable) => unreadable.to_string(),
    });
    let said: Vec<_> = said.collect();
    assert_eq!((said[0].as_str(), said.last().map(String::as_str)), ("1: 1", Some("4: 4")));
    assert!(said[1].starts_with("record 2 is of another kind: invalid type"), "{}", said[1]);
    assert!(matches!(read[2], Err(Unreadable::Flaw(_))) && said[2].contains("record 3"), "{}", said[2]);
}
