//! What a program or a task uses.

use serde::{Deserialize, Serialize};

/// What a program uses: all processes of its group, and what they started, together.
///
/// It is measured every two seconds; where that would take more than a twentieth of a core, less often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgramUsage {
    /// CPU between the last two measurements, in percent of one core: 150 is one and a half cores. At first: since
    /// the program began. 0: less than half a percent.
    pub cpu_percent: u32,
    /// CPU since the run began, in milliseconds. 0: less than the system counts.
    pub cpu_millis: u64,
    /// Memory that is in use, not swapped out. What processes share counts once for each. 0: nothing runs any more.
    pub resident_bytes: u64,
    /// Threads; a process has at least one. 0: nothing runs any more.
    pub threads: u32,
    /// Open files and sockets of the processes that may be looked at: those of the supervisor's own user. 0: none.
    pub descriptors: u32,
    /// Processes. 0: nothing runs any more.
    pub processes: u32,
    /// When it was measured. Never 0.
    pub measured_at_unix_nanos: u64,
}

impl ProgramUsage {
    /// The same measured at another time.
    pub const fn at(self, measured_at_unix_nanos: u64) -> Self {
        Self { measured_at_unix_nanos, ..self }
    }
}

/// How long the run of a task is being polled: the time for which it keeps a worker of the runtime to itself. Tasks that it
/// spawns are not part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PollTimes {
    /// The share of the last two seconds, or somewhat more, in percent of one worker: 100 is all of its time. At first:
    /// since the run began. 0: less than half a percent.
    pub busy_percent: u32,
    /// The time of all its polls, in milliseconds. 0: less than one.
    pub busy_millis: u64,
    /// How many polls are over. 0: none.
    pub polls: u64,
    /// The longest poll of the run, the one that goes on included, in microseconds. 0: less than one.
    pub longest_poll_micros: u64,
    /// When these figures were read. Never 0.
    pub measured_at_unix_nanos: u64,
}
