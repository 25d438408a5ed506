//! Sending a command and waiting for its effect.
//!
//! The command and the events go over a connection each: a target answers in order, and what happens meanwhile is to
//! be seen while the command goes on.

use std::time::Duration;

use serde_json::Value;
use supervisor_api::wire::{
    Command, CommandStatus, ControlCommandRequest, ControlCommandResult, DashboardState, ErrorCode,
    EventRecord, Push, StateParams, Stream, WireError,
};
use supervisor_api::{EventKind, Severity, SupervisorPath};
use supervisor_client::{CallError, Session, Settings};
use tokio::time::timeout;

use super::fault::Fault;
use super::screen::safe;

/// A refusal comes at once, and a target of ours tells by an event that it has taken a command; one that does neither
/// is not waited for any longer.
const TAKEN: Duration = Duration::from_secs(10);
/// How long what has happened may take to be pushed.
const PUSHED: Duration = Duration::from_secs(10);
/// How long a command that goes on is left alone before its outcome is asked for.
const AGAIN: Duration = Duration::from_secs(1);

/// How it ended.
pub(super) enum End {
    /// The target has answered; then its state, which shows the effect.
    Answered(Box<ControlCommandResult>, Option<Box<DashboardState>>),
    /// It goes on, and is not waited for.
    Sent,
    /// The target ended, as it was asked to.
    Gone,
}

/// The events while a command goes on.
pub(super) struct Progress<'a> {
    events: Session,
    /// Is told what happens meanwhile.
    note: &'a dyn Fn(&str),
    path: SupervisorPath,
    request: ControlCommandRequest,
    /// The last event that was read, or the last one before.
    seen: u64,
    /// The end of the tree was told.
    is_down: bool,
}

impl<'a> Progress<'a> {
    /// Subscribes before the command is sent, so that nothing of it is missed.
    pub(super) async fn begin(
        session: &Session,
        settings: &Settings,
        note: &'a dyn Fn(&str),
        path: SupervisorPath,
        request: ControlCommandRequest,
    ) -> Result<Self, Fault> {
        let mut events = Session::connect(session.path(), settings).await?;
        let next = events.subscribe(Stream::Events, None).await?;
        let seen = next.map_or(0, |next| next.saturating_sub(1));
        Ok(Self { events, note, path, request, seen, is_down: false })
    }

    /// Sends the command and waits for its effect. While the answer is that it goes on, the same command is sent again
    /// under the same id, which gives its outcome and does not carry it out twice.
    pub(super) async fn finish(mut self, session: &mut Session) -> Result<End, Fault> {
        let may_repeat = is_idempotent(session, self.request.command);
        loop {
            let result = match self.answer(session).await {
                Ok(result) => result,
                Err(CallError::Lost(lost)) if self.ends_target() => {
                    self.rest(None).await;
                    return if self.is_down { Ok(End::Gone) } else { Err(CallError::Lost(lost).into()) };
                }
                Err(error) => return Err(error.into()),
            };
            if !result.status.is(CommandStatus::Accepted) {
                return Ok(self.answered(session, result).await);
            }
            (self.note)("the target goes on with it; waiting");
            match timeout(if may_repeat { AGAIN } else { Duration::MAX }, self.completed()).await {
                Ok(Ok(end)) if !may_repeat => return Ok(self.answered(session, done(result, &end)).await),
                Ok(Err(_)) if self.is_down => return Ok(End::Gone),
                // Without events there is the answer.
                Ok(Err(_)) if may_repeat => tokio::time::sleep(AGAIN).await,
                Ok(Err(error)) => return Err(error),
                Ok(Ok(_)) | Err(_) => {}
            }
        }
    }

    /// Reads the state, which shows the effect; a target that was to end has none to show.
    async fn answered(&mut self, session: &mut Session, result: ControlCommandResult) -> End {
        let ends = self.is_down || self.ends_target();
        let state = if ends { None } else { session.state(StateParams::default()).await.ok() };
        if ends || state.is_some() {
            self.rest(state.as_ref()).await;
        }
        End::Answered(Box::new(result), state.map(Box::new))
    }

