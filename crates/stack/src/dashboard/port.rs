//! The port, bound before anything is started, and who may come in.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use supervisor_api::manifest::{DashboardManifest, dashboard_address};
use supervisor_relay::{Identities, Principal, Role};
use tokio::net::TcpListener;

use super::links::{self, LinkFile};
use supervisor_process::accounts::USERS;

/// The port when nobody says another, and the last that is tried when it is taken.
const FIRST: u16 = 9_900;
const LAST: u16 = 9_999;

/// Where the dashboard of a run listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DashboardAt {
    /// Where the file says; else on `127.0.0.1:9900`, or the next port that is free.
    #[default]
    Default,
    /// There and nowhere else. An address of loopback.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl DashboardAt {
    /// Reads `off` or an address, as the command line has it.
    ///
    /// # Errors
    ///
    /// A sentence that says how to write it.
    pub fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            listen => dashboard_address(listen).map(Self::At).map_err(|error| format!("{error}; or `off`")),
        }
    }

    /// What a file says.
    pub(crate) fn of(said: &DashboardManifest) -> Result<Self, String> {
        match said {
            DashboardManifest::Word(_) => Ok(Self::Off),
            DashboardManifest::Listens(listens) => dashboard_address(&listens.listen).map(Self::At),
        }
    }
}

/// Why there is no dashboard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DashboardError {
    /// It cannot listen there.
    #[error("the dashboard cannot listen on {address}: {error}; {remedy}", remedy = remedy(.error))]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        error: io::Error,
    },
    /// Every port that is tried is taken.
    #[error(
        "the dashboard finds no free port from {FIRST} to {LAST}; give it one with `--dashboard 127.0.0.1:PORT`, or turn \
         it off with `--dashboard off`"
    )]
    NoneFree,
    /// There is no directory for the stack's state, where it keeps its audit and its links.
    #[error(
        "the dashboard needs the directory of the stack's state; set XDG_STATE_HOME to one that is yours alone"
    )]
    NoState,
    /// What serves it cannot be made.
    #[error("the dashboard cannot be served: {0}")]
    Control(String),
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has that port, and `ss -ltnp` names it: stop it, or give another port"
        }
        io::ErrorKind::PermissionDenied => "give a port from 1024 on",
        _ => "give another address, such as 127.0.0.1:9900",
    }
}

/// A port that is bound before there is a tree to show. Who connects waits until it is served.
#[derive(Debug)]
pub(crate) struct DashboardPort {
    pub(super) io: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) guests: Guests,
    pub(super) links: LinkFile,
}

/// Those who come by a link: whoever this process belongs to.
#[derive(Debug, Clone)]
pub(super) struct Guests {
    pub(super) identities: Identities,
    origin: String,
    who: Principal,
}

impl Guests {
    /// A new link. It is good once and for a while.
    pub(super) fn link(&self) -> io::Result<String> {
        Ok(self.identities.login_code(self.who.clone())?.link(&self.origin))
    }
}

impl DashboardPort {
    /// Binds the port; `None`: there is to be none. `state` is the directory of the stack's state.
    pub(crate) async fn bind(at: &DashboardAt, state: &Path) -> Result<Option<Self>, DashboardError> {
        let file = links::place(state);
        let io = match at {
            DashboardAt::Off => {
                // One that was killed has left its link there.
                let _ = std::fs::remove_file(file);
                return Ok(None);
            }
            DashboardAt::At(address) => listen(*address)?,
            DashboardAt::Default => first_free()?,
        };
        let address = io.local_addr().map_err(|error| DashboardError::Listen { address: ANY, error })?;
        let guests =
            Guests { identities: Identities::new(), origin: format!("http://{address}"), who: local_owner() };
        let links = LinkFile::keep(file, guests.clone()).await;
        Ok(Some(Self { io, address, guests, links }))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new link; `None` when the kernel has no randomness.
    pub(crate) fn link(&self) -> Option<String> {
        self.guests.link().ok()
    }
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn listen(address: SocketAddr) -> Result<TcpListener, DashboardError> {
    supervisor_relay::listen(address).map_err(|error| DashboardError::Listen { address, error })
}

fn first_free() -> Result<TcpListener, DashboardError> {
    for port in FIRST..=LAST {
        match listen((Ipv4Addr::LOCALHOST, port).into()) {
            Err(DashboardError::Listen { error, .. }) if error.kind() == io::ErrorKind::AddrInUse => {}
            other => return other,
        }
    }
    Err(DashboardError::NoneFree)
}

/// Who follows a link: the user of this process, who could do everything without us.
fn local_owner() -> Principal {
    let uid = rustix::process::geteuid().as_raw();
    let name = USERS.name(uid).unwrap_or_else(|| format!("uid {uid}"));
    Principal::new(format!("{name} (dashboard)")).with("*", Role::Admin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_or_an_address_of_this_machine() {
        assert_eq!(DashboardAt::read("off"), Ok(DashboardAt::Off));
        assert_eq!(DashboardAt::read("127.0.0.1:81"), Ok(DashboardAt::At(([127, 0, 0, 1], 81).into())));
        for (bad, words) in [("on", "is not IP:PORT"), ("0.0.0.0:9900", "other machines"), ("", "or `off`")] {
            let said = DashboardAt::read(bad).unwrap_err();
            assert!(said.contains(words), "{bad}: {said}");
        }
    }

    /// A stack says where its dashboard is once the port is bound.
    #[tokio::test]
    async fn the_link_is_there_when_a_stack_says_where_its_dashboard_is() {
        let state = tempfile::tempdir().unwrap();
        let any = DashboardAt::At(([127, 0, 0, 1], 0).into());
        let port = DashboardPort::bind(&any, state.path()).await.unwrap().unwrap();
        let file = state.path().join("dashboard");
        let link = std::fs::read_to_string(&file).unwrap();
        assert!(link.starts_with(&format!("http://{}/", port.address())), "{link}");
        drop(port);
        assert!(!file.exists(), "a run that came to nothing leaves no link");
    }
}
