//! The accept loop (`security.md` 10, 23).
//!
//! Who connects has a seat until the connection is over, an upgraded one included. An address has only so many. When they
//! are taken, or all are, or no descriptor is free, the seat is given up that has been held for longest by somebody (of
//! that address) who has not proved who it is: a crowd that only connects keeps nobody out who says what it wants, also
//! not on loopback, where everybody comes from one address.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::tls::{Shown, Tls};

/// Connections in all, and from one address.
const IN_ALL: usize = 4_096;
const OF_ADDRESS: usize = 256;
/// How long the head of a request may take, and how long a connection may wait for the next.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of a head.
const HEAD: usize = 16 * 1024;
/// After an accept that failed: the first wait, and the longest.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted. With the usual 128 a crowd that comes all at once keeps others out for
/// seconds: the system does not take a connection it has no place for, and who comes tries again after one.
const WAITING: u32 = 1_024;

/// Binds a port for many browsers.
///
/// # Errors
///
/// The system's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port is free again when who had it has ended, though its last connections still linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Who is connected.
#[derive(Debug)]
struct Seats {
    /// How many there are.
    in_all: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The number that the next one gets.
    next: u64,
    /// Who has proved nothing yet, the first one first, and who is told to go.
    strangers: BTreeMap<u64, (IpAddr, oneshot::Sender<()>)>,
    /// Who has proved who it is.
    known: HashMap<u64, IpAddr>,
    of: HashMap<IpAddr, usize>,
}

/// A place among the connections, free again when this is dropped.
#[derive(Debug)]
struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
    number: u64,
}

/// Comes when a seat is to be left. An error means that it is its holder's for good.
type Leave = oneshot::Receiver<()>;

impl Seats {
    fn new(in_all: usize) -> Arc<Self> {
        Arc::new(Self { in_all, taken: Mutex::default() })
    }

