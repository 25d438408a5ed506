//! One connection, and typed calls on it.

use std::collections::VecDeque;
use std::path::Path;

use supervisor_api::SupervisorPath;
use supervisor_api::command::Plan;
use supervisor_api::wire::{
    Call, ControlCommandRequest, ControlCommandResult, DashboardState, KeptLogs, PlanDetails, PlanParams,
    Push, ResultBody, StateParams, Stream, SubscribeParams, TARGET_PROTOCOL, WhatIfAnswer, WhatIfParams,
    WhyAnswer, WhyParams,
};
use supervisor_socket::{Deadlines, FrameLimits, Peer};
use tokio::time::timeout;

use crate::error::{CallError, ConnectError, Lost};
use crate::hello::Hello;
use crate::settings::Settings;
use crate::way::Way;
use crate::wire::{Came, MOST_PUSHES, Pushed, Wire};

/// One connection to one target, from hello until it is lost or dropped.
///
/// A target answers the requests of a connection in order. A read behind a command waits for the command, so whoever
/// does both at once has a connection for each. A [`Follower`](crate::Follower) is for those who want to see all that
/// happens, whatever becomes of the connection.
///
/// Every call is cancel safe: the request has been queued, and its answer is passed by when it comes.
#[derive(Debug)]
pub struct Session {
    way: Way,
    peer: Peer,
    wire: Wire,
    settings: Settings,
    hello: Hello,
    /// What was pushed while an answer was waited for.
    pushes: VecDeque<Pushed>,
}

