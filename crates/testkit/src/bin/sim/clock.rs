//! How long a batch takes on this machine.

use std::time::{Duration, Instant};

/// Ticks of processor time per second, as Linux counts them for programs.
const TICKS: u64 = 100;

/// Time since a start: on the wall, and of processors that worked for us.
pub(crate) struct Clock {
    wall: Instant,
    processor: Option<Duration>,
}

#[expect(clippy::disallowed_methods, reason = "measures real speed for the developer; no test waits on it")]
impl Clock {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), processor: processor_time() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.wall.elapsed()
    }

    /// The time of one core that the work took. On a machine that is shared with others that is less than
    /// the time on the wall.
    fn worked(&self, jobs: usize) -> Duration {
        let worked = self.processor.zip(processor_time()).map(|(before, now)| now.saturating_sub(before));
        worked.unwrap_or_else(|| self.elapsed() * jobs as u32)
    }

    /// How much of this was done per second of one core.
    pub(crate) fn rate(&self, done: u64, jobs: usize) -> u64 {
        (done as f64 / self.worked(jobs).as_secs_f64().max(0.01)) as u64
    }

    /// The times as a line.
    pub(crate) fn took(&self, jobs: usize) -> String {
        let (wall, worked) = (self.elapsed().as_secs_f64(), self.worked(jobs).as_secs_f64());
        format!("took {wall:.1} s on {jobs} threads, {worked:.1} s of processor time")
    }
}

/// The processor time of this process so far; `None` where the system does not tell.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS))
}
