//! What those who make a tree known to a relay tell of it.

use supervisor_api::EventKind;

use super::SupervisorHandle;
use crate::driver::Msg;

impl SupervisorHandle {
    /// Tells in the events whether a relay has this target: [`EventKind::TargetRegistered`] or
    /// [`EventKind::TargetUnregistered`], about the root. `text` names the relay, or says why not.
    ///
    /// It decides nothing. Waits only as commands do, when 1 024 of them wait; after the end nothing is told.
    pub async fn tell_registration(&self, registered: bool, text: impl AsRef<str>) {
        let kind = if registered { EventKind::TargetRegistered } else { EventKind::TargetUnregistered };
        // A tree that has ended has no more to tell.
        if self.tree.commands.send(Msg::Registered { kind, text: text.as_ref().into() }).await.is_ok() {
            self.tree.ring();
        }
    }
}
