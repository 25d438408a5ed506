//! The states a child passes through, and the two things said about it beside its state.

use serde::{Deserialize, Serialize};

/// Makes an enum of words: the text of a variant is the same in JSON, `Display` and `as_str`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The word with this text.
            pub fn from_word(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl $crate::life::Vocabulary for $name {
            fn text(self) -> &'static str {
                self.as_str()
            }
            fn find(text: &str) -> Option<Self> {
                Self::from_word(text)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

/// A closed set of words. Readers of the wire keep a word outside it as text (`wire::Word`).
pub trait Vocabulary: Copy + Eq + 'static {
    /// The word as it stands on the wire.
    fn text(self) -> &'static str;
    /// The word with this text.
    fn find(text: &str) -> Option<Self>;
}

words! {
    /// The state of a child. One word, the same everywhere.
    Lifecycle {
        /// In the tree, never started in this incarnation of its supervisor, or unbound.
        Declared = "declared",
        /// Due to start, but a sibling it depends on is not ready. Waits for ever, uncharged.
        Waiting = "waiting",
        /// Spawned, and not yet started (D19).
        Starting = "starting",
        /// Started.
        Running = "running",
        /// Failed; the next start has a time.
        Backoff = "backoff",
        /// Asked to stop, and not yet gone.
        Stopping = "stopping",
        /// Not running; its spec is kept and nothing will start it by itself.
        Stopped = "stopped",
        /// Ended well, and nothing will start it by itself.
        Completed = "completed",
        /// Ended badly, and nothing will start it by itself.
        Failed = "failed",
        /// Held by an operator until `resume` or `restart`.
        Paused = "paused",
        /// Parked by an exhausted budget or by an operator until `resume` or `restart`.
        Quarantined = "quarantined",
        /// Did not end within its grace and `abort_wait`; still alive, so nothing starts in its place.
        Unresponsive = "unresponsive",
        /// No longer in the tree.
        Removed = "removed",
    }
}

impl Lifecycle {
    /// The states that may follow this one (the published table of `semantics.md` 0.1).
    pub const fn followers(self) -> &'static [Self] {
        use Lifecycle::*;
        match self {
            Declared => &[Waiting, Starting, Stopped, Paused, Quarantined, Removed],
            Waiting => &[Starting, Stopped, Paused, Quarantined, Removed, Failed],
            Starting => &[Running, Stopping, Backoff, Failed, Completed, Stopped, Quarantined, Removed],
            Running => &[Stopping, Starting, Waiting, Backoff, Completed, Failed, Quarantined, Removed],
            Backoff => &[Starting, Waiting, Stopped, Paused, Quarantined, Failed, Removed],
            Stopping => &[
                Stopped,
                Starting,
                Waiting,
                Backoff,
                Completed,
                Failed,
                Paused,
                Quarantined,
                Removed,
                Unresponsive,
            ],
            Unresponsive => {
                &[Stopped, Starting, Waiting, Backoff, Completed, Failed, Paused, Quarantined, Removed]
            }
            Stopped | Completed | Failed => &[Starting, Waiting, Paused, Quarantined, Removed],
            Paused => &[Starting, Waiting, Stopped, Removed, Quarantined],
            Quarantined => &[Starting, Waiting, Stopped, Removed, Paused],
            Removed => &[],
        }
    }

    /// Whether the table lets `next` follow `self`.
    pub fn may_become(self, next: Self) -> bool {
        self.followers().contains(&next)
    }

    /// Whether an incarnation is alive in this state.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping | Self::Unresponsive)
    }

    /// Whether an operator or an exhausted budget holds the child.
    pub const fn is_parked(self) -> bool {
        matches!(self, Self::Paused | Self::Quarantined)
    }
}

words! {
    /// What probes and heartbeats say of a running child; of a supervisor, what its children add up to.
    Health {
        /// Nothing is promised, or nothing has been seen yet.
        Unknown = "unknown",
        /// The last promise was kept.
        Healthy = "healthy",
        /// A heartbeat or probe was missed.
        Stale = "stale",
        /// Too many were missed in a row; the child is being stopped for it.
        Unhealthy = "unhealthy",
        /// Of a supervisor: somebody below is not as it should be.
        Degraded = "degraded",
    }
}

words! {
    /// Whether the live run of a child can do its work. Changes to `ready` at most once per generation.
    Readiness {
        /// There is no live run.
        Unreported = "unreported",
        /// The run has not reported ready.
        NotReady = "not_ready",
        /// The run is ready.
        Ready = "ready",
    }
}

words! {
    /// How far the stop of a child is, in the words of the wire's `shutdown_state`.
    ShutdownState {
        /// No stop is under way.
        Running = "running",
        /// Asked to stop; the grace runs.
        Requested = "requested",
        /// The grace is over; it is being killed.
        Stopping = "stopping",
        /// Nothing of it runs.
        Completed = "completed",
    }
}

impl ShutdownState {
    /// What a state means for the stop of a child; `killing` says that its grace is over.
    pub const fn of(state: Lifecycle, killing: bool) -> Self {
        match state {
            Lifecycle::Unresponsive => Self::Stopping,
            Lifecycle::Stopping if killing => Self::Stopping,
            Lifecycle::Stopping => Self::Requested,
            Lifecycle::Declared
            | Lifecycle::Waiting
            | Lifecycle::Starting
            | Lifecycle::Running
            | Lifecycle::Backoff => Self::Running,
            Lifecycle::Stopped
            | Lifecycle::Completed
            | Lifecycle::Failed
            | Lifecycle::Paused
            | Lifecycle::Quarantined
            | Lifecycle::Removed => Self::Completed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d0_every_state_but_removed_can_be_left_and_every_one_but_declared_reached() {
        for state in Lifecycle::ALL {
            assert_eq!(state.followers().is_empty(), *state == Lifecycle::Removed, "{state}");
            let reached = Lifecycle::ALL.iter().any(|from| from.may_become(*state));
            assert_eq!(reached, *state != Lifecycle::Declared, "{state}");
        }
    }

    #[test]
    fn words_read_back() {
        for state in Lifecycle::ALL {
            assert_eq!(Lifecycle::from_word(state.as_str()), Some(*state));
            let json = serde_json::to_string(state).unwrap();
            assert_eq!(json, format!("\"{state}\""));
        }
    }
}
