//! Records as they are written.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use supervisor_api::manifest::ChildManifest;
use supervisor_api::wire::{
    AuditActor, AuditDecision, AuditEntry, AuditOutcome, AuditPeer, AuditRecord, AuditResult, Command,
    ControlCommandRequest, ControlCommandResult, Method, Secrets, WireError, plain,
};
use supervisor_socket::Peer;

use crate::caller::{Caller, Role};
use crate::ids::BodyDigest;

/// The most characters of a text in a denial: who is denied everything does not fill the disk with one frame.
const DENIED_TEXT: usize = 512;

/// The longest answer of the tree that is kept, in bytes of JSON. A longer one is told to who waits for it, and is
/// lost then.
const ANSWER: usize = 2 * 1024;

/// What will be carried out, and what must not be said of it.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(super) record: AuditRecord,
    secrets: Secrets,
}

impl Intent {
    /// A command. `manifest` is the child that will be added, as it was read.
    pub(crate) fn new(
        target_id: &Arc<str>,
        caller: &Caller,
        asked: &ControlCommandRequest,
        manifest: Option<&ChildManifest>,
        digest: BodyDigest,
    ) -> Self {
        let (details, secrets) = details(asked, manifest);
        let record = AuditRecord {
            entry: AuditEntry::Intent.into(),
            details: Some(details),
            body_sha256: Some(digest.to_string()),
            ..of_command(target_id, caller, asked)
        };
        Self { record, secrets }
    }

    /// The record of it as something that was refused.
    pub(crate) fn denial(&self, error: &WireError) -> AuditDenial {
        let record = AuditRecord { details: None, body_sha256: None, ..self.record.clone() };
        AuditDenial { record: denied(record, error) }
    }

    /// What is kept of its result, for the record and for those who ask again: no secrets, no long answer, and not
    /// what it changed in a state that is soon another.
    pub(crate) fn kept(&self, result: &ControlCommandResult) -> ControlCommandResult {
        let answer = result.outcome.as_ref().filter(|answer| !is_long(answer));
        ControlCommandResult {
            error: result.error.as_ref().map(|error| self.secrets.scrub(error)),
            outcome: answer.and_then(|answer| self.secrets.scrub_answer(answer)),
            state_delta: None,
            ..result.clone()
        }
    }

    /// The record that nobody knows what came of it.
    pub(super) fn unknown(&self, sequence: Option<u64>) -> AuditRecord {
        self.with(sequence, no_outcome())
    }

    /// The record of an intent that was not carried out after all.
    pub(super) fn refused(&self, sequence: u64, error: WireError) -> AuditRecord {
        self.with(Some(sequence), AuditOutcome::denied(error))
    }

    /// The record of what came of it. `sequence` is that of the intent, if it was recorded.
    pub(super) fn with(&self, sequence: Option<u64>, outcome: AuditOutcome) -> AuditRecord {
        AuditRecord {
            // Without an intent on the disk, this record alone tells which command it was.
            body_sha256: self.record.body_sha256.clone().filter(|_| sequence.is_none()),
            ..of_intent(self.record.clone(), sequence, outcome)
        }
    }
}

/// The record of an intent of which nobody knows what came.
pub(super) fn unknown(intent: AuditRecord, sequence: u64) -> AuditRecord {
    of_intent(intent, Some(sequence), no_outcome())
}

fn no_outcome() -> AuditOutcome {
    let result = AuditResult::Unknown.into();
    AuditOutcome { result, error: None, completed_at_unix_nanos: None, answer: None }
}

fn of_intent(intent: AuditRecord, sequence: Option<u64>, outcome: AuditOutcome) -> AuditRecord {
    AuditRecord {
        entry: AuditEntry::Outcome.into(),
        intent: sequence,
        details: None,
        body_sha256: None,
        outcome: Some(outcome),
        ..intent
    }
}

/// Something that was refused and never began.
#[derive(Debug, Clone)]
pub(crate) struct AuditDenial {
    pub(super) record: AuditRecord,
}

impl AuditDenial {
    /// A connection that was refused.
    pub(crate) fn peer(peer: Option<Peer>, error: &WireError) -> Self {
        Self { record: denied(bare(peer, None, 0, 0, "connect".to_owned()), error) }
    }

    /// What somebody else has refused. Who writes it makes it one of this target.
    pub(crate) fn of(record: AuditRecord) -> Self {
        Self { record }
    }

