//! The accept loop.
//!
//! ```text
//!  accept ──► credentials ──► standing ──► seat ──► session (a task of its own)
//!    │            │               │          │
//!    │            └───────────────┴──────────┴────► one line, if the service has one, and closed
//!    └ EMFILE … ──► wait 10 ms, 20 ms, … 1 s, and accept again
//! ```
//!
//! A connection that was made within the process goes the same way, from the credentials on.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::SendFlags;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::bind::{Bound, Listener};
use crate::caps::{Caps, Seat, Seats};
use crate::frame::FrameLimits;
use crate::peer::Peer;
use crate::read::{Deadlines, FrameReader};
use crate::write::FrameWriter;

/// After an accept that failed: the first wait, and the longest.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many connections from within the process may wait to be taken in.
const WAITING_WITHIN: usize = 64;

/// What a server does with those who connect.
///
/// `standing` and `refused` run in the accept loop, so they return at once: what takes time, such as a record on disk,
/// goes to a task. Should `standing` panic, the peer is a stranger; the loop goes on.
pub trait Service: Send + Sync + 'static {
    /// Who this is to us. Asked before a byte is read.
    fn standing(&self, peer: &Peer) -> Standing;

    /// A peer is turned away; `peer` is `None` when its credentials cannot be had. Returns the line to tell it,
    /// without the newline. The line is written if it fits into the connection's empty buffer, which it does below
    /// 100 KiB, and the connection is closed.
    fn refused(&self, peer: Option<&Peer>, refusal: Refusal) -> Option<Vec<u8>>;

    /// Serves one connection; `number` counts them from 1. The connection is closed when this returns, and counted
    /// until then. A panic ends this session and nothing else.
    fn session(self: Arc<Self>, number: u64, connection: Connection) -> impl Future<Output = ()> + Send;
}

/// Who a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May have a place that is kept for admins.
    Admin,
    /// May connect.
    Ordinary,
    /// May not.
    Stranger,
}

/// Why a peer is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The kernel does not say who it is.
    NoCredentials,
    /// It is a [`Standing::Stranger`].
    Stranger,
    /// Its uid has as many connections as it may have.
    TooManyOfUid {
        /// How many that is.
        limit: usize,
    },
    /// There are as many connections as there may be for one like it.
    TooMany {
        /// How many that is.
        limit: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials => f.write_str("the system does not say who you are"),
            Self::Stranger => f.write_str("your user may not connect here"),
            Self::TooManyOfUid { limit } => {
                write!(f, "your user has {limit} connections, as many as it may have; close one")
            }
            Self::TooMany { limit } => write!(f, "there are {limit} connections already; try again later"),
        }
    }
}

/// A peer and the two directions of its connection. Both are closed when they are dropped.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection {
    /// Who it is.
    pub peer: Peer,
    /// What it sends.
    pub reader: FrameReader<OwnedReadHalf>,
    /// What it is sent.
    pub writer: FrameWriter<OwnedWriteHalf>,
}

impl Connection {
    /// Over a stream that is connected already.
    ///
    /// # Errors
    ///
    /// When the system does not say who is at the other end.
    pub fn over(stream: UnixStream, limits: FrameLimits, deadlines: Deadlines) -> io::Result<Self> {
        let peer = Peer::of(&stream)?;
        Ok(Self::new(stream, peer, limits, deadlines))
    }

    pub(crate) fn new(stream: UnixStream, peer: Peer, limits: FrameLimits, deadlines: Deadlines) -> Self {
        let (read, write) = stream.into_split();
        Self {
            peer,
            reader: FrameReader::new(read, limits, deadlines),
            writer: FrameWriter::new(write, deadlines.write),
        }
    }
}

/// The bounds of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many connections there may be.
    pub caps: Caps,
    /// How long a request may be.
    pub limits: FrameLimits,
    /// How long a peer may take.
    pub deadlines: Deadlines,
    /// How long sessions may take to end when the server closes; then they are aborted. Default: 5 seconds.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            caps: Caps::default(),
            limits: FrameLimits::default(),
            deadlines: Deadlines::default(),
            grace: Duration::from_secs(5),
        }
    }
}

