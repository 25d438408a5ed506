//! Who may come in, and how somebody who asks is known.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::metrics::counter::Counter;
use supervisor_api::wire::RELAY_PROTOCOL;
use supervisor_socket::{Rate, RateLimit, TooOften};

use super::accept::Caller;
use super::names::Names;
use super::tls::Tls;
use crate::identity::{Fingerprint, Guest, Identities, Proof};
use crate::session::Close;

/// How often somebody at one address may be wrong about who it is.
const FAILURES: Rate = Rate { every: Duration::from_secs(6), burst: 10 };

/// Who may come in, and under which names.
#[derive(Debug, Clone)]
pub struct Door {
    pub(super) names: Names,
    pub(super) identities: Identities,
    pub(super) tls: Option<Tls>,
}

impl Door {
    /// Answers to these names, and lets those in whom `identities` knows: by a token in `Authorization: Bearer`, or as a
    /// subprotocol beside `tokio-supervisor.v1`.
    ///
    /// Who shows a certificate and no token is known by that, when the door has TLS.
    ///
    /// From one address 10 wrong tokens or codes are answered in a minute, and those beyond with 429. A right one is let
    /// in all the same: nobody is locked out by who shares its address, and 256 bits are not guessed.
    pub fn new(names: Names, identities: Identities) -> Self {
        Self { names, identities, tls: None }
    }

    /// Speaks TLS, and nothing else. Its names are then those of [`Names::of_tls`].
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }
}

/// How many of them stand in the log, wherever they come from.
const TOLD: Rate = Rate { every: Duration::from_secs(1), burst: 20 };

/// Those who were wrong about who they are, by their addresses. It is bounded as [`RateLimit`] is.
#[derive(Debug)]
pub(super) struct Failures {
    of: RateLimit<IpAddr>,
    told: RateLimit<()>,
    counted: Counter<u64, AtomicU64>,
}

impl Failures {
    pub(super) fn new(counted: Counter<u64, AtomicU64>) -> Self {
        Self { of: RateLimit::new(FAILURES), told: RateLimit::new(TOLD), counted }
    }

    /// One more from there. What is given is the answer when it was too often.
    pub(super) fn add(&self, address: IpAddr) -> Option<Response> {
        self.counted.inc();
        let answer = self.of.take(network(address)).err().map(too_often);
        if answer.is_none() && self.told.take(()).is_ok() {
            tracing::warn!("somebody at {address} showed a token, code or certificate that lets nobody in");
        }
        answer
    }
}

fn too_often(TooOften { retry_after }: TooOften) -> Response {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let text = "too many wrong tokens or codes came from this address; try again later\n";
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds.to_string())], text).into_response()
}

/// What somebody has who has one address: of IPv6 that are 64 bits of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

/// Who asks.
pub(super) enum Asker {
    Known(Box<Guest>),
    /// It shows nothing.
    Unknown,
    /// What it shows is worth nothing.
    Wrong,
}

impl Door {
    /// Who asks with these headers.
    pub(super) fn asker(&self, headers: &HeaderMap, caller: &Caller) -> Asker {
        let proof = match (token(headers), &caller.shown) {
            (Some(token), _) => Proof::Token(Fingerprint::of(token)),
            (None, Some(shown)) => Proof::Certificate(Arc::clone(&shown.certificate)),
            (None, None) => return Asker::Unknown,
        };
        match self.identities.guest(proof) {
            Some(guest) => Asker::Known(Box::new(guest)),
            None => Asker::Wrong,
        }
    }

    /// Until somebody is not who it was, or what it has shown in the handshake is not trusted any more. Cancel safe.
    pub(super) async fn ended(&self, guest: &Guest, caller: &Caller) -> Close {
        let distrusted = async {
            match (&self.tls, &caller.shown) {
                (Some(tls), Some(shown)) => tls.distrusts(shown).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            why = guest.ended() => why,
            () = distrusted => Close::NoIdentity,
        }
    }
}

/// The token that is offered, if there is one.
fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let offered = || {
        let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
        let names = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
        names.map(str::trim).find(|name| *name != RELAY_PROTOCOL && !name.is_empty())
    };
    bearer.or_else(offered)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn refused(failures: &Failures, address: &str) -> Option<String> {
        let response = failures.add(address.parse().unwrap())?;
        assert_eq!(response.status(), 429);
        Some(response.headers()[RETRY_AFTER].to_str().unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn s20_ten_failures_in_a_minute_are_one_addresss_and_nobody_elses() {
        let failures = Failures::new(Counter::default());
        for _ in 0..10 {
            assert_eq!(refused(&failures, "10.0.0.1"), None);
        }
        assert_eq!(refused(&failures, "10.0.0.1").unwrap(), "6");
        assert_eq!(refused(&failures, "::ffff:10.0.0.1").unwrap(), "6", "the same address");
        assert_eq!(refused(&failures, "10.0.0.2"), None);
        advance(Duration::from_millis(5_500)).await;
        assert_eq!(refused(&failures, "10.0.0.1").unwrap(), "1", "never 0");
        advance(Duration::from_millis(500)).await;
        assert_eq!(refused(&failures, "10.0.0.1"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn s20_who_has_a_network_has_one_share() {
        let failures = Failures::new(Counter::default());
        for host in 0..10 {
            assert_eq!(refused(&failures, &format!("2001:db8::{host}:1")), None);
        }
        assert!(refused(&failures, "2001:db8::ffff:ffff:ffff:ffff").is_some());
        assert_eq!(refused(&failures, "2001:db8:0:1::1"), None);
    }
}
