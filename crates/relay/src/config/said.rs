//! The keys of a relay's file. The descriptions here are those of the schema, so they are for people who write one.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{Address, Digest, Host, Moment, Name, Path, Pattern};
use crate::rights::Role;

/// A relay's file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayFile {
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "there is one version, and the reader refuses every other")]
    pub(super) version: u32,
    /// Where browsers connect, as IP:PORT; with port 0 on any that is free. An address that other machines reach needs
    /// `tls`. Default: 127.0.0.1:9900.
    pub(super) listen: Option<Address>,
    /// The names under which browsers ask for the relay, each with its port unless that is the usual one:
    /// `relay.example:9900`. Needed for every name that is not the address in `listen`, and for a proxy before the relay.
    #[serde(default)]
    pub(super) names: Vec<Host>,
    /// Encryption, and who may come in by certificate. Default: none.
    pub(super) tls: Option<Tls>,
    /// The socket at which targets register. Default: relay.sock where the control sockets of this user are.
    pub(super) registration: Option<Path>,
    /// The directory in which the relay keeps what outlives it. Default: tokio-supervisor/relay below $XDG_STATE_HOME; for
    /// root without that below /var/lib; else below ~/.local/state.
    pub(super) state_dir: Option<Path>,
    /// The directory of the audit. Default: audit in `state_dir`.
    pub(super) audit_dir: Option<Path>,
    /// The numbers of the users whose processes may register targets. Default: this user, and root.
    pub(super) users: Option<Vec<u32>>,
    /// The directories below which targets may listen. Default: where the control sockets of this user are.
    pub(super) socket_directories: Option<Vec<Path>>,
    /// How many targets may be registered. Default: 1000.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) max_targets: Option<u32>,
    /// How many KiB of messages are kept for each target, for browsers that are slow or come back. Default: 2048.
    #[schemars(range(min = 64, max = 1_048_576))]
    pub(super) ring_kib: Option<u32>,
    /// Bearer tokens. `supervisor relay token NAME` makes one and prints its item.
    #[serde(default)]
    pub(super) tokens: Vec<TokenItem>,
    /// Certificates of clients whose name is not to be the identity.
    #[serde(default)]
    pub(super) certificates: Vec<CertificateItem>,
    /// Who may do what. The highest role that fits counts.
    #[serde(default)]
    pub(super) roles: Vec<RoleItem>,
    /// What those may do with every target whom no item of `roles` names. Default: viewer.
    pub(super) others: Option<Others>,
    /// Whether a link is printed by which the person at this terminal signs in as an admin. Only where `listen` is an
    /// address of loopback. Default: true there.
    pub(super) login_link: Option<bool>,
    /// Where probes and scrapers ask: /healthz, /readyz, /metrics. Default: nowhere.
    pub(super) health: Option<Health>,
    /// How long targets may take.
    #[serde(default)]
    pub(super) limits: Limits,
}

/// Encryption.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// The file with the relay's certificate and those that lead to its root, as PEM.
    pub(super) cert: Path,
    /// The file with its private key, as PEM.
    pub(super) key: Path,
    /// The file with the authorities that sign the certificates of clients, as PEM. Default: none; then nobody comes in
    /// by certificate.
    pub(super) client_ca: Option<Path>,
    /// Whether a client has to show a certificate. Default: optional.
    pub(super) client_auth: Option<ClientAuth>,
    /// The SHA-256 of each certificate of a client that proves nothing any more.
    #[serde(default)]
    pub(super) revoked: Vec<Digest>,
    /// Files with the lists of what the authorities have revoked, as PEM. When there is one, there has to be one of each
    /// authority.
    #[serde(default)]
    pub(super) revocation_lists: Vec<Path>,
}

/// Whether a client has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuth {
    /// It may, and may show a token instead.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// A bearer token.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenItem {
    /// Who shows it, as `roles` and the audit call them.
    pub(super) name: Name,
    /// The SHA-256 of the token, in hexadecimal. The token itself stands nowhere.
    pub(super) sha256: Digest,
    /// Until when it is good: `2027-01-31`, to the end of that day in UTC, or `2027-01-31T12:00:00Z`.
    pub(super) expires: Moment,
}

/// A certificate whose name is not to be the identity.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateItem {
    /// The common name in it.
    pub(super) name: Name,
    /// Who shows it, as `roles` and the audit call them.
    pub(super) identity: Name,
}

/// Who may do what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleItem {
    /// Who; `*` is any text.
    pub(super) identity: Pattern,
    /// The ids of the targets; `*` is any text. Default: every target.
    pub(super) targets: Option<Pattern>,
    /// What they may do.
    pub(super) role: Role,
}

/// What those may do whom no role names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Others {
    /// They see nothing.
    Nothing,
    /// They look.
    Viewer,
}

/// Where probes and scrapers ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    /// As 127.0.0.1:PORT or [::1]:PORT; with port 0 on any that is free. Only addresses of loopback: everybody who can
    /// reach it is answered.
    pub(super) listen: Address,
}

/// How long targets may take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Seconds within which a target that was asked has to answer. Default: 10.
    pub(super) answer_secs: Option<NonZeroU32>,
    /// Seconds in which the commands that run are finished when the relay stops. Default: 10.
    pub(super) stop_secs: Option<NonZeroU32>,
}
