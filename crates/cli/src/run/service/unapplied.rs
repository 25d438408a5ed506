//! Whether the file as it is now could not be applied.
//!
//! The run says so of its own tries, on a way of their own. What is applied through the control socket is seen in the events
//! alone. Sequences say which of the two was later.

use std::sync::Arc;

use supervisor_api::EventKind;
use supervisor_api::command::ROLLBACK;
use supervisor_stack::tokio_supervisor::StampedEvent;

#[derive(Debug, Default)]
pub(super) struct Unapplied {
    /// The last event before the run's last try failed; `None` when it did not.
    failed_after: Option<u64>,
    /// The event of the last spec that was applied to the end.
    applied_at: u64,
    /// The command that has brought the spec which the tree has now.
    brought_by: Option<Arc<str>>,
}

impl Unapplied {
    pub(super) fn is(&self) -> bool {
        self.failed_after.is_some_and(|after| after >= self.applied_at)
    }

    /// The run itself has tried: `None` if it went well, else the last event before it did not.
    pub(super) fn tried(&mut self, failed_after: Option<u64>) {
        self.failed_after = failed_after;
    }

    pub(super) fn heard(&mut self, event: &StampedEvent) {
        let Some(detail) = &event.event.detail else { return };
        match event.event.kind {
            EventKind::SpecApplied => self.brought_by.clone_from(&detail.correlation_id),
            EventKind::CommandCompleted => {
                let id = detail.correlation_id.as_deref();
                let its_spec = id.is_some() && id == self.brought_by.as_deref();
                // What takes another one back leaves the tree as it was before.
                let went_well = detail.text.is_none() && !id.is_some_and(|id| id.ends_with(ROLLBACK));
                if its_spec && went_well {
                    self.applied_at = event.sequence;
                }
            }
            _ => {}
        }
    }
}
