//! What a server takes while it is attacked: memory and descriptors stay as they were. Both are the whole process's, so
//! these tests run one at a time and have a process of their own.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::bad_lines::table;
use common::live::{Client, Live};
use common::memory;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Mutex;

static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn memory_stays_flat_under_bad_input() {
    let _alone = ALONE.lock().await;
    let live = Live::shop().await;
    let table = table();
    let round = async || {
        for (_, bytes, _) in &table {
            let mut client = live.client().await;
            // The other end may close in the middle of it.
            let _ = client.0.write_all(bytes).await;
            client.line().await;
        }
    };
    for _ in 0..3 {
        round().await;
    }
    let before = memory();
    for _ in 0..10 {
        round().await;
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more than before");
}

#[tokio::test]
async fn a_storm_of_connections_leaves_nothing_behind() {
    let _alone = ALONE.lock().await;
    let live = Live::shop().await;
    let before = descriptors();
    for _ in 0..10_000 {
        drop(Client::connect(&live.path).await);
    }
    assert_eq!(live.client().await.hello().await["ok"], true);
    while live.control.counts().open > 0 {
        tokio::task::yield_now().await;
    }
    assert!(descriptors() <= before + 8, "{} descriptors, {before} before", descriptors());
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
