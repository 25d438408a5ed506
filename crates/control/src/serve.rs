//! The socket of a tree.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use supervisor_api::report::{AuditHealth, RegistrationHealth, RuntimeHealthReport};
use supervisor_socket::{
    BindError, Connection, Connector, Counts, FrameLimits, Listener, ORDINARY_FRAME, Peer, Refusal, Server,
    Service, Settings, Standing,
};
use tokio_supervisor::SupervisorHandle;

use crate::caller::{Caller, Role};
use crate::config::{Config, ConfigError};
use crate::dispatch::{Dispatcher, may_be_long};
use crate::feed::rendered;
use crate::ids::Once;
use crate::session::Session;

/// The control socket of a running tree. Dropping it removes the socket and ends the sessions, in the background;
/// [`close`](Self::close) waits for that. The tree is not concerned.
#[derive(Debug)]
pub struct Control {
    /// Taken when it is closed.
    server: Option<Server>,
    connector: Connector,
    dispatcher: Dispatcher,
    path: Option<PathBuf>,
}

/// A control socket that listens before there is a tree: everything that can be wrong with it is known, and nothing
/// has been started. Who connects waits until it is served. Dropping it removes the socket.
#[derive(Debug)]
pub struct Prepared {
    /// `None`: it is served within this process alone.
    listener: Option<Listener>,
    config: Config,
    once: Once,
}

/// Why a tree cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The socket cannot be made.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl Control {
    /// Serves a tree, also one that still starts. It listens when this returns.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be used, or the socket cannot be made. An audit that cannot be opened is no
    /// error: commands are refused until it can; see [`audit`](Self::audit).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn serve(handle: SupervisorHandle, config: Config) -> Result<Self, ServeError> {
        Ok(Self::prepare(config).await?.serve(handle))
    }

    /// Binds the socket and opens the audit, for a tree that is launched only when that went well.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn prepare(config: Config) -> Result<Prepared, ServeError> {
        config.check()?;
        let listener = match config.bind.clone() {
            Some(bind) => Some(bind.listen().await?),
            None => None,
        };
        let once = Once::open(&config.audit, Arc::clone(&config.target_id)).await;
        Ok(Prepared { listener, config, once })
    }

    /// Where it listens; `None` when it is served within this process alone.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What makes connections to it from within this process. Who has one is the local owner (`security.md` 15): it is
    /// of this process's own user, and may say on whose behalf it asks.
    pub fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// What answers the requests of everybody.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// How many connections it has seen.
    pub fn counts(&self) -> Counts {
        self.server.as_ref().map(Server::counts).unwrap_or_default()
    }

    /// How the audit is. Never waits for the disk.
    pub fn audit(&self) -> AuditHealth {
        self.dispatcher.audit()
    }

    /// How it stands with its relay; `None` when none is configured.
    pub fn registration(&self) -> Option<RegistrationHealth> {
        self.dispatcher.standing()
    }

    /// What the tree says of itself, with its registration and its audit. Never waits for the loop or the disk.
    pub fn health(&self) -> RuntimeHealthReport {
        self.dispatcher.health()
    }

    /// Gives up the registration, removes the socket, lets every session finish the answer it is at, and waits until
    /// everything is recorded.
    pub async fn close(mut self) {
        if let Some(registrar) = self.dispatcher.take_registrar() {
            registrar.close().await;
        }
        if let Some(server) = self.server.take() {
            server.close().await;
        }
        self.dispatcher.close().await;
    }
}

impl Prepared {
    /// Where it listens; `None` when it is to be served within this process alone.
    pub fn path(&self) -> Option<&Path> {
        self.listener.as_ref().map(Listener::path)
    }

    /// How the audit is.
    pub fn audit(&self) -> AuditHealth {
        self.once.audit().health()
    }

    /// Serves this tree from now on, and makes it known to its relay.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn serve(self, handle: SupervisorHandle) -> Control {
        let Self { listener, config, once } = self;
        let path = listener.as_ref().map(|listener| listener.path().to_owned());
        let dispatcher = Dispatcher::with(handle, &config, path.as_deref().unwrap_or(Path::new("")), once);
        let settings = settings(&config);
        // It listens already. From the first session on, the state tells of the relay.
        if let Some(relay) = config.registration {
            dispatcher.register(relay);
        }
        let host = Arc::new(Host { dispatcher: dispatcher.clone() });
        let server = match listener {
            Some(listener) => listener.serve(settings, host),
            None => Server::within(settings, host),
        };
        Control { connector: server.connector(), server: Some(server), dispatcher, path }
    }

    /// Removes the socket and gives the audit's directory free: no tree will be served.
    pub async fn close(self) {
        drop(self.listener);
        self.once.close().await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Sessions that still end have the dispatcher, and the relay is not to hear of the target meanwhile.
        drop(self.dispatcher.take_registrar());
    }
}

fn settings(config: &Config) -> Settings {
    let most = config.manifest_bytes;
    let grant = move |beginning: &[u8]| if may_be_long(beginning) { most } else { ORDINARY_FRAME };
    Settings {
        caps: config.caps,
        deadlines: config.deadlines,
        grace: config.grace,
        limits: FrameLimits::requests().raised_by(grant),
    }
}

/// Those who connect, and what is done with them.
struct Host {
    dispatcher: Dispatcher,
}

impl Service for Host {
    fn standing(&self, peer: &Peer) -> Standing {
        match self.dispatcher.role_of(peer) {
            Some(Role::Admin) => Standing::Admin,
            Some(_) => Standing::Ordinary,
            None => Standing::Stranger,
        }
    }

    fn refused(&self, peer: Option<&Peer>, refusal: Refusal) -> Option<Vec<u8>> {
        Some(rendered(&self.dispatcher.turn_away(peer, refusal)))
    }

    async fn session(self: Arc<Self>, number: u64, connection: Connection) {
        let Connection { peer, reader, writer, .. } = connection;
        // It was asked for when the peer came; roles do not change.
        let Some(role) = self.dispatcher.role_of(&peer) else { return };
        let caller = Caller { peer, role, connection: number, frame_bytes: 0 };
        let end = Session::new(self.dispatcher.clone(), caller, reader, writer).run().await;
        tracing::debug!(connection = number, %peer, "a control session is over: {end}");
    }
}
