//! A relay within its one target: nobody registers, nothing expires, and the target records what is asked.
//!
//! ```text
//!   browsers ◄── the same sessions, filters, rights and commands ──► a pair of sockets ──► the control server
//! ```
//!
//! A relay and its targets have an audit each, because they can be of different users and one may end without the
//! other. Here they are one process, and the target's audit holds for both: its intent is on the disk before anything is
//! done, its outcome before it is told, and it keeps the ids of commands over a restart. What the relay refuses by
//! itself is handed to it as well, so there is one place to look.

use std::io;
use std::sync::Arc;

use supervisor_api::wire::{
    AuditEvent, AuditPage, AuditQuery, AuditRecord, ConnectionState, ErrorCode, Registration, WireError,
};
use supervisor_client::{Settings, Way};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};

use crate::audit::{Audit, Intent};
use crate::hub::Hub;
use crate::orders::{Ending, Ids, Orders};
use crate::registry::Registry;
use crate::relay::RING_BYTES;
use crate::rights::Principal;
use crate::target::{Target, follow};
use crate::web::{Door, Web};

/// Where targets are.
#[derive(Debug)]
pub(crate) enum Places {
    /// Where they registered, as long as their lease runs.
    Registered(Arc<Registry>),
    /// There is one, and it is here.
    Here(Way),
}

impl Places {
    /// How the target with this id is reached, and as whom it listens.
    pub(crate) fn place_of(&self, id: &str) -> Option<(Way, u32)> {
        match self {
            Self::Registered(registry) => registry.place_of(id).map(|(socket, uid)| (socket.into(), uid)),
            Self::Here(way) => Some((way.clone(), own_uid())),
        }
    }
}

/// Who records commands.
#[derive(Debug)]
pub(crate) enum Records {
    /// The relay, in an audit of its own.
    Ours(Arc<Audit>),
    /// The target alone.
    Theirs,
}

impl Records {
    /// See [`Audit::intend`].
    pub(crate) async fn intend(&self, intent: &Intent) -> Result<u64, WireError> {
        match self {
            Self::Ours(audit) => audit.intend(intent).await,
            Self::Theirs => Ok(0),
        }
    }

    /// See [`Audit::look_up`].
    pub(crate) async fn look_up(&self, who: Principal, query: AuditQuery) -> Result<AuditPage, WireError> {
        match self {
            Self::Ours(audit) => audit.look_up(who, query).await,
            Self::Theirs => Err(read_elsewhere()),
        }
    }

    /// Why nothing can be recorded, as far as the relay knows.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Ours(audit) => audit.problem(),
            Self::Theirs => None,
        }
    }

    /// See [`Audit::tell`].
    pub(crate) async fn tell(&self, outcome: impl FnOnce() -> AuditRecord) {
        match self {
            Self::Ours(audit) => audit.tell(outcome()).await,
            Self::Theirs => {}
        }
    }
}

/// A running relay within its one target. The target is shown as live as long as there is a connection to it. Dropping
/// it leaves the target.
#[derive(Debug)]
pub struct Embedded {
    hub: Arc<Hub>,
    target: Arc<Target>,
    orders: Arc<Orders>,
    following: AbortHandle,
    denials: JoinHandle<()>,
}

impl Embedded {
    /// Follows the target that is reached so. `listed` is what it would say to a relay. `deny` is called for what is
    /// refused before the target hears of it, and returns at once.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub fn start(listed: &Registration, way: Way, deny: impl Fn(AuditRecord) + Send + 'static) -> Self {
        let hub = Arc::new(Hub::without_audit());
        let target = Arc::new(Target::new(listed, RING_BYTES, Arc::clone(hub.bell())));
        hub.put(Arc::clone(&target));
        let settings = Settings::default();
        let task =
            follow(Arc::clone(&target), way.clone(), own_uid(), settings.clone(), hub.counts().clone());
        let following = tokio::spawn(task).abort_handle();
        let orders = Arc::new(Orders {
            hub: Arc::clone(&hub),
            places: Places::Here(way),
            records: Records::Theirs,
            ids: Arc::<Ids>::default(),
            settings,
            ending: Ending::default(),
        });
        let denied = Arc::clone(&hub);
        let denials = tokio::spawn(async move {
            loop {
                denied.denials().next().await.into_iter().for_each(&deny);
            }
        });
        Self { hub, target, orders, following, denials }
    }

    /// Serves browsers on a port, with WebSockets at `/ws`.
    ///
    /// # Errors
    ///
    /// When the port's address cannot be had.
    pub fn serve(&self, port: TcpListener, door: Door) -> io::Result<Web> {
        Web::open(port, Arc::clone(&self.hub), door, Arc::clone(&self.orders))
    }

    /// The target has recorded something: browsers are told.
    pub fn audited(&self, event: AuditEvent) {
        self.target.audited(event);
    }

    /// Until the target has closed the connection, and everything that it has said is there for browsers. Cancel safe.
    pub async fn ended(&self) {
        let mut bell = self.hub.bell().hear();
        while self.target.seen().connection() == ConnectionState::Connected {
            // It is rung by what we hold.
            let _ = bell.changed().await;
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.following.abort();
        self.denials.abort();
        self.target.connection(ConnectionState::Unavailable);
    }
}

/// What is said to who asks for an audit that is the target's.
fn read_elsewhere() -> WireError {
    let message = "the audit is kept by the stack itself; `supervisor audit show` reads it";
    WireError::new(ErrorCode::UnsupportedMessageType, message)
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
