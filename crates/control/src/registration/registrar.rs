//! The task that registers and renews.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use supervisor_api::report::{RegistrationHealth, RegistrationPhase};
use supervisor_api::wire::Registration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_supervisor::SupervisorHandle;

use super::attempt::{Failure, register};
use super::config::RegistrationConfig;
use super::status::{Status, words};
use crate::target::Standing;

/// How long one attempt may take, and never longer than a heartbeat.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first delay after a failure. The next is twice as long, up to a heartbeat.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// The delay after a refusal that will stay one.
const SLOW: Duration = Duration::from_secs(5 * 60);
/// How long a target that ends waits for the relay.
const FAREWELL: Duration = Duration::from_secs(1);

/// A registration that is kept up. Dropped, it is no longer renewed; closed, the relay is told as far as it allows.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(super) status: watch::Receiver<Status>,
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Registrar {
    /// Registers now and goes on. The target must listen already. Must be called in a runtime.
    ///
    /// How it goes is told in the events of `tree`, and to those who watch `standing`.
    pub(crate) fn start(
        config: RegistrationConfig,
        registration: Registration,
        tree: SupervisorHandle,
        standing: watch::Sender<Standing>,
    ) -> Self {
        let (publish, status) = watch::channel(Status::new(&config.relay));
        let (closing, closed) = watch::channel(false);
        let registration = Registration { lease_seconds: config.lease_seconds, ..registration };
        let chance = RandomState::new();
        let keeper = Keeper { config, registration, tree, status: publish, standing, chance };
        keeper.now(|_| {});
        Self { status, closing, task: tokio::spawn(keeper.run(closed)) }
    }

    /// How it is now.
    pub(crate) fn health(&self) -> RegistrationHealth {
        self.status.borrow().health()
    }

    /// Gives the registration up, within a second.
    pub(crate) async fn close(mut self) {
        self.closing.send_replace(true);
        // It panics with the runtime at most.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    config: RegistrationConfig,
    registration: Registration,
    tree: SupervisorHandle,
    status: watch::Sender<Status>,
    standing: watch::Sender<Standing>,
    chance: RandomState,
}

impl Keeper {
    async fn run(self, mut closing: watch::Receiver<bool>) {
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            () = self.keep() => {}
        }
        self.leave().await;
    }

    async fn keep(&self) {
        let mut told = (RegistrationPhase::Connecting, None);
        loop {
            let began = Instant::now();
            self.now(Status::tries);
            let patience = PATIENCE.min(self.config.heartbeat);
            let said = register(&self.config.relay, &self.registration, patience).await;
            let next_at = match said {
                Ok(()) => self.registered(began),
                Err(failure) => self.failed(failure),
            };
            self.tell(&mut told).await;
            let lease_until = self.status.borrow().lease_until();
            if let Some(until) = lease_until.filter(|until| *until < next_at) {
                sleep_until(until).await;
                // Nothing is new but the time: who watches is to look again.
                self.now(|_| {});
                self.tell(&mut told).await;
            }
            sleep_until(next_at).await;
        }
    }

    /// Changes what is known, and at the same moment what is said of it.
    fn now(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| {
            change(status);
            let words = words(&status.health());
            self.standing.send_if_modified(|said| std::mem::replace(said, words) != words);
        });
    }

    fn registered(&self, began: Instant) -> Instant {
        let next_at = began + self.config.heartbeat;
        // The relay counts from when it has read the line, which is not before the attempt began.
        self.now(|status| status.registered(began + self.config.lease(), next_at));
        next_at
    }

    fn failed(&self, failure: Failure) -> Instant {
        let failures = self.status.borrow().failures() + 1;
        let whole = match failure {
            Failure::Refused { retryable: false, .. } => SLOW,
            _ => delay(failures, self.config.heartbeat),
        };
        let next_at = Instant::now() + self.shortened(whole, failures);
        self.now(|status| status.failed(failure, next_at));
        next_at
    }

    /// By chance between half of it and all of it, so that many targets do not come at once.
    fn shortened(&self, whole: Duration, failures: u64) -> Duration {
        let chance = self.chance.hash_one(failures) >> 32;
        let share = f64::from(u32::try_from(chance).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        whole / 2 + (whole / 2).mul_f64(share)
    }

    /// Tells the log, and the events of the tree, what has changed since they were told last.
    async fn tell(&self, told: &mut (RegistrationPhase, Option<String>)) {
        let now = self.status.borrow().health();
        let new = (now.phase, now.code.clone());
        if *told == new {
            return;
        }
        let had = std::mem::replace(told, new).0.is_registered();
        let RegistrationHealth { relay, problem, .. } = now;
        let problem = problem.unwrap_or_else(|| "its lease ran out".to_owned());
        if now.phase.is_registered() && now.failures == 0 {
            tracing::info!("registered with the relay {relay}");
            if !had {
                self.tree.tell_registration(true, relay).await;
            }
        } else if now.phase.is_registered() {
            tracing::warn!(
                "the registration with the relay {relay} was not renewed, and is tried again: {problem}"
            );
        } else {
            tracing::warn!("not registered with the relay {relay}, and trying again: {problem}");
            self.tree.tell_registration(false, problem).await;
        }
    }

    /// The shortest lease there is: a relay that grants it forgets the target at once.
    async fn leave(&self) {
        let had = self.status.borrow().lease_until().is_some();
        self.now(Status::close);
        if had {
            let last = Registration { lease_seconds: 1, ..self.registration.clone() };
            // A relay that does not grant it lets the lease run out.
            let _ = register(&self.config.relay, &last, FAREWELL).await;
        }
    }
}

fn delay(failures: u64, most: Duration) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (FIRST_DELAY * 2_u32.pow(doublings)).min(most)
}
