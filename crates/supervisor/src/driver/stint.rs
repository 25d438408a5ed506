//! Stints: one task after the other instead of two at once.
//!
//! A child that fails and fails restarts in its own task, in turns that it makes itself. Two such children on two workers
//! would hand the brain to and fro, and with each turn everything that a turn reads comes from the other core: both
//! together are slower than one of them alone. So whoever restarts again and again within one poll has a *stint*. Others
//! leave the ends of their runs to him meanwhile, and he sees to them when his poll is over. A poll has a bound of runs.
//!
//! His run may keep him for long, though, since what it does is its own matter. So whoever leaves something to a stint
//! calls the driver for a while later. That takes what was left, and ends the stint.
//!
//! ```text
//!    nobody ──── restarts again, in place ────► a stint ──┬── his poll is over, or he is not alone ──► nobody
//!                                                         └── the driver came by ────────────────────► nobody
//! ```
//!
//! Nothing is left alone. Whoever leaves an end looks afterwards whether somebody has a stint; whoever begins one looks
//! afterwards whether something was left, and so does whoever ends his. The driver forgets the call before it looks. Each
//! side has a fence between its two steps, so one of them finds the other.

use std::time::Duration;

use crate::sync::Notify;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

/// How long the driver gives whoever has a stint. A timer is no finer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// Who has a stint at the brain of a tree.
pub(crate) struct Stint {
    /// One more than the place of the child, which is never the root's; 0 is nobody. Set while the brain is held.
    holder: AtomicU32,
    /// The driver comes by.
    called: AtomicBool,
    call: Notify,
}

impl Stint {
    pub(crate) fn new() -> Self {
        Self { holder: AtomicU32::new(0), called: AtomicBool::new(false), call: Notify::new() }
    }

    /// The child begins one, or goes on with its own. True if it begins: something may have been left before.
    pub(crate) fn begin(&self, child: u32) -> bool {
        if self.is_of(child) {
            return false;
        }
        self.holder.store(child + 1, Ordering::Relaxed);
        true
    }

    pub(crate) fn is_of(&self, child: u32) -> bool {
        self.holder.load(Ordering::Relaxed) == child + 1
    }

    pub(crate) fn is_anothers(&self, child: u32) -> bool {
        let holder = self.holder.load(Ordering::Relaxed);
        holder != 0 && holder != child + 1
    }

    /// The child's poll is over. Whoever calls this looks for what was left.
    pub(crate) fn end(&self, child: u32) {
        // The driver may have ended it, and somebody else may have one by now.
        let _ = self.holder.compare_exchange(child + 1, 0, Ordering::Relaxed, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Something was left, and a fence is behind that. Whether somebody has a stint: he sees to it, or the driver, which is
    /// called, does after a while.
    pub(crate) fn sees_to_what_was_left(&self) -> bool {
        if self.holder.load(Ordering::Relaxed) == 0 {
            return false;
        }
        if !self.called.load(Ordering::Relaxed) && !self.called.swap(true, Ordering::Relaxed) {
            self.call.notify_one();
        }
        true
    }

    /// Waits until the driver has to come by. Cancel safe.
    pub(crate) async fn called(&self) {
        self.call.notified().await;
    }

    /// The driver is about to take everything that was left.
    pub(crate) fn over(&self) {
        if self.called.load(Ordering::Relaxed) {
            self.called.store(false, Ordering::Relaxed);
            self.holder.store(0, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
    }
}
