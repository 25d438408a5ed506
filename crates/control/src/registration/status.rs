//! How a registration is, and the words for it.

use std::path::Path;
use std::time::Duration;

use supervisor_api::report::{RegistrationHealth, RegistrationPhase};
use supervisor_api::wire::{ConnectionState, RegistrationState};
use tokio::time::Instant;

use super::attempt::Failure;
use crate::target::Standing;

/// What is known of a registration. What depends on the time is worked out when it is read.
#[derive(Debug, Clone)]
pub(super) struct Status {
    relay: String,
    lease_until: Option<Instant>,
    was_registered: bool,
    failures: u64,
    failure: Option<Failure>,
    next_at: Option<Instant>,
    closed: bool,
}

impl Status {
    pub(super) fn new(relay: &Path) -> Self {
        Self {
            relay: relay.display().to_string(),
            lease_until: None,
            was_registered: false,
            failures: 0,
            failure: None,
            next_at: None,
            closed: false,
        }
    }

    /// An attempt begins.
    pub(super) fn tries(&mut self) {
        self.next_at = None;
    }

    /// The relay has it until then.
    pub(super) fn registered(&mut self, until: Instant, next_at: Instant) {
        (self.failures, self.failure) = (0, None);
        self.was_registered = true;
        (self.lease_until, self.next_at) = (Some(until), Some(next_at));
    }

    pub(super) fn failed(&mut self, failure: Failure, next_at: Instant) {
        self.failures += 1;
        (self.failure, self.next_at) = (Some(failure), Some(next_at));
    }

    /// It is given up.
    pub(super) fn close(&mut self) {
        (self.closed, self.next_at) = (true, None);
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// When the lease runs out, if it has not yet.
    pub(super) fn lease_until(&self) -> Option<Instant> {
        self.lease_until.filter(|until| *until > Instant::now())
    }

    fn phase(&self) -> RegistrationPhase {
        match &self.failure {
            _ if self.closed => RegistrationPhase::Closed,
            Some(Failure::Refused { .. }) => RegistrationPhase::Refused,
            Some(Failure::NoAnswer(_)) if self.lease_until().is_some() => RegistrationPhase::Renewing,
            Some(Failure::NoAnswer(_)) => RegistrationPhase::Unreachable,
            None if self.lease_until().is_some() => RegistrationPhase::Registered,
            None if self.was_registered => RegistrationPhase::Unreachable,
            None => RegistrationPhase::Connecting,
        }
    }

    pub(super) fn health(&self) -> RegistrationHealth {
        let left = self.next_at.map(|at| at.saturating_duration_since(Instant::now()));
        RegistrationHealth {
            phase: self.phase(),
            relay: self.relay.clone(),
            was_registered: self.was_registered,
            failures: self.failures,
            code: self.failure.as_ref().and_then(Failure::code).map(|code| code.as_str().to_owned()),
            problem: self.failure.as_ref().map(Failure::sentence),
            next_attempt_ms: left.map(|left: Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// How `state` tells of a registration.
pub(super) fn words(health: &RegistrationHealth) -> Standing {
    match health.phase {
        RegistrationPhase::Connecting => (RegistrationState::Active, ConnectionState::Connecting),
        RegistrationPhase::Registered => (RegistrationState::Active, ConnectionState::Registered),
        RegistrationPhase::Renewing => (RegistrationState::Active, ConnectionState::Reconnecting),
        RegistrationPhase::Refused => (RegistrationState::Rejected, ConnectionState::Unavailable),
        RegistrationPhase::Unreachable if !health.was_registered => {
            (RegistrationState::Expired, ConnectionState::Unavailable)
        }
        RegistrationPhase::Unreachable | RegistrationPhase::Closed => {
            (RegistrationState::Expired, ConnectionState::Expired)
        }
    }
}
