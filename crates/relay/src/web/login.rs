//! The code of a printed link is traded for a token (`security.md` 20).
//!
//! `POST /login` with `{"code": "..."}` answers `{"token": "...", "expires_at_unix_nanos": ...}`. Only somebody at this
//! machine has such a link, and only a page of ours asks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use supervisor_api::wire::UnixNanos;
use tokio::time::timeout;

use super::House;
use super::accept::Caller;
use crate::identity::Traded;

/// The most bytes of a body, and how long it may take.
const BODY: usize = 4 * 1024;
const BODY_WITHIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Ask {
    code: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    token: &'a str,
    expires_at_unix_nanos: UnixNanos,
}

pub(super) async fn login<K>(
    State(house): State<Arc<House<K>>>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let address = caller.address();
    if let Some((status, text)) = unfit(address, &headers) {
        return say(status, text);
    }
    let body = match timeout(BODY_WITHIN, to_bytes(body, BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return say(StatusCode::PAYLOAD_TOO_LARGE, "a code is shorter\n"),
        Err(_) => return say(StatusCode::REQUEST_TIMEOUT, "the code did not come in time\n"),
    };
    let Ok(Ask { code }) = serde_json::from_slice(&body) else {
        return say(StatusCode::BAD_REQUEST, "send {\"code\": \"...\"}\n");
    };
    match house.door.identities.trade(&code) {
        Ok(Some(traded)) => token(&traded),
        Ok(None) => house.failures.add(address).unwrap_or_else(|| {
            say(StatusCode::UNAUTHORIZED, "the link was used already or is too old; ask for another\n")
        }),
        Err(error) => {
            tracing::warn!("nobody can sign in, because there is no randomness: {error}");
            say(StatusCode::SERVICE_UNAVAILABLE, "no token can be made now\n")
        }
    }
}

/// Why somebody there may not ask so.
fn unfit(address: IpAddr, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let is_json =
        || headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !address.is_loopback() {
        Some((StatusCode::FORBIDDEN, "links are followed on the machine that printed them\n"))
    } else if !headers.contains_key(ORIGIN) {
        Some((StatusCode::FORBIDDEN, "this is asked by a page of this relay\n"))
    } else if !is_json() {
        Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json\n"))
    } else {
        None
    }
}

fn token(Traded { token, expires_at }: &Traded) -> Response {
    let answer = Answer { token: token.reveal(), expires_at_unix_nanos: *expires_at };
    match serde_json::to_string(&answer) {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn say(status: StatusCode, text: &'static str) -> Response {
    (status, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_links_are_followed_from_this_machine_alone() {
        let headers = [(ORIGIN, "http://x"), (CONTENT_TYPE, "application/json")];
        let headers = headers.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect();
        let status =
            |address: &str| unfit(address.parse().unwrap(), &headers).map(|(status, _)| status.as_u16());
        for here in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(status(here), None, "{here}");
        }
        for elsewhere in ["10.0.0.1", "192.168.1.1", "2001:db8::1", "0.0.0.0"] {
            assert_eq!(status(elsewhere), Some(403), "{elsewhere}");
        }
    }
}
