//! Sockets on which the supervisor listens for a program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::{connect_target, tcp_target};
use super::{ChildManifest, ConnectTarget, ReadinessManifest, SocketPermissions};

/// The longest name of a socket, in bytes, as in `sd_listen_fds_with_names(3)`.
const MAX_NAME: usize = 255;

/// A socket on which the supervisor listens, and that every run of a program is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SocketManifest {
    /// Where it listens: an IP address and a port, such as `127.0.0.1:8080`, `0.0.0.0:80` or `[::1]:80`; or the path of a
    /// Unix socket, such as `unix:/run/app/app.sock`. It is bound with the rights of the supervisor, whatever `user` says.
    pub listen: String,
    /// By which name the program finds it in `LISTEN_FDNAMES`. Default: the name of the child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For a Unix socket: who may connect to it. Default: `"0600"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<SocketPermissions>,
}

impl SocketManifest {
    /// By which name the program of the child called `child` finds it.
    pub fn name<'a>(&'a self, child: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(child)
    }
}

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Reads `IP:PORT` or `unix:PATH`. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("unix:") {
            return match connect_target(text)? {
                ConnectTarget::Unix(path) => Ok(Self::Unix(path.to_owned())),
                ConnectTarget::Tcp(_) => Err(not_an_address(text)),
            };
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => {
                Err(format!("'{}' names no port that anybody could know; write one from 1 to 65535", text))
            }
            Ok(address) if address.ip() != address.ip().to_canonical() => Err(format!(
                "'{text}' is an address of IPv4, written as one of IPv6; write it as `{}:{}`",
                address.ip().to_canonical(),
                address.port()
            )),
            Ok(address) => Ok(Self::Tcp(address)),
            Err(_) => Err(not_an_address(text)),
        }
    }

    /// Whether one who listens here leaves no room for one who listens at `other`. The two families of addresses leave
    /// each other room: who listens at `[::]` hears nothing of IPv4.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Self::Tcp(own), Self::Tcp(others)) = (self, other) else { return self == other };
        let all = own.ip().is_unspecified() || others.ip().is_unspecified();
        own.port() == others.port() && own.is_ipv4() == others.is_ipv4() && (all || own.ip() == others.ip())
    }
}

fn not_an_address(text: &str) -> String {
    format!(
        "'{}' is not IP:PORT; write it as `127.0.0.1:8080`, as `0.0.0.0:8080` for every address of the machine, or as \
         `unix:/run/app/app.sock`",
        text.escape_debug()
    )
}

/// What of this is wrong in a manifest: the key, and a sentence.
pub(super) fn problems(child: &ChildManifest) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let mut known: Vec<ListenAddress> = Vec::new();
    for socket in &child.sockets {
        let shown = socket.listen.escape_debug();
        match ListenAddress::parse(&socket.listen) {
            Ok(address) => {
                if known.iter().any(|other| other.overlaps(&address)) {
                    problems.push(("sockets", format!("'{shown}' is listened on twice; keep one of them")));
                }
                if socket.mode.is_some() && matches!(address, ListenAddress::Tcp(_)) {
                    let message =
                        format!("'{shown}' is no Unix socket, so nobody looks at its `mode`; remove that");
                    problems.push(("sockets", message));
                }
                known.push(address);
            }
            Err(message) => problems.push(("sockets", message)),
        }
        if let Some(name) = socket.name.as_deref().filter(|name| !is_name(name)) {
            let shown = name.escape_debug();
            let message =
                format!("'{shown}' cannot name a socket; use up to {MAX_NAME} ASCII characters without `:`");
            problems.push(("sockets", message));
        }
    }
    problems.extend(probes(child, &known));
    problems
}

/// Whether a program can find it in `LISTEN_FDNAMES`.
fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=MAX_NAME).contains(&bytes.len())
        && bytes.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b':')
}

/// Probes that the supervisor itself would answer. One by `http` is not: it wants an answer, which only the program gives.
fn probes(child: &ChildManifest, known: &[ListenAddress]) -> Vec<(&'static str, String)> {
    let readiness = match &child.readiness {
        Some(ReadinessManifest::Probe(probe)) => probe.tcp.as_deref(),
        _ => None,
    };
    let health = child.health_check.as_ref().and_then(|check| check.tcp.as_deref());
    let ours = |probe: Option<&str>| {
        let asked = connected(probe?);
        let answers = |asked: &ListenAddress| known.iter().any(|address| address.overlaps(asked));
        asked.iter().any(answers).then_some(())
    };
    let message = |instead: &str| {
        format!(
            "the supervisor listens there itself (`sockets`), so a connection says nothing; use {instead}"
        )
    };
    let of_both = [
        ("readiness.tcp", ours(readiness), "`http`, `notify` or `log_line`"),
        ("health_check.tcp", ours(health), "`http` or `notify`"),
    ];
    of_both.into_iter().filter_map(|(key, found, instead)| found.map(|()| (key, message(instead)))).collect()
}

