//! Commands of browsers, from the order to the answer (`security.md` 11 to 13).
//!
//! ```text
//!   order ──► id ──► intent on the disk ──► target ──► outcome on the disk ──► answer
//!              │ known: its outcome                                             ▲
//!              └────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A command that was begun is finished and recorded, whatever becomes of the browser.

mod dispatch;
mod ending;
mod ids;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::{
    AuditOutcome, BrowserCommandResult, ControlCommandRequest, ControlCommandResult, ErrorCode,
    ServerMessage, Stage, WireError,
};
use supervisor_client::Settings;

use crate::audit::{Intent, denial, digest, frees};
use crate::embedded::{Places, Records};
use crate::hub::Hub;
use crate::session::{Order, Question};
use crate::web::Commands;
use dispatch::{dispatch, why};
use ids::{Claim, Outcome, lost};

pub(crate) use dispatch::Went;
pub(crate) use ending::Ending;
use ending::Running;
pub(crate) use ids::{Claimed, Done, Ids};

/// The one answer to a command.
pub type Answer = Result<BrowserCommandResult, WireError>;

/// The one answer to a question.
pub type Found = Result<ServerMessage, WireError>;

/// Carries commands out.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) hub: Arc<Hub>,
    pub(crate) places: Places,
    pub(crate) records: Records,
    pub(crate) ids: Arc<Ids>,
    pub(crate) settings: Settings,
    pub(crate) ending: Ending,
}

impl Commands for Orders {
    async fn look_up(self: Arc<Self>, question: Question) -> Found {
        match question {
            Question::Audit { who, query } => {
                self.records.look_up(who, query).await.map(ServerMessage::AuditPage)
            }
            Question::Why(query) => match self.places.place_of(&query.target_id) {
                Some((way, uid)) => why(way, uid, &self.settings, query).await,
                None => Err(unregistered().on(query.target_id)),
            },
        }
    }

    async fn carry_out(self: Arc<Self>, order: Order) -> Answer {
        let asked = asked(&order);
        let digest = digest(&order.identity, &asked);
        let key = (&asked.target_id, &asked.command_id);
        let done = match self.ids.claim(&order.identity, key, &digest) {
            Ok(Claimed::New(claim)) => match self.ending.begin() {
                Ok(running) => {
                    let outcome = claim.outcome();
                    let intent = Intent::new(&order, digest);
                    tokio::spawn(Arc::clone(&self).run(claim, intent, asked, running));
                    wait(outcome).await
                }
                Err(error) => {
                    claim.free(Err(error.clone()));
                    Err(error)
                }
            },
            Ok(Claimed::Runs(outcome)) => wait(outcome).await,
            Ok(Claimed::Over(done)) => done,
            Err(error) => {
                self.hub.counts().denials.inc();
                self.hub.denials().add(denial(&order, &error));
                Err(error)
            }
        };
        match done {
            Ok(result) => Ok(answer(*result, order)),
            Err(error) => Err(error.on(order.command.target_id)),
        }
    }
}

impl Orders {
    /// Takes no more commands, and waits for those that run, at most so long.
    pub(crate) async fn close(&self, patience: Duration) {
        self.ending.close(patience).await;
    }

    /// Whether commands are taken no more.
    pub(crate) fn is_closing(&self) -> bool {
        self.ending.is_closing()
    }

    async fn run(
        self: Arc<Self>,
        claim: Claim,
        intent: Intent,
        asked: ControlCommandRequest,
        mut running: Running,
    ) {
        let sequence = match self.records.intend(&intent).await {
            Ok(sequence) => sequence,
            Err(error) => return claim.free(Err(error)),
        };
        let went = match self.places.place_of(&asked.target_id) {
            Some((way, uid)) => tokio::select! {
                went = dispatch(way, uid, &self.settings, asked) => went,
                error = running.given_up() => Went::Unknown(error),
            },
            None => Went::Never(unregistered()),
        };
        let outcome = intent.outcome(sequence, &went);
        if let Some(outcome) = &outcome.outcome {
            self.hub.counts().command(outcome);
        }
        self.records.tell(|| outcome).await;
        match went {
            Went::Done(result) if frees(&AuditOutcome::from(&*result)) => claim.free(Ok(result)),
            Went::Done(result) => {
                let kept = Box::new(intent.kept(&result));
                claim.over(Ok(result), Some(Ok(kept)));
            }
            Went::Never(error) if frees(&AuditOutcome::denied(error.clone())) => claim.free(Err(error)),
            Went::Never(error) => claim.over(Err(error.clone()), Some(Err(error))),
            Went::Unknown(error) => claim.over(Err(error), None),
        }
    }
}

fn unregistered() -> WireError {
    let message = "the target's lease has ended; it has to register again";
    WireError::new(ErrorCode::TargetUnavailable, message).at(Stage::CommandDispatch)
}

/// What the target is asked for. Who asks is what was proved here.
fn asked(order: &Order) -> ControlCommandRequest {
    let command = &order.command;
    ControlCommandRequest {
        command_id: Arc::clone(&command.command_id),
        target_id: Arc::clone(&command.target_id),
        expect_state_generation: None,
        command: command.command,
        target: command.target.clone().into(),
        signal: None,
        stack: None,
        rollback: false,
        reason: command.reason.clone(),
        requested_by: order.identity.clone(),
        confirmed: command.confirmed,
        requested_at_unix_nanos: None,
    }
}

async fn wait(mut outcome: Outcome) -> Done {
    match outcome.wait_for(Option::is_some).await {
        Ok(done) => done.clone().unwrap_or_else(|| Err(lost())),
        Err(_) => Err(lost()),
    }
}

fn answer(result: ControlCommandResult, order: Order) -> BrowserCommandResult {
    let at = result.completed_at_unix_nanos;
    let time = at.and_then(|at| jiff::Timestamp::from_nanosecond(at.0.into()).ok());
    BrowserCommandResult {
        command_id: result.command_id.to_string(),
        correlation_id: order.command.correlation_id,
        target_id: result.target_id,
        accepted: result.accepted,
        status: result.status,
        requested_by: order.identity,
        completed_at: time.map(|time| time.to_string()),
        completed_at_unix_nanos: at,
        error: result.error,
        state_delta: result.state_delta,
    }
}
