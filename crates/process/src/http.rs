//! The little of HTTP that a probe needs: one GET, one status line.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::start_error::reason;
use crate::text::printable;

/// More of an answer than this is not read.
const MAX_ANSWER: u64 = 4 * 1024;

/// An `http://` address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// `HOST:PORT`, to connect to.
    pub(crate) address: String,
    /// The host as the server is told it.
    host: String,
    path: String,
}

impl Url {
    /// Takes `text` apart.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(bad) = text.chars().find(|char| char.is_control() || char.is_whitespace()) {
            return Err(format!("{text:?} contains {bad:?}; write it as %{:02X}", bad as u32));
        }
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| format!("`{text}` does not begin with http://, and probes speak nothing else"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        if host.contains('@') {
            return Err(format!("`{text}` has a user name in it, which a probe cannot send"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            address: with_port(host).ok_or_else(|| format!("`{text}` has no sound host and port"))?,
            host: host.into(),
            path: format!("{slash}{path}"),
        })
    }
}

/// `HOST:PORT`, with port 80 if there is none.
fn with_port(host: &str) -> Option<String> {
    let after = host.rfind(']').unwrap_or(0);
    match host[after..].find(':') {
        Some(_) => check_address(host).map(|()| host.into()),
        None => {
            let address = format!("{host}:80");
            check_address(&address).map(|()| address)
        }
    }
}

/// Whether `address` is a host, a colon and a port above 0. An IPv6 address stands in brackets.
pub(crate) fn check_address(address: &str) -> Option<()> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let sound = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']),
    };
    (sound && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().ok()? > 0).then_some(())
}

/// Asks once. `Ok` for a status from 200 to 299.
///
/// # Errors
///
/// What came instead, in a few words.
pub(crate) async fn get(url: &Url) -> Result<(), String> {
    let failed = |error: std::io::Error| reason(&error);
    let mut stream = TcpStream::connect(&url.address).await.map_err(failed)?;
    let Url { host, path, .. } = url;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: supervisor\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    let mut bounded = stream.take(MAX_ANSWER);
    while !answer.contains(&b'\n') {
        if bounded.read_buf(&mut answer).await.map_err(failed)? == 0 {
            break;
        }
    }
    judge(&answer)
}

/// Reads the status line at the beginning of `answer`.
fn judge(answer: &[u8]) -> Result<(), String> {
    let line = answer.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err("the connection was closed without an answer".into());
    }
    let status = [&b"HTTP/1.0 "[..], b"HTTP/1.1 "].iter().find_map(|start| line.strip_prefix(*start));
    match status.and_then(|rest| rest.get(..3)) {
        Some([b'2', b'0'..=b'9', b'0'..=b'9']) => Ok(()),
        Some([b'1' | b'3'..=b'5', b'0'..=b'9', b'0'..=b'9']) => {
            Err(format!("status {}", printable(status.unwrap_or_default(), 80).0))
        }
        _ => Err(format!("not an answer in HTTP/1: {:?}", printable(line, 80).0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<(String, String, String), String> {
        Url::parse(text).map(|url| (url.address, url.host, url.path))
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (text, address, host, path) in [
            ("http://localhost", "localhost:80", "localhost", "/"),
            ("http://127.0.0.1:8080/health?x=1#top", "127.0.0.1:8080", "127.0.0.1:8080", "/health?x=1"),
            ("http://[::1]:9/", "[::1]:9", "[::1]:9", "/"),
            ("http://[::1]?q", "[::1]:80", "[::1]", "/?q"),
        ] {
            assert_eq!(parts(text), Ok((address.into(), host.into(), path.into())), "{text}");
        }
    }

    #[test]
    fn what_a_probe_cannot_ask_is_refused_with_the_reason() {
        for (text, reason) in [
            ("https://localhost", "does not begin with http://"),
            ("localhost:80", "does not begin with http://"),
            ("http://", "no sound host"),
            ("http://:80", "no sound host"),
            ("http://localhost:0", "no sound host"),
            ("http://localhost:99999", "no sound host"),
            ("http://localhost:+80", "no sound host"),
            ("http://::1:80", "no sound host"),
            ("http://user@localhost", "user name"),
            ("http://localhost/a b", "%20"),
            ("http://localhost/\r\nX: y", "%0D"),
        ] {
            let error = parts(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn only_a_status_of_the_two_hundreds_is_good() {
        for good in ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 204\n", "HTTP/1.1 299 x"] {
            assert_eq!(judge(good.as_bytes()), Ok(()), "{good:?}");
        }
        for (bad, reason) in [
            ("", "closed without an answer"),
            ("HTTP/1.1 503 Service Unavailable\r\n", "status 503 Service Unavailable"),
            ("HTTP/1.1 301 Moved", "status 301"),
            ("HTTP/1.1 2x0 OK", "not an answer"),
            ("HTTP/2 200", "not an answer"),
            ("SSH-2.0-x\r\n", "not an answer in HTTP/1: \"SSH-2.0-x\""),
        ] {
            let error = judge(bad.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{bad:?}: {error}");
        }
    }
}
