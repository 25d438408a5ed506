//! One registration: a connection, a line, an answer.

use std::path::Path;
use std::time::Duration;

use supervisor_api::wire::{ErrorCode, Registration, RegistrationAck, RegistrationRefusal, Word};
use supervisor_socket::{Deadlines, FrameLimits, connect};
use tokio::time::timeout;

/// Why the relay has not taken a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It could not be asked, or did not answer as it should.
    NoAnswer(String),
    /// It said no.
    Refused {
        refusal: RegistrationRefusal,
        /// Whether it said that trying again may help.
        retryable: bool,
    },
}

impl Failure {
    pub(super) fn code(&self) -> Option<&Word<ErrorCode>> {
        match self {
            Self::NoAnswer(_) => None,
            Self::Refused { refusal, .. } => Some(&refusal.code),
        }
    }

    pub(super) fn sentence(&self) -> String {
        match self {
            Self::NoAnswer(problem) => problem.clone(),
            Self::Refused { refusal, .. } => format!("the relay refuses it: {refusal}"),
        }
    }
}

/// Registers once, on a connection of its own, and waits for the answer. All of it takes at most `patience`.
pub(super) async fn register(
    relay: &Path,
    registration: &Registration,
    patience: Duration,
) -> Result<(), Failure> {
    timeout(patience, exchange(relay, registration)).await.unwrap_or_else(|_| {
        Err(Failure::NoAnswer(format!(
            "the relay {} did not answer within {patience:?}; see what it does",
            relay.display()
        )))
    })
}

async fn exchange(relay: &Path, registration: &Registration) -> Result<(), Failure> {
    let connection = connect(relay, FrameLimits::requests(), Deadlines::default()).await;
    let mut connection = connection.map_err(|error| Failure::NoAnswer(error.to_string()))?;
    let line = serde_json::to_vec(registration)
        .map_err(|error| Failure::NoAnswer(format!("the registration cannot be written as JSON: {error}")))?;
    let lost = |error: &dyn std::fmt::Display| {
        Failure::NoAnswer(format!("the relay {} did not answer: {error}", relay.display()))
    };
    connection.writer.send(&line).await.map_err(|error| lost(&error))?;
    let answer = connection.reader.next().await.map_err(|error| lost(&error))?;
    let answer = answer.ok_or_else(|| lost(&"it closed the connection"))?;
    let ack = RegistrationAck::read(answer.as_bytes()).map_err(|error| {
        Failure::NoAnswer(format!("the relay {} did not answer as it should: {error}", relay.display()))
    })?;
    judge(ack, registration)
}

fn judge(ack: RegistrationAck, registration: &Registration) -> Result<(), Failure> {
    if let Some(refusal) = ack.error.filter(|_| !ack.ok) {
        // Words of a peer, to be shown to people.
        let message = supervisor_api::wire::plain(&refusal.message, 512);
        let refusal = RegistrationRefusal { message, ..refusal };
        return Err(Failure::Refused { refusal, retryable: ack.retryable });
    }
    let strange =
        |what: String| Err(Failure::NoAnswer(format!("the relay did not answer as it should: {what}")));
    if let Some(status) = ack.status.filter(|status| status != "registered") {
        return strange(format!("its status is {status:?}, not \"registered\""));
    }
    match ack.target_id {
        Some(id) if id != registration.target_id => strange(format!("it speaks of target {id:?}")),
        _ => Ok(()),
    }
}
