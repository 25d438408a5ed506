//! What a relay does by its file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use supervisor_api::ChildId;

use super::said::{ClientAuth, Others};
use super::{ConfigFile, text};
use crate::identity::{Mapping, MappingError};
use crate::relay::{Config, NAME};
use crate::rights::Role;
use crate::web::{ClientAuthorities, ClientCertificates, Names, TlsFiles};

/// Where browsers connect when nobody says otherwise.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// There is no place for something that the file does not name either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no place for `{key}`: neither {variables} is set; write `{key}` in the file")]
pub struct NoPlace {
    key: &'static str,
    variables: &'static str,
}

impl ConfigFile {
    /// How the relay is run.
    ///
    /// # Errors
    ///
    /// When something has no place.
    pub fn relay(&self) -> Result<Config, NoPlace> {
        let said = &self.said;
        let state = self.state()?;
        let audit = said.audit_dir.as_ref().map_or_else(|| state.join("audit"), |path| self.at(path));
        let mut config = Config::new(self.registration()?, audit);
        config.state = Some(state);
        config.among = said.registration.is_none().then(|| self.surroundings.clone());
        if let Some(users) = &said.users {
            config.users.clone_from(users);
        }
        if let Some(directories) = &said.socket_directories {
            config.socket_directories = directories.iter().map(|path| self.at(path)).collect();
        }
        if let Some(most) = said.max_targets {
            config.max_targets = most as usize;
        }
        if let Some(kib) = said.ring_kib {
            config.ring_bytes = kib as usize * 1024;
        }
        if let Some(seconds) = said.limits.answer_secs {
            config.client.read = Duration::from_secs(seconds.get().into());
        }
        if let Some(seconds) = said.limits.stop_secs {
            config.stop = Duration::from_secs(seconds.get().into());
        }
        Ok(config)
    }

    fn at(&self, path: &text::Path) -> PathBuf {
        path.from(&self.directory)
    }

    fn registration(&self) -> Result<PathBuf, NoPlace> {
        if let Some(path) = &self.said.registration {
            return Ok(self.at(path));
        }
        let places = self.surroundings.socket_places();
        let is_there = |place: &&supervisor_socket::Place| place.base.is_dir();
        let place = places.iter().find(is_there).or(places.first());
        let variables = "XDG_RUNTIME_DIR nor XDG_STATE_HOME nor HOME";
        place.map(|place| place.path().join("relay.sock")).ok_or(NoPlace { key: "registration", variables })
    }

    fn state(&self) -> Result<PathBuf, NoPlace> {
        if let Some(path) = &self.said.state_dir {
            return Ok(self.at(path));
        }
        let place = ChildId::new(NAME).ok().and_then(|name| self.surroundings.state_place(&name));
        let variables = "XDG_STATE_HOME nor HOME";
        place.map(|place| place.path()).ok_or(NoPlace { key: "state_dir", variables })
    }

    /// Where browsers connect.
    pub fn listen(&self) -> SocketAddr {
        self.said.listen.as_ref().and_then(text::Address::socket).unwrap_or(LISTEN)
    }

    /// As whom the relay may be asked that listens on this address.
    pub fn names(&self, address: SocketAddr) -> Names {
        let scheme = if self.said.tls.is_some() { "https" } else { "http" };
        let names = if scheme == "https" { Names::of_tls(address) } else { Names::of(address) };
        self.said.names.iter().fold(names, |names, host| {
            let names = names.with(scheme, host.as_str());
            // What stands before a relay on loopback may speak TLS for it.
            if scheme == "http" { names.with("https", host.as_str()) } else { names }
        })
    }

    /// The files of TLS.
    pub fn tls(&self) -> Option<TlsFiles> {
        let said = self.said.tls.as_ref()?;
        let authorities = said.client_ca.as_ref().map(|path| ClientAuthorities {
            authorities: self.at(path),
            revoked: said.revocation_lists.iter().map(|path| self.at(path)).collect(),
        });
        Some(TlsFiles {
            certificate: self.at(&said.cert),
            key: self.at(&said.key),
            clients: match (authorities, said.client_auth) {
                (None, _) => ClientCertificates::Unused,
                (Some(authorities), Some(ClientAuth::Required)) => ClientCertificates::Required(authorities),
                (Some(authorities), _) => ClientCertificates::Optional(authorities),
            },
        })
    }

    /// Whether a link is to be printed by which the person at this terminal signs in.
    pub fn login_link(&self) -> bool {
        self.said.login_link.unwrap_or(true) && self.listen().ip().is_loopback()
    }

    /// Where probes and scrapers ask.
    pub fn health(&self) -> Option<SocketAddr> {
        self.said.health.as_ref()?.listen.socket()
    }

    /// Who may come in, and who may do what.
    ///
    /// # Errors
    ///
    /// When something in it contradicts itself in a way that the file's check has not seen.
    pub fn mapping(&self) -> Result<Mapping, MappingError> {
        let said = &self.said;
        let mut mapping = Mapping::new();
        for token in &said.tokens {
            let end = token.expires.unix_seconds();
            let digest = token.sha256.as_str().replace(':', "");
            mapping = mapping.with_token(&digest, token.name.as_str(), end)?;
        }
        for certificate in &said.certificates {
            mapping = mapping.with_certificate(certificate.name.as_str(), certificate.identity.as_str())?;
        }
        for digest in said.tls.iter().flat_map(|tls| &tls.revoked) {
            mapping = mapping.without_certificate(digest.as_str())?;
        }
        for role in &said.roles {
            let targets = role.targets.as_ref().map_or("*", text::Pattern::as_str);
            mapping = mapping.with_role(role.identity.as_str(), targets, role.role);
        }
        Ok(mapping.unmapped(match said.others {
            Some(Others::Nothing) => None,
            Some(Others::Viewer) | None => Some(Role::Viewer),
        }))
    }

    /// The keys that say something else in another file and hold only from a start on: all but certificates, tokens and
    /// roles.
    pub fn differs(&self, other_file: &Self) -> Vec<&'static str> {
        let (one, other) = (&self.said, &other_file.said);

        let all = [
            ("listen", one.listen == other.listen),
            ("names", one.names == other.names),
            ("tls", self.tls() == other_file.tls()),
            ("registration", one.registration == other.registration),
            ("state_dir", one.state_dir == other.state_dir),
            ("audit_dir", one.audit_dir == other.audit_dir),
            ("users", one.users == other.users),
            ("socket_directories", one.socket_directories == other.socket_directories),
            ("max_targets", one.max_targets == other.max_targets),
            ("ring_kib", one.ring_kib == other.ring_kib),
            ("login_link", one.login_link == other.login_link),
            ("health", one.health == other.health),
            ("limits", one.limits == other.limits),
        ];
        all.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect()
    }
}
