//! What a program, or a stack file, says about the control socket of its tree.

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::target_id_problem;
use supervisor_socket::{Bind, Caps, Deadlines, LARGEST_FRAME, ORDINARY_FRAME, Rate, Settings};

use crate::audit::AuditConfig;
use crate::programs::AllowedPrograms;
use crate::registration::RegistrationConfig;
use crate::roles::Roles;
use crate::specs::Specs;

/// How a tree is served.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// By which id it is known; the name of its stack. Any text of at most 256 bytes that is not blank and has no
    /// control characters.
    pub target_id: Arc<str>,
    /// What people call it. Default: the id.
    pub display_name: String,
    /// Which spec it has: [`config_version`](supervisor_api::wire::config_version) of it.
    pub config_version: Arc<str>,
    /// Where it listens, how the socket is bound and who may open it. `None`: nobody connects but from within this
    /// process, see [`Control::connector`](crate::Control::connector).
    pub bind: Option<Bind>,
    /// How many connections there may be.
    pub caps: Caps,
    /// How long a peer may take.
    pub deadlines: Deadlines,
    /// How long sessions may take to end when the server closes. Default: 5 seconds.
    pub grace: Duration,
    /// How many bytes a request that brings a child or a stack text may have (`add_child`, `apply`, `plan`, `what_if`); others have at most 64 KiB. From 64 KiB to 8 MiB. Default: 1 MiB.
    pub manifest_bytes: usize,
    /// Who may connect, and what each may do. Default: the user of this process, and root.
    pub roles: Roles,
    /// Which programs others than the local owner may name. Default: none.
    pub allow_programs: AllowedPrograms,
    /// How often one user may command. Default: 50 in a second, 200 at once.
    pub mutations: Rate,
    /// How often a user that may not connect is told so. Default: 5 times in a minute.
    pub failed_authentications: Rate,
    /// Where commands are recorded.
    pub audit: AuditConfig,
    /// Where new specs of the tree come from. Default: from nowhere; `plan`, `command.apply` and `command.reload` are
    /// not there then.
    pub specs: Option<Specs>,
    /// The relay that is told of this target. Default: none.
    pub registration: Option<RegistrationConfig>,
}

/// What is wrong with a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The id cannot be one.
    #[error("{problem}")]
    TargetId {
        /// As a sentence.
        problem: String,
    },
    /// The target cannot register like that.
    #[error("registration: {problem}")]
    Registration {
        /// As a sentence.
        problem: String,
    },
    /// A request may not be that long, or that short.
    #[error("manifest_bytes is {bytes}; give a number from {ORDINARY_FRAME} to {LARGEST_FRAME}")]
    AddChildBytes {
        /// As given.
        bytes: usize,
    },
}

impl Config {
    /// A tree with this id and spec behind this socket. Everything else has its default; commands are not recorded.
    pub fn new(
        target_id: impl Into<Arc<str>>,
        config_version: impl Into<Arc<str>>,
        bind: impl Into<Option<Bind>>,
    ) -> Self {
        let target_id = target_id.into();
        let Settings { caps, deadlines, grace, .. } = Settings::default();
        Self {
            display_name: target_id.to_string(),
            target_id,
            config_version: config_version.into(),
            bind: bind.into(),
            caps,
            deadlines,
            grace,
            manifest_bytes: 1024 * 1024,
            roles: Roles::new(),
            allow_programs: AllowedPrograms::default(),
            mutations: Rate::MUTATIONS,
            failed_authentications: Rate::FAILED_AUTHENTICATIONS,
            audit: AuditConfig::Off,
            specs: None,
            registration: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Some(problem) = target_id_problem(&self.target_id) {
            return Err(ConfigError::TargetId { problem });
        }
        if let Some(problem) = self.registration.as_ref().and_then(RegistrationConfig::problem) {
            return Err(ConfigError::Registration { problem });
        }
        if self.registration.is_some() && self.bind.is_none() {
            let problem = "a relay finds a target by its socket; give it one, or register nowhere".to_owned();
            return Err(ConfigError::Registration { problem });
        }
        match self.manifest_bytes {
            ORDINARY_FRAME..=LARGEST_FRAME => Ok(()),
            bytes => Err(ConfigError::AddChildBytes { bytes }),
        }
    }
}
