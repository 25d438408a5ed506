//! Reading what a target still has of a stream.

use supervisor_api::wire::{EventRecord, Gap, LogRecord, Push, Stream};
use supervisor_client::{CallError, Session};

use super::fault::Fault;

/// One record, or those that are gone.
pub(crate) enum Item {
    Event(Box<EventRecord>),
    Log(Box<LogRecord>),
    Gap(Gap),
}

impl Item {
    /// The place of the record in its stream, or of the last that is gone.
    pub(crate) fn sequence(&self) -> u64 {
        match self {
            Self::Event(event) => event.sequence,
            Self::Log(log) => log.sequence.unwrap_or(0),
            Self::Gap(gap) => gap.to,
        }
    }
}

/// Every record of the stream from `since` to `newest`, in order. What happens meanwhile is not waited for.
///
/// All of them are read before any is shown: who reads the terminal takes its time, and the target waits for nobody.
pub(crate) async fn read(
    session: &mut Session,
    stream: Stream,
    since: u64,
    newest: u64,
) -> Result<Vec<Item>, Fault> {
    if since > newest {
        return Ok(Vec::new());
    }
    session.subscribe(stream, Some(since)).await?;
    until(session, stream, newest).await
}

/// What is pushed of the stream up to `newest`.
pub(crate) async fn until(session: &mut Session, stream: Stream, newest: u64) -> Result<Vec<Item>, Fault> {
    let mut items = Vec::new();
    loop {
        let item = match session.push().await.map_err(CallError::from)? {
            Push::Event { event, .. } => Item::Event(event),
            Push::Log { log, .. } => Item::Log(log),
            Push::Gap { stream: of, from, to, .. } if of.is(stream) => Item::Gap(Gap { from, to }),
            Push::Error { error } => return Err(error.into()),
            _ => continue,
        };
        let seen = item.sequence();
        items.push(item);
        if seen >= newest {
            return Ok(items);
        }
    }
}
