//! Connections from within the process of a server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::ErrorKind;
use std::sync::Arc;

use common::{Echo, Folder, client, is_echoed};
use supervisor_socket::{Bind, Caps, Connection, Connector, Deadlines, FrameLimits, Server, Settings};

fn connect(connector: &Connector) -> Connection {
    let stream = connector.connect().unwrap();
    Connection::over(stream, FrameLimits::replies(1 << 20), Deadlines::default()).unwrap()
}

#[tokio::test]
async fn who_connects_from_within_is_this_process_and_needs_no_file() {
    let echo = Arc::<Echo>::default();
    let server = Server::within(Settings::default(), Arc::clone(&echo));
    let connector = server.connector();
    for line in ["one", "two"] {
        let mut within = connect(&connector);
        is_echoed(&mut within, line).await;
        let us = rustix::process::getpid().as_raw_nonzero().get();
        assert_eq!(within.peer.pid, u32::try_from(us).ok());
        assert_eq!(within.peer.uid, rustix::process::geteuid().as_raw());
    }
    assert_eq!(server.counts().served, 2);
    server.close().await;
    assert_eq!(connector.connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_server_with_a_file_serves_both_and_counts_them_together() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let caps = Caps { total: 2, per_uid: 2, reserved: 0 };
    let settings = Settings { caps, ..Settings::default() };
    let server = Bind::at(&path).listen().await.unwrap().serve(settings, Arc::<Echo>::default());
    let connector = server.connector();
    let (mut within, mut without) = (connect(&connector), client(&path).await);
    is_echoed(&mut within, "within").await;
    is_echoed(&mut without, "without").await;
    let told = connect(&connector).reader.next().await.unwrap().unwrap();
    assert!(told.contains("connections"), "s08: {told}");
    drop(server);
    assert_eq!(within.reader.next().await.unwrap(), None, "it closes with its server");
    assert_eq!(connector.connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn no_more_wait_than_there_is_room_for() {
    let server = Server::within(Settings::default(), Arc::<Echo>::default());
    let connector = server.connector();
    // Nothing is taken in as long as nothing here is waited for.
    let waiting: Vec<_> = (0..64).map(|_| connector.connect().unwrap()).collect();
    assert_eq!(connector.connect().unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(waiting);
    tokio::task::yield_now().await;
    is_echoed(&mut connect(&connector), "after").await;
}
