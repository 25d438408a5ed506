//! Reading what a target still has of a stream.

use supervisor_api::wire::{EventRecord, Gap, LogRecord, Push, Stream};
use supervisor_client::{CallError, Session};

use super::fault::Fault;

/// One record, or those that are gone.
pub(super) enum Item {
    Event(Box<EventRecord>),
    Log(Box<LogRecord>),
    Gap(Gap),
}

/// Gives every record of the stream from `since` to `newest`, in order. What happens meanwhile is not waited for.
pub(super) async fn read(
    session: &mut Session,
    stream: Stream,
    since: u64,
    newest: u64,
    mut give: impl FnMut(Item),
) -> Result<(), Fault> {
    if since > newest {
        return Ok(());
    }
    session.subscribe(stream, Some(since)).await?;
    until(session, stream, newest, &mut give).await
}

/// Gives what is pushed of the stream up to `newest`.
pub(super) async fn until(
    session: &mut Session,
    stream: Stream,
    newest: u64,
    give: &mut impl FnMut(Item),
) -> Result<(), Fault> {
    loop {
        let (seen, item) = match session.push().await.map_err(CallError::from)? {
            Push::Event { event, .. } => (event.sequence, Item::Event(event)),
            Push::Log { log, .. } => (log.sequence.unwrap_or(0), Item::Log(log)),
            Push::Gap { stream: of, from, to, .. } if of.is(stream) => (to, Item::Gap(Gap { from, to })),
            Push::Error { error } => return Err(error.into()),
            _ => continue,
        };
        give(item);
        if seen >= newest {
            return Ok(());
        }
    }
}
