//! The addresses that probes ask at.

use std::path::Path;

/// The longest path of a socket that the system takes, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// Where an `http` probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// `HOST:PORT`, to connect to.
    pub authority: String,
    /// The path and query, to ask for; at least `/`.
    pub path: String,
}

/// Reads the address of an `http` probe. The error is a sentence.
pub fn http_target(url: &str) -> Result<HttpTarget, String> {
    let shown = url.escape_debug();
    let example = "write it as `http://127.0.0.1:8080/health`";
    let Some(rest) = url.strip_prefix("http://") else {
        let https = url.starts_with("https://");
        let why = if https { "is not plain http" } else { "does not begin with `http://`" };
        return Err(format!("the address '{shown}' {why}; {example}"));
    };
    let (host, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let with_port = if has_port(host) { host.to_owned() } else { format!("{host}:80") };
    tcp_target(&with_port)
        .map_err(|_| format!("the address '{shown}' has no good host and port; {example}"))?;
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(format!("the path of '{shown}' has a character that must be written as %XX"));
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(HttpTarget { authority: with_port, path })
}

/// Whether a port follows the host; an address in brackets has colons of its own.
fn has_port(host: &str) -> bool {
    host.rsplit(']').next().is_some_and(|end| end.contains(':'))
}

/// Where a `tcp` probe connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectTarget<'a> {
    /// A port, as `HOST:PORT`.
    Tcp(&'a str),
    /// A Unix socket, by its absolute path.
    Unix(&'a Path),
}

/// Reads the address of a `tcp` probe: `HOST:PORT`, or `unix:PATH`. The error is a sentence.
pub fn connect_target(address: &str) -> Result<ConnectTarget<'_>, String> {
    let Some(path) = address.strip_prefix("unix:") else {
        return tcp_target(address).map(|_| ConnectTarget::Tcp(address));
    };
    let shown = address.escape_debug();
    if !path.starts_with('/') || path.contains('\0') {
        return Err(format!("'{shown}' names no socket; write it as `unix:/run/app/app.sock`"));
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(format!(
            "the path in '{shown}' has {} bytes, and that of a socket at most {MAX_SOCKET_PATH}; use a shorter one",
            path.len()
        ));
    }
    Ok(ConnectTarget::Unix(Path::new(path)))
}

/// Reads `HOST:PORT`. The error is a sentence.
pub fn tcp_target(address: &str) -> Result<(&str, u16), String> {
    let sentence =
        || format!("the address '{}' is not HOST:PORT; write it as `127.0.0.1:5432`", address.escape_debug());
    let (host, port) = address.rsplit_once(':').ok_or_else(sentence)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_good = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    };
    let port_is_good = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if port > 0 && host_is_good && port_is_good => Ok((bare.unwrap_or(host), port)),
        _ => Err(sentence()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let http = |url| http_target(url).map(|target| (target.authority, target.path));
        assert_eq!(http("http://a:1/x?y=1"), Ok(("a:1".into(), "/x?y=1".into())));
        assert_eq!(http("http://a"), Ok(("a:80".into(), "/".into())));
        assert_eq!(http("http://[::1]"), Ok(("[::1]:80".into(), "/".into())));
        assert_eq!(http("http://a:1?q"), Ok(("a:1".into(), "/?q".into())));
        for bad in [
            "",
            "a:1",
            "http://",
            "http://:1/",
            "http://a:0/",
            "http://a:x/",
            "http://a/\r\nX: y",
            "http://u@a/",
        ] {
            assert!(http_target(bad).is_err(), "{bad:?}");
        }
        assert_eq!(tcp_target("[::1]:5"), Ok(("::1", 5)));
        for bad in ["", ":1", "a:", "a:+1", "a:65536", "::1:5", "[x]:5", "a b:5"] {
            assert!(tcp_target(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_socket_is_named_by_an_absolute_path_that_the_system_takes() {
        assert_eq!(connect_target("unix:/run/x.sock"), Ok(ConnectTarget::Unix(Path::new("/run/x.sock"))));
        assert_eq!(connect_target("a:1"), Ok(ConnectTarget::Tcp("a:1")));
        for (bad, words) in [
            ("unix:", "unix:/run/app/app.sock"),
            ("unix:x.sock", "unix:/run/app/app.sock"),
            ("unix:/a\0", "names no socket"),
            ("localhost", "HOST:PORT"),
        ] {
            let said = connect_target(bad).unwrap_err();
            assert!(said.contains(words), "{bad:?}: {said}");
        }
        let path = |length: usize| format!("unix:/{}", "x".repeat(length - 1));
        assert!(connect_target(&path(107)).is_ok());
        assert!(connect_target(&path(108)).unwrap_err().contains("108 bytes"));
    }
}
