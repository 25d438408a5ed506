//! How a stack is, in one short sentence: `7 of 8 running; /api is backing off`.

use supervisor_api::{Health, Lifecycle};
use supervisor_stack::printable;
use supervisor_stack::tokio_supervisor::SupervisorHandle;

/// So many are named who are not as they should be.
const NAMED: usize = 3;

/// Who of a stack runs, and who does not. Supervisors are not counted, nor is who has ended well, or waits for a time.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    running: usize,
    /// Who runs, or starts, or has not stopped yet.
    live: usize,
    all: usize,
    /// What is to be said of the first of those who are not as they should be.
    named: Vec<String>,
    /// How many there are beside those.
    more: usize,
}

impl Standing {
    pub(super) fn of(handle: &SupervisorHandle) -> Self {
        let mut standing = Self::default();
        let snapshot = handle.snapshot();
        let mut rows = snapshot.iter().peekable();
        while let Some(row) = rows.next() {
            // Whoever is followed by a child of its own is a supervisor. The root has no work of its own either.
            let above = row.path.is_root()
                || rows.peek().is_some_and(|next| next.path.parent().as_ref() == Some(row.path));
            // A job that waits for the time of its schedule is as it should be.
            let waits = row.row.lifecycle == Lifecycle::Declared
                && handle.child(row.path).is_ok_and(|child| child.diagnostics.contains_key("schedule"));
            if !above && !waits {
                standing.count(row.path.as_str(), row.row.lifecycle, row.row.health);
            }
        }
        standing
    }

    fn count(&mut self, path: &str, state: Lifecycle, health: Health) {
        if matches!(state, Lifecycle::Completed | Lifecycle::Removed) {
            return;
        }
        self.all += 1;
        self.running += usize::from(state == Lifecycle::Running);
        self.live += usize::from(state.is_live());
        let Some(is) = is(state, health) else { return };
        if self.named.len() < NAMED {
            self.named.push(format!("{} {is}", printable(path)));
        } else {
            self.more += 1;
        }
    }

    /// While it works.
    pub(super) fn running(&self) -> String {
        if self.all == 0 {
            return "nothing has to run".to_owned();
        }
        let mut text = format!("{} of {} running", self.running, self.all);
        if !self.named.is_empty() {
            text += &format!("; {}", self.named.join(", "));
        }
        if self.more > 0 {
            text += &format!(" and {} more", self.more);
        }
        text
    }

    /// While it is stopped.
    pub(super) fn left(&self) -> String {
        format!("{} of {} left", self.live, self.all)
    }
}

/// What is to be said of a child; `None` when it is as it should be.
fn is(state: Lifecycle, health: Health) -> Option<&'static str> {
    Some(match (state, health) {
        (Lifecycle::Running, Health::Stale) => "is stale",
        (Lifecycle::Running, Health::Unhealthy) => "is unhealthy",
        (Lifecycle::Running | Lifecycle::Completed | Lifecycle::Removed, _) => return None,
        (Lifecycle::Declared, _) => "has not started",
        (Lifecycle::Waiting, _) => "waits",
        (Lifecycle::Starting, _) => "is starting",
        (Lifecycle::Backoff, _) => "is backing off",
        (Lifecycle::Stopping, _) => "is stopping",
        (Lifecycle::Stopped, _) => "is stopped",
        (Lifecycle::Failed, _) => "has failed",
        (Lifecycle::Paused, _) => "is paused",
        (Lifecycle::Quarantined, _) => "is quarantined",
        (Lifecycle::Unresponsive, _) => "does not end",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_not_as_they_should_be_are_named_up_to_three() {
        let mut standing = Standing::default();
        assert_eq!(standing.running(), "nothing has to run");
        standing.count("/job", Lifecycle::Completed, Health::Unknown);
        assert_eq!(standing.running(), "nothing has to run");
        standing.count("/web", Lifecycle::Running, Health::Healthy);
        assert_eq!(standing.running(), "1 of 1 running");
        standing.count("/api", Lifecycle::Backoff, Health::Unknown);
        assert_eq!(standing.running(), "1 of 2 running; /api is backing off");
        standing.count("/db", Lifecycle::Running, Health::Stale);
        standing.count("/mail", Lifecycle::Paused, Health::Unknown);
        standing.count("/more", Lifecycle::Failed, Health::Unknown);
        let said = "2 of 5 running; /api is backing off, /db is stale, /mail is paused and 1 more";
        assert_eq!(standing.running(), said);
        assert_eq!(standing.left(), "2 of 5 left");
    }
}
