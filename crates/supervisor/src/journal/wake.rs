//! Waking the readers that sleep.
//!
//! A turn wakes nobody unless somebody sleeps. A few it wakes itself. When there are more, it only calls the *crier*,
//! which is the tree's driver: that wakes all of them while whoever made the turn goes on. Otherwise each event of a
//! storm would pay for everybody who reads it.
//!
//! ```text
//!     asleep = 0            nothing to do
//!     asleep ≤ FEW          the turn wakes them            a new round begins
//!     asleep > FEW          the turn calls the crier       CALLED: later turns leave it to him
//!                           the crier wakes them           a new round begins
//! ```
//!
//! No wake is lost. A reader is counted first and then looks whether there is an event; a turn publishes its events first
//! and then looks whether anybody is counted. Each side has a fence between its two steps, so one of them finds the other.
//! Whoever finds a reader counted begins a new round *before* he wakes: a reader that lies down after that is counted anew.

use crate::sync::Notify;
use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// How many a turn wakes itself.
const FEW: u64 = 2;

/// The word: how many sleep, whether the crier is called, and the round.
const ASLEEP: u64 = CALLED - 1;
const CALLED: u64 = 1 << 31;
const ROUND: u64 = 1 << 32;

/// The readers of a journal that sleep.
pub(super) struct Sleepers {
    word: AtomicU64,
    /// They are woken by this.
    moved: Notify,
    /// The crier is, by this.
    call: Notify,
}

impl Sleepers {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(0), moved: Notify::new(), call: Notify::new() }
    }

    /// A reader is about to sleep. It must look once more whether there is something before it waits for what this
    /// gives, and keep the bed until it is awake.
    pub(super) fn lie_down(&self) -> (tokio::sync::futures::Notified<'_>, Bed<'_>) {
        // Made before it is counted, so that whoever finds it counted wakes it.
        let woken = self.moved.notified();
        let round = self.word.fetch_add(1, Ordering::Relaxed) / ROUND;
        fence(Ordering::SeqCst);
        (woken, Bed { sleepers: self, round })
    }

    /// Something was published. True if the crier is to be called for it.
    pub(super) fn tell(&self) -> bool {
        fence(Ordering::SeqCst);
        let word = self.word.load(Ordering::Relaxed);
        // Whoever lies down after he was called is counted in the same round, and woken with the rest.
        if word & ASLEEP == 0 || word & CALLED != 0 {
            return false;
        }
        if word & ASLEEP <= FEW {
            self.wake_all();
            return false;
        }
        self.word.fetch_or(CALLED, Ordering::Relaxed) & CALLED == 0
    }

    /// Calls the crier.
    pub(super) fn call(&self) {
        self.call.notify_one();
    }

    /// Waits until the crier may be wanted. Cancel safe.
    pub(super) async fn called(&self) {
        self.call.notified().await;
    }

    /// What the crier does when he comes by.
    pub(super) fn cry(&self) {
        if self.word.load(Ordering::Relaxed) & CALLED != 0 {
            self.wake_all();
        }
    }

    /// Wakes everybody.
    pub(super) fn wake_all(&self) {
        let next = |word: u64| Some((word / ROUND).wrapping_add(1).wrapping_mul(ROUND));
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next);
        self.moved.notify_waiters();
    }
}

/// Where a reader lies as long as it is counted.
pub(super) struct Bed<'a> {
    sleepers: &'a Sleepers,
    round: u64,
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        // Who was woken is not counted any more.
        let up = |word: u64| (word / ROUND == self.round).then(|| word - 1);
        let _ = self.sleepers.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, up);
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use tokio::sync::futures::Notified;

    use super::*;

    fn is_awake(woken: &mut Pin<&mut Notified<'_>>) -> bool {
        woken.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn is_called(sleepers: &Sleepers) -> bool {
        pin!(sleepers.called()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_few_are_woken_by_the_turn_itself() {
        let sleepers = Sleepers::new();
        let ((one, _bed), (other, _other)) = (sleepers.lie_down(), sleepers.lie_down());
        let (mut one, mut other) = (pin!(one), pin!(other));
        assert!(!is_awake(&mut one) && !is_awake(&mut other));
        assert!(!sleepers.tell());
        assert!(is_awake(&mut one) && is_awake(&mut other));
        assert!(!is_called(&sleepers));
    }

    #[test]
    fn many_are_left_to_the_crier_who_is_called_once() {
        let sleepers = Sleepers::new();
        let beds = [(); 3].map(|()| sleepers.lie_down());
        assert!(sleepers.tell());
        sleepers.call();
        let mut woken = beds.map(|(woken, bed)| (Box::pin(woken), bed));
        assert!(woken.iter_mut().all(|(woken, _)| !is_awake(&mut woken.as_mut())));
        assert!(is_called(&sleepers));
        // One who comes before the crier has cried is left to him as well, and he is not called again.
        let (late, _bed) = sleepers.lie_down();
        let mut late = pin!(late);
        assert!(!sleepers.tell());
        assert!(!is_awake(&mut late) && !is_called(&sleepers));
        sleepers.cry();
        assert!(woken.iter_mut().all(|(woken, _)| is_awake(&mut woken.as_mut())) && is_awake(&mut late));
        let (again, _bed) = sleepers.lie_down();
        let mut again = pin!(again);
        sleepers.cry();
        assert!(!is_awake(&mut again), "he cries when he is called");
        sleepers.tell();
        assert!(is_awake(&mut again));
    }

    #[test]
    fn whoever_got_up_is_not_counted() {
        let sleepers = Sleepers::new();
        for _ in 0..10 {
            drop(sleepers.lie_down());
        }
        let (one, bed) = sleepers.lie_down();
        let mut one = pin!(one);
        sleepers.tell();
        assert!(is_awake(&mut one), "there is only this one");
        // The round in which it was counted is over.
        let (other, _bed) = sleepers.lie_down();
        drop(bed);
        let mut other = pin!(other);
        sleepers.tell();
        assert!(is_awake(&mut other));
    }
}
