//! The dashboard of a run: a relay within the run, with the run's tree as its one target.
//!
//! ```text
//!  browser ◄── loopback ──► relay ◄── pairs of sockets ──► control server ◄──► tree
//!     └ link with a code: from the terminal, or from the file `dashboard` in the directory of the stack's state
//! ```
//!
//! To the control server the relay is the local owner, as a client of the same user on the socket is. What is asked for
//! in a browser stands in the target's audit: the process is this one, and the name is that of who followed the link.

mod links;
mod port;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use supervisor_control::{Audited, Control};
use supervisor_relay::{Door, Embedded, Names, Way, Web};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use links::LinkFile;

pub use links::{LoginLink, login_links};
pub(crate) use port::DashboardPort;
pub use port::{DashboardAt, DashboardError};

/// How long the last of what a target says may take to reach the relay.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The dashboard of a running tree. Dropping it closes the port and every session; [`close`](Self::close) lets them
/// have what happened before.
#[derive(Debug)]
pub struct Dashboard {
    web: Web,
    relay: Arc<Embedded>,
    ending: watch::Sender<bool>,
    telling: JoinHandle<()>,
    links: LinkFile,
}

impl DashboardPort {
    /// Shows what this control server serves.
    ///
    /// # Errors
    ///
    /// When the port is gone.
    pub(crate) fn serve(self, control: &Control) -> io::Result<Dashboard> {
        let Self { io, address, guests, links } = self;
        let dispatcher = control.dispatcher().clone();
        let connector = control.connector();
        let way = Way::within(&*dispatcher.registration().target_id, move || connector.connect());
        let denying = dispatcher.clone();
        let relay = Embedded::start(dispatcher.registration(), way, move |denial| denying.deny(denial));
        let relay = Arc::new(relay);
        let web = relay.serve(io, Door::new(Names::of(address), guests.identities))?;
        let (ending, ended) = watch::channel(false);
        let telling = tokio::spawn(tell(dispatcher.audited(), Arc::clone(&relay), ended));
        Ok(Dashboard { web, relay, ending, telling, links })
    }
}

impl Dashboard {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.web.address()
    }

    /// Closes it, after its control server: every browser is told first what the target said until then.
    pub async fn close(self) {
        let Self { web, relay, ending, telling, links } = self;
        drop(links);
        ending.send_replace(true);
        let last = async {
            // It neither panics nor is aborted.
            let _ = telling.await;
            relay.ended().await;
        };
        // What does not come to an end is not waited for.
        let _ = timeout(LAST_WORDS, last).await;
        web.close().await;
    }
}

/// Tells browsers what the target records, until the end, and what came before it.
async fn tell(mut audited: Audited, relay: Arc<Embedded>, mut ended: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            biased;
            event = audited.next() => relay.audited(event),
            // An error is an end, too.
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}
