//! Rule 7: how long a peer may take. Time is paused; a duplex stream is the connection.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use supervisor_socket::{Deadlines, FrameLimits, FrameReader, FrameWriter, ReadError, WriteError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A reader with the default deadlines, and the peer it reads from.
fn reader() -> (FrameReader<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    (FrameReader::new(near, FrameLimits::requests(), Deadlines::default()), far)
}

/// A writer with the default deadlines, and the peer that takes 1 000 bytes without reading.
fn writer() -> (FrameWriter<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1_000);
    (FrameWriter::new(near, Deadlines::default().write), far)
}

async fn next(reader: &mut FrameReader<DuplexStream>) -> String {
    reader.next().await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn s07_half_a_frame_and_then_silence_ends_after_10_seconds() {
    let (mut reader, mut peer) = reader();
    peer.write_all(b"half").await.unwrap();
    let begun = Instant::now();
    let error = reader.next().await.unwrap_err();
    assert!(matches!(error, ReadError::Stalled { .. }), "{error:?}");
    assert_eq!(begun.elapsed(), 10 * SECOND);
    assert_eq!((error.code(), error.is_answered()), ("incomplete_frame", true));
    assert!(error.to_string().contains("after 10 seconds"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn s07_a_byte_now_and_then_buys_no_time() {
    let (mut reader, mut peer) = reader();
    let drip = tokio::spawn(async move {
        while peer.write_all(b"x").await.is_ok() {
            sleep(SECOND).await;
        }
    });
    let begun = Instant::now();
    assert!(matches!(reader.next().await, Err(ReadError::Stalled { .. })));
    assert_eq!(begun.elapsed(), 10 * SECOND);
    drop(reader);
    drip.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s07_a_frame_that_ends_in_time_is_taken_and_the_next_has_its_own_time() {
    let (mut reader, mut peer) = reader();
    tokio::spawn(async move {
        for _ in 0..5 {
            peer.write_all(b"ha").await.unwrap();
            sleep(Duration::from_millis(9_900)).await;
            peer.write_all(b"lf\n").await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    for _ in 0..5 {
        assert_eq!(next(&mut reader).await, "half");
    }
}

#[tokio::test(start_paused = true)]
async fn s07_silence_ends_after_5_minutes_without_an_answer() {
    let (mut reader, mut peer) = reader();
    peer.write_all(b"one\n").await.unwrap();
    assert_eq!(next(&mut reader).await, "one");
    let begun = Instant::now();
    let error = reader.next().await.unwrap_err();
    assert!(matches!(error, ReadError::Idle { .. }), "{error:?}");
    assert_eq!(begun.elapsed(), 300 * SECOND);
    assert!(!error.is_answered());
}

#[tokio::test(start_paused = true)]
async fn s07_a_subscriber_may_be_silent_but_not_in_the_middle_of_a_frame() {
    let (mut reader, mut peer) = reader();
    reader.set_idle(None);
    let days = Duration::from_secs(3 * 24 * 3600);
    assert!(timeout(days, reader.next()).await.is_err());
    peer.write_all(b"half").await.unwrap();
    let begun = Instant::now();
    assert!(matches!(reader.next().await, Err(ReadError::Stalled { .. })));
    assert_eq!(begun.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn s07_one_who_subscribes_and_leaves_is_idle_from_then_on() {
    let (mut reader, _peer) = reader();
    assert!(timeout(200 * SECOND, reader.next()).await.is_err());
    reader.set_idle(None);
    assert!(timeout(1_000 * SECOND, reader.next()).await.is_err());
    reader.set_idle(Some(300 * SECOND));
    let begun = Instant::now();
    assert!(matches!(reader.next().await, Err(ReadError::Idle { .. })));
    assert_eq!(begun.elapsed(), 300 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn s07_a_cancelled_call_loses_no_byte_and_buys_no_time() {
    let (mut reader, mut peer) = reader();
    peer.write_all(b"ha").await.unwrap();
    let begun = Instant::now();
    for _ in 0..9 {
        assert!(timeout(SECOND, reader.next()).await.is_err());
    }
    peer.write_all(b"lf\nhal").await.unwrap();
    assert_eq!(next(&mut reader).await, "half");
    assert_eq!(begun.elapsed(), 9 * SECOND);
    for _ in 0..9 {
        assert!(timeout(SECOND, reader.next()).await.is_err());
    }
    assert!(matches!(reader.next().await, Err(ReadError::Stalled { .. })));
    assert_eq!(begun.elapsed(), 19 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn s07_a_cancelled_call_does_not_end_the_silence() {
    let (mut reader, _peer) = reader();
    let begun = Instant::now();
    for _ in 0..299 {
        assert!(timeout(SECOND, reader.next()).await.is_err());
    }
    assert!(matches!(reader.next().await, Err(ReadError::Idle { .. })));
    assert_eq!(begun.elapsed(), 300 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn s07_the_time_of_an_answer_is_not_charged_to_the_peer() {
    let (mut reader, mut peer) = reader();
    peer.write_all(b"one\nhalf of t").await.unwrap();
    assert_eq!(next(&mut reader).await, "one");
    sleep(1_000 * SECOND).await;
    let late = tokio::spawn(async move {
        sleep(9 * SECOND).await;
        peer.write_all(b"wo\n").await.unwrap();
        peer
    });
    assert_eq!(next(&mut reader).await, "half of two");
    let mut peer = late.await.unwrap();
    sleep(1_000 * SECOND).await;
    peer.write_all(b"three\n").await.unwrap();
    assert_eq!(next(&mut reader).await, "three", "what has come is taken, however late it is asked for");
}

#[tokio::test(start_paused = true)]
async fn s07_a_peer_that_closes_its_end_still_gets_its_frames_read() {
    let (mut reader, mut peer) = reader();
    peer.write_all(b"one\ntwo\n").await.unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!(next(&mut reader).await, "one");
    assert_eq!(next(&mut reader).await, "two");
    assert!(reader.next().await.unwrap().is_none());
    assert!(reader.next().await.unwrap().is_none(), "and the end stays the end");
}

#[tokio::test(start_paused = true)]
async fn s07_a_peer_that_does_not_read_is_cut_after_10_seconds() {
    let (mut writer, _peer) = writer();
    writer.send(&[b'x'; 900]).await.unwrap();
    let begun = Instant::now();
    let error = writer.send(&[b'x'; 900]).await.unwrap_err();
    assert!(matches!(error, WriteError::Stalled { .. }), "{error:?}");
    assert_eq!(begun.elapsed(), 10 * SECOND);
    assert_eq!(error.code(), "ipc_write_failed");
}

#[tokio::test(start_paused = true)]
async fn s07_a_peer_that_reads_a_byte_now_and_then_is_cut_too() {
    let (mut writer, mut peer) = writer();
    tokio::spawn(async move {
        let mut byte = [0];
        while peer.read_exact(&mut byte).await.is_ok() {
            sleep(SECOND).await;
        }
    });
    let begun = Instant::now();
    assert!(matches!(writer.send(&[b'x'; 200_000]).await, Err(WriteError::Stalled { .. })));
    assert_eq!(begun.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn s07_a_peer_that_reads_at_a_fair_pace_gets_a_frame_of_any_length() {
    let (mut writer, mut peer) = writer();
    let all = tokio::spawn(async move {
        let (mut all, mut piece) = (Vec::new(), [0; 1_000]);
        while !all.ends_with(b"\n") {
            let more = peer.read(&mut piece).await.unwrap();
            all.extend_from_slice(&piece[..more]);
            sleep(Duration::from_millis(100)).await;
        }
        all
    });
    let frame: Vec<u8> = (0..1_000_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let begun = Instant::now();
    writer.send(&frame).await.unwrap();
    assert!(begun.elapsed() > 90 * SECOND, "much longer than one deadline");
    let all = all.await.unwrap();
    assert_eq!(all.split_last(), Some((&b'\n', &frame[..])));
}

#[tokio::test(start_paused = true)]
async fn s07_a_cancelled_flush_goes_on_where_it_was_with_the_same_deadline() {
    let (mut writer, mut peer) = writer();
    writer.queue(&[b'x'; 1_500]);
    for _ in 0..9 {
        assert!(timeout(SECOND, writer.flush()).await.is_err());
    }
    assert_eq!(writer.queued(), 501);
    let mut piece = [0; 700];
    peer.read_exact(&mut piece).await.unwrap();
    writer.flush().await.unwrap();
    writer.queue(&[b'y'; 1_500]);
    let begun = Instant::now();
    assert!(timeout(SECOND, writer.flush()).await.is_err());
    assert!(matches!(writer.flush().await, Err(WriteError::Stalled { .. })));
    assert_eq!(begun.elapsed(), 10 * SECOND, "a new frame has its own time");
}
