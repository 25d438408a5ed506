//! What was refused and is to be recorded. Nobody waits for that, and nobody fills the disk with it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::wire::AuditRecord;
use supervisor_socket::{Rate, RateLimit};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::record;

/// How many are recorded one by one; the others are counted.
const RATE: Rate = Rate { every: Duration::from_millis(200), burst: 100 };
/// How long is gathered before anything is written.
const GATHER: Duration = Duration::from_millis(100);

/// Denials that wait to be recorded: at most as many as the rate allows while the disk is waited for, and 1 000.
#[derive(Debug)]
pub(crate) struct Denials {
    waiting: Mutex<Waiting>,
    rate: RateLimit,
    come: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    records: Vec<AuditRecord>,
    counted: u64,
}

const MOST: usize = 1_000;

impl Default for Denials {
    fn default() -> Self {
        Self { waiting: Mutex::default(), rate: RateLimit::new(RATE), come: Notify::new() }
    }
}

impl Denials {
    /// One more. Never waits.
    pub(crate) fn add(&self, denial: AuditRecord) {
        let mut waiting = self.waiting();
        if waiting.records.len() < MOST && self.rate.take(0).is_ok() {
            waiting.records.push(denial);
        } else {
            waiting.counted += 1;
        }
        drop(waiting);
        self.come.notify_one();
    }

    /// What has come; waits for it. Cancel safe.
    pub(crate) async fn next(&self) -> Vec<AuditRecord> {
        self.come.notified().await;
        sleep(GATHER).await;
        let Waiting { mut records, counted } = std::mem::take(&mut *self.waiting());
        if counted > 0 {
            records.push(record::denials(counted));
        }
        records
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
