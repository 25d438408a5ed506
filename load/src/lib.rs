//! A load: many targets that tell many events through a real relay to sessions that count every one.
//!
//! ```text
//!   this process                 a process of its own        this process
//!   200 targets × 500 children ─► supervisor relay FILE ──►  20 sessions
//!     register, listen, push       as it is shipped            count bytes, events, gaps
//! ```
//!
//! The targets speak the real protocol over real sockets; only their trees are made up (`story`). Each has a past as
//! long as the journal of a real one, so the relay's ring of it is full before anything is measured.
//!
//! | file | subject |
//! |---|---|
//! | `story`, `target`, `fleet` | what happens in a target; a target; all of them, at a pace |
//! | `relay` | the relay's process, its memory and its time |
//! | `browser`, `account`, `delays` | a session; whether all came that happened; how long it was under way |
//! | `report` | the figures, and what is wrong with them |

mod account;
mod browser;
mod clock;
mod delays;
mod fleet;
mod relay;
mod report;
mod story;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use browser::{Board, Door, Tally};
use fleet::Fleet;
use relay::{Meter, Relay};
use report::{Asked, Window};

pub use report::Report;

/// How long it may take until every session has every state.
const WARM_UP: Duration = Duration::from_secs(300);
/// The warm-up is over when sessions are behind by less than happens in this time.
const BEHIND: Duration = Duration::from_millis(200);
/// How often the relay's memory is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the list of targets is asked for. That is before anything else is measured: whoever comes for the list is
/// told states, too, and for those the relay needs memory for a while.
const LISTS: usize = 10;

/// Many targets tell many events through a real relay to sessions that count every one.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "supervisor-load",
    after_help = "The last line of the output is for machines. The exit code is 1 when an event is neither there nor \
                  told as lost, when the relay's memory is not flat, when the list of targets took 200 ms or more, or \
                  when COMMAND failed."
)]
pub struct Options {
    /// The binary `supervisor`, whose relay is loaded. Default: the one beside this program.
    #[arg(long, value_name = "PATH")]
    pub supervisor: Option<PathBuf>,
    /// How many targets there are.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=5_000))]
    pub targets: u16,
    /// How many children each target has.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=9_999))]
    pub children: u16,
    /// How many events happen each second, in all targets together.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub events_per_second: u32,
    /// How many sessions there are.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub sessions: u16,
    /// For how long is measured, once every session has every state.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: u32,
    /// How many more targets there are that accept and never answer.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub hang: u16,
    /// What is run then, while events go on and no session is there: a browser, say. It finds in RELAY a link by which
    /// one signs in once, in TARGETS how many targets there are, and in CHILDREN how many children each has.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// A load that runs.
pub struct Load {
    asked: Asked,
    seconds: u32,
    fleet: Fleet,
    relay: Relay,
    leases: fleet::Task,
    /// Sockets and whatever the relay keeps. The last to go.
    _folder: tempfile::TempDir,
}

impl Load {
    /// Starts a relay and the targets, which register.
    ///
    /// # Errors
    ///
    /// When one of them cannot be started or does not register.
    pub async fn start(options: &Options) -> Result<Self, String> {
        let supervisor = match &options.supervisor {
            Some(path) => path.clone(),
            None => beside_this()?,
        };
        let folder = folder()?;
        let (live, hanging) = (usize::from(options.targets), usize::from(options.hang));
        let asked = Asked {
            targets: live,
            hanging,
            children: options.children.into(),
            events_per_second: options.events_per_second.into(),
            sessions: options.sessions.into(),
        };
        let relay = Relay::start(&supervisor, folder.path(), live + hanging).await?;
        let fleet = Fleet::listen(folder.path(), live, hanging, asked.children).await?;
        let leases = fleet.register(&relay.socket).await?;
        Ok(Self { asked, seconds: options.seconds, fleet, relay, leases, _folder: folder })
    }

    /// Lets events happen and sessions count.
    ///
    /// # Errors
    ///
    /// When the relay, a registration or a session fails.
    pub async fn measure(&mut self) -> Result<Report, String> {
        let board = Arc::<Board>::default();
        let (tell, ends) = watch::channel(None);
        let mut sessions = JoinSet::new();
        let mut pace = self.pace();
        let door = self.relay.door.clone();
        for number in 0..self.asked.sessions {
            let (door, board) = (door.clone(), Arc::clone(&board));
            sessions.spawn(browser::sit(door, number, self.asked.targets, board, ends.clone()));
        }
        let watched = watch_on(self.asked, self.seconds, &board, &self.fleet, &door, self.relay.meter());
        let window = tokio::select! {
            window = watched => window?,
            problem = self.relay.ended() => return Err(problem),
            problem = self.leases.failed() => return Err(problem),
            problem = pace.failed() => return Err(problem),
            Some(session) = sessions.join_next() => {
                return Err(tally(session).err().unwrap_or_else(|| "a session ended by itself".to_owned()));
            }
        };
        drop(pace);
        tell.send_replace(Some(self.fleet.heads().into()));
        let mut tallies = Vec::new();
        while let Some(session) = sessions.join_next().await {
            tallies.push(tally(session)?);
        }
        Ok(Report::new(self.asked, window, &tallies))
    }

