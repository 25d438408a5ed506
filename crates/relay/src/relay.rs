//! The relay as a whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::ChildId;
use supervisor_client::Settings;
use supervisor_socket::{Bind, BindError, Server, Surroundings};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::audit::Audit;
use crate::embedded::{Places, Records};
use crate::hub::Hub;
use crate::orders::{Answer, Ending, Found, Ids, Orders};
use crate::registry::{Admitted, Allowed, Desk, Registry, Shelf};
use crate::rights::Principal;
use crate::session::{Order, Question, Session};
use crate::web::health::{self, Source};
use crate::web::{Commands as _, Door, ProbePort, Web};

/// The name of a relay's socket and of its directory, when nobody says otherwise.
pub(crate) const NAME: &str = "relay";

/// How many bytes of messages are kept for each target, unless something else is said.
pub(crate) const RING_BYTES: usize = 2 << 20;

/// What a relay does. All has defaults but the socket and the audit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where targets register.
    pub registration: PathBuf,
    /// The directory in which is recorded who asked for what. It is made when it is missing, and belongs to this user and
    /// this relay alone.
    pub audit: PathBuf,
    /// The directory in which it is kept who is registered, so that a relay that was killed follows its targets again at
    /// once. As the audit's, and another one. Default: none; after a restart a target is there when it renews its
    /// registration.
    pub state: Option<PathBuf>,
    /// The users whose processes may register targets. Default: this process's own, and root.
    pub users: Vec<u32>,
    /// The directories below which targets may listen. Default: where targets of this user listen when nobody says
    /// otherwise.
    pub socket_directories: Vec<PathBuf>,
    /// How many targets may be registered. Default: 1000.
    pub max_targets: usize,
    /// How many bytes of messages are kept for each target, for sessions that are slow or come back. Default: 2 MiB.
    pub ring_bytes: usize,
    /// How long targets may take.
    pub client: Settings,
    /// How long [`Relay::close`] waits for the commands that run. Default: 10 seconds.
    pub stop: Duration,
    /// The registration socket is the one of the default places that is sound, which is made when it is missing.
    pub(crate) among: Option<Surroundings>,
}

impl Config {
    /// With this registration socket, this directory for the audit, and the defaults for this process.
    pub fn new(registration: impl Into<PathBuf>, audit: impl Into<PathBuf>) -> Self {
        let surroundings = Surroundings::of_this_process();
        Self {
            registration: registration.into(),
            audit: audit.into(),
            state: None,
            users: vec![rustix::process::geteuid().as_raw(), 0],
            socket_directories: Allowed::by_default(&surroundings),
            max_targets: 1_000,
            ring_bytes: RING_BYTES,
            client: Settings::default(),
            stop: Duration::from_secs(10),
            among: None,
        }
    }
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The registration socket cannot be had.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// Nothing could be recorded, so no command would be carried out.
    #[error("the audit cannot be kept: {0}")]
    Audit(#[from] supervisor_ledger::Error),
    /// The directory of the state is not this relay's alone.
    #[error("the state of the relay cannot be kept: {0}")]
    State(supervisor_ledger::Error),
}

/// A running relay: targets register and are followed. Dropping it closes it.
#[derive(Debug)]
pub struct Relay {
    hub: Arc<Hub>,
    registry: Arc<Registry>,
    socket: PathBuf,
    server: Option<Server>,
    pub(crate) orders: Arc<Orders>,
    /// What goes on beside: leases end, denials are recorded, and who is registered is kept.
    chores: Arc<Chores>,
    stop: Duration,
}

/// Tasks that end with the relay.
#[derive(Debug, Default)]
struct Chores(Vec<JoinHandle<()>>);

impl Drop for Chores {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Relay {
    /// Listens for registrations.
    ///
    /// # Errors
    ///
    /// When the registration socket cannot be had, or the audit or the state cannot be kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let listener = bind(&config).listen().await?;
        let socket = listener.path().to_owned();
        let hub = Arc::<Hub>::default();
        let ids = Arc::<Ids>::default();
        let audit = Arc::new(Audit::open(&config.audit, Arc::clone(&hub), &ids).await?);
        let settings = config.client.clone();
        let allowed = Allowed::below(config.socket_directories);
        let registry =
            Registry::new(Arc::clone(&hub), allowed, config.max_targets, config.ring_bytes, config.client);
        let registry = Arc::new(registry);
        let admitted = Admitted::new(config.users);
        let mut chores = Chores::default();
        if let Some(directory) = config.state {
            chores.0.push(remember(&registry, directory, &admitted).await.map_err(StartError::State)?);
        }
        chores.0.extend([registry.keep_time(), tokio::spawn(Arc::clone(&audit).take_denials())]);
        let desk = Desk::new(Arc::clone(&registry), admitted);
        let server = listener.serve(supervisor_socket::Settings::default(), Arc::new(desk));
        let orders = Arc::new(Orders {
            hub: Arc::clone(&hub),
            places: Places::Registered(Arc::clone(&registry)),
            records: Records::Ours(audit),
            ids,
            settings,
            ending: Ending::default(),
        });
        Ok(Self {
            hub,
            registry,
            socket,
            server: Some(server),
            orders,
            chores: Arc::new(chores),
            stop: config.stop,
        })
    }

