//! The invariants by number, and what is said when one is broken.

use std::fmt;
use std::time::Duration;

macro_rules! invariants {
    ($($variant:ident = $number:literal, $name:literal;)+) => {
        /// What must hold in every tree at every step. The numbers are those of the project's list of
        /// invariants; numbers that are missing concern other parts than the machine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant { $(#[doc = $name] $variant = $number),+ }

        impl Invariant {
            /// Every invariant that the checker knows, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What it says, in one line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

invariants! {
    OneLife = 1, "a child never has two live runs";
    Generations = 2, "generations strictly increase and are never reused";
    StaleMessages = 3, "a message about an older run changes nothing";
    Dependencies = 4, "a child starts only when everything it depends on is satisfied";
    StopOrder = 5, "children are stopped in reverse of their position, and not before who depends on them";
    Scope = 6, "every start and every stop has its reason, and a strategy touches exactly its scope";
    Decisions = 7, "what follows an end is what the table of exits says";
    Budgets = 8, "a restart is charged exactly as the budgets say, and none goes beyond them";
    Escalation = 9, "an escalation reaches the parent exactly once";
    Backoff = 10, "a restart comes after the delay of its streak, and not before";
    NoStart = 11, "nothing starts after a shutdown began, nor while it is held, stopping or gone";
    StopBound = 12, "a stop keeps to grace and abort_wait, and a shutdown to their sum";
    Readiness = 15, "a run becomes ready at most once";
    Heartbeats = 16, "heartbeats are judged by the machine's time alone";
    MaxChildren = 17, "a dynamic supervisor never has more children than it may";
    Replies = 18, "every command has exactly one reply";
    Sequence = 22, "what is told about a child follows on what was told before";
    Fold = 23, "what was told adds up to what the machine shows";
    Causes = 24, "every cause lies before its effect";
    Lifecycle = 25, "the lifecycle takes only edges of the table, and the counts add up";
    Caps = 28, "one call does not do more than a plan may at once, and no table keeps what is gone";
    NoDelay = 29, "nobody's restart is late because of somebody else";
    Convergence = 30, "in the calm all that should run runs, or says what it waits for";
    Apply = 31, "a new spec is applied as a whole or not at all, and leaves alone what it does not change";
    Panics = 32, "a panic is a failure like any other";
    Repeatable = 35, "the same seed gives the same trace";
}

impl Invariant {
    /// Its number in the list.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number(), self.name())
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// A sentence with the path, the numbers and the time.
    pub text: String,
}

impl Violation {
    #[cold]
    pub(super) fn new(invariant: Invariant, now: u64, text: impl fmt::Display) -> Self {
        Self { invariant, text: format!("at {:?}: {text}", Duration::from_nanos(now)) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {} ({}) is broken {}", self.invariant.number(), self.invariant.name(), self.text)
    }
}

impl std::error::Error for Violation {}

/// The outcome of a check.
pub(super) type Check<T = ()> = Result<T, Violation>;

/// Refuses with a sentence unless the condition holds. The sentence is only made when it is needed.
macro_rules! must {
    ($self:expr, $condition:expr, $invariant:ident, $($text:tt)+) => {
        if !$condition {
            return Err($crate::check::violation::Violation::new(
                $crate::check::violation::Invariant::$invariant,
                $self.now,
                format_args!($($text)+),
            ));
        }
    };
}
pub(super) use must;