/// Where a probe `tcp` of this address connects to. Empty for a host whose addresses only a name server knows.
fn connected(probe: &str) -> Vec<ListenAddress> {
    let address = match connect_target(probe) {
        Ok(ConnectTarget::Unix(path)) => return vec![ListenAddress::Unix(path.to_owned())],
        Ok(ConnectTarget::Tcp(address)) => address,
        // Said elsewhere.
        Err(_) => return Vec::new(),
    };
    let Ok((host, port)) = tcp_target(address) else { return Vec::new() };
    hosts(host).into_iter().map(|ip| ListenAddress::Tcp((ip, port).into())).collect()
}

/// The addresses of a host. Who connects to an unspecified address comes to this machine.
fn hosts(host: &str) -> Vec<IpAddr> {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    if host.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
        return vec![v4, v6];
    }
    match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) if ip.is_unspecified() => vec![if ip.is_ipv4() { v4 } else { v6 }],
        Ok(ip) => vec![ip],
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, address) in [
            ("127.0.0.1:8080", ListenAddress::Tcp(([127, 0, 0, 1], 8080).into())),
            ("[::1]:80", ListenAddress::Tcp("[::1]:80".parse().unwrap())),
            ("unix:/run/a.sock", ListenAddress::Unix("/run/a.sock".into())),
        ] {
            assert_eq!(ListenAddress::parse(text), Ok(address), "{text}");
        }
        for (bad, words) in [
            ("", "127.0.0.1:8080"),
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:8080", "is not IP:PORT"),
            ("127.0.0.1", "is not IP:PORT"),
            ("127.0.0.1:0", "names no port"),
            ("127.0.0.1:65536", "is not IP:PORT"),
            ("[::ffff:127.0.0.1]:80", "write it as `127.0.0.1:80`"),
            ("/run/a.sock", "unix:/run/app/app.sock"),
            ("unix:a.sock", "names no socket"),
        ] {
            let said = ListenAddress::parse(bad).unwrap_err();
            assert!(said.contains(words), "{bad}: {said}");
        }
    }

    #[test]
    fn one_address_leaves_no_room_for_another() {
        let overlap = |one: &str, other: &str| {
            let of = |text| ListenAddress::parse(text).unwrap();
            assert_eq!(of(one).overlaps(&of(other)), of(other).overlaps(&of(one)));
            of(one).overlaps(&of(other))
        };
        assert!(overlap("127.0.0.1:80", "127.0.0.1:80") && overlap("0.0.0.0:80", "127.0.0.1:80"));
        assert!(overlap("unix:/a", "unix:/a") && !overlap("unix:/a", "unix:/b"));
        for other in ["127.0.0.2:80", "127.0.0.1:81", "[::1]:80", "[::]:80", "unix:/a"] {
            assert!(!overlap("127.0.0.1:80", other), "{other}");
        }
    }

    #[test]
    fn a_probe_that_the_supervisor_answers_itself_is_refused() {
        let judged = |listen: &str, probe: &str| {
            let said = serde_json::json!({
                "name": "a", "kind": "process", "command": ["a"], "sockets": [{"listen": listen}],
                "readiness": {"tcp": probe}, "health_check": {"tcp": probe},
            });
            let found = problems(&serde_json::from_value(said).unwrap());
            found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        for (listen, probe) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "localhost:80"),
            ("127.0.0.1:80", "LocalHost.:80"),
            ("[::1]:80", "localhost:80"),
            ("0.0.0.0:80", "localhost:80"),
            ("[::]:80", "localhost:80"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("[::1]:80", "[::]:80"),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80"),
            ("127.0.0.1:80", "[::ffff:0.0.0.0]:80"),
            ("0.0.0.0:80", "192.0.2.1:80"),
            ("unix:/a", "unix:/a"),
        ] {
            assert_eq!(judged(listen, probe), ["readiness.tcp", "health_check.tcp"], "{listen} {probe}");
        }
        for (listen, probe) in [
            ("127.0.0.1:80", "localhost:81"),
            ("127.0.0.1:80", "[::1]:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("192.0.2.1:80", "localhost:80"),
            ("192.0.2.1:80", "0.0.0.0:80"),
            ("127.0.0.1:80", "db.example:80"),
            ("unix:/a", "unix:/b"),
        ] {
            assert_eq!(judged(listen, probe), [""; 0], "{listen} {probe}");
        }
    }

    #[test]
    fn a_probe_by_http_is_answered_by_the_program_alone() {
        let said = serde_json::json!({
            "name": "a", "kind": "process", "command": ["a"], "sockets": [{"listen": "127.0.0.1:80"}],
            "readiness": {"http": "http://localhost/"}, "health_check": {"http": "http://127.0.0.1/"},
        });
        assert_eq!(problems(&serde_json::from_value(said).unwrap()), []);
    }
}
