//! Denials are recorded one by one as long as they do not come faster than a person could read them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::wire::AuditRecord;
use supervisor_socket::{Peer, Rate, RateLimit, UIDS};

use super::record;

/// 60 at once, and one each second. More of one user are counted, so that nobody drives the records of others out of
/// the audit by being refused.
const ONE_BY_ONE: Rate = Rate { every: Duration::from_secs(1), burst: 60 };

/// How often what was counted is recorded.
pub(super) const COUNTED_EVERY: Duration = Duration::from_secs(60);

/// Who the system does not know. No user has this number.
const NOBODY: u32 = u32::MAX;

/// How fast denials may be recorded, and those that were faster.
#[derive(Debug)]
pub(super) struct Denials {
    rate: RateLimit,
    counted: Mutex<HashMap<u32, (Option<Peer>, u64)>>,
}

impl Denials {
    pub(super) fn new() -> Self {
        Self { rate: RateLimit::new(ONE_BY_ONE), counted: Mutex::default() }
    }

    /// Whether a denial is recorded by itself. If not, it is counted.
    pub(super) fn admit(&self, peer: Option<Peer>) -> bool {
        let uid = peer.map_or(NOBODY, |peer| peer.uid);
        if self.rate.take(uid).is_ok() {
            return true;
        }
        let mut counted = self.counted();
        // Those beyond share one count, and nobody's name is on it.
        let (uid, peer) =
            if counted.len() < UIDS || counted.contains_key(&uid) { (uid, peer) } else { (NOBODY, None) };
        let (last, count) = counted.entry(uid).or_insert((peer, 0));
        *last = peer;
        *count += 1;
        false
    }

    /// Whether some were counted.
    pub(super) fn has_counted(&self) -> bool {
        !self.counted().is_empty()
    }

    /// Records of what was counted, which begins anew.
    pub(super) fn take_counted(&self) -> Vec<AuditRecord> {
        let counted = std::mem::take(&mut *self.counted());
        counted.into_values().map(|(peer, count)| record::denials(peer, count)).collect()
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<u32, (Option<Peer>, u64)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> Option<Peer> {
        Some(Peer { uid, gid: 1, pid: None })
    }

    #[tokio::test(start_paused = true)]
    async fn s16_a_storm_of_denials_is_counted_by_user_and_memory_is_bounded() {
        let denials = Denials::new();
        let admitted = (0..1_000).filter(|_| denials.admit(peer(7))).count();
        assert_eq!(admitted, 60);
        assert!(denials.admit(peer(8)), "another user is not slowed down");
        assert!(denials.admit(None), "nor is one that the system does not know");
        let counted = denials.take_counted();
        assert_eq!(counted.len(), 1);
        assert_eq!((counted[0].count, counted[0].peer.unwrap().uid), (Some(940), 7));
        assert!(!denials.has_counted());

        for uid in 0..100_000 {
            denials.admit(peer(uid));
            denials.admit(peer(uid));
        }
        let counted = denials.take_counted();
        assert!(counted.len() <= UIDS + 1, "{}", counted.len());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!((0..10).filter(|_| denials.admit(peer(7))).count(), 5);
    }
}
