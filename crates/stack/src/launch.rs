//! From a file that was read to a tree that runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::manifest::StackManifest;
use supervisor_api::{EventKind, StampedEvent};
use tokio_supervisor::{
    EventItem, EventStream, RuntimeControlPlaneState, StopBound, Supervisor, SupervisorError,
    SupervisorHandle,
};

use crate::file::Stack;
use crate::secrets;
use crate::serve::version_of;

impl Stack {
    /// Launches the tree. The handle is there at once, while children start (D7).
    ///
    /// Needs a Tokio runtime. Programs outlive this process unless [`guardian::start`](crate::guardian::start)
    /// was called before the runtime was made.
    pub fn launch(&self) -> Result<SupervisorHandle, SupervisorError> {
        let registry = secrets::looked_for(self.registry.clone(), &self.secrets);
        let handle = Supervisor::launch_with(self.spec.clone(), registry)?;
        tokio::spawn(cut_stop(handle.clone(), handle.events_after(0), Arc::clone(&self.live)));
        Ok(handle)
    }

    /// How long stopping the stack can take at most, whatever its programs do (D8).
    pub fn stop_bound(&self) -> Result<StopBound, SupervisorError> {
        let bound = self.spec.stop_bound().map_err(SupervisorError::InvalidSpec)?;
        Ok(match self.live.stop_within() {
            Some(limit) => bound.cut_after(limit),
            None => bound,
        })
    }
}

/// What a run goes by beside its tree, as of now. A new spec says it anew.
#[derive(Debug)]
pub(crate) struct Live(Mutex<(Option<Duration>, Arc<str>)>);

impl Live {
    pub(crate) fn of(manifest: &StackManifest) -> Self {
        Self(Mutex::new((stop_within(manifest), version_of(manifest))))
    }

    /// How long the whole stop may take before the graces are cut.
    pub(crate) fn stop_within(&self) -> Option<Duration> {
        self.now().0
    }

    /// Which version of its spec the tree has.
    pub(crate) fn config_version(&self) -> Arc<str> {
        Arc::clone(&self.now().1)
    }

    pub(crate) fn set(&self, manifest: &StackManifest, config_version: &Arc<str>) {
        *self.now() = (stop_within(manifest), Arc::clone(config_version));
    }

    fn now(&self) -> MutexGuard<'_, (Option<Duration>, Arc<str>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the whole stop may take before the graces are cut, if the file says it.
fn stop_within(manifest: &StackManifest) -> Option<Duration> {
    manifest.supervisor.as_ref()?.shutdown?.graceful_timeout_ms?.duration()
}

/// Cuts the graces that are left when the stop of the tree, whatever began it, has taken this long.
async fn cut_stop(handle: SupervisorHandle, mut events: EventStream, live: Arc<Live>) {
    loop {
        let begun = match events.next().await {
            Some(EventItem::Event(event)) => begins_the_end(&event),
            // What was lost may have been the beginning.
            Some(EventItem::Gap(_)) => handle.health().state == RuntimeControlPlaneState::ShuttingDown,
            None => return,
        };
        if begun {
            break;
        }
    }
    let Some(limit) = live.stop_within() else { return };
    tokio::time::sleep(limit).await;
    let milliseconds = limit.as_millis();
    let reason = format!("the stop took longer than graceful_timeout_ms: {milliseconds}");
    // A tree that has ended in the meantime needs nothing.
    let _ = handle.skip_graces("the stack file", reason).await;
}

/// Whether the tree begins to stop with this event, by itself or because it was asked to.
pub fn begins_the_end(event: &StampedEvent) -> bool {
    use EventKind::{Escalated, ShutdownRequested, SupervisorEnding};
    event.path.is_root() && matches!(event.event.kind, ShutdownRequested | SupervisorEnding | Escalated)
}