impl Session {
    /// Connects to the target, mostly by the path of its socket, and says hello.
    ///
    /// # Errors
    ///
    /// When nobody listens there, this user may not connect, or the target does not answer or speaks another protocol.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn connect(way: impl Into<Way>, settings: &Settings) -> Result<Self, ConnectError> {
        let way = way.into();
        let limits = FrameLimits::replies(settings.largest_reply);
        let deadlines = Deadlines { frame: settings.read, idle: None, write: settings.read };
        let connection = timeout(settings.connect, way.connect(limits, deadlines))
            .await
            .map_err(|_| ConnectError::Late { path: way.path().to_owned(), after: settings.connect })??;
        let peer = connection.peer;
        let mut wire = Wire::new(connection);
        let mut pushes = VecDeque::new();
        let answer = answer(&mut wire, &mut pushes, Call::Hello, settings).await?;
        let ResultBody::Hello { protocol_version, registration, capabilities, role } = answer else {
            return Err(CallError::Unexpected { method: Call::Hello.method() }.into());
        };
        if protocol_version != TARGET_PROTOCOL {
            return Err(ConnectError::Protocol { path: way.path().to_owned(), theirs: protocol_version });
        }
        let hello = Hello { registration, capabilities, role };
        Ok(Self { way, peer, wire, settings: settings.clone(), hello, pushes })
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        self.way.path()
    }

    /// Who listens there, as the kernel says.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// What the target said to `hello`.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// `state`: the state of the tree, or of a part of it.
    ///
    /// # Errors
    ///
    /// See [`CallError`]; so for every call.
    pub async fn state(&mut self, params: StateParams) -> Result<DashboardState, CallError> {
        let call = Call::State(params);
        self.typed(call, |body| match body {
            ResultBody::State { state, .. } => Some(*state),
            _ => None,
        })
        .await
    }

    /// `events.subscribe` or `logs.tail`: [`push`](Self::push) gives from now on what is pushed. Returns the first
    /// sequence that is pushed, if the target says it. `from`: the first that is wanted; what is no longer kept is told
    /// as a gap. `None`: from now on.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn subscribe(&mut self, stream: Stream, from: Option<u64>) -> Result<Option<u64>, CallError> {
        let params =
            SubscribeParams { session_established: true, from_sequence: from, ..SubscribeParams::default() };
        self.typed(Call::Subscribe(stream, params), |body| match body {
            ResultBody::Subscription { subscription, from_sequence, .. } if subscription.is(stream) => {
                Some(from_sequence)
            }
            _ => None,
        })
        .await
    }

    /// `logs.tail` of the lines that there are already, of a child and of what lies below it:
    /// [`push`](Self::push) gives these, or gaps, up to the sequence that is returned, and nothing after them. 0:
    /// there are none. `None`: the target does not know how, and pushes what it has of all children, and what comes.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn kept_logs(
        &mut self,
        under: SupervisorPath,
        which: KeptLogs,
    ) -> Result<Option<u64>, CallError> {
        let params = SubscribeParams {
            session_established: true,
            from_sequence: Some(1),
            under: Some(under),
            kept: Some(which),
        };
        self.typed(Call::Subscribe(Stream::Logs, params), |body| match body {
            ResultBody::Subscription { subscription, to_sequence, .. } if subscription.is(Stream::Logs) => {
                Some(to_sequence)
            }
            _ => None,
        })
        .await
    }

    /// `why`: why a child is as it is. Not every target has it: see [`Hello::has`].
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn why(&mut self, child: impl Into<String>) -> Result<WhyAnswer, CallError> {
        let call = Call::Why(WhyParams { child_path: child.into() });
        self.typed(call, |body| match body {
            ResultBody::Why { why, .. } => Some(why),
            _ => None,
        })
        .await
    }

    /// `what_if`: what a command would affect. Not every target has it: see [`Hello::has`].
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn what_if(&mut self, params: WhatIfParams) -> Result<WhatIfAnswer, CallError> {
        self.typed(Call::WhatIf(params), |body| match body {
            ResultBody::WhatIf { what_if, .. } => Some(what_if),
            _ => None,
        })
        .await
    }

    /// `plan`: what a stack text would change, and which keys and names that comes from; `command.apply` with the same text does it. Not every target has it: see [`Hello::has`].
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn plan(&mut self, stack: impl Into<String>) -> Result<(Plan, PlanDetails), CallError> {
        self.typed(Call::Plan(PlanParams { stack: stack.into() }), |body| match body {
            ResultBody::Plan { plan, details, .. } => Some((plan, details)),
            _ => None,
        })
        .await
    }

    /// A command. The answer comes when its effect can be seen, or after 30 seconds with `accepted`; a command that
    /// was refused or failed is an answer, too.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn command(
        &mut self,
        command: ControlCommandRequest,
    ) -> Result<ControlCommandResult, CallError> {
        self.typed(Call::Command(Box::new(command)), |body| match body {
            ResultBody::CommandResult { result, .. } => Some(*result),
            _ => None,
        })
        .await
    }

    /// The next thing that the target pushes after a subscription. Waits as long as it takes; whether the target still
    /// answers is not tried meanwhile. Cancel safe.
    ///
    /// Pushes that come while an answer is waited for are kept, up to 4096; with one more the connection is lost, and
    /// a subscription on a new one goes on at the sequence where this one ended.
    ///
    /// # Errors
    ///
    /// When the connection is over, and everything that came before has been taken.
    pub async fn push(&mut self) -> Result<Push, Lost> {
        loop {
            if let Came::Push(pushed) = self.came().await? {
                return Ok(pushed.push);
            }
        }
    }

    /// Queues a call without waiting for its answer, which [`came`](Self::came) gives under the returned number.
    pub(crate) fn ask(&mut self, call: Call) -> u64 {
        let patience = self.settings.patience(&call);
        self.wire.ask(call, patience)
    }

    /// What comes next, answers among it. Cancel safe.
    pub(crate) async fn came(&mut self) -> Result<Came, Lost> {
        match self.pushes.pop_front() {
            Some(pushed) => Ok(Came::Push(pushed)),
            None => self.wire.next().await,
        }
    }

    async fn typed<T>(
        &mut self,
        call: Call,
        take: impl FnOnce(ResultBody) -> Option<T>,
    ) -> Result<T, CallError> {
        let method = call.method();
        let body = answer(&mut self.wire, &mut self.pushes, call, &self.settings).await?;
        take(body).ok_or(CallError::Unexpected { method })
    }
}

/// Asks and waits for the answer. Answers to calls that were cancelled are passed by.
async fn answer(
    wire: &mut Wire,
    pushes: &mut VecDeque<Pushed>,
    call: Call,
    settings: &Settings,
) -> Result<ResultBody, CallError> {
    let patience = settings.patience(&call);
    let id = wire.ask(call, patience);
    loop {
        match wire.next().await? {
            Came::Answer { to, answer } if to == id => return answer.map_err(CallError::Refused),
            Came::Answer { .. } => {}
            Came::Push(pushed) if pushes.len() < MOST_PUSHES => pushes.push_back(pushed),
            Came::Push(_) => return Err(wire.lose(Lost::Behind).into()),
        }
    }
}
