//! The control socket of a stack, and its health endpoint.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::units::{Infinity, Seconds};
use crate::life::words;

/// The control socket of a run: where it is, who may do what, and what is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ControlManifest {
    /// Where the socket is. A relative path begins where the supervisor was started. Its directory must be there,
    /// belong to this user and be written by nobody else. `--socket` goes before it. Default: `NAME.sock` in the
    /// first default place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who may open the socket's file. Whom `roles` names needs more than the default, and a `path` in a directory
    /// that may be entered. Default: `"0600"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<SocketPermissions>,
    /// What may be at the path before. Default: `replace_stale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_mode: Option<SocketBindMode>,
    /// By which id the target is known to clients and relays: any text of at most 256 bytes. Default: the name of the
    /// stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// What people call the target. Default: the target's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Who may connect besides this user and root, who may do everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleManifest>,
    /// The programs that others than this user and root may name in `add`, by canonical absolute path. No shells.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_programs: Vec<String>,
    /// The relay that is told of this target. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationManifest>,
    /// Where is recorded what is asked of the target, or `off`. Default: in the directory of the stack's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditManifest>,
    /// How many, how long and how often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ControlLimits>,
}

words! {
    /// Who may open a socket's file.
    SocketPermissions {
        /// This user, and root.
        User = "0600",
        /// And the group that the supervisor runs as.
        Group = "0660",
        /// And everybody else.
        Everybody = "0666",
    }
}

impl SocketPermissions {
    /// The mode of the file.
    pub const fn mode(self) -> u32 {
        match self {
            Self::User => 0o600,
            Self::Group => 0o660,
            Self::Everybody => 0o666,
        }
    }
}

words! {
    /// What may be at a socket's path before.
    SocketBindMode {
        /// Nothing.
        CreateNew = "create_new",
        /// Nothing, or a socket of this user on which nobody listens.
        ReplaceStale = "replace_stale",
    }
}

/// Who may do what: one user, or one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoleManifest {
    /// A user, by number, or by name as `/etc/passwd` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<Account>,
    /// Whoever has this primary group, by number, or by name as `/etc/group` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<Account>,
    /// What it may do.
    pub role: ControlRole,
    /// For a user: a relay runs as it. Who asks through it is shown by the name that the relay says. Default:
    /// `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<bool>,
}

words! {
    /// What somebody may do. Each may do what those before may.
    ControlRole {
        /// Look.
        Viewer = "viewer",
        /// Restart, pause, resume, quarantine and signal children.
        Operator = "operator",
        /// Add and remove children, and shut the tree down.
        Admin = "admin",
    }
}

/// A user or a group: a number, or a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number or a name")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Account {
    /// The number itself.
    Number(u32),
    /// A name of this machine.
    Name(String),
}

impl From<u32> for Account {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Account {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

/// The relay that is told of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegistrationManifest {
    /// The relay's registration socket, an absolute path.
    pub relay: String,
    /// How long a registration holds unless it is renewed, in seconds. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_secs: Option<NonZeroU32>,
    /// How often it is renewed, in seconds; shorter than the lease. Default: half of the lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_secs: Option<Seconds>,
}

words! {
    /// The audit that records nothing.
    NoAudit {
        /// Nothing is recorded. Health says so.
        Off = "off",
    }
}

/// Where is recorded what is asked of a target: `off`, or how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`off` or a mapping with `path`, `fail_open`, `segment_mib` and `total_mib`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AuditManifest {
    /// `off`: nothing is recorded.
    Word(NoAudit),
    /// Everything is recorded.
    Kept(AuditKept),
}

/// Where is recorded what is asked of a target, and how much of it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditKept {
    /// The directory; one target writes to it at a time. It is made when it is missing. A relative path begins where
    /// the supervisor was started. Default: `audit` in the directory of the stack's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether commands are carried out also when they cannot be recorded. Health says so. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_open: Option<bool>,
    /// A file that would grow beyond this many MiB is ended, and the next one begins. Default: 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_mib: Option<NonZeroU32>,
    /// When all files together have more than this many MiB, the oldest are dropped. Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_mib: Option<NonZeroU32>,
}

