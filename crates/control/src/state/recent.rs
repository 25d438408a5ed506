//! The newest events and lines of logs.

use supervisor_api::wire::{LogRecord, RECENT};
use tokio_supervisor::{EventItem, LogItem};

use crate::target::Target;

/// Adds the newest events up to this sequence, oldest first, with commas between them.
pub(super) fn put_events(out: &mut Vec<u8>, target: &Target, sequence: u64) {
    let mut stream = target.handle.events_after(sequence.saturating_sub(RECENT as u64));
    let from = out.len();
    while stream.position() < sequence
        && let Some(item) = stream.try_next()
    {
        if let EventItem::Event(event) = item {
            if out.len() > from {
                out.push(b',');
            }
            out.extend_from_slice(target.lines.record(&target.lines.of(target, &event)));
        }
    }
}

/// The newest lines of logs, oldest first.
pub(super) fn logs(target: &Target) -> Vec<LogRecord> {
    let head = target.handle.subscribe_logs().position();
    let mut stream = target.handle.logs_after(head.saturating_sub(RECENT as u64));
    let mut records = Vec::new();
    while stream.position() < head
        && let Some(item) = stream.try_next()
    {
        if let LogItem::Line(line) = item {
            records.push(target.log_record(&line));
        }
    }
    records
}
