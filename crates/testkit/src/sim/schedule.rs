//! A schedule: everything that happens in one run of the simulator, as data. A seed makes one; the shrinker
//! makes smaller ones of it; the world carries any of them out.

use std::sync::Arc;

use supervisor_api::command::{ControlVerb, OtpVerb};
use supervisor_core::{ChildDecl, SupervisorDecl};

/// Nanoseconds of a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// Everything that decides a run of the simulator. The same schedule gives the same trace.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// Decides ties and jitter.
    pub(super) seed: u64,
    pub(super) tree: SupervisorDecl,
    /// What children do, by the number of their body.
    pub(super) scripts: Vec<Script>,
    /// Paths that acts name.
    pub(super) names: Vec<Arc<str>>,
    /// What comes from outside, in order.
    pub(super) acts: Vec<Act>,
    pub(super) habits: Habits,
    pub(super) finish: Finish,
}

/// How the world around the machine behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Habits {
    /// How late a tick can be, in nanoseconds.
    pub(super) late: u64,
    /// How often, in a hundred, an input comes before the rest of a plan that was cut.
    pub(super) cut_in: u64,
    /// Whether things of one instant come in any order, and not as they were caused.
    pub(super) shuffle: bool,
    /// Readers that fold events at their own pace.
    pub(super) readers: u32,
    /// A full comparison after so many steps.
    pub(super) sweep: u32,
    /// The faults end after so many inputs, whatever is left of the acts.
    pub(super) limit: u32,
    /// A tree that ends in the middle is launched again, so many times in all, or more in a schedule that is short.
    pub(super) lives: u32,
    /// A schedule is short, and its acts begin anew, until trees that have not ended have had so many inputs.
    pub(super) least: u32,
}

/// How a schedule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// Faults stop, the tree converges, then it is shut down.
    Calm,
    /// It is shut down while children do as they like.
    Storm,
    /// The same; infinite graces are cut after this many nanoseconds, and not only at the end.
    Impatient(u64),
    /// The owner goes away in the middle.
    Hard,
    /// There are no faults at all: each spec is applied when the tree has come to rest after the one before.
    Rest,
}

/// The runs of a child, by generation, over and over.
pub(super) type Script = [Run; 3];

/// What one run of a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: Start,
    /// Ends by itself after so long.
    pub(super) end: Option<(u64, Ending)>,
    /// Ends so long after it was asked to stop; `None` does not listen.
    pub(super) on_stop: Option<(u64, Ending)>,
    /// Ends so long after it was killed; `None` does not even die.
    pub(super) on_kill: Option<u64>,
    /// Keeps its promise of heartbeats so many times; `None` for ever.
    pub(super) beats: Option<u32>,
    /// Its heartbeats come late every other time.
    pub(super) faint: bool,
    /// Says everything twice; the second time late.
    pub(super) twice: bool,
}

/// How a run starts; matters to children that report ready themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Ready(u64),
    Never,
    Declines(u64),
}

/// How a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Ok,
    OkWith,
    Error,
    Panic,
    Killed,
    Cancelled,
    /// Cancelled by somebody else, such as a runtime that goes away.
    Aborted,
}

impl Run {
    /// Does all that it should.
    pub(super) const GOOD: Self = Self {
        start: Start::Ready(MS),
        end: None,
        on_stop: Some((MS, Ending::Ok)),
        on_kill: Some(MS),
        beats: None,
        faint: false,
        twice: false,
    };
}

/// Something that comes from outside.
#[derive(Debug, Clone)]
pub(super) struct Act {
    /// So long after the one before.
    pub(super) after: u64,
    pub(super) deed: Deed,
}

/// What comes from outside.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Control(ControlVerb, Target),
    Otp(OtpVerb, Target),
    Add {
        under: Target,
        child: Arc<ChildDecl>,
        otp: bool,
    },
    Apply(Arc<SupervisorDecl>),
    Shutdown,
    SkipGraces,
    /// The live run ends by itself.
    End(Target, Ending),
    /// The live run says something.
    Say(Target, Word),
    /// A message about a run that is not the live one.
    Stray(Target, Word, Stray),
    /// What an unbound child runs is registered.
    Bound(Target),
    /// The time of a scheduled child has come.
    Due(Target),
    /// The journal loses the next so many events.
    JournalFails(u32),
}

/// What a run can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Ready,
    Beat,
    Missed,
    Unwell,
    Declined,
    Ended(Ending),
}

/// What is wrong with a stray message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stray {
    /// An older run.
    Older,
    /// A run that has not been.
    Newer,
    /// Another child that had the place, or will have it.
    OtherChild,
}

/// Whom an act means; the number is a place in [`Schedule::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Path(u16),
    Id(u16),
    Key(u16),
    /// The child that had this name before.
    FormerKey(u16),
    Nobody,
}

impl Target {
    /// The place of the name.
    pub(super) fn name(self) -> Option<usize> {
        match self {
            Self::Path(at) | Self::Id(at) | Self::Key(at) | Self::FormerKey(at) => Some(usize::from(at)),
            Self::Nobody => None,
        }
    }
}
