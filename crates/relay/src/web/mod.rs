//! Browsers: HTTP, the upgrade, and a session behind each WebSocket.
//!
//! | path | |
//! |---|---|
//! | `/ws` | the WebSocket of `wire.md` 4 |
//! | `POST /login` | the code of a printed link is traded for a token |
//! | any other | the dashboard |
//!
//! Who asks under a foreign name, or from a foreign page, gets nothing. Who has proved nothing is upgraded and closed
//! with 4401, because a page can read that and cannot read the status of a failed upgrade.

mod accept;
mod assets;
mod door;
mod drive;
pub(crate) mod health;
mod login;
mod names;
mod pages;
mod probes;
mod socket;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use supervisor_api::wire::RELAY_PROTOCOL;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use accept::listen;
pub use door::Door;
pub(crate) use drive::Commands;
pub use names::Names;
pub use probes::ProbePort;
pub use tls::{ClientAuthorities, ClientCertificates, Tls, TlsError, TlsFiles};

use crate::hub::Hub;
use crate::session::{Close, Session};
use accept::Caller;
use door::{Asker, Failures};
use drive::{Carrier as _, drive};
use pages::Pages;

/// What answers are made from.
struct House<K> {
    hub: Arc<Hub>,
    door: Door,
    failures: Failures,
    pages: Arc<Pages>,
    commands: Arc<K>,
    closing: watch::Receiver<bool>,
}

/// How long sessions may take to end.
const LAST_SESSIONS: Duration = Duration::from_secs(5);

/// A port for browsers. Dropping it closes it and tells every session to connect again.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    closing: watch::Sender<bool>,
    _accepting: JoinHandle<()>,
}

impl Web {
    pub(crate) fn open<K: Commands>(
        io: TcpListener,
        hub: Arc<Hub>,
        door: Door,
        commands: Arc<K>,
    ) -> std::io::Result<Self> {
        let address = io.local_addr()?;
        let (closing, closed) = watch::channel(false);
        let tls = door.tls.clone();
        let failures = Failures::new(hub.counts().failed_sign_ins.clone());
        let router =
            router(House { hub, door, failures, pages: Arc::default(), commands, closing: closed.clone() });
        let accepting = tokio::spawn(accept::accept(io, router, tls, closed));
        Ok(Self { address, closing, _accepting: accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port, and tells every session to connect again when it has got what there is. Who does not read is
    /// not waited for longer than 5 seconds.
    pub async fn close(self) {
        self.closing.send_replace(true);
        // Whoever serves a browser holds the other end.
        let _ = timeout(LAST_SESSIONS, self.closing.closed()).await;
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.closing.send_replace(true);
    }
}

fn router<K: Commands>(house: House<K>) -> Router {
    let house = Arc::new(house);
    Router::new()
        .route("/ws", get(upgrade::<K>))
        .route("/login", post(login::login::<K>))
        .fallback_service(get(assets::page))
        .layer(middleware::from_fn_with_state(Arc::clone(&house), around::<K>))
        .with_state(house)
}

/// Only what comes from here is loaded, run and asked; nothing in a page itself is a script or a style.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What holds for every answer.
const HEADERS: [(HeaderName, &str); 3] = [
    (axum::http::header::CONTENT_SECURITY_POLICY, CSP),
    (axum::http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (axum::http::header::REFERRER_POLICY, "no-referrer"),
];

async fn around<K: Commands>(State(house): State<Arc<House<K>>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&house.door.names, request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // Only the files of the pages may be kept, and say so.
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What is said to who asks under a foreign name, or from a foreign page.
fn refusal(names: &Names, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let all = |name: HeaderName| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    if !names.has_host(all(HOST)) {
        Some((StatusCode::MISDIRECTED_REQUEST, "this does not answer to that name\n"))
    } else if !names.has_origin(all(ORIGIN)) {
        Some((StatusCode::FORBIDDEN, "pages of that origin may not ask here\n"))
    } else {
        None
    }
}

async fn upgrade<K: Commands>(
    State(house): State<Arc<House<K>>>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let guest = match house.door.asker(&headers, &caller) {
        Asker::Known(guest) => Some(guest),
        Asker::Unknown => None,
        Asker::Wrong => match house.failures.add(caller.address()) {
            Some(too_often) => return too_often,
            None => None,
        },
    };
    let upgrade = upgrade.max_message_size(socket::LARGEST_READ).max_frame_size(socket::LARGEST_READ);
    // The token is never selected, so it is never sent back.
    upgrade.protocols([RELAY_PROTOCOL]).on_upgrade(async move |mut socket: WebSocket| {
        let caller = caller;
        let Some(guest) = guest else { return socket.close(Close::NoIdentity).await };
        if guest.who().highest().is_none() {
            return socket.close(Close::Forbidden).await;
        }
        caller.is_known();
        let session = Session::new(Arc::clone(&house.hub), guest.who().clone());
        let (commands, pages) = (Arc::clone(&house.commands), Arc::clone(&house.pages));
        let ended = house.door.ended(&guest, &caller);
        // However it ended, it is over.
        let _ = drive(session, socket, commands, house.closing.clone(), pages, ended).await;
    })
}
