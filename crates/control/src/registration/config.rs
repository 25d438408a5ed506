//! Which relay, and how often.

use std::path::PathBuf;
use std::time::Duration;

use supervisor_api::wire::LEASE_SECONDS;

/// Where a target makes itself known, and for how long at a time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistrationConfig {
    /// The relay's registration socket.
    pub relay: PathBuf,
    /// How long a registration holds unless it is renewed, in seconds. Default: 30.
    pub lease_seconds: u64,
    /// How often it is renewed; shorter than the lease. Default: 15 seconds.
    pub heartbeat: Duration,
}

impl RegistrationConfig {
    /// With this relay, and the defaults.
    pub fn new(relay: impl Into<PathBuf>) -> Self {
        Self { relay: relay.into(), lease_seconds: LEASE_SECONDS, heartbeat: Duration::from_secs(15) }
    }

    /// What is wrong with it, as a sentence; `None`: nothing.
    pub fn problem(&self) -> Option<String> {
        if !self.relay.is_absolute() {
            return Some(format!(
                "the relay's socket '{}' is not an absolute path; begin it with '/'",
                self.relay.display()
            ));
        }
        if self.heartbeat.is_zero() {
            return Some(
                "a heartbeat of 0 would never let the relay rest; give it a second or more".to_owned(),
            );
        }
        if self.heartbeat >= self.lease() {
            return Some(format!(
                "the heartbeat of {:?} is not shorter than the lease of {} seconds; make it half the lease",
                self.heartbeat, self.lease_seconds
            ));
        }
        None
    }

    pub(super) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_refused_with_a_sentence_when_a_lease_would_run_out_between_two_heartbeats() {
        let good = RegistrationConfig::new("/run/relay.sock");
        assert_eq!(good.problem(), None);
        let problem = |config: RegistrationConfig| config.problem().unwrap();
        let config = RegistrationConfig { heartbeat: Duration::from_secs(30), ..good.clone() };
        assert!(problem(config).contains("not shorter than the lease of 30 seconds"));
        assert!(problem(RegistrationConfig { heartbeat: Duration::ZERO, ..good }).contains("heartbeat of 0"));
        assert!(problem(RegistrationConfig::new("relay.sock")).contains("absolute"));
    }
}
