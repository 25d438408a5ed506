//! Since when a child is as it is, and until when.

use crate::Lifecycle;

/// The times of a row, in Unix nanoseconds. The tree that tells them and a reader that folds events keep them by the
/// same rule, so both have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// When it came into its state. 0: it is not known.
    pub since: u64,
    /// Of a live child, when its run began; of one in back-off, when its next is due. 0: it is not known.
    pub run: u64,
}

/// What decides about the times of a row: its state and the number of its run.
pub type Stage = (Lifecycle, u64);

impl Moments {
    /// The times after an event of this time, that finds a child in one stage and leaves it in another. `next_in` is how
    /// long after the event the child is to be started, in nanoseconds; whole milliseconds of it count, since an event
    /// tells no more.
    #[must_use]
    pub fn after(self, was: Stage, is: Stage, at: u64, next_in: Option<u64>) -> Self {
        let ((before, last_run), (state, run)) = (was, is);
        let stays = was == is;
        let kept = if stays { self.run } else { 0 };
        let run = match (state, next_in) {
            (Lifecycle::Backoff, Some(next_in)) => at.saturating_add(next_in / 1_000_000 * 1_000_000),
            (Lifecycle::Backoff, None) => kept,
            (state, _) if !state.is_live() => 0,
            _ if run != last_run => at,
            // The run is over, and the one that is wanted has not begun.
            (Lifecycle::Starting, _) => kept,
            _ if before.is_live() => self.run,
            _ => 0,
        };
        Self { since: if stays { self.since } else { at }, run }
    }

    /// When the child came into its state.
    pub fn known_since(self) -> Option<u64> {
        known(self.since)
    }

    /// When the run of a child in this state began.
    pub fn started_at(self, state: Lifecycle) -> Option<u64> {
        known(self.run).filter(|_| state.is_live())
    }

    /// When a child in this state is to be started.
    pub fn next_start_at(self, state: Lifecycle) -> Option<u64> {
        known(self.run).filter(|_| state == Lifecycle::Backoff)
    }
}

fn known(at: u64) -> Option<u64> {
    (at != 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Lifecycle::{Backoff, Declared, Paused, Running, Starting, Stopping};

    /// The times after these stages, one a second, from a child that was declared at 1 s.
    fn times(stages: &[(Stage, Option<u64>)]) -> Moments {
        let mut known = (Moments { since: 1, run: 0 }, (Declared, 0));
        for (at, (stage, next_in)) in (2..).zip(stages) {
            known = (known.0.after(known.1, *stage, at * 1_000_000_000, *next_in), *stage);
        }
        known.0
    }

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_run_began_with_its_start_and_a_state_when_it_was_come_into() {
        let up = times(&[((Starting, 1), None), ((Running, 1), None), ((Running, 1), None)]);
        assert_eq!((up.since, up.started_at(Running), up.next_start_at(Running)), (3 * S, Some(2 * S), None));
        let down = times(&[((Running, 1), None), ((Stopping, 1), None)]);
        assert_eq!((down.since, down.started_at(Stopping)), (3 * S, Some(2 * S)));
        let held = times(&[((Running, 1), None), ((Stopping, 1), None), ((Paused, 1), None)]);
        assert_eq!((held.since, held.started_at(Paused)), (4 * S, None));
    }

    #[test]
    fn a_backoff_ends_when_it_was_said_to() {
        let delay = Some(1_500_999_999);
        let waits = times(&[((Running, 1), None), ((Backoff, 1), delay), ((Backoff, 1), None)]);
        assert_eq!((waits.since, waits.next_start_at(Backoff)), (3 * S, Some(4_500_000_000)));
        assert_eq!(waits.started_at(Backoff), None, "the time of the next run is not that of one");
        assert_eq!(times(&[((Running, 1), None), ((Backoff, 1), None)]).next_start_at(Backoff), None);
    }

    #[test]
    fn between_two_runs_without_a_delay_there_is_none() {
        let over = [((Running, 1), None), ((Starting, 1), None)];
        assert_eq!((times(&over).since, times(&over).started_at(Starting)), (3 * S, None));
        let again = [over[0], over[1], ((Running, 2), None)];
        assert_eq!((times(&again).since, times(&again).started_at(Running)), (4 * S, Some(4 * S)));
    }

    #[test]
    fn what_was_never_told_stays_unknown() {
        let unknown = Moments::default();
        assert_eq!((unknown.known_since(), unknown.started_at(Running)), (None, None));
        let on = unknown.after((Running, 3), (Running, 3), 9, None);
        assert_eq!((on.known_since(), on.started_at(Running)), (None, None));
    }
}
