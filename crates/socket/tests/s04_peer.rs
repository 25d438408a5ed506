//! Rule 4: who is at the other end, before a byte is read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;

use common::skip::is_root;
use common::{Echo, Folder, STRANGER, again_as, argument, client, is_echoed, succeed, until};
use supervisor_socket::{Bind, Peer, Refusal, Server, Settings, Standing};

/// Serves an echo that everybody can reach.
async fn serve(folder: &Folder, echo: &Arc<Echo>) -> (Server, PathBuf) {
    let path = folder.join("a.sock");
    let listener = Bind::at(&path).permissions(0o666).listen().await.unwrap();
    (listener.serve(Settings::default(), echo.clone()), path)
}

#[test]
#[ignore = "the client under another uid of the tests below"]
fn connect_and_be_silent() {
    let Some(path) = argument() else { return };
    let mut stream = UnixStream::connect(path).unwrap();
    let mut answer = String::new();
    // What was not asked for: the client says nothing, and the server closes.
    let _ = stream.read_to_string(&mut answer);
    assert_eq!(answer, "refused: your user may not connect here\n");
}

#[test]
#[ignore = "the client under another uid of the tests below"]
fn say_hello() {
    let Some(path) = argument() else { return };
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"hello\n").unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello\n");
}

async fn ended(helper: Child) {
    tokio::task::spawn_blocking(move || succeed(helper)).await.unwrap();
}

#[tokio::test]
async fn s04_a_stranger_is_known_and_told_without_a_byte_from_it() {
    if !is_root("s04_a_stranger_is_known_and_told_without_a_byte_from_it") {
        return;
    }
    let folder = Folder::open_to_all();
    let ours = |peer: &Peer| if peer.uid == 0 { Standing::Admin } else { Standing::Stranger };
    let echo = Arc::new(Echo { standing: Some(ours), ..Echo::default() });
    let (server, path) = serve(&folder, &echo).await;
    let helper = again_as(STRANGER, "connect_and_be_silent", &path).spawn().unwrap();
    let peer = Peer { uid: STRANGER, gid: STRANGER, pid: Some(helper.id()) };
    ended(helper).await;
    assert_eq!(*echo.refused.lock().unwrap(), [(Some(peer), Refusal::Stranger)]);
    assert_eq!(*echo.served.lock().unwrap(), [], "no session began");
    assert_eq!((server.counts().refused, server.counts().served), (1, 0));
    is_echoed(&mut client(&path).await, "still here for our own").await;
}

#[tokio::test]
async fn s04_ids_are_32_bits_from_end_to_end() {
    if !is_root("s04_ids_are_32_bits_from_end_to_end") {
        return;
    }
    let folder = Folder::open_to_all();
    let echo = Arc::<Echo>::default();
    let (_server, path) = serve(&folder, &echo).await;
    // The largest id there is: one more means "unchanged".
    let helper = again_as(u32::MAX - 1, "say_hello", &path).spawn().unwrap();
    let peer = Peer { uid: u32::MAX - 1, gid: u32::MAX - 1, pid: Some(helper.id()) };
    ended(helper).await;
    assert_eq!(*echo.served.lock().unwrap(), [peer]);
    assert_eq!(peer.to_string(), format!("uid 4294967294, gid 4294967294, process {}", peer.pid.unwrap()));
}

#[tokio::test]
async fn s04_both_ends_know_each_other() {
    let folder = Folder::new();
    let echo = Arc::<Echo>::default();
    let (_server, path) = serve(&folder, &echo).await;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let us = Peer { uid, gid, pid: Some(std::process::id()) };
    assert_eq!(client(&path).await.peer, us);
    until("served", || !echo.served.lock().unwrap().is_empty()).await;
    assert_eq!(*echo.served.lock().unwrap(), [us]);
}
