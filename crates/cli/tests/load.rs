//! A small load on the real relay: every event of every target reaches every session, or is told as lost. How fast that
//! is, is nothing for a test; `cargo xtask load` measures it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use clap::Parser as _;
use supervisor_load::{Load, Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s22_no_event_is_lost_unseen_while_one_target_hangs() {
    let options = [
        "load",
        "--supervisor",
        env!("CARGO_BIN_EXE_supervisor"),
        "--targets=5",
        "--children=10",
        "--events-per-second=500",
        "--sessions=3",
        "--seconds=3",
        "--hang=1",
    ];
    let options = Options::try_parse_from(options).unwrap();
    let mut load = Load::start(&options).await.unwrap();
    let report = load.measure().await.unwrap();
    assert_eq!(report.wrongs(), Vec::<String>::new(), "{report}");
    // What is run beside finds its link, and what it ends with is told.
    let look = r#"case "$RELAY" in http://127.0.0.1:*/#code=*) exit "$TARGETS";; esac"#;
    let told = load.accompany(&["sh".to_owned(), "-c".to_owned(), look.to_owned()]).await;
    assert_eq!(told, Err("`sh` ended with exit status: 5".to_owned()));
    load.stop().await.unwrap();
}
