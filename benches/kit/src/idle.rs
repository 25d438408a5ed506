//! W7, whoever has the children.

use std::time::Duration;

use crate::Figures;
use crate::gauge::Mark;

/// For how long it is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// How long it may take to come to rest.
const SETTLING: Duration = Duration::from_secs(1);

/// For how long processors work for this process in ten seconds, once it has come to rest.
pub async fn watched() -> Figures {
    tokio::time::sleep(SETTLING).await;
    let before = Mark::now();
    tokio::time::sleep(WATCHED).await;
    Figures::default().with("cpu_ns", before.cpu_until(Mark::now()))
}