/// What a server has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Sessions that run now.
    pub open: usize,
    /// Connections that became a session.
    pub served: u64,
    /// Connections that were turned away.
    pub refused: u64,
    /// Accepts that failed, each followed by a wait.
    pub accept_failures: u64,
    /// Calls of the service that panicked, sessions above all.
    pub panicked: u64,
}

#[derive(Debug, Default)]
struct Counters {
    served: AtomicU64,
    refused: AtomicU64,
    accept_failures: AtomicU64,
    panicked: AtomicU64,
}

impl Counters {
    /// Counts one; returns how many that makes.
    fn add(counter: &AtomicU64) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A running server. Dropping it closes it, in the background: see [`close`](Self::close).
#[derive(Debug)]
pub struct Server {
    bound: Option<Bound>,
    within: mpsc::Sender<UnixStream>,
    closing: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    seats: Seats,
    counters: Arc<Counters>,
}

/// Makes connections to a server from within its process, one end of a pair of sockets each. Clones share the server,
/// and do not keep it open.
#[derive(Debug, Clone)]
pub struct Connector(mpsc::WeakSender<UnixStream>);

impl Connector {
    /// A new connection. To the server it is one like any other: its peer is this process, it has a seat and a
    /// number.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when the server is closed, `WouldBlock` when 64 wait already, and the system's when it has
    /// no descriptor left.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let server = self.0.upgrade().ok_or_else(refused)?;
        let (ours, theirs) = UnixStream::pair()?;
        server.try_send(theirs).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => io::ErrorKind::WouldBlock.into(),
            mpsc::error::TrySendError::Closed(_) => refused(),
        })?;
        Ok(ours)
    }
}

impl Listener {
    /// Accepts connections in a task, and serves each in a task of its own.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn serve<S: Service>(self, settings: Settings, service: Arc<S>) -> Server {
        Server::start(Some(self), settings, service)
    }
}

impl Server {
    /// Serves those alone who connect from within this process: see [`connector`](Self::connector).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn within<S: Service>(settings: Settings, service: Arc<S>) -> Self {
        Self::start(None, settings, service)
    }

    fn start<S: Service>(listener: Option<Listener>, settings: Settings, service: Arc<S>) -> Self {
        let (io, bound) = listener.map(|Listener { io, bound }| (io, bound)).unzip();
        let (closing, _) = watch::channel(false);
        let (within, from_within) = mpsc::channel(WAITING_WITHIN);
        let seats = Seats::new(settings.caps);
        let counters = Arc::<Counters>::default();
        let accept = AcceptLoop {
            io,
            from_within,
            settings,
            service,
            seats: seats.clone(),
            counters: counters.clone(),
            closing: closing.subscribe(),
            sessions: JoinSet::new(),
            wait: SHORTEST_WAIT,
        };
        let task = Some(tokio::spawn(accept.run()));
        Self { bound, within, closing, task, seats, counters }
    }

    /// What makes connections to it from within this process.
    pub fn connector(&self) -> Connector {
        Connector(self.within.downgrade())
    }

    /// What it has seen until now.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            open: self.seats.total(),
            served: read(&self.counters.served),
            refused: read(&self.counters.refused),
            accept_failures: read(&self.counters.accept_failures),
            panicked: read(&self.counters.panicked),
        }
    }

    /// Removes the socket, accepts nobody any more, and waits for the sessions. Each reads no further frame: one that
    /// is answering finishes its answer. What has not ended after [`Settings::grace`] is aborted.
    ///
    /// Cancelled, the closing goes on in the background.
    pub async fn close(mut self) {
        self.begin_to_close();
        if let Some(task) = self.task.take() {
            // The loop does not panic; should the runtime have ended it, there is nothing to wait for.
            let _ = task.await;
        }
    }

    fn begin_to_close(&mut self) {
        self.bound = None;
        self.closing.send_replace(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_to_close();
    }
}

struct AcceptLoop<S> {
    /// `None`: nobody connects from outside.
    io: Option<UnixListener>,
    from_within: mpsc::Receiver<UnixStream>,
    settings: Settings,
    service: Arc<S>,
    seats: Seats,
    counters: Arc<Counters>,
    closing: watch::Receiver<bool>,
    sessions: JoinSet<()>,
    /// How long the next failure makes it wait.
    wait: Duration,
}