    /// Sends the command and waits for the answer; what happens meanwhile is shown.
    async fn answer(&mut self, session: &mut Session) -> Result<ControlCommandResult, CallError> {
        let mut sent = std::pin::pin!(session.command(self.request.clone()));
        loop {
            tokio::select! {
                biased;
                answer = &mut sent => return answer,
                event = self.next() => match event {
                    Ok(event) => self.show(&event),
                    // The answer says how it went; without events it comes all the same.
                    Err(_) => return sent.await,
                },
            }
        }
    }

    /// Sends the command and waits until the target has taken or refused it.
    pub(super) async fn send(mut self, session: &mut Session) -> Result<End, Fault> {
        let ends_target = self.ends_target();
        let mut sent = std::pin::pin!(session.command(self.request.clone()));
        let taken = async {
            while let Ok(event) = self.next().await {
                if self.is_ours(&event) {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            answer = &mut sent => match answer {
                Err(CallError::Lost(_)) if ends_target => Ok(End::Gone),
                answer => Ok(End::Answered(Box::new(answer?), None)),
            },
            () = taken => Ok(End::Sent),
            () = tokio::time::sleep(TAKEN) => Ok(End::Sent),
        }
    }

    /// Waits for the event that tells the end of a command that goes on.
    async fn completed(&mut self) -> Result<EventRecord, Fault> {
        loop {
            let event = self.next().await?;
            self.show(&event);
            if self.is_ours(&event) && event.event_type.is(EventKind::CommandCompleted) {
                return Ok(event);
            }
        }
    }

    /// Shows what led to the answer and is not read yet: up to the newest event of the state, or until the target is
    /// down.
    async fn rest(&mut self, state: Option<&DashboardState>) {
        let newest = state.map(|state| state.recent_events.last().map_or(0, |event| event.sequence));
        let all = async {
            while !self.is_down && newest.is_none_or(|newest| self.seen < newest) {
                match self.next().await {
                    Ok(event) => self.show(&event),
                    Err(_) => return,
                }
            }
        };
        // They are on their way; a target that is too busy to push them keeps nobody.
        let _ = timeout(PUSHED, all).await;
    }

    async fn next(&mut self) -> Result<EventRecord, Fault> {
        loop {
            match self.events.push().await.map_err(CallError::from)? {
                Push::Event { event, .. } => {
                    self.seen = event.sequence;
                    let is_end = event.event_type.is(EventKind::ShutdownCompleted);
                    self.is_down |= is_end && event.target_path.is_root();
                    return Ok(*event);
                }
                Push::Gap { stream, to, .. } if stream.is(Stream::Events) => self.seen = to,
                _ => {}
            }
        }
    }

    /// What belongs to the command, or to those it is about.
    fn show(&self, event: &EventRecord) {
        let matters = event.severity.known().is_none_or(|severity| severity >= Severity::Info);
        if matters && (self.is_ours(event) || self.path.contains(&event.target_path)) {
            (self.note)(&format!("  {}", safe(&event.to_string())));
        }
    }
    fn ends_target(&self) -> bool {
        self.request.command == Command::ShutdownTree
    }

    fn is_ours(&self, event: &EventRecord) -> bool {
        event.correlation_id.as_deref() == Some(&*self.request.command_id)
    }
}

/// Whether the target says that the same command may be sent again.
fn is_idempotent(session: &Session, command: Command) -> bool {
    let supported = &session.hello().registration.supported_commands;
    supported.iter().any(|known| known.name == command.as_str() && known.idempotent)
}

/// The result that the event tells: a text in it says what went otherwise than wished.
fn done(result: ControlCommandResult, end: &EventRecord) -> ControlCommandResult {
    let problem = end.payload.get("text").and_then(Value::as_str);
    let error = problem.map(|text| WireError::new(ErrorCode::CommandFailed, text).on(end.target_id.clone()));
    let status = if error.is_some() { CommandStatus::Failed } else { CommandStatus::Completed };
    let completed_at_unix_nanos = Some(end.occurred_at_unix_nanos);
    ControlCommandResult {
        accepted: error.is_none(),
        status: status.into(),
        error,
        completed_at_unix_nanos,
        ..result
    }
}
