//! What stands between a request and its effect: who it is, whether that one may, and how often (`security.md` 9,
//! 12-15).

use supervisor_api::manifest::ChildManifest;
use supervisor_api::wire::{Command, CommandTarget, ControlCommandRequest, ErrorCode, WireError, plain};
use supervisor_socket::{Peer, RateLimit, Refusal, TooOften};
use tokio_supervisor::IntoManifest;

use crate::caller::{Caller, Role};
use crate::config::Config;
use crate::permissions;
use crate::programs::AllowedPrograms;
use crate::roles::{Roles, needed};
use crate::specs::Declared;
use crate::target::Target;

/// The most bytes of `reason` and of `requested_by`: both are kept with every event of the command.
const LONGEST_REASON: usize = 4096;
const LONGEST_NAME: usize = 256;

/// Who may do what, and how often.
#[derive(Debug)]
pub(crate) struct Gate {
    roles: Roles,
    programs: AllowedPrograms,
    mutations: RateLimit,
    failed_authentications: RateLimit,
}

impl Gate {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            roles: config.roles.clone(),
            programs: config.allow_programs.clone(),
            mutations: RateLimit::new(config.mutations),
            failed_authentications: RateLimit::new(config.failed_authentications),
        }
    }

    pub(crate) fn role_of(&self, peer: &Peer) -> Option<Role> {
        self.roles.of(peer)
    }

    /// Whether a caller is the local owner.
    pub(crate) fn is_owner(&self, caller: &Caller) -> bool {
        self.roles.is_owner(caller.peer.uid)
    }

    /// By which name a caller is shown to others. What it says of itself counts only from the owner, who could be
    /// anybody here, and from a relay, which has asked who it is (`security.md` 5).
    pub(crate) fn name_of(&self, caller: &Caller, claimed: &str) -> String {
        let claimed = plain(claimed.trim(), LONGEST_NAME);
        if self.roles.may_name_others(caller.peer.uid) {
            return claimed;
        }
        format!("uid {} (says '{claimed}')", caller.peer.uid)
    }

    /// Whether a command may begin, in the order of `security.md` 12. Gives the manifest of `add_child`, read: the
    /// one that was looked at is the one that is used (rule 13).
    pub(crate) fn admit(
        &self,
        target: &Target,
        caller: &Caller,
        asked: &ControlCommandRequest,
    ) -> Result<Option<ChildManifest>, WireError> {
        asked.check(&target.id)?;
        check_lengths(asked)?;
        permissions::check(&target.handle, asked.command, &asked.target, asked.signal.as_deref())?;
        self.check_role(caller, asked.command)?;
        check_confirmed(asked)?;
        self.mutations.take(caller.peer.uid).map_err(too_often)?;
        // After the rate, because reading a manifest costs.
        let manifest = read_manifest(&asked.target)?;
        self.check_programs(caller, manifest.as_ref())?;
        Ok(manifest)
    }

    pub(crate) fn check_role(&self, caller: &Caller, command: Command) -> Result<(), WireError> {
        let needed = needed(command);
        if caller.role >= needed {
            return Ok(());
        }
        let message =
            format!("{command} needs the role {needed}; uid {} is {} here", caller.peer.uid, caller.role);
        Err(WireError::new(ErrorCode::AuthzDenied, message))
    }

    fn check_programs(&self, caller: &Caller, manifest: Option<&ChildManifest>) -> Result<(), WireError> {
        if self.roles.is_owner(caller.peer.uid) {
            return Ok(());
        }
        let objection = manifest.and_then(|manifest| self.programs.objection(manifest));
        objection.map_or(Ok(()), |message| Err(WireError::new(ErrorCode::AuthzDenied, message)))
    }

    /// Whether what a stack text says anew, beside what the tree has, may be said by this caller: programs are named
    /// as in `add_child` (`security.md` 15).
    pub(crate) fn check_declared(
        &self,
        caller: &Caller,
        now: Option<&Declared>,
        new: &Declared,
    ) -> Result<(), WireError> {
        if self.roles.is_owner(caller.peer.uid) {
            return Ok(());
        }
        let objection = self.programs.objection_to(now.map(|now| &*now.manifest), &new.manifest);
        objection.map_or(Ok(()), |message| Err(WireError::new(ErrorCode::AuthzDenied, message)))
    }

    /// Why a peer does not get a session.
    pub(crate) fn turn_away(&self, peer: Option<&Peer>, refusal: Refusal) -> WireError {
        let code = match refusal {
            Refusal::NoCredentials => ErrorCode::PeerCredUnavailable,
            Refusal::Stranger if self.roles.names_groups() => ErrorCode::PeerCredGidNotAllowed,
            Refusal::Stranger => ErrorCode::PeerCredUidMismatch,
            _ => ErrorCode::RateLimitExceeded,
        };
        if refusal == Refusal::Stranger
            && let Some(peer) = peer
            && let Err(too_much) = self.failed_authentications.take(peer.uid)
        {
            return too_often(too_much);
        }
        WireError::new(code, refusal.to_string())
    }
}

fn check_lengths(asked: &ControlCommandRequest) -> Result<(), WireError> {
    for (key, text, most) in
        [("reason", &asked.reason, LONGEST_REASON), ("requested_by", &asked.requested_by, LONGEST_NAME)]
    {
        if text.len() > most {
            let message = format!("{key} has {} bytes; it may have {most}", text.len());
            return Err(WireError::new(ErrorCode::ValidationFailed, message));
        }
    }
    Ok(())
}

fn check_confirmed(asked: &ControlCommandRequest) -> Result<(), WireError> {
    let command = asked.command;
    if asked.confirmed || !command.needs_confirmation() {
        return Ok(());
    }
    let message = format!("{command} is dangerous; ask a person, then send it with confirmed: true");
    Err(WireError::new(ErrorCode::ValidationFailed, message))
}

/// An object is read as the YAML that its JSON is, so that both forms get the same words when they are refused.
pub(crate) fn read_manifest(target: &CommandTarget) -> Result<Option<ChildManifest>, WireError> {
    let Some(manifest) = &target.child_manifest else { return Ok(None) };
    let text = manifest.as_str().map_or_else(|| manifest.to_string(), str::to_owned);
    text.into_manifest().map(Some).map_err(|error| WireError::from(&error))
}

fn too_often(too_often: TooOften) -> WireError {
    // Rounded up: who waits that long gets through.
    let ms = u64::try_from(too_often.retry_after.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
    WireError::new(ErrorCode::RateLimitExceeded, too_often.to_string()).retry_after(ms)
}