    /// Runs a program while events happen.
    ///
    /// # Errors
    ///
    /// When it cannot be started or fails, or the relay or a registration does meanwhile.
    pub async fn accompany(&mut self, command: &[String]) -> Result<(), String> {
        let Some((program, arguments)) = command.split_first() else { return Ok(()) };
        let link = self.relay.link().await?;
        let mut pace = self.pace();
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env("RELAY", link);
        for (name, number) in [("TARGETS", self.asked.targets), ("CHILDREN", self.asked.children)] {
            command.env(name, number.to_string());
        }
        let mut running = command
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
        let status = tokio::select! {
            status = running.wait() => status.map_err(|error| format!("`{program}`: {error}"))?,
            problem = self.relay.ended() => return Err(problem),
            problem = self.leases.failed() => return Err(problem),
            problem = pace.failed() => return Err(problem),
        };
        if status.success() { Ok(()) } else { Err(format!("`{program}` ended with {status}")) }
    }

    /// Stops the relay, and then the targets.
    ///
    /// # Errors
    ///
    /// When the relay does not stop as it should.
    pub async fn stop(self) -> Result<(), String> {
        drop(self.leases);
        self.relay.stop().await
    }

    fn pace(&self) -> fleet::Task {
        self.fleet.pace(self.asked.events_per_second)
    }
}

/// Waits until all is warm, and looks at the relay from then on.
async fn watch_on(
    asked: Asked,
    seconds: u32,
    board: &Board,
    fleet: &Fleet,
    door: &Door,
    meter: Meter,
) -> Result<Window, String> {
    let began = Instant::now();
    timeout(WARM_UP, warm(asked, board, fleet)).await.map_err(|_| {
        let had = board.begun.load(Ordering::Relaxed);
        format!("after {WARM_UP:?} sessions had {had} states and were still behind")
    })?;
    let warm_up = began.elapsed();
    let mut lists = Vec::new();
    for _ in 0..LISTS {
        lists.push(browser::list(door, asked.targets + asked.hanging).await?);
        sleep(LOOK).await;
    }
    let counts =
        || [fleet.happened(), &board.events, &board.bytes].map(|count| count.load(Ordering::Relaxed));
    let began = Instant::now();
    let (lasts, before) = (Duration::from_secs(seconds.into()), counts());
    let mut usage = vec![meter.usage()?];
    board.measures.store(true, Ordering::Relaxed);
    for look in 1.. {
        let at = (LOOK * look).min(lasts);
        sleep_until(began + at).await;
        usage.push(meter.usage()?);
        if at == lasts {
            break;
        }
    }
    board.measures.store(false, Ordering::Relaxed);
    let (lasted, after) = (began.elapsed(), counts());
    let [events_in, events_out, bytes_out] = std::array::from_fn(|at| after[at] - before[at]);
    Ok(Window { warm_up, lasted, events_in, events_out, bytes_out, usage, lists })
}

/// Until every session has every state, and the relay has read what the journals of the targets held.
async fn warm(asked: Asked, board: &Board, fleet: &Fleet) {
    let all = (asked.sessions * asked.targets) as u64;
    let behind = asked.events_per_second as f64 * BEHIND.as_secs_f64() + asked.targets as f64;
    loop {
        sleep(Duration::from_millis(20)).await;
        let happened = fleet.heads().iter().sum::<u64>() * asked.sessions as u64;
        let lag = happened.saturating_sub(board.known.load(Ordering::Relaxed));
        if board.begun.load(Ordering::Relaxed) == all && (lag as f64) < behind * asked.sessions as f64 {
            return;
        }
    }
}

fn tally(session: Result<Result<Tally, String>, tokio::task::JoinError>) -> Result<Tally, String> {
    session.unwrap_or_else(|error| Err(format!("a session broke: {error}")))
}

/// A folder in which sockets may be: with a short path, without links, and nobody else's.
fn folder() -> Result<tempfile::TempDir, String> {
    let made = std::fs::canonicalize(std::env::temp_dir())
        .and_then(|root| tempfile::Builder::new().prefix("load-").tempdir_in(root));
    made.map_err(|error| format!("no folder for the sockets can be made: {error}"))
}

fn beside_this() -> Result<PathBuf, String> {
    let this =
        std::env::current_exe().map_err(|error| format!("this program cannot find itself: {error}"))?;
    Ok(this.parent().unwrap_or(Path::new(".")).join("supervisor"))
}
