//! Signals from outside, to the programs of this soak and to nobody else.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::census::{bears, marked};
use crate::world::{Counts, World};

/// Sends random signals until the storm is over.
pub(crate) async fn killer(world: Arc<World>) {
    let mut random = world.random("killer", 0);
    while world.goes_on_after(Duration::from_millis(10 + random.below(90))).await {
        let programs = marked(&world.mark);
        let signal = match random.below(10) {
            0..4 => Signal::KILL,
            4..6 => Signal::STOP,
            6 => Signal::CONT,
            7 => Signal::HUP,
            _ => Signal::TERM,
        };
        if random.percent(1) {
            kill_guardian();
        } else if let Some(pid) = random.pick(&programs)
            && send(&world.mark, *pid, signal)
        {
            Counts::add(&world.counts.kills);
        }
    }
}

/// Sends a signal to a process if it bears the mark. The descriptor is opened before the mark is looked at, so the
/// number cannot be another's by then.
pub(crate) fn send(mark: &str, pid: u32, signal: Signal) -> bool {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else { return false };
    bears(pid, mark) && pidfd_send_signal(&process, signal).is_ok()
}

/// The guardian is replaced when it dies.
fn kill_guardian() {
    let pid = supervisor_process::guardian::status().and_then(|status| status.pid);
    if let Some(pid) = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // It may be gone already; it is our child and not reaped before it is replaced.
        let _ = kill_process(pid, Signal::KILL);
    }
}