impl<S: Service> AcceptLoop<S> {
    async fn run(mut self) {
        let mut closing = self.closing.clone();
        let mut not_before = None;
        loop {
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => break,
                Some(end) = self.sessions.join_next() => note_end(&self.counters, end),
                Some(stream) = self.from_within.recv() => self.take_in(stream),
                accepted = accept(self.io.as_ref(), not_before) => not_before = self.accepted(accepted),
            }
        }
        let Self { io, from_within, settings, mut sessions, counters, .. } = self;
        drop((io, from_within));
        let all = async {
            while let Some(end) = sessions.join_next().await {
                note_end(&counters, end);
            }
        };
        if tokio::time::timeout(settings.grace, all).await.is_err() {
            sessions.shutdown().await;
        }
    }

    /// Takes in one connection; returns until when none is to be accepted.
    fn accepted(&mut self, accepted: io::Result<UnixStream>) -> Option<Instant> {
        match accepted {
            Ok(stream) => {
                self.wait = SHORTEST_WAIT;
                self.take_in(stream);
                None
            }
            // Mostly no descriptor is free (EMFILE, ENFILE) or no memory. The connection stays in the queue and the
            // listener stays readable, so without a wait this would spin.
            Err(_) => {
                Counters::add(&self.counters.accept_failures);
                let not_before = Instant::now() + self.wait;
                self.wait = LONGEST_WAIT.min(self.wait * 2);
                Some(not_before)
            }
        }
    }

    fn take_in(&mut self, stream: UnixStream) {
        match self.seat(&stream) {
            Ok((peer, seat)) => self.begin(stream, peer, seat),
            Err((peer, refusal)) => {
                Counters::add(&self.counters.refused);
                let line = self.ask(|service| service.refused(peer.as_ref(), refusal)).flatten();
                turn_away(&stream, line);
            }
        }
    }

    fn seat(&self, stream: &UnixStream) -> Result<(Peer, Seat), (Option<Peer>, Refusal)> {
        let peer = Peer::of(stream).map_err(|_| (None, Refusal::NoCredentials))?;
        let admin = match self.ask(|service| service.standing(&peer)) {
            Some(Standing::Admin) => true,
            Some(Standing::Ordinary) => false,
            Some(Standing::Stranger) | None => return Err((Some(peer), Refusal::Stranger)),
        };
        let seat = self.seats.take(peer.uid, admin).map_err(|refusal| (Some(peer), refusal))?;
        Ok((peer, seat))
    }

    /// Asks the service. `None`: it panicked.
    fn ask<T>(&self, question: impl FnOnce(&S) -> T) -> Option<T> {
        // A service that is left in a broken state by that is asked again; the loop itself has no part in the call.
        let answer = catch_unwind(AssertUnwindSafe(|| question(&self.service)));
        if answer.is_err() {
            Counters::add(&self.counters.panicked);
        }
        answer.ok()
    }

    fn begin(&mut self, stream: UnixStream, peer: Peer, seat: Seat) {
        let number = Counters::add(&self.counters.served);
        let Settings { limits, deadlines, .. } = &self.settings;
        let mut connection = Connection::new(stream, peer, limits.clone(), *deadlines);
        connection.reader = connection.reader.until(self.closing.clone());
        let service = self.service.clone();
        self.sessions.spawn(async move {
            service.session(number, connection).await;
            // After the connection, so that no more are open than are counted.
            drop(seat);
        });
    }
}

async fn accept(io: Option<&UnixListener>, not_before: Option<Instant>) -> io::Result<UnixStream> {
    let Some(io) = io else { return std::future::pending().await };
    if let Some(not_before) = not_before {
        tokio::time::sleep_until(not_before).await;
    }
    io.accept().await.map(|(stream, _)| stream)
}

fn note_end(counters: &Counters, end: Result<(), tokio::task::JoinError>) {
    if end.is_err_and(|error| error.is_panic()) {
        Counters::add(&counters.panicked);
    }
}

/// Says why, if that goes without waiting, and closes.
fn turn_away(stream: &UnixStream, line: Option<Vec<u8>>) {
    let Some(mut line) = line else { return };
    line.push(b'\n');
    // The peer may be gone already; it is turned away in either case.
    let _ = rustix::net::send(stream, &line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}