    /// A command that was refused before it could begin.
    pub(crate) fn command(caller: &Caller, asked: &ControlCommandRequest, error: &WireError) -> Self {
        let clip = |text: String| plain(&text, DENIED_TEXT);
        let (_, secrets) = details(asked, None);
        let whole = of_command(&asked.target_id, caller, asked);
        let record = AuditRecord {
            target: whole.target.map(clip),
            reason: whole.reason.map(clip),
            actor: AuditActor { claimed: whole.actor.claimed.map(clip), ..whole.actor },
            ..whole
        };
        Self { record: denied(record, &secrets.scrub(error)) }
    }
}

/// How many denials of a user were not recorded one by one.
pub(super) fn denials(peer: Option<Peer>, count: u64) -> AuditRecord {
    AuditRecord {
        entry: AuditEntry::Denials.into(),
        decision: AuditDecision::Denied.into(),
        count: Some(count),
        ..bare(peer, None, 0, 0, "several".to_owned())
    }
}

fn denied(record: AuditRecord, error: &WireError) -> AuditRecord {
    AuditRecord {
        entry: AuditEntry::Denial.into(),
        decision: AuditDecision::Denied.into(),
        outcome: Some(AuditOutcome::denied(error.clone())),
        ..record
    }
}

fn of_command(target_id: &Arc<str>, caller: &Caller, asked: &ControlCommandRequest) -> AuditRecord {
    let record = of_caller(caller, Method::Command(asked.command));
    AuditRecord {
        target_id: Arc::clone(target_id),
        command_id: Some(asked.command_id.to_string()),
        target: asked.target.child_path.clone(),
        reason: Some(asked.reason.clone()),
        actor: AuditActor { claimed: Some(asked.requested_by.clone()), ..record.actor },
        ..record
    }
}

fn of_caller(caller: &Caller, method: Method) -> AuditRecord {
    let frame_bytes = caller.frame_bytes as u64;
    bare(Some(caller.peer), Some(caller.role), caller.connection, frame_bytes, method.to_string())
}

fn bare(
    peer: Option<Peer>,
    role: Option<Role>,
    connection_id: u64,
    frame_bytes: u64,
    action: String,
) -> AuditRecord {
    let proved = peer.map_or_else(|| "nobody".to_owned(), |peer| format!("uid:{}", peer.uid));
    AuditRecord {
        entry: AuditEntry::Intent.into(),
        // Set by who writes.
        target_id: "".into(),
        intent: None,
        peer: peer.map(|Peer { uid, gid, pid }| AuditPeer { uid, gid, pid }),
        connection_id,
        frame_bytes,
        actor: AuditActor { proved, role: role.map(|role| role.to_string()), claimed: None },
        action,
        command_id: None,
        target: None,
        reason: None,
        details: None,
        body_sha256: None,
        decision: AuditDecision::Allowed.into(),
        outcome: None,
        count: None,
    }
}

/// What else a command says, without secrets.
fn details(asked: &ControlCommandRequest, manifest: Option<&ChildManifest>) -> (Value, Secrets) {
    let mut details = Map::new();
    let mut secrets = Secrets::default();
    // What was sent counts for what must not be said, also when it was read as something else.
    let sent = asked.target.child_manifest.as_ref().map(|sent| match sent {
        Value::String(text) => {
            if manifest.is_none() {
                secrets.unread();
            }
            digest(text)
        }
        value => secrets.strip(value),
    });
    let read = manifest.and_then(|manifest| serde_json::to_value(manifest).ok());
    if let Some(manifest) = read.map(|read| secrets.strip(&read)).or(sent) {
        details.insert("manifest".to_owned(), manifest);
    }
    if let Some(stack) = &asked.stack {
        secrets.unread();
        details.insert("stack".to_owned(), digest(stack));
    }
    if asked.command == Command::Reload {
        // What is wrong with the file may quote it.
        secrets.unread();
    }
    if let Some(signal) = &asked.signal {
        details.insert("signal".to_owned(), signal.as_str().into());
    }
    if asked.rollback {
        details.insert("rollback".to_owned(), true.into());
    }
    if let Some(generation) = asked.expect_state_generation {
        details.insert("expect_state_generation".to_owned(), generation.into());
    }
    details.insert("confirmed".to_owned(), asked.confirmed.into());
    (Value::Object(details), secrets)
}

fn is_long(answer: &Value) -> bool {
    serde_json::to_vec(answer).map_or(true, |json| json.len() > ANSWER)
}

/// A text that is too long to be kept, or that nobody has read.
fn digest(text: &str) -> Value {
    let sha256: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"sha256": sha256, "bytes": text.len()})
}
