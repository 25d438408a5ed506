//! What somebody who writes to the files can do without being noticed: nothing in the middle.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{Model, lay_out, open, small};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use supervisor_ledger::{
    Error, Flaw, Health, Ledger, OnDamage, Options, Reader, Reason, Start, verify, verify_on,
};

type Files = BTreeMap<String, Vec<u8>>;

/// A ledger of `records` in segments of about six.
fn ledger(records: usize) -> Files {
    let model = Model::new(1);
    let ledger = open(&model, &small());
    for number in 0..records {
        ledger.commit(&format!("record {number}")).unwrap();
    }
    model.files()
}

fn name(segment: u64) -> String {
    format!("segment-{segment:010}.jsonl")
}

fn flaw(files: &Files) -> Flaw {
    match verify_on(Model::with(files).disk()) {
        Err(Error::Damaged(flaw)) => *flaw,
        other => panic!("{other:?}"),
    }
}

/// Where the flaw is: segment, line.
fn place(files: &Files) -> (u64, u64) {
    let flaw = flaw(files);
    (flaw.segment, flaw.line)
}

/// The ledger with the lines of one segment put differently.
fn with_lines(files: &Files, segment: u64, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Files {
    let mut files = files.clone();
    let content = files.get_mut(&name(segment)).unwrap();
    let mut lines: Vec<Vec<u8>> =
        content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    change(&mut lines);
    *content = lines.concat();
    files
}

/// The line with other words in it and the CRC that belongs to them.
fn forged(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(line.to_vec()).unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replacen(from, to, 1);
    let (content, _) = text.split_at(text.rfind(",\"crc\":").unwrap());
    format!("{content},\"crc\":\"{:08x}\"}}\n", crc32fast::hash(content.as_bytes())).into_bytes()
}

#[test]
fn every_flipped_bit_in_the_middle_is_found_in_its_line() {
    let files = ledger(9);
    assert_eq!(files.len(), 2);
    let last = files.last_key_value().unwrap().0;
    for (file, content) in &files {
        // What follows the last but one line feed is the end, which a crash may have cut short.
        let mut feeds =
            content.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        let end = if file == last { feeds.nth(1).unwrap() } else { content.len() };
        for bit in 0..end * 8 {
            let mut changed = files.clone();
            changed.get_mut(file).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let line = content[..bit / 8].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let found = flaw(&changed);
            assert!(found.file.ends_with(file), "{found}");
            assert_eq!(found.line, line, "bit {bit} of {file}: {found}");
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_line_is_shown_as_an_end_that_does_not_count() {
    let files = ledger(3);
    let content = &files[&name(1)];
    let start = content[..content.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for bit in start * 8..content.len() * 8 {
        let mut changed = files.clone();
        changed.get_mut(&name(1)).unwrap()[bit / 8] ^= 1 << (bit % 8);
        let verified = verify_on(Model::with(&changed).disk());
        let torn = verified.unwrap_or_else(|error| panic!("bit {bit}: {error}")).torn;
        assert_eq!(torn.unwrap_or_else(|| panic!("bit {bit}")).flaw.line, 4);
    }
}

#[test]
fn two_lines_that_changed_places_are_found_wherever_they_are() {
    let files = ledger(20);
    for segment in 1..=3 {
        let count = files[&name(segment)].iter().filter(|byte| **byte == b'\n').count();
        for first in 0..count {
            for second in first + 1..count {
                let swapped = with_lines(&files, segment, |lines| lines.swap(first, second));
                assert_eq!(place(&swapped), (segment, first as u64 + 1), "{first} and {second}");
            }
        }
    }
}

#[test]
fn a_line_that_was_taken_out_is_found_where_the_next_one_stands() {
    let files = ledger(20);
    let count = files[&name(2)].iter().filter(|byte| **byte == b'\n').count();
    for line in 0..count - 1 {
        let without = with_lines(&files, 2, |lines| drop(lines.remove(line)));
        assert_eq!(place(&without), (2, line as u64 + 1));
        // A missing record is named by its number and not by a hash.
        let reason = flaw(&without).reason;
        assert_eq!(matches!(reason, Reason::Sequence { .. }), line > 0, "{reason}");
    }
    // The last one of a segment is missed by the header of the next.
    let without = with_lines(&files, 2, |lines| drop(lines.pop()));
    assert_eq!(place(&without), (3, 1));
}

#[test]
fn a_line_that_was_put_in_is_found_whatever_it_holds() {
    let files = ledger(20);
    let count = files[&name(2)].iter().filter(|byte| **byte == b'\n').count();
    for line in 1..count {
        for strange in [&b"\n"[..], b"{}\n", b"\0\n", b"{\"sequence\":1}\n", "ä\n".as_bytes(), b"\xff\n"] {
            let more = with_lines(&files, 2, |lines| lines.insert(line, strange.to_vec()));
            assert_eq!(place(&more), (2, line as u64 + 1));
        }
        let copied = with_lines(&files, 2, |lines| lines.insert(line, lines[line].clone()));
        assert_eq!(place(&copied), (2, line as u64 + 2));
        let header = with_lines(&files, 2, |lines| lines.insert(line, lines[0].clone()));
        assert!(matches!(flaw(&header).reason, Reason::NoRecord { .. }));
    }
}

#[test]
fn a_forged_line_with_a_right_crc_is_found_by_the_line_behind_it() {
    let files = ledger(20);
    let changed = with_lines(&files, 2, |lines| lines[2] = forged(&lines[2], "\"record ", "\"recorD "));
    let found = flaw(&changed);
    assert_eq!((found.segment, found.line), (2, 4));
    assert!(matches!(found.reason, Reason::Previous { .. }), "{found}");
    // The last one of a segment by the header of the next.
    let changed = with_lines(&files, 2, |lines| {
        let last = lines.last_mut().unwrap();
        *last = forged(last, "\"record ", "\"recorD ");
    });
    assert_eq!(place(&changed), (3, 1));
    // And a forged header by its first record.
    let changed = with_lines(&files, 1, |lines| lines[0] = forged(&lines[0], "_nanos\":1", "_nanos\":2"));
    assert_eq!(place(&changed), (1, 2));
}

#[test]
fn a_last_line_that_is_whole_and_does_not_belong_there_is_no_torn_end() {
    let files = ledger(20);
    let last = files.len() as u64;
    let at_end = |change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let files =
            with_lines(&files, last, |lines| *lines.last_mut().unwrap() = change(lines.last().unwrap()));
        let opened = Ledger::open_on(Model::with(&files).disk(), &small(), drop);
        assert!(matches!(opened, Err(Error::Damaged(_))), "{opened:?}");
        flaw(&files).reason
    };
    let other_number = at_end(&|line| forged(line, "\"sequence\":20", "\"sequence\":21"));
    assert_eq!(other_number, Reason::Sequence { expected: 20, found: 21 });
    let twice = at_end(&|line| [line, line].concat());
    assert_eq!(twice, Reason::Sequence { expected: 21, found: 20 });
    let elsewhere = at_end(&|line| forged(line, "\"previous\":\"", "\"previous\":\"0"));
    assert!(matches!(elsewhere, Reason::NoRecord { .. }), "{elsewhere}");
}

#[test]
fn a_segment_that_was_taken_out_renamed_or_put_in_is_found() {
    let files = ledger(30);
    let mut without = files.clone();
    without.remove(&name(2)).unwrap();
    let found = flaw(&without);
    assert_eq!((found.segment, found.line), (3, 1));
    assert_eq!(found.reason, Reason::Follows { stated: Some(2), found: Some(1) });
    assert!(
        found.to_string().contains("the segment follows segment 2, but the one before it is segment 1"),
        "{found}"
    );

    let mut renamed = files.clone();
    let content = renamed.remove(&name(2)).unwrap();
    renamed.insert(name(9), content);
    assert_eq!(place(&renamed), (3, 1));

    let mut copied = files.clone();
    copied.insert(name(9), files[&name(2)].clone());
    assert_eq!(flaw(&copied).reason, Reason::OtherSegment { found: 2 });

    let mut swapped = files.clone();
    swapped.insert(name(2), files[&name(3)].clone());
    assert_eq!(flaw(&swapped).reason, Reason::OtherSegment { found: 3 });

    let mut emptied = files.clone();
    emptied.insert(name(2), Vec::new());
    assert_eq!(place(&emptied), (2, 1));

    let mut first = files.clone();
    first.insert(name(0), files[&name(2)].clone());
    assert_eq!(place(&first), (0, 1));
}

#[test]
fn a_chain_that_begins_later_says_where_it_is_anchored() {
    let mut files = ledger(20);
    let whole = verify_on(Model::with(&files).disk()).unwrap();
    assert_eq!((whole.start, whole.records, whole.end.sequence), (Start::Origin, 20, 20));
    assert!(whole.to_string().contains("whole from the first record on"), "{whole}");
    files.remove(&name(1)).unwrap();
    let rest = verify_on(Model::with(&files).disk()).unwrap();
    let Start::Anchored { segment: 2, first_sequence, .. } = rest.start else { panic!("{rest}") };
    assert_eq!(first_sequence + rest.records - 1, 20);
    assert_eq!(rest.end, whole.end);
    let text = rest.to_string();
    assert!(text.contains(&format!(
        "the chain begins at record {first_sequence}, anchored in the header of segment 2"
    )));
    // One that says it is the first of all must be it.
    let changed =
        with_lines(&files, 2, |lines| lines[0] = forged(&lines[0], "\"follows\":1", "\"follows\":null"));
    assert_eq!(place(&changed), (2, 1));
}

#[test]
fn a_damaged_ledger_is_refused_or_opened_to_be_read_and_stays_as_it_is() {
    let mut files = ledger(20);
    files.get_mut(&name(2)).unwrap()[700] ^= 4;
    let home = lay_out(&files);
    let Err(Error::Damaged(flaw)) = Ledger::open(&home.path, &small()) else { panic!("it was opened") };
    let Err(Error::Damaged(again)) = verify(&home.path) else { panic!("it was verified") };
    assert_eq!(flaw, again);
    let text = flaw.to_string();
    let start = format!(
        "{}/{} line {} (byte {}, record {}): ",
        home.path.display(),
        name(2),
        flaw.line,
        flaw.byte,
        flaw.sequence.unwrap()
    );
    assert!(text.starts_with(&start), "{text} does not begin with {start}");

    let options = small().on_damage(OnDamage::ReadOnly);
    let ledger = Ledger::open(&home.path, &options).unwrap();
    assert!(matches!(ledger.health(), Health::ReadOnly { flaw: shown } if shown == *flaw));
    assert_eq!(ledger.durable().sequence, 20);
    assert!(matches!(ledger.append("x"), Err(Error::ReadOnly(_))));
    assert!(matches!(ledger.sync(), Err(Error::ReadOnly(_))));
    assert!(matches!(Ledger::open(&home.path, &options), Err(Error::InUse { .. })), "it is locked");
    ledger.close().unwrap();
    for (file, content) in &files {
        assert_eq!(&std::fs::read(home.path.join(file)).unwrap(), content);
    }
}

#[test]
fn a_reader_tells_of_a_bad_line_and_goes_on_behind_it() {
    let files = ledger(20);
    let bad = with_lines(&files, 2, |lines| lines[3][50] ^= 1);
    let items: Vec<_> = Reader::open_on(Model::with(&bad).disk()).unwrap().collect();
    assert_eq!(items.len(), 20);
    let wrong = items.iter().position(Result::is_err).unwrap();
    assert_eq!(items.iter().filter(|item| item.is_err()).count(), 1);
    for (at, item) in items.iter().enumerate().filter(|(at, _)| *at != wrong) {
        assert_eq!(item.as_ref().unwrap().sequence, at as u64 + 1);
    }
    assert_eq!(items[wrong].as_ref().unwrap_err().sequence, Some(wrong as u64 + 1));
    // Also behind a bad header.
    let bad = with_lines(&files, 2, |lines| lines[0][20] ^= 1);
    let items: Vec<_> = Reader::open_on(Model::with(&bad).disk()).unwrap().collect();
    assert_eq!((items.len(), items.iter().filter(|item| item.is_err()).count()), (21, 1));
}

#[test]
fn a_line_that_is_too_long_is_one_bad_line_and_the_rest_is_read() {
    let files = ledger(20);
    let long = with_lines(&files, 2, |lines| {
        let mut line = vec![b' '; supervisor_ledger::MAX_LINE + 5];
        line.push(b'\n');
        lines.insert(2, line);
    });
    let items: Vec<_> = Reader::open_on(Model::with(&long).disk()).unwrap().collect();
    assert_eq!(items.len(), 21);
    let bad: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].reason, Reason::TooLong { bytes: supervisor_ledger::MAX_LINE as u64 + 6 });
    assert_eq!(bad[0].line, 3);
}

#[test]
fn a_segment_of_a_later_format_is_refused_and_not_taken_for_damage() {
    let files = ledger(1);
    let later = with_lines(&files, 1, |lines| lines[0] = forged(&lines[0], "\"ledger\":1", "\"ledger\":2"));
    let error =
        Ledger::open_on(Model::with(&later).disk(), &Options::default(), drop).unwrap_err().to_string();
    assert!(
        error.contains("the segment has format 2, this program knows format 1; use a program"),
        "{error}"
    );
}

fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Bytes of a ledger are replaced by others, of any number. Whatever comes of it: it is read to its end, verified
    /// or refused, and opening it removes one line at most, the last.
    #[test]
    fn any_bytes_are_survived_and_opening_removes_no_more_than_a_last_line(
        changes in vec((any::<Index>(), any::<Index>(), 0usize..60, vec(any::<u8>(), 0..60)), 1..4),
    ) {
        let mut files = ledger(9);
        for (file, at, length, bytes) in changes {
            let content = files.values_mut().nth(file.index(2)).unwrap();
            let from = at.index(content.len() + 1);
            let to = (from + length).min(content.len());
            content.splice(from..to, bytes);
        }
        let disk = Model::with(&files).disk();
        let bad = Reader::open_on(disk.clone()).unwrap().filter(Result::is_err).count();
        let verified = verify_on(disk.clone());
        prop_assert_eq!(verified.is_err(), bad > 0);

        let model = Model::with(&files);
        let opened = Ledger::open_on(model.disk(), &small(), drop);
        prop_assert_eq!(opened.is_ok(), verified.is_ok());
        drop(opened);
        let mut after = model.files();
        let (last, was) = files.pop_last().unwrap();
        let is = after.remove(&last).unwrap_or_default();
        prop_assert_eq!(&after, &files, "only the last segment is touched");
        let removed = was.strip_prefix(&*is).unwrap();
        let feeds = removed.iter().filter(|byte| **byte == b'\n').count();
        prop_assert!(feeds == 0 || feeds == 1 && removed.last() == Some(&b'\n'), "{feeds} lines were removed");
    }
}

#[test]
fn where_no_ledger_is_none_is_verified() {
    let home = lay_out(&Files::new());
    let error = verify(&home.path).unwrap_err();
    assert!(matches!(error, Error::Nothing { .. }), "{error}");
    assert!(matches!(Reader::open(&home.path).err(), Some(Error::Nothing { .. })));
    assert!(matches!(verify(home.path.join("none")), Err(Error::Io { .. })));
}
