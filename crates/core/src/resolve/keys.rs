//! Which keys of a spec were said, and by whom, in as little room as can be: a million children have a policy each
//! when each says something else.

use super::Context;
use crate::spec::{ChildSettings, SupervisorSettings};

/// What can be said of a child, or of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the setting of its name")]
pub enum Key {
    Role,
    Restart,
    Criticality,
    Readiness,
    ReadyWithin,
    Backoff,
    Budget,
    OnExhausted,
    Grace,
    AbortWait,
    Heartbeat,
    Significant,
    Permissions,
    RestartDependants,
    Strategy,
    Order,
    Stop,
    OnStartFailure,
    AutoShutdown,
    Dynamic,
}

impl Key {
    /// Its place in a set. What is said of a child and what only a supervisor says never stand in one set, so they
    /// share places; [`Self::Budget`] and [`Self::OnExhausted`] are said of both.
    const fn bit(self) -> u16 {
        1 << (self as u16 % Self::Strategy as u16)
    }
}

/// A set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keys(u16);

impl Keys {
    /// Puts a key into the set, if it is to be there.
    pub fn put(&mut self, key: Key, is_there: bool) {
        self.0 |= u16::from(is_there) * key.bit();
    }

    /// Whether a key is in the set.
    pub const fn has(self, key: Key) -> bool {
        self.0 & key.bit() != 0
    }
}

/// What stands in the settings of a child although its spec does not say it: filled in from the `defaults` of a manifest,
/// or because of what it runs. Nothing is decided by it; it is told ([`Machine::rules`](crate::Machine::rules)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// The spec says nothing of these.
    pub wholly: Keys,
    /// The spec says these in part.
    pub partly: Keys,
}

/// Who said what of a policy.
///
/// Nothing is decided by it: policies that differ in nothing else are equal, so a spec that says what was the default
/// before changes nothing (D12).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// Said by the spec itself, at least in part.
    pub(crate) own: Keys,
    /// Filled in, at least in part, from `defaults` above, or because of what runs.
    pub(crate) filled: Keys,
}

impl PartialEq for Told {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Told {
    pub(super) fn of_child(own: &ChildSettings, context: &Context, is_supervisor: bool) -> Self {
        let mut told = Self::default();
        macro_rules! keys {
            ($($key:ident $field:ident, $inherits:expr;)+) => { $(
                let above = || $inherits && context.defaults.iter().any(|above| above.said.$field.is_some());
                told.see(own, Key::$key, own.$field.is_some(), above);
            )+ };
        }
        keys! {
            Role role, false;
            Restart restart, true;
            Criticality criticality, true;
            Readiness readiness, true;
            ReadyWithin ready_within, !is_supervisor;
            Backoff backoff, true;
            Budget budget, !is_supervisor;
            OnExhausted on_exhausted, true;
            Grace grace, !is_supervisor;
            AbortWait abort_wait, true;
            Heartbeat heartbeat, !is_supervisor;
            Significant significant, false;
            Permissions permissions, true;
            RestartDependants restart_dependants, true;
        }
        told
    }

    /// What is filled in beforehand stands in the settings as if it had been said.
    fn see(&mut self, settings: &ChildSettings, key: Key, stands: bool, above: impl Fn() -> bool) {
        let Filled { wholly, partly } = settings.filled;
        self.own.put(key, stands && !wholly.has(key));
        self.filled.put(key, if stands { wholly.has(key) || partly.has(key) } else { above() });
    }

    pub(super) fn of_supervisor(said: &SupervisorSettings) -> Self {
        let mut own = Keys::default();
        own.put(Key::Strategy, said.strategy.is_some());
        own.put(Key::Budget, said.budget.is_some());
        own.put(Key::OnExhausted, said.on_exhausted.is_some());
        own.put(Key::Order, said.order.is_some());
        own.put(Key::Stop, said.stop.is_some());
        own.put(Key::OnStartFailure, said.on_start_failure.is_some());
        own.put(Key::AutoShutdown, said.auto_shutdown.is_some());
        own.put(Key::Dynamic, said.dynamic.is_some());
        Self { own, filled: Keys::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_says_of_who_said_it_costs_next_to_nothing() {
        assert_eq!(size_of::<Told>(), 4);
    }
}
