//! The catalogue: every kind of event, how much it matters, its numbers and its meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::life::{Vocabulary, words};

words! {
    /// How much an event matters to somebody who only glances.
    Severity {
        /// Of interest when reading the code.
        Trace = "trace",
        /// Of interest when looking for a fault.
        Debug = "debug",
        /// The normal course of things.
        Info = "info",
        /// Something is not as it should be, and is being dealt with.
        Warning = "warning",
        /// Something is broken and will not mend itself.
        Error = "error",
    }
}

/// What the catalogue says of one kind of event.
#[derive(Debug, Clone, Copy)]
pub struct EventSpec {
    /// The word on the wire (`event_type`).
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Names of [`Event::numbers`](crate::Event::numbers), in order; they are keys of the payload.
    pub numbers: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! catalogue {
    ($($name:ident $severity:ident [$($number:literal),*] $meaning:literal;)+) => {
        /// What happened. The catalogue ([`EventKind::spec`]) gives severity, payload keys and meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum EventKind { $(#[doc = $meaning] $name),+ }

        impl EventKind {
            /// Every kind, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The catalogue's entry.
            pub const fn spec(self) -> &'static EventSpec {
                match self {
                    $(Self::$name => &EventSpec {
                        name: stringify!($name),
                        severity: Severity::$severity,
                        numbers: &[$($number),*],
                        meaning: $meaning,
                    }),+
                }
            }
        }
    };
}

catalogue! {
    ChildDeclarationAccepted Info [] "A child was added to the running tree.";
    ChildDeclarationRejected Warning [] "A child could not be added; the text says why.";
    ChildUnbound Warning [] "The child's factory is not registered; it starts when it is.";
    ChildWaiting Info [] "The child is due to start and waits for a sibling that is not ready.";
    ChildStarting Info [] "A run was spawned and is not started yet.";
    ChildRunning Info [] "A run is started, other than by an automatic restart.";
    ChildReady Info ["took_ms"] "The run reported ready.";
    ChildRestarting Info [] "An automatic restart was spawned and is not started yet.";
    ChildRestarted Info [] "An automatic restart is started.";
    ChildDeclined Info [] "The run declined to start; the child stays, stopped.";
    ChildCompleted Info ["ran_ms"] "The child ended well and is not started again.";
    ChildFailed Warning ["ran_ms", "budget_used", "budget_max"] "A run ended badly, or ended where it should not have.";
    ChildPanicked Warning ["ran_ms", "budget_used", "budget_max"] "A run panicked.";
    ChildStartFailed Warning ["ran_ms", "budget_used", "budget_max"] "A run ended before it was started.";
    BackoffScheduled Info ["delay_ms", "budget_used", "budget_max"] "The next start has a time.";
    ChildHeartbeatMissed Warning ["misses", "allowed"] "A promised heartbeat or probe was missed.";
    ChildHealthy Info [] "A heartbeat came after one was missed.";
    ChildUnhealthy Warning ["misses", "allowed"] "Too many heartbeats were missed in a row; the child is being stopped for it.";
    ChildStopping Info ["grace_ms"] "The child was asked to stop.";
    ChildKilling Warning ["waited_ms"] "The grace is over; the run is being aborted or killed.";
    ChildUnresponsive Error ["waited_ms"] "The run did not end even after it was killed; nothing starts in its place.";
    ChildStopped Info ["took_ms"] "The child is gone and is not started by itself.";
    ChildStopError Warning ["took_ms"] "The child ended badly after it was asked to stop.";
    Paused Info ["took_ms"] "An operator holds the child.";
    Resumed Info [] "An operator let the child go on.";
    ChildQuarantined Error ["budget_used", "budget_max"] "The child is parked, by an exhausted budget or by an operator.";
    BudgetExhausted Error ["budget_used", "budget_max", "window_ms"] "One failure more than the budget allows.";
    BudgetUnreachable Warning ["max_restarts", "window_ms"] "The back-off is so slow that the budget can never be exhausted; failures in a row are counted instead.";
    Escalated Error [] "The supervisor gave up; its parent decides.";
    SupervisorEnding Info [] "The supervisor ends by itself and stops its children.";
    ShutdownRequested Info [] "The tree was asked to stop.";
    ShutdownPhaseChanged Info [] "The remaining graces were cut to zero.";
    ShutdownCompleted Info ["took_ms"] "Every child is gone or named as unresponsive.";
    CommandAccepted Debug [] "A command that carries an id was accepted and goes on.";
    CommandCompleted Debug ["took_ms"] "A command that carries an id has its outcome; a text says what went otherwise than wished.";
    SubscriberLagged Warning ["missed"] "A reader was too slow and missed events.";
    ChildControlOperationChanged Debug [] "What happens when the child is gone was changed by a later command.";
    ChildRuntimeStateRemoved Info [] "The child is no longer in the tree.";
    LimitUnenforced Warning [] "The child has limits that nothing holds it to; the text names them.";
    ChildSignalled Info [] "An operator's signal was sent to the program; the text names it.";
    TargetRegistered Info [] "A relay has the target; the text names the relay.";
    TargetUnregistered Warning [] "No relay has the target, which goes on trying; the text says why.";
    SpecApplied Info ["added", "removed", "changed", "unchanged"] "A new spec was applied.";
}

impl EventKind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        self.spec().name
    }

    /// Whether the exit in such an event is a failure of the child: its row keeps it as the last one.
    pub const fn tells_failure(self) -> bool {
        matches!(
            self,
            Self::ChildFailed | Self::ChildPanicked | Self::ChildStartFailed | Self::ChildStopError
        )
    }

    /// How much events of this kind matter.
    pub const fn severity(self) -> Severity {
        self.spec().severity
    }
}

impl Vocabulary for EventKind {
    fn text(self) -> &'static str {
        self.as_str()
    }

    fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