/// How many connections there may be, how long a peer may take, and how often it may command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ControlLimits {
    /// Connections at a time. Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<NonZeroU32>,
    /// Connections of one user at a time. Default: 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections_per_user: Option<NonZeroU32>,
    /// Of `max_connections`, how many only an admin can have. Default: 16, at most half of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_for_admins: Option<u32>,
    /// From the first byte of a request to its end, in seconds. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_secs: Option<Seconds>,
    /// How long a connection without a subscription may be silent, in seconds, or `infinity`. Default: 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_secs: Option<IdleWithin>,
    /// How long a peer may not read what it is sent, in seconds. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_secs: Option<Seconds>,
    /// How large a request that brings a child or a stack text may be, in KiB; others have 64. Default: 1024.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 64, max = 8192)))]
    pub manifest_kib: Option<u32>,
    /// Commands of one user in a second, in the long run. Default: 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub commands_per_sec: Option<NonZeroU32>,
    /// Commands of one user at once. Default: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands_burst: Option<NonZeroU32>,
    /// How often in a minute a user that may not connect is told so. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub refusals_per_min: Option<NonZeroU32>,
}

/// How long somebody may be silent: seconds or `infinity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of seconds above 0, or `infinity`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum IdleWithin {
    /// A time.
    Seconds(Seconds),
    /// `infinity`: for ever.
    Word(Infinity),
}

impl IdleWithin {
    /// The time, or `None` for `infinity`.
    pub const fn duration(self) -> Option<std::time::Duration> {
        match self {
            Self::Seconds(seconds) => Some(seconds.duration()),
            Self::Word(_) => None,
        }
    }
}

/// What probes and scrapers of the same machine read: `/livez`, `/readyz` and `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthManifest {
    /// Where it listens, as `127.0.0.1:PORT` or `[::1]:PORT`; with port 0 on any that is free. Only addresses of
    /// loopback: it answers everybody who can reach it.
    pub listen: String,
}

/// Reads the address of a health endpoint. The error is a sentence.
pub fn health_address(listen: &str) -> Result<SocketAddr, String> {
    let example = "write it as `127.0.0.1:9464`";
    loopback(listen, example)?.ok_or_else(|| {
        let shown = listen.escape_debug();
        format!(
            "the address '{shown}' can be reached from other machines, and health answers everybody; {example}, and \
             put a proxy before it that knows who asks"
        )
    })
}

/// An address; `None` when other machines can reach it. The error is a sentence.
pub(super) fn loopback(listen: &str, example: &str) -> Result<Option<SocketAddr>, String> {
    let shown = listen.escape_debug();
    let address: SocketAddr =
        listen.parse().map_err(|_| format!("the address '{shown}' is not IP:PORT; {example}"))?;
    Ok(Some(address).filter(|address| address.ip().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_listens_on_loopback_alone() {
        for good in ["127.0.0.1:9464", "127.8.9.1:1", "[::1]:65535", "127.0.0.1:0"] {
            assert!(health_address(good).is_ok(), "{good}");
        }
        for (bad, words) in [
            ("0.0.0.0:9464", "other machines"),
            ("[::]:9464", "other machines"),
            ("192.168.0.7:80", "other machines"),
            ("[::ffff:127.0.0.1]:80", "other machines"),
            ("localhost:9464", "is not IP:PORT"),
            ("127.0.0.1", "is not IP:PORT"),
            ("127.0.0.1:65536", "is not IP:PORT"),
            (":9464", "is not IP:PORT"),
            ("", "is not IP:PORT"),
        ] {
            let said = health_address(bad).unwrap_err();
            assert!(said.contains(words) && said.contains("127.0.0.1:9464"), "{bad}: {said}");
        }
    }

    #[test]
    fn words_numbers_and_mappings_may_stand_for_each_other() {
        let text = r#"{"permissions": "0660", "roles": [{"uid": 7, "role": "viewer"}, {"gid": "adm", "role": "admin"}],
            "audit": "off", "limits": {"idle_secs": "infinity"}}"#;
        let control: ControlManifest = serde_json::from_str(text).unwrap();
        assert_eq!(control.permissions.map(SocketPermissions::mode), Some(0o660));
        assert_eq!(control.roles[0].uid, Some(Account::Number(7)));
        assert_eq!(control.roles[1].gid, Some(Account::Name("adm".to_owned())));
        assert_eq!(control.audit, Some(AuditManifest::Word(NoAudit::Off)));
        assert_eq!(control.limits.unwrap().idle_secs.unwrap().duration(), None);
        let again: ControlManifest = serde_json::from_str(&serde_json::to_string(&control).unwrap()).unwrap();
        assert_eq!(again, control);
    }
}
