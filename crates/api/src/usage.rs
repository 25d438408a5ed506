//! What a program uses.

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
