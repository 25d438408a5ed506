//! What was recorded, to those who listen.

use std::future::pending;
use std::sync::Arc;

use supervisor_api::wire::{AuditEvent, AuditRecord, plain};
use supervisor_ledger::Ticket;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many records are kept for who listens slowly. The audit has all of them.
const KEPT: usize = 256;

/// The most bytes of a name that is shown.
const LONGEST_NAME: usize = 256;

/// A record, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    record: Arc<AuditRecord>,
    sequence: u64,
    at_unix_nanos: u64,
}

/// Tells what was recorded. Waits for nobody.
#[derive(Debug)]
pub(super) struct Teller(broadcast::Sender<Recorded>);

impl Teller {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }

    /// What will be told of a record once it is on the disk; `None` when nobody listens.
    pub(super) fn note(&self, record: &AuditRecord, ticket: &Ticket) -> Option<Recorded> {
        (self.0.receiver_count() > 0).then(|| Recorded {
            // What else was asked for may be long, and is not told.
            record: Arc::new(AuditRecord { details: None, ..record.clone() }),
            sequence: ticket.sequence(),
            at_unix_nanos: ticket.recorded_at_unix_nanos(),
        })
    }

    /// It is on the disk.
    pub(super) fn tell(&self, recorded: Recorded) {
        // Who listened may have gone.
        let _ = self.0.send(recorded);
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Recorded> {
        self.0.subscribe()
    }
}

/// What is recorded of commands from now on: see [`Dispatcher::audited`](crate::Dispatcher::audited).
#[derive(Debug)]
pub struct Audited {
    /// `None`: nothing is recorded.
    recorded: Option<broadcast::Receiver<Recorded>>,
}

impl Audited {
    pub(crate) fn new(recorded: Option<broadcast::Receiver<Recorded>>) -> Self {
        Self { recorded }
    }

    /// The next record of a command, when it is on the disk. Waits for ever when there is none. Who is more than 256
    /// records behind is not told of those before; the audit has them. Cancel safe.
    pub async fn next(&mut self) -> AuditEvent {
        loop {
            let recorded = match &mut self.recorded {
                Some(recorded) => recorded.recv().await,
                None => Err(RecvError::Closed),
            };
            match recorded {
                Ok(recorded) => {
                    if let Some(event) = recorded.event() {
                        return event;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => pending().await,
            }
        }
    }
}

impl Recorded {
    /// What a browser is told. Who acted is what was proved (`security.md` 5): somewhere in this process, when the
    /// request came from within it, else by the kernel; then a name that was only claimed stands beside it.
    fn event(&self) -> Option<AuditEvent> {
        let event = self.record.event(self.sequence, self.at_unix_nanos)?;
        let claimed = self.record.actor.claimed.as_deref().map(|name| plain(name.trim(), LONGEST_NAME));
        let from_within = self.record.peer.is_some_and(|peer| peer.pid == Some(std::process::id()));
        let identity = match claimed.filter(|name| !name.is_empty()) {
            Some(name) if from_within => name,
            Some(name) => format!("{} (says '{name}')", event.identity),
            None => event.identity,
        };
        Some(AuditEvent { identity, ..event })
    }
}
