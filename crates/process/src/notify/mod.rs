//! What a program says of itself on its socket `NOTIFY_SOCKET`, in the words of `sd_notify(3)`.
//!
//! Each run has a socket of its own, in a directory that this user alone can enter ([`place`]). The kernel tells who
//! sent a datagram; from a process that is not in the program's group it is dropped. What is wrong is said once in the
//! log of the child, and nothing a program sends costs more than a bounded buffer and a bounded share of time.

mod message;
mod place;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use crate::between::{self, Datagram};
use crate::checks::{Health, Readiness, Watch};
use crate::environment;
use crate::spec::ProgramSpec;
use crate::start_error::{StartError, reason};
use crate::worker::SPAWNER;
use message::MAX_MESSAGE;
pub(crate) use message::Word;

/// So many messages are taken, then others have their turn: the socket's queue is short, and whoever floods it waits.
const BURST: u32 = 64;
/// For so long, after each of those.
const PAUSE: Duration = Duration::from_millis(10);

/// What is heard on the socket of a run.
#[derive(Debug)]
pub(crate) enum Heard {
    /// What a process of the program's group said.
    Said(Vec<Word>),
    /// A message that was dropped, and why, once for each reason.
    Dropped(String),
}

/// The socket of one run.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: UnixDatagram,
    place: place::Place,
}

/// Why messages are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Stranger,
    TooLong,
    NoText,
}

/// Which faults were told.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<Fault>);

impl Socket {
    /// The socket for a run of `spec`; `None` when nothing is to be said.
    ///
    /// # Errors
    ///
    /// A sentence that names the path and the remedy.
    pub(crate) async fn open(spec: &ProgramSpec) -> Result<Option<Self>, String> {
        if !is_wanted(spec) {
            return Ok(None);
        }
        let identity = spec.identity.clone();
        // An account that is not known is told by the start itself.
        let bind = move || place::bind(identity.look_up().ok().and_then(|(runs_as, _)| runs_as).as_ref());
        let bound = SPAWNER.run(bind).await;
        let (socket, place) = bound.unwrap_or_else(|| Err(StartError::NoThread.to_string()))?;
        let socket = UnixDatagram::from_std(socket).map_err(|error| format!("notify: {}", reason(&error)))?;
        Ok(Some(Self { socket, place }))
    }

    /// The variables that tell a program of `spec` where to speak, and how often.
    pub(crate) fn variables(&self, spec: &ProgramSpec) -> Vec<(&'static str, String)> {
        let mut variables = vec![("NOTIFY_SOCKET", self.place.path.display().to_string())];
        if let Some(Health { watch: Watch::Notify { interval, .. }, .. }) = spec.health {
            variables.push(("WATCHDOG_USEC", message::micros(interval)));
            variables.push((environment::WATCHDOG_PID, String::new()));
        }
        variables
    }

    /// Hands everything that is said to `each`, for ever. Cancel safe.
    pub(crate) async fn listen(&self, group: u32, told: &mut Told, mut each: impl FnMut(Heard)) {
        loop {
            if self.socket.readable().await.is_err() {
                break;
            }
            match self.socket.try_io(Interest::READABLE, || self.drain(group, told, &mut each)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An error of the socket itself: nothing more will be heard.
                Err(_) => break,
            }
            tokio::time::sleep(PAUSE).await;
        }
        std::future::pending().await
    }

    /// Hands what waits to be heard to `each`, and no more than a burst of it.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing more waits; any other is the socket's.
    pub(crate) fn drain(&self, group: u32, told: &mut Told, mut each: impl FnMut(Heard)) -> io::Result<()> {
        let mut buffer = [0; MAX_MESSAGE];
        for _ in 0..BURST {
            let datagram = between::receive(self.socket.as_fd(), &mut buffer)?;
            if let Some(heard) = judge(&datagram, &buffer, group, told) {
                each(heard);
            }
        }
        Ok(())
    }
}

/// Whether anything of the spec is about what the program says.
fn is_wanted(spec: &ProgramSpec) -> bool {
    let watched = spec.health.as_ref().is_some_and(|health| matches!(health.watch, Watch::Notify { .. }));
    watched || spec.readiness == Readiness::Notify
}

/// Whether the process is one of the group. One that is gone and reaped is in none.
pub(crate) fn is_in(pid: Pid, group: u32) -> bool {
    between::group_of(pid).is_some_and(|found| found.as_raw_nonzero().get().cast_unsigned() == group)
}

fn judge(datagram: &Datagram, buffer: &[u8], group: u32, told: &mut Told) -> Option<Heard> {
    let Some(pid) = datagram.sender.filter(|pid| is_in(*pid, group)) else {
        let who = match datagram.sender {
            Some(pid) => format!("process {}", pid.as_raw_nonzero()),
            None => "a process of another namespace".to_owned(),
        };
        let why = format!(
            "{who} sent a message to NOTIFY_SOCKET and is not in the program's group, or was gone before it could be looked \
             at: messages of such are ignored"
        );
        return told.once(Fault::Stranger, why);
    };
    if datagram.cut {
        let why = format!(
            "process {} sent a message of more than {MAX_MESSAGE} bytes: such are ignored",
            pid.as_raw_nonzero()
        );
        return told.once(Fault::TooLong, why);
    }
    match message::parse(buffer.get(..datagram.length)?) {
        Some(words) => Some(Heard::Said(words)),
        None => {
            let why =
                format!("process {} sent a message that is no text: such are ignored", pid.as_raw_nonzero());
            told.once(Fault::NoText, why)
        }
    }
}

impl Told {
    fn once(&mut self, fault: Fault, why: String) -> Option<Heard> {
        if self.0.contains(&fault) {
            return None;
        }
        self.0.push(fault);
        Some(Heard::Dropped(why))
    }
}
