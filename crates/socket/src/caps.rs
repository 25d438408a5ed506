//! How many connections there may be, and whose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::serve::Refusal;

/// How many connections there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Of all peers together. Default: 256.
    pub total: usize,
    /// Of one uid, whoever that is. Default: 128.
    pub per_uid: usize,
    /// Of `total`, how many only an admin can have. Default: 16.
    pub reserved: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { total: 256, per_uid: 128, reserved: 16 }
    }
}

/// Counts who is connected. Its memory is bounded by the number of connections.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    caps: Caps,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    of_uid: HashMap<u32, usize>,
}

impl Seats {
    pub(crate) fn new(caps: Caps) -> Self {
        Self { caps, taken: Arc::default() }
    }

    /// A seat, or why there is none.
    pub(crate) fn take(&self, uid: u32, admin: bool) -> Result<Seat, Refusal> {
        let mut taken = self.lock();
        let open = if admin { self.caps.total } else { self.caps.total.saturating_sub(self.caps.reserved) };
        if taken.total >= open {
            return Err(Refusal::TooMany { limit: open });
        }
        if taken.of_uid.get(&uid).is_some_and(|of_uid| *of_uid >= self.caps.per_uid) || self.caps.per_uid == 0
        {
            return Err(Refusal::TooManyOfUid { limit: self.caps.per_uid });
        }
        taken.total += 1;
        *taken.of_uid.entry(uid).or_default() += 1;
        Ok(Seat { seats: self.clone(), uid })
    }

    pub(crate) fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place among the connections, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    uid: u32,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.total -= 1;
        if let Some(of_uid) = taken.of_uid.get_mut(&self.uid) {
            *of_uid -= 1;
            if *of_uid == 0 {
                taken.of_uid.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { total: 5, per_uid: 3, reserved: 2 };

    #[test]
    fn s08_a_uid_has_its_share_and_not_more() {
        let seats = Seats::new(Caps { reserved: 0, ..CAPS });
        let mut of_7: Vec<_> = (0..3).map(|_| seats.take(7, false).unwrap()).collect();
        assert_eq!(seats.take(7, false).unwrap_err(), Refusal::TooManyOfUid { limit: 3 });
        let _of_8 = seats.take(8, false).unwrap();
        of_7.pop();
        assert!(seats.take(7, false).is_ok(), "a place that was left is free");
    }

    #[test]
    fn s08_some_places_are_for_admins_only() {
        let seats = Seats::new(CAPS);
        let _others: Vec<_> = (7..10).map(|uid| seats.take(uid, false).unwrap()).collect();
        assert_eq!(seats.take(10, false).unwrap_err(), Refusal::TooMany { limit: 3 });
        let _admins: Vec<_> = (0..2).map(|_| seats.take(0, true).unwrap()).collect();
        assert_eq!(seats.take(0, true).unwrap_err(), Refusal::TooMany { limit: 5 });
    }

    #[test]
    fn s08_admins_leave_the_places_of_others_to_those_who_come_first() {
        let seats = Seats::new(CAPS);
        let _admins: Vec<_> = (0..3).map(|_| seats.take(0, true).unwrap()).collect();
        assert_eq!(seats.take(7, false).unwrap_err(), Refusal::TooMany { limit: 3 });
    }

    #[test]
    fn s08_nothing_is_remembered_of_those_who_have_left() {
        let seats = Seats::new(CAPS);
        for uid in 0..10_000 {
            drop(seats.take(uid, false).unwrap());
        }
        let taken = seats.lock();
        assert_eq!((taken.total, taken.of_uid.len()), (0, 0));
    }
}
