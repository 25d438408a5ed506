//! As whom the relay may be asked, and by which pages (`security.md` 19).
//!
//! A page anywhere can make a name of its own mean our address, and then speak to us as that name; or open a WebSocket
//! to us under our own. The first is seen by the `Host`, the second by the `Origin`. Both are compared as a whole with
//! a list.

use std::net::SocketAddr;

/// The names that are answered to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Names {
    /// No name at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of a relay that listens on this address and speaks HTTP: the address, and `localhost` if that is a
    /// loopback one.
    pub fn of(address: SocketAddr) -> Self {
        Self::at("http", 80, address)
    }

    /// The same for one that speaks HTTPS.
    pub fn of_tls(address: SocketAddr) -> Self {
        Self::at("https", 443, address)
    }

    fn at(scheme: &str, usual_port: u16, address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        // A browser leaves the usual port out.
        let port = if address.port() == usual_port { String::new() } else { format!(":{}", address.port()) };
        let names = Self::new().with(scheme, &format!("{host}{port}"));
        if address.ip().is_loopback() { names.with(scheme, &format!("localhost{port}")) } else { names }
    }

    /// This host too, with its port unless that is the usual one, asked by pages that have it as their origin.
    #[must_use]
    pub fn with(mut self, scheme: &str, host: &str) -> Self {
        self.origins.push(format!("{scheme}://{host}"));
        self.hosts.push(host.to_owned());
        self
    }

    /// Whether this is how we are called. There is one `Host`, and it is in the list.
    pub(crate) fn has_host<'a>(&self, mut hosts: impl Iterator<Item = &'a [u8]>) -> bool {
        let host = hosts.next().filter(|_| hosts.next().is_none());
        host.is_some_and(|host| is_one_of(&self.hosts, host))
    }

    /// Whether a request with these origins may go on. A program that is no browser sends none.
    pub(crate) fn has_origin<'a>(&self, mut origins: impl Iterator<Item = &'a [u8]>) -> bool {
        let Some(origin) = origins.next() else { return true };
        origins.next().is_none() && is_one_of(&self.origins, origin)
    }
}

fn is_one_of(names: &[String], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::of("127.0.0.1:9900".parse().unwrap()).with("https", "relay.example")
    }

    #[test]
    fn s19_a_host_is_in_the_list_as_a_whole_and_there_is_one() {
        let has = |hosts: &[&str]| names().has_host(hosts.iter().map(|host| host.as_bytes()));
        for good in ["127.0.0.1:9900", "localhost:9900", "LocalHost:9900", "relay.example"] {
            assert!(has(&[good]), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1",
            "127.0.0.1:9901",
            "localhost",
            "evil.example",
            "evil.example:9900",
            "localhost:9900.evil.example",
            "127.0.0.1.evil.example:9900",
            "relay.example.",
            "relay.example:443",
            "x@relay.example",
            "[::1]:9900",
        ] {
            assert!(!has(&[bad]), "{bad}");
        }
        assert!(!has(&[]) && !has(&["localhost:9900", "localhost:9900"]));
    }

    #[test]
    fn s19_an_origin_is_in_the_list_as_a_whole_or_absent() {
        let has = |origins: &[&str]| names().has_origin(origins.iter().map(|origin| origin.as_bytes()));
        assert!(has(&[]) && has(&["http://127.0.0.1:9900"]) && has(&["https://relay.example"]));
        for bad in [
            "",
            "null",
            "http://evil.example",
            "https://127.0.0.1:9900",
            "http://relay.example",
            "http://127.0.0.1:9900.evil.example",
            "http://127.0.0.1:9900/",
            "file://",
        ] {
            assert!(!has(&[bad]), "{bad}");
        }
        assert!(!has(&["https://relay.example", "http://evil.example"]));
    }

    #[test]
    fn s19_only_a_loopback_address_is_called_localhost() {
        let of = |address: &str| Names::of(address.parse().unwrap());
        assert_eq!(of("10.0.0.7:81").hosts, ["10.0.0.7:81"]);
        assert_eq!(of("[::1]:81").hosts, ["[::1]:81", "localhost:81"]);
    }

    #[test]
    fn s19_the_usual_port_is_left_out_as_browsers_do() {
        let names = Names::of("127.0.0.1:80".parse().unwrap());
        assert_eq!(names.hosts, ["127.0.0.1", "localhost"]);
        assert_eq!(names.origins, ["http://127.0.0.1", "http://localhost"]);
        let names = Names::of_tls("10.0.0.7:443".parse().unwrap());
        assert_eq!(
            (&names.hosts[..], &names.origins[..]),
            (&["10.0.0.7".into()][..], &["https://10.0.0.7".into()][..])
        );
        assert_eq!(Names::of_tls("10.0.0.7:80".parse().unwrap()).origins, ["https://10.0.0.7:80"]);
    }
}