    /// Where targets register.
    pub fn registration_socket(&self) -> &Path {
        &self.socket
    }

    /// A session of somebody who has proved who it is.
    pub fn session(&self, who: Principal) -> Session {
        Session::new(Arc::clone(&self.hub), who)
    }

    /// Carries out what a session has found to be allowed. An order is finished also when this is dropped.
    pub async fn carry_out(&self, order: Order) -> Answer {
        Arc::clone(&self.orders).carry_out(order).await
    }

    /// Answers what a session has asked.
    pub async fn look_up(&self, question: Question) -> Found {
        Arc::clone(&self.orders).look_up(question).await
    }

    /// Serves browsers on a port, with WebSockets at `/ws`.
    ///
    /// # Errors
    ///
    /// When the port's address cannot be had.
    pub fn serve(&self, port: TcpListener, door: Door) -> io::Result<Web> {
        Web::open(port, Arc::clone(&self.hub), door, Arc::clone(&self.orders))
    }

    /// Serves probes and scrapers on a port of loopback: `/healthz`, `/readyz` and `/metrics`.
    ///
    /// # Errors
    ///
    /// When the port's address cannot be had.
    pub fn serve_health(&self, port: TcpListener) -> io::Result<ProbePort> {
        let chores = Arc::downgrade(&self.chores);
        let is_whole =
            move || chores.upgrade().is_some_and(|chores| !chores.0.iter().any(JoinHandle::is_finished));
        let (hub, orders) = (Arc::clone(&self.hub), Arc::clone(&self.orders));
        ProbePort::serve(port, health::router(Source { hub, orders, is_whole: Box::new(is_whole) }))
    }

    /// Takes no more commands and registrations, finishes the commands that run, and leaves every target. After
    /// [`Config::stop`] the outcome of a command that still runs is recorded as unknown.
    pub async fn close(mut self) {
        self.orders.close(self.stop).await;
        if let Some(server) = self.server.take() {
            server.close().await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.chores.0.iter().for_each(JoinHandle::abort);
        self.registry.leave();
    }
}

/// How the registration socket is bound. Who may register is known by its user, so where others may, all may connect.
fn bind(config: &Config) -> Bind {
    let by_name = |around: &Surroundings| Some(Bind::by_name(ChildId::new(NAME).ok()?, around.clone()));
    let bind = config.among.as_ref().and_then(by_name).unwrap_or_else(|| Bind::at(&config.registration));
    let ours = [rustix::process::geteuid().as_raw(), 0];
    if config.users.iter().all(|uid| ours.contains(uid)) { bind } else { bind.permissions(0o666) }
}

/// Takes in the targets of the relay before this one, and keeps those that register from now on.
async fn remember(
    registry: &Arc<Registry>,
    directory: PathBuf,
    admitted: &Admitted,
) -> Result<JoinHandle<()>, supervisor_ledger::Error> {
    let open = spawn_blocking(move || Shelf::open(&directory).map(|shelf| (shelf.load(), shelf)));
    let (kept, shelf) = open.await.unwrap_or(Err(supervisor_ledger::Error::Ended))?;
    registry.recall(kept, admitted).await;
    Ok(registry.keep(shelf))
}
