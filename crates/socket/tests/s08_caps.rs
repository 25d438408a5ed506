//! Rule 8: how many connections there may be, on a live socket.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use common::skip::is_root;
use common::{Echo, Folder, STRANGER, again_as, argument, client, is_echoed, succeeds, until};
use supervisor_socket::{Bind, Caps, Connection, Peer, Refusal, Server, Settings, Standing};

async fn serve(folder: &Folder, caps: Caps, echo: &Arc<Echo>) -> (Server, PathBuf) {
    let path = folder.join("a.sock");
    let listener = Bind::at(&path).permissions(0o666).listen().await.unwrap();
    (listener.serve(Settings { caps, ..Settings::default() }, echo.clone()), path)
}

/// A connection that is turned away with these words.
async fn is_turned_away(mut client: Connection, words: &str) {
    assert_eq!(client.reader.next().await.unwrap().as_deref(), Some(words));
    assert!(client.reader.next().await.unwrap().is_none(), "and closed");
}

#[tokio::test]
async fn s08_one_more_than_a_uid_may_have_is_told_so_and_a_place_that_is_left_is_free() {
    let folder = Folder::new();
    let echo = Arc::<Echo>::default();
    let (server, path) = serve(&folder, Caps { total: 10, per_uid: 3, reserved: 0 }, &echo).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = client(&path).await;
        is_echoed(&mut client, "hello").await;
        clients.push(client);
    }
    let words = "refused: your user has 3 connections, as many as it may have; close one";
    is_turned_away(client(&path).await, words).await;
    let us = rustix::process::geteuid().as_raw();
    let (peer, refusal) = echo.refused.lock().unwrap()[0];
    assert_eq!((peer.unwrap().uid, refusal), (us, Refusal::TooManyOfUid { limit: 3 }));
    for client in &mut clients {
        is_echoed(client, "undisturbed").await;
    }
    clients.pop();
    until("a place is free", || server.counts().open == 2).await;
    is_echoed(&mut client(&path).await, "hello").await;
}

#[tokio::test]
async fn s08_a_session_that_panics_gives_its_place_back_and_harms_nobody() {
    let folder = Folder::new();
    let (server, path) = serve(&folder, Caps { total: 2, per_uid: 2, reserved: 0 }, &Arc::default()).await;
    let mut other = client(&path).await;
    is_echoed(&mut other, "hello").await;
    for _ in 0..5 {
        let mut client = client(&path).await;
        client.writer.send(b"panic").await.unwrap();
        assert!(client.reader.next().await.unwrap().is_none());
        until("the place is free", || server.counts().open == 1).await;
    }
    until("all are counted", || server.counts().panicked == 5).await;
    is_echoed(&mut other, "undisturbed").await;
}

#[test]
#[ignore = "the client under another uid of the test below"]
fn take_all_that_can_be_had() {
    let Some(path) = argument() else { return };
    let mut taken = Vec::new();
    let refused = loop {
        let mut stream = UnixStream::connect(&path).unwrap();
        // Who was turned away may find the connection closed already.
        let _ = stream.write_all(b"hello\n");
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        if answer != *b"hello\n" {
            break answer;
        }
        taken.push(stream);
    };
    assert_eq!((taken.len(), &refused), (4, b"refuse"));
    // The admin comes while all these are held.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[tokio::test]
async fn s08_others_cannot_take_the_places_of_an_admin() {
    if !is_root("s08_others_cannot_take_the_places_of_an_admin") {
        return;
    }
    let folder = Folder::open_to_all();
    let by_uid = |peer: &Peer| if peer.uid == 0 { Standing::Admin } else { Standing::Ordinary };
    let echo = Arc::new(Echo { standing: Some(by_uid), ..Echo::default() });
    let (server, path) = serve(&folder, Caps { total: 6, per_uid: 6, reserved: 2 }, &echo).await;
    let mut helper = again_as(STRANGER, "take_all_that_can_be_had", &path).spawn().unwrap();
    until("the stranger was refused", || server.counts().refused == 1).await;
    assert_eq!(server.counts().open, 4);
    for _ in 0..2 {
        is_echoed(&mut client(&path).await, "an admin").await;
    }
    drop(helper.stdin.take());
    tokio::task::spawn_blocking(move || common::succeed(helper)).await.unwrap();
    until("all have left", || server.counts().open == 0).await;
    succeeds(again_as(STRANGER, "say_hello_once", &path)).await;
}

#[test]
#[ignore = "the client under another uid of the test above"]
fn say_hello_once() {
    let Some(path) = argument() else { return };
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"hello\n").unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello\n");
}
