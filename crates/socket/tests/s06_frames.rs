//! Rule 6: any bytes, in any pieces.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{Echo, Folder, client, is_echoed};
use proptest::prelude::*;
use supervisor_socket::{Bind, FrameError, FrameLimits, Framer, ORDINARY_FRAME, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// What comes out: the frames, and how it ends.
type Outcome = (Vec<String>, Result<(), FrameError>);

fn granted(beginning: &[u8]) -> usize {
    if beginning[0] == b'+' { ORDINARY_FRAME + 10 } else { 0 }
}

fn through_the_framer<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut framer = Framer::new(FrameLimits::requests().raised_by(granted));
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.take() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, framer.end())
}

/// The same, said simply: all bytes at once, line by line.
fn as_specified(bytes: &[u8]) -> Outcome {
    let mut frames = Vec::new();
    let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let raised = line.first() == Some(&b'+');
        let limit = if raised && line.len() > ORDINARY_FRAME { ORDINARY_FRAME + 10 } else { ORDINARY_FRAME };
        if line.len() > limit {
            return (frames, Err(FrameError::TooLarge { limit }));
        }
        if lines.peek().is_none() {
            let end =
                if line.is_empty() { Ok(()) } else { Err(FrameError::Incomplete { bytes: line.len() }) };
            return (frames, end);
        }
        match std::str::from_utf8(line) {
            Ok(text) => frames.push(text.to_owned()),
            Err(error) => return (frames, Err(FrameError::InvalidUtf8 { at: error.valid_up_to() })),
        }
    }
    unreachable!("the last line has no successor")
}

/// Lines that are likely to be near a limit, wrong, blank, or cut in the middle of a character.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let around_the_limit =
        (prop::bool::ANY, ORDINARY_FRAME - 2..ORDINARY_FRAME + 13).prop_map(|(raised, length)| {
            [vec![if raised { b'+' } else { b'-' }], vec![b'x'; length - 1]].concat()
        });
    let line = prop_oneof![
        8 => "[a-zäß€\u{1f600}\u{feff}\0\r ]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => around_the_limit,
    ];
    let newline = prop_oneof![9 => Just(&b"\n"[..]), 1 => Just(&b""[..])];
    prop::collection::vec((line, newline), 0..12).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, newline)| [&line[..], newline].concat()).collect()
    })
}

/// Cuts at these places, taken as parts of the whole, and into single bytes where there is little.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s06_any_pieces_of_any_bytes_give_the_same_frames(
        bytes in bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let expected = as_specified(&bytes);
        prop_assert_eq!(through_the_framer(pieces(&bytes, &cuts).into_iter()), expected.clone());
        if bytes.len() < 2_000 {
            prop_assert_eq!(through_the_framer(bytes.chunks(1)), expected);
        }
    }
}

/// What a peer is answered that sends `bytes` and closes its end.
async fn answered(path: &std::path::Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    // The server may close before everything is sent.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // And then the connection is reset, after the answer.
    while let Ok(more @ 1..) = stream.read(&mut piece).await {
        answer.extend_from_slice(&piece[..more]);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn s06_each_bad_input_gets_one_answer_and_disturbs_nobody() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let server = Bind::at(&path).listen().await.unwrap().serve(Settings::default(), Arc::<Echo>::default());
    let mut other = client(&path).await;
    let long = vec![b'x'; ORDINARY_FRAME + 1];
    let huge = vec![b'['; 3_000_000];
    let half = vec![b'x'; ORDINARY_FRAME];
    let table: &[(&str, &[u8], &str)] = &[
        ("nothing", b"", ""),
        ("blank lines", b"\n \n\r\n", "\n \n\r\n"),
        ("NUL", b"a\0b\n", "a\0b\n"),
        ("a byte order mark", b"\xef\xbb\xbf{}\n", "\u{feff}{}\n"),
        ("two on a line", b"{}{}\n", "{}{}\n"),
        ("no newline", b"a\nb", "a\nincomplete_frame\n"),
        ("only NUL and no newline", b"\0", "incomplete_frame\n"),
        ("half of a large frame", &half, "incomplete_frame\n"),
        ("invalid UTF-8", b"a\n\xff\xfe\nb\n", "a\ninvalid_utf8\n"),
        ("UTF-16", b"\xff\xfe{\0}\0\n\0", "invalid_utf8\n"),
        ("half a character", b"\xe2\x82\n", "invalid_utf8\n"),
        ("too long", &long, "frame_too_large\n"),
        ("brackets for ever", &huge, "frame_too_large\n"),
    ];
    for (what, bytes, answer) in table {
        assert_eq!(answered(&path, bytes).await, *answer, "{what}");
        is_echoed(&mut other, what).await;
    }
    assert_eq!(server.counts().panicked, 0);
    server.close().await;
}

#[tokio::test]
async fn s06_many_requests_are_answered_in_order_on_one_connection() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let _server = Bind::at(&path).listen().await.unwrap().serve(Settings::default(), Arc::<Echo>::default());
    let mut client = client(&path).await;
    for number in 0..1_000 {
        client.writer.queue(number.to_string().as_bytes());
    }
    client.writer.flush().await.unwrap();
    for number in 0..1_000 {
        assert_eq!(client.reader.next().await.unwrap(), Some(number.to_string()));
    }
}

#[tokio::test]
#[should_panic(expected = "a frame holds no newline")]
async fn s06_a_frame_with_a_newline_is_not_written_as_two() {
    let (near, _far) = tokio::io::duplex(64);
    supervisor_socket::FrameWriter::new(near, std::time::Duration::from_secs(1)).queue(b"a\nb");
}