    fn take(self: &Arc<Self>, address: IpAddr) -> Option<(Seat, Leave)> {
        let mut taken = self.taken();
        let has_its_share = taken.of.get(&address).is_some_and(|seats| *seats >= OF_ADDRESS);
        let all_are_taken = taken.strangers.len() + taken.known.len() >= self.in_all;
        if has_its_share && !taken.give_up_one(|from| from == address) {
            return None;
        }
        if !has_its_share && all_are_taken && !taken.give_up_one(|_| true) {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let (tell, leave) = oneshot::channel();
        taken.strangers.insert(number, (address, tell));
        *taken.of.entry(address).or_default() += 1;
        Some((Seat { seats: Arc::clone(self), address, number }, leave))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// The stranger who has been there for longest, of those from there, is told to go. Whether there was one.
    fn give_up_one(&mut self, from: impl Fn(IpAddr) -> bool) -> bool {
        let oldest =
            self.strangers.iter().find(|(_, (address, _))| from(*address)).map(|(number, _)| *number);
        let Some((address, tell)) = oldest.and_then(|number| self.strangers.remove(&number)) else {
            return false;
        };
        // It may be going already.
        let _ = tell.send(());
        self.left(address);
        true
    }

    fn left(&mut self, address: IpAddr) {
        if let Some(seats) = self.of.get_mut(&address) {
            *seats -= 1;
            if *seats == 0 {
                self.of.remove(&address);
            }
        }
    }
}

impl Seat {
    /// Whoever holds it has proved who it is, and keeps it.
    fn keep(&self) {
        let mut taken = self.seats.taken();
        if let Some((address, _)) = taken.strangers.remove(&self.number) {
            taken.known.insert(self.number, address);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        // One that was given up is neither.
        let stranger = taken.strangers.remove(&self.number).map(|(address, _)| address);
        if let Some(address) = stranger.or_else(|| taken.known.remove(&self.number)) {
            taken.left(address);
        }
    }
}

/// Who has connected.
#[derive(Debug)]
pub(super) struct Caller {
    seat: Seat,
    /// What it has shown in the handshake.
    pub(super) shown: Option<Shown>,
}

impl Caller {
    /// Where the connection comes from. An IPv4 address is one, also when it comes by a socket for both.
    pub(super) fn address(&self) -> IpAddr {
        self.seat.address
    }

    /// It has proved who it is.
    pub(super) fn is_known(&self) {
        self.seat.keep();
    }
}

/// Accepts until it is asked to end. Connections that were not upgraded end with it.
pub(super) async fn accept(
    io: TcpListener,
    router: Router,
    tls: Option<Tls>,
    closing: watch::Receiver<bool>,
) {
    seat(Seats::new(IN_ALL), io, router, tls, closing).await;
}

async fn seat(
    seats: Arc<Seats>,
    io: TcpListener,
    router: Router,
    tls: Option<Tls>,
    mut closing: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut wait = SHORTEST_WAIT;
    loop {
        let accepted = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            Some(_) = connections.join_next() => continue,
            accepted = io.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                wait = SHORTEST_WAIT;
                // An IPv4 address is the same one when it comes by a socket for both.
                if let Some((seat, leave)) = seats.take(peer.ip().to_canonical()) {
                    let serve = serve(stream, router.clone(), tls.clone(), seat);
                    connections.spawn(async move {
                        tokio::select! {
                            Ok(()) = leave => {}
                            () = serve => {}
                        }
                    });
                }
            }
            Err(error) => {
                // Mostly no descriptor is free. The connection stays in the queue, so without a wait this would spin.
                tracing::debug!("a connection could not be accepted: {error}");
                seats.taken().give_up_one(|_| true);
                tokio::time::sleep(wait).await;
                wait = LONGEST_WAIT.min(wait * 2);
            }
        }
    }
}

async fn serve(stream: TcpStream, router: Router, tls: Option<Tls>, seat: Seat) {
    let Ok(()) = undelayed(&stream) else { return };
    let Some(tls) = tls else { return speak(stream, router, Caller { seat, shown: None }).await };
    if let Some((stream, shown)) = tls.accept(stream).await {
        speak(stream, router, Caller { seat, shown }).await;
    }
}

async fn speak<S>(stream: S, router: Router, caller: Caller)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD);
    let service = TowerToHyperService::new(router.layer(Extension(Arc::new(caller))));
    // A peer that is gone, slow, or speaks no HTTP is told of by nobody.
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// A frame is not held back until the one before was acknowledged.
fn undelayed(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn has_to_go(leave: &mut Leave) -> bool {
        leave.try_recv() == Ok(())
    }

    #[test]
    fn s23_an_address_has_its_share_and_its_own_oldest_stranger_goes_for_one_more() {
        let seats = Seats::new(IN_ALL);
        let (other, mut leave) = seats.take(address(2)).unwrap();
        let mut held: Vec<_> = (0..OF_ADDRESS).map(|_| seats.take(address(1)).unwrap()).collect();
        held[0].0.keep();
        held.push(seats.take(address(1)).unwrap());
        let went: Vec<usize> = (0..held.len()).filter(|at| has_to_go(&mut held[*at].1)).collect();
        assert_eq!(went, [1], "not the one who is known");
        assert!(!has_to_go(&mut leave), "and nobody of another address");
        assert_eq!(seats.taken().of[&address(1)], OF_ADDRESS);
        drop(held.remove(1));
        assert_eq!(seats.taken().of[&address(1)], OF_ADDRESS, "a seat is not freed twice");

        held.iter().for_each(|(seat, _)| seat.keep());
        assert!(seats.take(address(1)).is_none(), "all of them are known");
        drop(held.pop());
        held.push(seats.take(address(1)).unwrap());
        drop((held, other));
        let taken = seats.taken();
        assert!(taken.strangers.is_empty() && taken.known.is_empty() && taken.of.is_empty());
    }

    #[test]
    fn s23_when_all_seats_are_taken_the_oldest_stranger_goes_and_nobody_who_is_known() {
        let seats = Seats::new(IN_ALL);
        let of = |at: usize| address(u8::try_from(at / OF_ADDRESS).unwrap());
        let mut held: Vec<_> = (0..IN_ALL).map(|at| seats.take(of(at)).unwrap()).collect();
        held[0].0.keep();
        let new = seats.take(address(200)).unwrap();
        let went: Vec<usize> = (0..IN_ALL).filter(|at| has_to_go(&mut held[*at].1)).collect();
        assert_eq!(went, [1]);
        assert!(seats.take(address(0)).is_some(), "the seat is free before its connection has gone");
        let _ = held.remove(1);
        assert_eq!(seats.taken().of[&address(0)], OF_ADDRESS - 2, "and is not freed twice");

        held.iter().for_each(|(seat, _)| seat.keep());
        new.0.keep();
        let taken = seats.taken();
        let (known, strangers) = (taken.known.len(), taken.strangers.len());
        drop(taken);
        assert_eq!((known, strangers), (IN_ALL - 1, 0));
        let last = seats.take(address(201)).unwrap();
        last.0.keep();
        assert!(seats.take(address(202)).is_none(), "all are known");
    }

    #[tokio::test]
    async fn s23_the_connection_of_who_has_to_go_is_closed_and_the_new_one_is_served() {
        let io = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = io.local_addr().unwrap();
        let (_open, closing) = watch::channel(false);
        let server = tokio::spawn(seat(Seats::new(2), io, Router::new(), None, closing));
        let mut oldest = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut new = TcpStream::connect(address).await.unwrap();
        assert_eq!(oldest.read(&mut [0]).await.unwrap(), 0, "it is closed without a word");
        for stream in [&mut second, &mut new] {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 404");
        }
        server.abort();
    }

    #[tokio::test]
    async fn s23_a_crowd_that_comes_all_at_once_can_wait_to_be_accepted() {
        let io = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let mut waiting = Vec::new();
        for _ in 0..WAITING.min(limit.trim().parse().unwrap()) {
            let connect = TcpStream::connect(io.local_addr().unwrap());
            waiting
                .push(tokio::time::timeout(HEAD_WITHIN, connect).await.expect("there is no place").unwrap());
        }
    }
}
