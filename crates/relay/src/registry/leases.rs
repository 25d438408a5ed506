//! Who is registered, and until when: a table without clock or sockets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::{ErrorCode, Registration, RegistrationRefusal};
use tokio::time::Instant;

/// The longest lease, in seconds.
const LONGEST: u64 = 3_600;

/// Who is registered.
#[derive(Debug)]
pub(crate) struct Leases {
    held: BTreeMap<Arc<str>, Lease>,
    most: usize,
}

#[derive(Debug)]
struct Lease {
    uid: u32,
    socket: PathBuf,
    until: Instant,
}

/// What a registration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Granted {
    /// Nobody had the id, or the lease was over.
    New,
    /// It had the id before, with another socket.
    Moved,
    /// It is as it was, for longer.
    Renewed,
}

impl Leases {
    /// For at most so many targets.
    pub(crate) fn new(most: usize) -> Self {
        Self { held: BTreeMap::new(), most }
    }

    /// Grants or renews a lease. `socket` is the path without links; `uid` is who asks.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        asked: &Registration,
        socket: &Path,
        uid: u32,
    ) -> Result<Granted, RegistrationRefusal> {
        let refuse = |code, message: String| Err(RegistrationRefusal::new(code, &message));
        if !(1..=LONGEST).contains(&asked.lease_seconds) {
            let message = format!("a lease lasts 1 to {LONGEST} seconds; ask for 30, and renew it");
            return refuse(ErrorCode::InvalidLeaseSeconds, message);
        }
        let live = |lease: &&Lease| lease.until > now;
        let id = asked.target_id.as_str();
        let had = self.held.get(id).filter(live);
        if had.is_some_and(|lease| lease.uid != uid) {
            let message =
                format!("the target {id} belongs to another user until its lease ends; use another id");
            return refuse(ErrorCode::TargetIdOwnerMismatch, message);
        }
        let others = || self.held.iter().filter(|(other, lease)| ***other != *id && live(lease));
        if let Some((other, _)) = others().find(|(_, lease)| lease.socket == socket) {
            let message = format!("the target {other} holds {} until its lease ends", asked.ipc_path);
            return refuse(ErrorCode::IpcPathConflict, message);
        }
        if had.is_none() && others().count() >= self.most {
            let message = format!(
                "{} targets are registered, as many as this relay takes; raise `max_targets`",
                self.most
            );
            return refuse(ErrorCode::ValidationFailed, message);
        }
        let granted = match had {
            None => Granted::New,
            Some(lease) if lease.socket != socket => Granted::Moved,
            Some(_) => Granted::Renewed,
        };
        let until = now + Duration::from_secs(asked.lease_seconds);
        self.held.insert(id.into(), Lease { uid, socket: socket.to_owned(), until });
        Ok(granted)
    }

    /// Takes out the leases that are over, and names whose they were.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Arc<str>> {
        let over = self.held.iter().filter(|(_, lease)| lease.until <= now);
        let over: Vec<Arc<str>> = over.map(|(id, _)| Arc::clone(id)).collect();
        for id in &over {
            self.held.remove(id);
        }
        over
    }

    /// Where the target with this id listens, and as whom, if its lease runs.
    pub(crate) fn place_of(&self, now: Instant, id: &str) -> Option<(PathBuf, u32)> {
        let lease = self.held.get(id).filter(|lease| lease.until > now)?;
        Some((lease.socket.clone(), lease.uid))
    }

    /// When the next lease is over.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.held.values().map(|lease| lease.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::registration;

    const SECOND: Duration = Duration::from_secs(1);

    fn ask(leases: &mut Leases, now: Instant, id: &str, socket: &str, uid: u32) -> Result<Granted, String> {
        let refused = |refusal: RegistrationRefusal| refusal.code.to_string();
        leases.register(now, &registration(id), Path::new(socket), uid).map_err(refused)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_renewed_and_ends_to_the_instant() {
        let mut leases = Leases::new(10);
        let now = Instant::now();
        assert_eq!(ask(&mut leases, now, "shop", "/s", 7), Ok(Granted::New));
        assert_eq!(ask(&mut leases, now + 15 * SECOND, "shop", "/s", 7), Ok(Granted::Renewed));
        assert_eq!(leases.next_end(), Some(now + 45 * SECOND));
        assert!(leases.expire(now + 45 * SECOND - Duration::from_nanos(1)).is_empty());
        assert_eq!(leases.expire(now + 45 * SECOND), [Arc::from("shop")]);
        assert_eq!(leases.next_end(), None);
        assert_eq!(ask(&mut leases, now + 46 * SECOND, "shop", "/s", 7), Ok(Granted::New));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_lease_replaces_a_longer_one() {
        let mut leases = Leases::new(10);
        let now = Instant::now();
        ask(&mut leases, now, "shop", "/s", 7).unwrap();
        let farewell = Registration { lease_seconds: 1, ..registration("shop") };
        assert_eq!(leases.register(now, &farewell, Path::new("/s"), 7), Ok(Granted::Renewed));
        assert_eq!(leases.expire(now + SECOND), [Arc::from("shop")]);
    }

    #[tokio::test(start_paused = true)]
    async fn id_and_path_belong_to_the_first_until_its_lease_ends() {
        let mut leases = Leases::new(10);
        let now = Instant::now();
        ask(&mut leases, now, "shop", "/s", 7).unwrap();
        assert_eq!(ask(&mut leases, now, "shop", "/other", 8), Err("target_id_owner_mismatch".to_owned()));
        assert_eq!(ask(&mut leases, now, "bank", "/s", 7), Err("ipc_path_conflict".to_owned()));
        assert_eq!(ask(&mut leases, now, "shop", "/moved", 7), Ok(Granted::Moved));
        assert_eq!(ask(&mut leases, now, "bank", "/s", 8), Ok(Granted::New), "a path that was left is free");
        // Even before anybody has looked for leases that are over.
        let later = now + 30 * SECOND;
        assert_eq!(ask(&mut leases, later, "shop", "/s", 9), Ok(Granted::New), "both are free");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_of_no_time_or_too_much_is_refused_and_so_is_one_target_too_many() {
        let mut leases = Leases::new(2);
        let now = Instant::now();
        for (seconds, good) in [(0, false), (1, true), (3_600, true), (3_601, false), (u64::MAX, false)] {
            let asked = Registration { lease_seconds: seconds, ..registration("shop") };
            let answer = leases.register(now, &asked, Path::new("/s"), 7);
            assert_eq!(answer.is_ok(), good, "{seconds}");
            if let Err(refusal) = answer {
                assert!(refusal.code.is(ErrorCode::InvalidLeaseSeconds));
            }
        }
        ask(&mut leases, now, "b", "/b", 7).unwrap();
        assert_eq!(ask(&mut leases, now, "c", "/c", 7), Err("validation_failed".to_owned()));
        assert_eq!(ask(&mut leases, now, "b", "/b2", 7), Ok(Granted::Moved), "who is in stays in");
    }
}
