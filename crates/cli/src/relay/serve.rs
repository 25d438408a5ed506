//! A relay from its file until a signal.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use supervisor_relay::{ConfigFile, Door, KeptLogins, Principal, ProbePort, Relay, Role, Web};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::people::{People, reload};
use super::{log, read};
use crate::exit::Exit;
use crate::{print, threads};

/// As whom the person at this terminal signs in.
const LOCAL: &str = "local";

/// Runs a relay until it is asked to stop.
pub(super) fn serve(file: &Path) -> Exit {
    let config = match read(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    log::begin();
    let runtime = match threads::runtime() {
        Ok(runtime) => runtime,
        Err(sentence) => return said(Exit::Failed, &sentence),
    };
    let exit = runtime.block_on(async {
        // Before anything is bound, so that no signal finds nobody listening.
        let signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return said(Exit::Failed, &format!("cannot listen to signals: {error}")),
        };
        match House::open(file, config).await {
            Ok(house) => house.live(signals).await,
            Err((exit, problem)) => said(exit, &problem),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

fn said(exit: Exit, sentence: &str) -> Exit {
    print::err(&format!("supervisor: {sentence}\n"));
    exit
}

/// Why nothing was started.
type Refused = (Exit, String);

struct Signals {
    stop: [Signal; 2],
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let stop = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        Ok(Self { stop, hangup: signal(SignalKind::hangup())? })
    }

    async fn stop(stop: &mut [Signal; 2]) {
        let [one, other] = stop;
        tokio::select! {
            _ = one.recv() => {}
            _ = other.recv() => {}
        }
    }
}

/// A relay that runs, and its ports.
struct House<'a> {
    file: &'a Path,
    config: ConfigFile,
    people: People,
    relay: Relay,
    web: Web,
    health: Option<ProbePort>,
    _logins: Option<KeptLogins>,
}

impl<'a> House<'a> {
    async fn open(file: &'a Path, config: ConfigFile) -> Result<Self, Refused> {
        let settings = config.relay().map_err(|error| (Exit::Invalid, error.to_string()))?;
        let people = People::read(&config).map_err(|problem| (Exit::Invalid, problem))?;
        let port = bind(config.listen(), "listen")?;
        let health = match config.health() {
            Some(address) => Some(bind(address, "health.listen")?),
            None => None,
        };
        let cannot = |error: String| (Exit::NoLock, error);
        let logins = settings.state.as_deref().map(|state| state.join("logins.json"));
        let relay = Relay::start(settings).await.map_err(|error| cannot(error.to_string()))?;
        let logins = match logins {
            Some(file) if config.login_link() => {
                Some(people.identities.keep_logins(file, at_the_terminal()).await)
            }
            // Who came in by a link does not come back with the next relay that gives any.
            Some(file) => std::fs::remove_file(file).err().and(None),
            None => None,
        };
        let address = port.local_addr().map_err(|error| cannot(error.to_string()))?;
        let door = Door::new(config.names(address), people.identities.clone());
        let door = match &people.tls {
            Some(tls) => door.with_tls(tls.clone()),
            None => door,
        };
        let web = relay.serve(port, door).map_err(|error| cannot(error.to_string()))?;
        let health = health.map(|port| relay.serve_health(port)).transpose();
        let health = health.map_err(|error| cannot(error.to_string()))?;
        Ok(Self { file, config, people, relay, web, health, _logins: logins })
    }

    fn greet(&self) {
        print::out(&format!("relay: browsers connect to {}\n", self.origin()));
        print::out(&format!("relay: targets register at {}\n", self.relay.registration_socket().display()));
        if let Some(health) = &self.health {
            print::out(&format!("relay: /healthz, /readyz and /metrics at http://{}\n", health.address()));
        }
        self.print_link();
    }

    fn origin(&self) -> String {
        let scheme = if self.config.tls().is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.web.address())
    }

    /// A link for the person at this terminal, who could do everything without it.
    fn print_link(&self) {
        if !self.config.login_link() {
            return;
        }
        match self.people.identities.login_code(at_the_terminal()) {
            Ok(code) => print::out(&format!("relay: sign in: {}\n", code.link(&self.origin()))),
            Err(error) => print::err(&format!("supervisor: no link can be made: {error}\n")),
        }
    }

    async fn live(self, signals: Signals) -> Exit {
        let Signals { mut stop, mut hangup } = signals;
        self.greet();
        loop {
            tokio::select! {
                () = Signals::stop(&mut stop) => break,
                _ = hangup.recv() => {
                    let said = reload(self.file, &self.config, &self.people);
                    print::err(&format!("supervisor: {said}\n"));
                    self.print_link();
                }
            }
        }
        let Self { relay, web, health, .. } = self;
        tokio::select! {
            // Browsers are there until their commands are answered.
            () = relay.close() => {}
            () = Signals::stop(&mut stop) => {
                print::err("supervisor: a second signal; commands that run are left, and the audit does not know how they went\n");
            }
        }
        drop((web, health));
        Exit::Good
    }
}

/// Who could do everything without a link.
fn at_the_terminal() -> Principal {
    Principal::new(LOCAL).with("*", Role::Admin)
}

fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Refused> {
    supervisor_relay::listen(address).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another program has that port, and `ss -ltnp` names it: stop it, or write another in `{key}`")
            }
            io::ErrorKind::PermissionDenied => format!("write a port from 1024 on in `{key}`"),
            _ => format!("write an address of this machine in `{key}`"),
        };
        (Exit::NoLock, format!("the relay cannot listen on {address}: {error}; {remedy}"))
    })
}
