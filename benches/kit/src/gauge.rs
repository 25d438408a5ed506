//! What is read of the machine: two clocks, and how much memory is resident.

use std::time::Duration;

use rustix::param::page_size;
use rustix::time::{ClockId, clock_gettime};

/// A point in time, by the wall and by the processors, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    wall: u64,
    cpu: u64,
}

impl Mark {
    /// Now.
    pub fn now() -> Self {
        Self { wall: nanos(), cpu: read(ClockId::ProcessCPUTime) }
    }

    /// The time between this mark and a later one.
    pub fn wall_until(self, later: Self) -> f64 {
        (later.wall - self.wall) as f64
    }

    /// For how long processors have worked for this process between this mark and a later one.
    pub fn cpu_until(self, later: Self) -> f64 {
        (later.cpu - self.cpu) as f64
    }
}

/// Nanoseconds of a clock that only goes on.
pub fn nanos() -> u64 {
    read(ClockId::Monotonic)
}

/// The time of day, with which events are stamped.
pub fn unix_nanos() -> u64 {
    read(ClockId::Realtime)
}

fn read(clock: ClockId) -> u64 {
    let time = Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes of this process that are in memory.
pub fn resident() -> Result<f64, String> {
    let statm = std::fs::read_to_string("/proc/self/statm")
        .map_err(|error| format!("/proc/self/statm cannot be read: {error}"))?;
    let pages: Option<usize> = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    let pages = pages.ok_or_else(|| format!("/proc/self/statm is not understood: {statm}"))?;
    Ok((pages * page_size()) as f64)
}
