//! Clients that ask the servers all the time, and take down how each request ended.

use std::cell::RefCell;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::stack::{Server, Stack};

/// When a client gives up. That is too late.
const GIVES_UP: Duration = Duration::from_secs(20);
/// How long a client rests between two requests.
const REST: Duration = Duration::from_millis(5);

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// Nobody listened, or the server said that it cannot serve yet.
    Refused(String),
    /// The connection was cut.
    Reset(String),
    /// No answer came in time.
    Hung,
    /// Anything else.
    Wrong(String),
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) server: Server,
    /// When its connection was last known to be good: it may have been cut since.
    pub(crate) good: Instant,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

#[expect(clippy::disallowed_methods, reason = "requests to real servers take real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Threads that ask until this is over.
pub(crate) struct Clients {
    over: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    requests: Receiver<Request>,
    done: RefCell<Vec<Request>>,
}

impl Clients {
    /// Two for each server; those of the database are a program.
    pub(crate) fn start(stack: &Stack) -> Self {
        let (send, requests) = channel();
        let mut clients = Self { over: Vec::new(), threads: Vec::new(), requests, done: RefCell::default() };
        for number in 0..2 {
            let (web, cache) = (stack.web, stack.cache);
            clients.add(Server::Web, send.clone(), move || fresh(|| web_page(web)));
            let mut counter = Counter::new(cache, number);
            clients.add(Server::Cache, send.clone(), move || counter.count());
            let mut query = query(stack);
            clients.add(Server::Db, send.clone(), move || fresh(|| answer(&mut query)));
        }
        clients
    }

    /// `ask` says how a request ended, and since when its connection may have been cut.
    fn add(
        &mut self,
        server: Server,
        send: Sender<Request>,
        mut ask: impl FnMut() -> (Option<Instant>, Outcome) + Send + 'static,
    ) {
        let (over, is_over) = channel();
        self.over.push(over);
        self.threads.push(std::thread::spawn(move || {
            while is_over.recv_timeout(REST) == Err(RecvTimeoutError::Timeout) {
                let began = now();
                let (good, outcome) = ask();
                let request = Request { server, good: good.unwrap_or(began), began, ended: now(), outcome };
                // Nobody hears it when the test has failed.
                let _ = send.send(request);
            }
        }));
    }

    /// Waits until a request to each of these that began after `since` is answered.
    pub(crate) fn are_answered(&self, servers: &[Server], since: Instant) {
        let mut missing = servers.to_vec();
        while !missing.is_empty() {
            let request = self.requests.recv_timeout(GIVES_UP).expect("clients ask all the time");
            if request.outcome == Outcome::Answered && request.began > since {
                missing.retain(|server| *server != request.server);
            }
            self.done.borrow_mut().push(request);
        }
    }

    /// Every request.
    pub(crate) fn end(mut self) -> Vec<Request> {
        self.over.clear();
        for thread in self.threads {
            thread.join().unwrap();
        }
        let mut requests = self.done.into_inner();
        requests.extend(self.requests.try_iter());
        requests
    }
}

/// A request with a connection of its own.
fn fresh(ask: impl FnOnce() -> Outcome) -> (Option<Instant>, Outcome) {
    (None, ask())
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, GIVES_UP)?;
    stream.set_read_timeout(Some(GIVES_UP))?;
    stream.set_write_timeout(Some(GIVES_UP))?;
    Ok(stream)
}

fn failed(error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Refused(error.to_string()),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            Outcome::Reset(error.to_string())
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Outcome::Hung,
        _ => Outcome::Wrong(error.to_string()),
    }
}

/// Asks nginx for its page.
fn web_page(address: SocketAddr) -> Outcome {
    let ask = || {
        let mut stream = connect(address)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(page) if page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\nweb is up\n") => {
            Outcome::Answered
        }
        Ok(half) if "HTTP/1.1 200 OK\r\n".starts_with(&half) || half.starts_with("HTTP/1.1 200 OK\r\n") => {
            Outcome::Reset(format!("half an answer: {half:?}"))
        }
        Ok(other) => Outcome::Wrong(other),
        Err(error) => failed(&error),
    }
}

/// Has Redis count, over one connection as long as it lasts. No number comes twice: what was confirmed is not lost.
struct Counter {
    address: SocketAddr,
    key: String,
    /// The connection, and when it was last known to be good.
    connection: Option<(BufReader<TcpStream>, Instant)>,
    last: u64,
}

impl Counter {
    fn new(address: SocketAddr, number: usize) -> Self {
        Self { address, key: format!("counter-{number}"), connection: None, last: 0 }
    }

    fn count(&mut self) -> (Option<Instant>, Outcome) {
        let good = self.connection.as_ref().map(|(_, good)| *good);
        let outcome = match self.ask() {
            Ok(answer) => self.judge(&answer),
            Err(error) => failed(&error),
        };
        match &mut self.connection {
            Some((_, good)) if outcome == Outcome::Answered => *good = now(),
            connection => *connection = None,
        }
        (good, outcome)
    }

    fn ask(&mut self) -> io::Result<String> {
        if self.connection.is_none() {
            self.connection = Some((BufReader::new(connect(self.address)?), now()));
        }
        let (stream, _) = self.connection.as_mut().expect("it was just made");
        let key = &self.key;
        let request = format!("*2\r\n$4\r\nINCR\r\n${}\r\n{key}\r\n", key.len());
        stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if line.ends_with("\r\n") { Ok(line) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn judge(&mut self, answer: &str) -> Outcome {
        let number = answer.strip_prefix(':').and_then(|number| number.trim_end().parse().ok());
        match number {
            Some(number) if number > self.last => {
                self.last = number;
                Outcome::Answered
            }
            Some(number) => Outcome::Wrong(format!("{number} after {}", self.last)),
            None if answer.starts_with("-LOADING") => Outcome::Refused(answer.trim_end().to_owned()),
            None => Outcome::Wrong(answer.to_owned()),
        }
    }
}

/// `psql` with a query, as who knows the password.
fn query(stack: &Stack) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", &GIVES_UP.as_secs().to_string()]);
    command.arg(stack.postgres.join("psql"));
    command.args(["-X", "-h", "127.0.0.1", "-p", &stack.db.port().to_string(), "-U", "postgres"]);
    command.args(["-A", "-t", "-c", "select 6 * 7"]);
    command.env("PGPASSWORD", &stack.password).env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// What `psql` says when there is no server, or none that serves yet, or no longer.
const REFUSALS: [&str; 5] = [
    "Connection refused",
    "the database system is starting up",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections",
    "the database system is shutting down",
];
/// What it says when it was cut off.
const CUTS: [&str; 4] = [
    "server closed the connection unexpectedly",
    "Connection reset by peer",
    "Broken pipe",
    "terminating connection",
];

fn answer(query: &mut Command) -> Outcome {
    let said = query.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let has = |words: &[&str]| words.iter().any(|word| err.contains(word));
    match said.status.code() {
        Some(0) if out == "42\n" => Outcome::Answered,
        // `timeout` ends itself by the signal that it sends.
        None | Some(137) => Outcome::Hung,
        _ if has(&CUTS) => Outcome::Reset(err.into_owned()),
        _ if has(&REFUSALS) => Outcome::Refused(err.into_owned()),
        _ => Outcome::Wrong(format!("{}: {out}{err}", said.status)),
    }
}
