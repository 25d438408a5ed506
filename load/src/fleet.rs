//! All targets: they listen, register, renew that, and let things happen at a pace.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use supervisor_api::wire::{LEASE_SECONDS, Registration, RegistrationAck, SupportedCommand};
use supervisor_socket::{Bind, Deadlines, FrameLimits, Server, Settings, connect};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock;
use crate::story::Story;
use crate::target::Target;

/// How often the leases are renewed.
const RENEW: Duration = Duration::from_secs(LEASE_SECONDS / 3);
/// How often events happen: some at a time.
const TICK: Duration = Duration::from_millis(10);
/// The most bytes of the relay's answer to a registration.
const ANSWER: usize = 64 * 1024;

/// The targets, those that hang at the end.
pub(crate) struct Fleet {
    targets: Vec<Arc<Target>>,
    /// How many of them answer.
    live: usize,
    servers: Vec<Server>,
    /// How many events have happened, but for the past.
    happened: Arc<AtomicU64>,
}

/// A task that ends with this.
pub(crate) struct Task(JoinHandle<Result<(), String>>);

impl Task {
    /// Until it ends, which it does by itself only when something went wrong.
    pub(crate) async fn failed(&mut self) -> String {
        match (&mut self.0).await {
            Ok(Err(problem)) => problem,
            Ok(Ok(())) => "a task of the load ended".to_owned(),
            Err(error) => format!("a task of the load broke: {error}"),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Fleet {
    /// Makes the targets, which listen in this folder.
    pub(crate) async fn listen(
        folder: &Path,
        live: usize,
        hanging: usize,
        children: usize,
    ) -> Result<Self, String> {
        let began = clock::now();
        let mut fleet = Self { targets: Vec::new(), live, servers: Vec::new(), happened: Arc::default() };
        for at in 0..live + hanging {
            let hangs = at >= live;
            let id = if hangs { format!("hung-{:04}", at - live) } else { id(at) };
            let path = folder.join(format!("{id}.sock"));
            let story = Story::new(&id, children, began)?;
            let target = Arc::new(Target::new(story, registration(&id, &path), hangs)?);
            let listener = Bind::at(&path).listen().await.map_err(|error| error.to_string())?;
            let settings = Settings { grace: Duration::ZERO, ..Settings::default() };
            fleet.servers.push(listener.serve(settings, Arc::clone(&target)));
            fleet.targets.push(target);
        }
        Ok(fleet)
    }

    /// Those that answer.
    pub(crate) fn live(&self) -> &[Arc<Target>] {
        &self.targets[..self.live]
    }

    /// The newest sequence of each target that answers.
    pub(crate) fn heads(&self) -> Vec<u64> {
        self.live().iter().map(|target| target.head()).collect()
    }

    /// Registers every target at the relay, and renews each by itself from then on.
    pub(crate) async fn register(&self, relay: &Path) -> Result<Task, String> {
        let mut renewals = JoinSet::new();
        for target in &self.targets {
            register(relay, target.registration()).await?;
            let (relay, target) = (relay.to_owned(), Arc::clone(target));
            renewals.spawn(async move {
                loop {
                    sleep(RENEW).await;
                    if let Err(problem) = register(&relay, target.registration()).await {
                        return problem;
                    }
                }
            });
        }
        Ok(Task(tokio::spawn(async move {
            match renewals.join_next().await {
                Some(Ok(problem)) => Err(problem),
                _ => Err("a renewal broke".to_owned()),
            }
        })))
    }

    /// How many events have happened, but for the past.
    pub(crate) fn happened(&self) -> &AtomicU64 {
        &self.happened
    }

    /// Lets so many events happen each second, in one target after the other.
    pub(crate) fn pace(&self, per_second: u64) -> Task {
        let targets = self.live().to_vec();
        let happened = Arc::clone(&self.happened);
        Task(tokio::spawn(async move {
            let began = Instant::now();
            let mut told = 0_u64;
            for tick in 1_u32.. {
                sleep_until(began + TICK * tick).await;
                // Of the time that has passed, not of the ticks: a tick that came late is made up for.
                let due = (began.elapsed().as_secs_f64() * per_second as f64) as u64;
                while told < due {
                    targets[(told % targets.len() as u64) as usize].happen();
                    told += 1;
                    happened.fetch_add(1, Ordering::Relaxed);
                    // The sessions of the targets are to write meanwhile.
                    if told.is_multiple_of(64) {
                        tokio::task::yield_now().await;
                    }
                }
            }
            Ok(())
        }))
    }
}

/// The id of a target that answers.
pub(crate) fn id(at: usize) -> String {
    format!("load-{at:04}")
}

/// Which target has this id.
pub(crate) fn number(id: &str) -> Option<usize> {
    id.strip_prefix("load-")?.parse().ok()
}

fn registration(id: &str, path: &Path) -> Registration {
    Registration {
        target_id: id.to_owned(),
        display_name: id.to_owned(),
        ipc_path: path.display().to_string(),
        lease_seconds: LEASE_SECONDS,
        supported_commands: SupportedCommand::contract(),
    }
}

async fn register(relay: &Path, registration: &Registration) -> Result<(), String> {
    let asked = ask_to_register(relay, registration).await;
    asked.map_err(|problem| format!("{} did not register: {problem}", registration.target_id))
}

async fn ask_to_register(relay: &Path, registration: &Registration) -> Result<(), String> {
    let limits = FrameLimits::replies(ANSWER);
    let mut relay = connect(relay, limits, Deadlines::default()).await.map_err(|error| error.to_string())?;
    let line = serde_json::to_vec(registration).map_err(|error| error.to_string())?;
    relay.writer.send(&line).await.map_err(|error| error.to_string())?;
    let answer = relay.reader.next().await.map_err(|error| error.to_string())?;
    let answer = answer.ok_or("the relay closed without an answer")?;
    let ack: RegistrationAck = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    if ack.ok { Ok(()) } else { Err(answer) }
}
