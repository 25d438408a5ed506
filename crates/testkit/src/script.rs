//! What scripted children do.

use std::ops::RangeInclusive;
use std::time::Duration;

use supervisor_api::Exit;

/// What one run of a scripted child does. The default runs for ever, is ready at once if it has to
/// report, and ends at once and well when it is asked to stop or killed.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(crate) start: Start,
    pub(crate) end: Option<(Duration, Exit)>,
    pub(crate) on_stop: Option<(Duration, Exit)>,
    pub(crate) on_kill: Option<Duration>,
    /// When it stops to report life; told to children of the library, which report it by themselves.
    #[cfg(feature = "tokio")]
    pub(crate) silent_after: Option<Duration>,
}

/// How a run starts; matters to children that report ready themselves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Start {
    Ready(Duration),
    NeverReady,
    Declines,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            start: Start::Ready(Duration::ZERO),
            end: None,
            on_stop: Some((Duration::ZERO, Exit::Stopped)),
            on_kill: Some(Duration::ZERO),
            #[cfg(feature = "tokio")]
            silent_after: None,
        }
    }
}

impl Run {
    /// Runs for ever and does as it is told.
    pub fn healthy() -> Self {
        Self::default()
    }

    /// Reports ready this long after it was spawned.
    pub fn ready_after(delay: Duration) -> Self {
        Self { start: Start::Ready(delay), ..Self::default() }
    }

    /// Never reports ready.
    pub fn never_ready() -> Self {
        Self { start: Start::NeverReady, ..Self::default() }
    }

    /// Declines to start.
    pub fn declines() -> Self {
        Self { start: Start::Declines, ..Self::default() }
    }

    /// Ends badly at once, without having reported ready: `failed: no start`.
    pub fn fails_to_start() -> Self {
        Self::never_ready().ends_after(Duration::ZERO, Exit::failed("no start"))
    }

    /// Fails this long after it was spawned, with this error.
    pub fn fails_after(delay: Duration, error: &str) -> Self {
        Self::healthy().ends_after(delay, Exit::failed(error))
    }

    /// Panics as soon as it runs, with this message.
    pub fn panics(message: &str) -> Self {
        Self::healthy().ends_after(Duration::ZERO, Exit::Panicked { message: message.into(), location: None })
    }

    /// Is done, and well, this long after it was spawned.
    pub fn completes_after(delay: Duration) -> Self {
        Self::healthy().ends_after(delay, Exit::Completed)
    }

    /// Ends by itself this long after it was spawned.
    #[must_use]
    pub fn ends_after(mut self, delay: Duration, exit: Exit) -> Self {
        self.end = Some((delay, exit));
        self
    }

    /// Needs this long to stop.
    #[must_use]
    pub fn stops_after(mut self, delay: Duration) -> Self {
        let exit = self.on_stop.take().map_or(Exit::Stopped, |(_, exit)| exit);
        self.on_stop = Some((delay, exit));
        self
    }

    /// Ends otherwise than asked when it is asked to stop.
    #[must_use]
    pub fn stops_with(mut self, exit: Exit) -> Self {
        let delay = self.on_stop.take().map_or(Duration::ZERO, |(delay, _)| delay);
        self.on_stop = Some((delay, exit));
        self
    }

    /// Does not react when it is asked to stop.
    #[must_use]
    pub fn ignores_stop(mut self) -> Self {
        self.on_stop = None;
        self
    }

    /// Is gone only this long after it was killed.
    #[must_use]
    pub fn dies_after(mut self, delay: Duration) -> Self {
        self.on_kill = Some(delay);
        self
    }

    /// Does not react to anything; ends when the test says so.
    #[must_use]
    pub fn immortal(mut self) -> Self {
        self.on_stop = None;
        self.on_kill = None;
        self
    }
}

/// The runs of a child: what it usually does, and what some of its runs do instead. Runs are counted by
/// generation, from 1, through restarts of the supervisor too. The default is healthy for ever.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    usual: Run,
    special: Vec<(RangeInclusive<u64>, Run)>,
}

impl Script {
    /// Every run does the same.
    pub fn always(run: Run) -> Self {
        Self { usual: run, special: Vec::new() }
    }

    /// What one run does instead, counted from 1.
    #[must_use]
    pub fn run(self, generation: u64, run: Run) -> Self {
        self.runs(generation..=generation, run)
    }

    /// What some runs do instead. What is said last counts.
    #[must_use]
    pub fn runs(mut self, generations: RangeInclusive<u64>, run: Run) -> Self {
        self.special.push((generations, run));
        self
    }

    /// What every run does of which nothing else is said.
    #[must_use]
    pub fn otherwise(mut self, run: Run) -> Self {
        self.usual = run;
        self
    }

    /// What this run does.
    pub fn of(&self, generation: u64) -> &Run {
        let special = self.special.iter().rev().find(|(runs, _)| runs.contains(&generation));
        special.map_or(&self.usual, |(_, run)| run)
    }
}

impl From<Run> for Script {
    fn from(run: Run) -> Self {
        Self::always(run)
    }
}
