//! Keys that each make sense and together do not.

use std::collections::HashMap;
use std::net::SocketAddr;

use supervisor_api::manifest::health_address;
use supervisor_yaml::{FileFinding, Node, Place, Value};

use super::effect::LISTEN;
use super::said::{ClientAuth, Others, RelayFile};
use super::text::Digest;
use crate::clock;
use crate::rights::Pattern;

/// One step into a file.
#[derive(Debug, Clone, Copy)]
enum Step {
    Key(&'static str),
    Item(usize),
}

use Step::{Item, Key};

/// What is wrong or doubtful in a file of which every key is good.
pub(super) fn findings(said: &RelayFile, root: &Node) -> Vec<FileFinding> {
    let mut found = Found { root, findings: Vec::new() };
    addresses(said, &mut found);
    clients(said, &mut found);
    tokens(said, &mut found);
    certificates(said, &mut found);
    roles(said, &mut found);
    found.findings
}

struct Found<'a> {
    root: &'a Node,
    findings: Vec<FileFinding>,
}

impl Found<'_> {
    fn error(&mut self, way: &[Step], message: impl Into<String>) {
        self.add(way, message.into(), false);
    }

    fn warning(&mut self, way: &[Step], message: impl Into<String>) {
        self.add(way, message.into(), true);
    }

    fn add(&mut self, way: &[Step], message: String, warning: bool) {
        self.findings.push(FileFinding { place: self.place(way), path: None, message, warning });
    }

    /// Where this is, or as much of the way there as stands in the file.
    fn place(&self, way: &[Step]) -> Place {
        let (mut node, mut place) = (self.root, Place::START);
        for step in way {
            let next = match (step, &node.value) {
                (Key(key), _) => node.get(key).map(|entry| &entry.node),
                (Item(at), Value::List(items)) => items.get(*at),
                _ => None,
            };
            let Some(next) = next else { break };
            (node, place) = (next, next.place);
        }
        place
    }
}

fn addresses(said: &RelayFile, found: &mut Found<'_>) {
    let listen = said.listen.as_ref().and_then(super::text::Address::socket).unwrap_or(LISTEN);
    let is_loopback = listen.ip().is_loopback();
    if !is_loopback && said.tls.is_none() {
        found.error(
            &[Key("listen")],
            "`listen` can be reached from other machines, and without `tls` everybody on the way reads tokens; add `tls`, \
             or listen on 127.0.0.1",
        );
    }
    if said.login_link == Some(true) && !is_loopback {
        found.error(
            &[Key("login_link")],
            "`login_link` is for the person at this machine, and `listen` is no address of loopback; remove one",
        );
    }
    if listen.ip().is_unspecified() && said.names.is_empty() {
        found.error(
            &[Key("listen")],
            "`listen` means every address of this machine, so nobody asks under it; add `names: [HOST:PORT]` with what \
             browsers ask for",
        );
    }
    let Some(health) = &said.health else { return };
    match health_address(health.listen.as_str()) {
        Err(problem) => found.error(&[Key("health"), Key("listen")], problem),
        Ok(health) if is_same(health, listen) => {
            found.error(
                &[Key("health"), Key("listen")],
                "`health.listen` is the address of `listen`; take another port",
            );
        }
        Ok(_) => {}
    }
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}

fn clients(said: &RelayFile, found: &mut Found<'_>) {
    let Some(tls) = &said.tls else {
        if !said.certificates.is_empty() {
            found.error(
                &[Key("certificates")],
                "`certificates` has no effect without `tls`; add `tls` with `client_ca`",
            );
        }
        return;
    };
    if tls.client_ca.is_some() {
        return;
    }
    if tls.client_auth == Some(ClientAuth::Required) {
        found.error(
            &[Key("tls"), Key("client_auth")],
            "`tls.client_auth` needs `client_ca`: the authorities that sign the certificates of clients",
        );
    }
    for (is_there, way) in [
        (tls.client_auth == Some(ClientAuth::Optional), &[Key("tls"), Key("client_auth")][..]),
        (!tls.revoked.is_empty(), &[Key("tls"), Key("revoked")]),
        (!tls.revocation_lists.is_empty(), &[Key("tls"), Key("revocation_lists")]),
        (!said.certificates.is_empty(), &[Key("certificates")]),
    ] {
        if is_there {
            found.error(way, "this has no effect without `tls.client_ca`; add that, or remove this");
        }
    }
}

fn tokens(said: &RelayFile, found: &mut Found<'_>) {
    let mut digests: HashMap<String, &str> = HashMap::new();
    let now = clock::now().0 / 1_000_000_000;
    for (at, token) in said.tokens.iter().enumerate() {
        let name = token.name.as_str();
        if let Some(other) = digests.insert(bare(&token.sha256), name) {
            let message = format!(
                "'{name}' has the same token as '{other}'; `supervisor relay token NAME` makes another"
            );
            found.error(&[Key("tokens"), Item(at), Key("sha256")], message);
        }
        if token.expires.unix_seconds().is_some_and(|end| end <= now) {
            let message = format!("the token of '{name}' has expired; remove it, or make another");
            found.warning(&[Key("tokens"), Item(at), Key("expires")], message);
        }
    }
}

fn bare(digest: &Digest) -> String {
    digest.as_str().replace(':', "").to_ascii_lowercase()
}

fn certificates(said: &RelayFile, found: &mut Found<'_>) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (at, certificate) in said.certificates.iter().enumerate() {
        let name = certificate.name.as_str();
        if names.insert(name, certificate.identity.as_str()).is_some() {
            let message = format!("the certificate '{name}' is there twice; keep one");
            found.error(&[Key("certificates"), Item(at), Key("name")], message);
        }
    }
}

fn roles(said: &RelayFile, found: &mut Found<'_>) {
    if said.others != Some(Others::Nothing) {
        return;
    }
    let patterns: Vec<_> = said.roles.iter().map(|role| Pattern::new(role.identity.as_str())).collect();
    for (at, token) in said.tokens.iter().enumerate() {
        let name = token.name.as_str();
        if !patterns.iter().any(|pattern| pattern.fits(name)) {
            let message =
                format!("'{name}' has a token and no role, and `others` is nothing: it sees nothing");
            found.warning(&[Key("tokens"), Item(at), Key("name")], message);
        }
    }
}
