//! Records as they are written.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use supervisor_api::wire::{
    AuditActor, AuditDecision, AuditEntry, AuditOutcome, AuditRecord, AuditResult, ControlCommandRequest,
    ControlCommandResult, Method, Secrets, WireError, plain,
};

use crate::orders::{Done, Went};
use crate::session::Order;

/// The most characters of a text in a denial: who is denied everything does not fill the disk with one frame.
const DENIED_TEXT: usize = 512;
/// The longest answer of a tree that is kept, in bytes of JSON.
const ANSWER: usize = 2 * 1024;

/// What will be carried out, and what must not be said of it.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(super) record: AuditRecord,
    secrets: Secrets,
}

impl Intent {
    /// A command; `digest` is that of who asks and of what.
    pub(crate) fn new(order: &Order, digest: String) -> Self {
        let (details, secrets) = details(order);
        let record = AuditRecord {
            entry: AuditEntry::Intent.into(),
            details: Some(details),
            body_sha256: Some(digest),
            ..of(order)
        };
        Self { record, secrets }
    }

    /// What is kept of how it went: no secrets, no long answer, and not what it changed in a state that is soon another.
    pub(crate) fn kept(&self, result: &ControlCommandResult) -> ControlCommandResult {
        let is_short = |answer: &&Value| serde_json::to_vec(answer).is_ok_and(|json| json.len() <= ANSWER);
        let answer = result.outcome.as_ref().filter(is_short);
        ControlCommandResult {
            error: result.error.as_ref().map(|error| self.secrets.scrub(error)),
            outcome: answer.and_then(|answer| self.secrets.scrub_answer(answer)),
            state_delta: None,
            ..result.clone()
        }
    }

    /// The record of how it went; `intent` is the sequence of this one.
    pub(crate) fn outcome(&self, intent: u64, went: &Went) -> AuditRecord {
        let outcome = match went {
            Went::Done(result) => AuditOutcome::from(&self.kept(result)),
            Went::Never(error) => AuditOutcome::denied(self.secrets.scrub(error)),
            Went::Unknown(error) => AuditOutcome { error: Some(self.secrets.scrub(error)), ..nobody_knows() },
        };
        of_intent(self.record.clone(), intent, outcome)
    }
}

/// The record of an intent of which nobody knows what came.
pub(super) fn unknown(intent: AuditRecord, sequence: u64) -> AuditRecord {
    of_intent(intent, sequence, nobody_knows())
}

/// The record of an intent that was too late on the disk, and not carried out.
pub(super) fn refused(intent: &AuditRecord, sequence: u64, error: WireError) -> AuditRecord {
    of_intent(intent.clone(), sequence, AuditOutcome::denied(error))
}

/// The record of something that was refused before it could begin.
pub(crate) fn denial(order: &Order, error: &WireError) -> AuditRecord {
    let (_, secrets) = details(order);
    let clip = |text: String| plain(&text, DENIED_TEXT);
    let whole = denied(of(order), AuditOutcome::denied(secrets.scrub(error)));
    AuditRecord {
        target: whole.target.map(clip),
        reason: whole.reason.map(clip),
        target_id: clip(whole.target_id.to_string()).into(),
        ..whole
    }
}

/// The record that so many denials were not recorded one by one.
pub(super) fn denials(count: u64) -> AuditRecord {
    AuditRecord {
        entry: AuditEntry::Denials.into(),
        decision: AuditDecision::Denied.into(),
        count: Some(count),
        ..bare("several".to_owned())
    }
}

fn denied(record: AuditRecord, outcome: AuditOutcome) -> AuditRecord {
    AuditRecord {
        entry: AuditEntry::Denial.into(),
        decision: AuditDecision::Denied.into(),
        outcome: Some(outcome),
        ..record
    }
}

fn nobody_knows() -> AuditOutcome {
    AuditOutcome {
        result: AuditResult::Unknown.into(),
        error: None,
        completed_at_unix_nanos: None,
        answer: None,
    }
}

fn of_intent(intent: AuditRecord, sequence: u64, outcome: AuditOutcome) -> AuditRecord {
    AuditRecord {
        entry: AuditEntry::Outcome.into(),
        intent: Some(sequence),
        details: None,
        body_sha256: None,
        outcome: Some(outcome),
        ..intent
    }
}

fn of(order: &Order) -> AuditRecord {
    let command = &order.command;
    let actor = AuditActor {
        proved: order.identity.clone(),
        role: order.role.map(|role| role.to_string()),
        claimed: None,
    };
    AuditRecord {
        target_id: Arc::clone(&command.target_id),
        connection_id: order.session,
        frame_bytes: order.frame_bytes as u64,
        actor,
        command_id: Some(command.command_id.to_string()),
        target: command.target.child_path.clone(),
        reason: Some(command.reason.clone()),
        ..bare(Method::Command(command.command).to_string())
    }
}

fn bare(action: String) -> AuditRecord {
    AuditRecord {
        entry: AuditEntry::Intent.into(),
        target_id: "".into(),
        intent: None,
        // A browser is no process that the kernel could name.
        peer: None,
        connection_id: 0,
        frame_bytes: 0,
        actor: AuditActor { proved: "nobody".to_owned(), role: None, claimed: None },
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
fn details(order: &Order) -> (Value, Secrets) {
    let mut secrets = Secrets::default();
    let mut details = json!({"confirmed": order.command.confirmed});
    let manifest = order.command.target.child_manifest.as_ref().map(|manifest| match manifest {
        // Only the target reads YAML, so nobody here knows what in it is secret.
        Value::String(text) => {
            secrets.unread();
            json!({"sha256": hex(&Sha256::digest(text)), "bytes": text.len()})
        }
        value => secrets.strip(value),
    });
    if let Some(manifest) = manifest {
        details["manifest"] = manifest;
    }
    (details, secrets)
}

/// What makes a command of somebody the same when it is sent again, as a number to compare.
pub(crate) fn digest(identity: &str, asked: &ControlCommandRequest) -> String {
    let mut hash = Sha256::new();
    // The lengths keep the parts apart.
    for part in [identity, &asked.command_id, &asked.body()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a command that ended so leaves its id free: nothing was done, and the same may go through later.
pub(crate) fn frees(outcome: &AuditOutcome) -> bool {
    use supervisor_api::wire::ErrorCode::AuditWriteFailed;
    let may_go_through = |error: &WireError| error.retryable || error.code.is(AuditWriteFailed);
    outcome.result.is(AuditResult::Rejected) && outcome.error.as_ref().is_some_and(may_go_through)
}

/// What a recorded outcome says to who asks again; `None`: nobody knows.
pub(super) fn done(record: &AuditRecord) -> Option<Done> {
    let outcome = record.outcome.as_ref()?;
    let id: Arc<str> = record.command_id.as_deref()?.into();
    outcome.result(id, Arc::clone(&record.target_id)).map(|result| Ok(Box::new(result)))
}
