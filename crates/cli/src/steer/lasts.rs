//! Since when a child is as it is, as far as its row says it.

use supervisor_api::Lifecycle;
use supervisor_api::wire::{RuntimeRow, UnixNanos};

use crate::read::counted;
use crate::span::span;

/// For how long the child has been in its state. `None`: the target does not say.
pub(crate) fn in_state(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    row.more.since_unix_nanos.map(|since| between(since, now))
}

/// For how long its run has been on. `None`: nothing runs, or the target does not say.
pub(crate) fn up(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    row.more.started_at_unix_nanos.map(|started| between(started, now))
}

/// How long ago its last heartbeat came. `None`: none is known.
pub(crate) fn since_heartbeat(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    row.more.last_heartbeat_unix_nanos.map(|beat| between(beat, now))
}

/// How much of its budget of restarts is used. `None`: it has none, or the target does not say.
pub(crate) fn budget(row: &RuntimeRow) -> Option<String> {
    let budget = row.more.budget?;
    let window = span(budget.window_nanos / 1_000);
    Some(format!("{} of {} restarts used within {window}", budget.used, budget.max))
}

/// What the program that runs uses, in one line. `None`: none runs, or it was not measured yet.
pub(crate) fn usage(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    let usage = row.more.usage.as_deref()?;
    let cpu = span(usage.cpu_millis.saturating_mul(1_000));
    let age = between(UnixNanos(usage.measured_at_unix_nanos), now);
    let memory = bytes(usage.resident_bytes);
    let count = |many: u32, word: &str| counted(usize::try_from(many).unwrap_or(usize::MAX), word);
    let (threads, descriptors) = (count(usage.threads, "thread"), count(usage.descriptors, "descriptor"));
    let processes = count(usage.processes, "process");
    Some(format!(
        "{} % CPU ({cpu} so far), {memory} memory, {threads}, {descriptors}, {processes}; {age} ago",
        usage.cpu_percent
    ))
}

/// How long the run of a task is being polled, in one line. `None`: nothing runs, or that is not timed.
pub(crate) fn polled(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    let times = row.more.poll_times.as_deref()?;
    let age = between(UnixNanos(times.measured_at_unix_nanos), now);
    let (busy, longest) = (span(times.busy_millis.saturating_mul(1_000)), span(times.longest_poll_micros));
    let polls = counted(usize::try_from(times.polls).unwrap_or(usize::MAX), "poll");
    Some(format!(
        "{} % of the time ({busy} in {polls} so far), at most {longest}; {age} ago",
        times.busy_percent
    ))
}

/// Bytes as a person reads them.
pub(crate) fn bytes(bytes: u64) -> String {
    const KIB: u64 = 1024;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..0x10_0000 => format!("{} KiB", bytes / KIB),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, (bytes >> 20) % KIB * 10 / KIB),
    }
}

/// When a child in back-off is started, as a sentence without a beginning.
pub(crate) fn next_start(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    let at = row.more.next_start_at_unix_nanos.filter(|_| row.lifecycle_state.is(Lifecycle::Backoff))?;
    let when = if at.0 <= now.0 { "now".to_owned() } else { format!("in {}", between(now, at)) };
    Some(format!("starts again {when} (attempt {})", row.attempt.saturating_add(1)))
}

fn between(from: UnixNanos, to: UnixNanos) -> String {
    span(to.0.saturating_sub(from.0) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_read_at_a_glance() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            ((1 << 20) - 1, "1023 KiB"),
            (612 << 20, "612 MiB"),
        ];
        for (number, text) in cases.into_iter().chain([((3 << 30) + (1 << 29), "3.5 GiB")]) {
            assert_eq!(bytes(number), text);
        }
    }
}
