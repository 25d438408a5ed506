//! From a request to its answer, for a given caller. No socket is involved.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use supervisor_api::report::{AuditHealth, RegistrationHealth, RuntimeHealthReport};
use supervisor_api::wire::{
    AuditRecord, Call, Command, ErrorCode, INVALID_REQUEST, LEASE_SECONDS, Method, Registration, Request,
    Response, ResultBody, SupportedCommand, WireError,
};
use supervisor_socket::{ORDINARY_FRAME, Peer, Refusal};
use tokio::sync::watch;
use tokio_supervisor::SupervisorHandle;

use crate::audit::{AuditDenial, Audited};
use crate::caller::{Caller, Role};
use crate::command;
use crate::config::{Config, ConfigError};
use crate::feed::{EventLines, Feed, Range, rendered};
use crate::foresee;
use crate::gate::Gate;
use crate::ids::Once;
use crate::json::put;
use crate::registration::{Registrar, RegistrationConfig};
use crate::specs::SpecBook;
use crate::state::{self, Telling};
use crate::target::{Target, UNASKED};
use crate::why;

/// Answers the requests of everybody. Clones share everything.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    pub(crate) shared: Arc<Shared>,
}

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) target: Arc<Target>,
    pub(crate) gate: Gate,
    pub(crate) once: Once,
    registration: Registration,
    hello: Hello,
    registrar: Mutex<Option<Registrar>>,
}

/// What a request gets.
#[derive(Debug)]
pub struct Answer {
    reply: Reply,
    /// What is pushed from now on, after the answer to a subscription.
    pub(crate) feed: Option<Feed>,
}

/// The one answer.
#[derive(Debug)]
enum Reply {
    Message(Box<Response>),
    State(Box<Telling>),
    Hello { request_id: String, result: Arc<[u8]> },
}

impl Answer {
    /// Adds a portion of the answer, without a newline; whether there is more.
    pub(crate) fn portion(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.reply {
            Reply::State(state) => return state.portion(out),
            Reply::Message(response) => put(out, response),
            Reply::Hello { request_id, result } => {
                out.extend_from_slice(br#"{"request_id":"#);
                put(out, request_id);
                out.extend_from_slice(br#","ok":true,"result":"#);
                out.extend_from_slice(result);
                out.push(b'}');
            }
        }
        false
    }

    /// The answer as it travels: one line, without its newline.
    pub fn into_line(mut self) -> Vec<u8> {
        let mut line = Vec::new();
        while self.portion(&mut line) {}
        line
    }
}

impl Dispatcher {
    /// A dispatcher for this tree. `socket` is where it listens, or would: `hello` tells it.
    ///
    /// The audit is opened. One that cannot be opened makes commands be refused, and is tried again by itself; see
    /// [`audit`](Self::audit).
    ///
    /// # Errors
    ///
    /// When the configuration cannot be used.
    pub async fn open(handle: SupervisorHandle, config: &Config, socket: &Path) -> Result<Self, ConfigError> {
        config.check()?;
        let once = Once::open(&config.audit, Arc::clone(&config.target_id)).await;
        Ok(Self::with(handle, config, socket, once))
    }

    /// With a configuration that was checked, and its audit.
    pub(crate) fn with(handle: SupervisorHandle, config: &Config, socket: &Path, once: Once) -> Self {
        let target = Target {
            handle,
            id: Arc::clone(&config.target_id),
            display_name: config.display_name.clone(),
            specs: SpecBook::new(config.specs.clone(), Arc::clone(&config.config_version)),
            lines: EventLines::new(&config.target_id),
            standing: watch::Sender::new(UNASKED),
        };
        let registration = what_a_relay_is_told(config, socket);
        let shared = Shared {
            hello: Hello::new(&target, &registration),
            target: Arc::new(target),
            gate: Gate::new(config),
            once,
            registration,
            registrar: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What this peer may do; `None` when it may not connect.
    pub fn role_of(&self, peer: &Peer) -> Option<Role> {
        self.shared.gate.role_of(peer)
    }

    /// Answers one request. A command takes up to 30 seconds; then the answer is that it goes on.
    ///
    /// Dropping the future takes nothing back: a command that has begun goes on.
    pub async fn answer(&self, caller: &Caller, request: Request) -> Answer {
        match self.answer_read(caller, request) {
            Ok(answer) => answer,
            Err(Request { request_id, call, .. }) => {
                let reply = match self.call(caller, call).await {
                    Ok(result) => Response::answered(request_id, result),
                    Err(error) => Response::refused(request_id, error.on(self.shared.target.id.clone())),
                };
                Answer { reply: Reply::Message(Box::new(reply)), feed: None }
            }
        }
    }

    /// Answers what is read without waiting for anything.
    ///
    /// # Errors
    ///
    /// The request, when it is none of that.
    pub(crate) fn answer_read(&self, caller: &Caller, request: Request) -> Result<Answer, Request> {
        if !matches!(request.call, Call::Hello | Call::State(_) | Call::Subscribe(..) | Call::Why(_)) {
            return Err(request);
        }
        let Request { request_id, call, .. } = request;
        Ok(self.read(caller, &request_id, call).unwrap_or_else(|error| {
            let error = error.on(self.shared.target.id.clone());
            Answer { reply: Reply::Message(Box::new(Response::refused(request_id, error))), feed: None }
        }))
    }

    fn read(&self, caller: &Caller, request_id: &str, call: Call) -> Result<Answer, WireError> {
        let target = &self.shared.target;
        check_size(caller, call.method())?;
        let target_id = Arc::clone(&target.id);
        let (result, feed) = match call {
            Call::Hello => {
                let result = self.shared.hello.of(caller.role);
                let reply = Reply::Hello { request_id: request_id.to_owned(), result };
                return Ok(Answer { reply, feed: None });
            }
            Call::State(params) => {
                let state = state::read(target, request_id, &params, || self.health())?;
                return Ok(Answer { reply: Reply::State(Box::new(state)), feed: None });
            }
            Call::Subscribe(stream, params) => {
                let (feed, Range { first, last }) = Feed::open(target, stream, &params);
                let (from_sequence, subscription) = (Some(first), stream.into());
                let result =
                    ResultBody::Subscription { target_id, subscription, from_sequence, to_sequence: last };
                (result, Some(feed))
            }
            Call::Why(params) => {
                (ResultBody::Why { target_id, why: why::answer(target, &params.child_path)? }, None)
            }
            other => return Err(absent(other.method())),
        };
        let reply = Reply::Message(Box::new(Response::answered(request_id, result)));
        Ok(Answer { reply, feed })
    }

    async fn call(&self, caller: &Caller, call: Call) -> Result<ResultBody, WireError> {
        let Shared { target, .. } = &*self.shared;
        let method = call.method();
        check_size(caller, method)?;
        let target_id = Arc::clone(&target.id);
        match call {
            Call::WhatIf(params) => {
                let what_if = foresee::what_if(target, &self.shared.gate, caller, params).await?;
                Ok(ResultBody::WhatIf { target_id, what_if })
            }
            Call::Plan(params) if target.specs.takes_specs() => {
                let (plan, details) = foresee::plan(target, &params).await?;
                Ok(ResultBody::Plan { target_id, plan, details })
            }
            Call::Command(asked) if takes(target, asked.command) => {
                let result = Box::new(command::answer(&self.shared, caller, *asked).await?);
                Ok(ResultBody::CommandResult { target_id, result })
            }
            _ => Err(absent(method)),
        }
    }

    /// How the audit is. Never waits for the disk.
    pub fn audit(&self) -> AuditHealth {
        self.shared.once.audit().health()
    }

    /// Waits a while for the commands that run, and until everything is recorded. No command is carried out
    /// afterwards, unless the audit is off.
    pub async fn close(&self) {
        self.shared.once.close().await;
    }

    /// Makes the target known to a relay, from now on.
    pub(crate) fn register(&self, relay: RegistrationConfig) {
        let Shared { target, registration, .. } = &*self.shared;
        let (tree, standing) = (target.handle.clone(), target.standing.clone());
        *self.registrar() = Some(Registrar::start(relay, registration.clone(), tree, standing));
    }

    /// How it stands with its relay; `None` when there is none.
    pub(crate) fn standing(&self) -> Option<RegistrationHealth> {
        self.registrar().as_ref().map(Registrar::health)
    }

    /// What the tree says of itself, with what only its control plane knows.
    pub(crate) fn health(&self) -> RuntimeHealthReport {
        RuntimeHealthReport {
            registration: self.standing(),
            audit: Some(self.audit()),
            ..self.shared.target.handle.health()
        }
    }

    /// Ends the registration. Whoever has it can tell the relay.
    pub(crate) fn take_registrar(&self) -> Option<Registrar> {
        self.registrar().take()
    }

    fn registrar(&self) -> MutexGuard<'_, Option<Registrar>> {
        self.shared.registrar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a relay is told of this target, or would be.
    pub fn registration(&self) -> &Registration {
        &self.shared.registration
    }

    /// What is recorded of commands from now on, as browsers are told it. Nothing, where nothing is recorded.
    pub fn audited(&self) -> Audited {
        Audited::new(self.shared.once.audit().listen())
    }

    /// Records what somebody who asks here on behalf of others has refused by itself, as if the target had. Never
    /// waits; what comes too fast is counted.
    pub fn deny(&self, denial: AuditRecord) {
        self.shared.once.audit().deny(AuditDenial::of(denial));
    }

    /// The line for a peer that does not get a session.
    pub(crate) fn turn_away(&self, peer: Option<&Peer>, refusal: Refusal) -> Response {
        let error = self.shared.gate.turn_away(peer, refusal).on(self.shared.target.id.clone());
        self.shared.once.audit().deny(AuditDenial::peer(peer.copied(), &error));
        Response::refused(INVALID_REQUEST, error)
    }
}

fn absent(method: Method) -> WireError {
    let message =
        format!("this target does not have the method {method}; capabilities in hello says what it has");
    WireError::new(ErrorCode::UnsupportedMethod, message)
}

/// What `hello` tells, made once for each role: nothing of it changes.
#[derive(Debug)]
struct Hello([Arc<[u8]>; 3]);

impl Hello {
    fn new(target: &Target, registration: &Registration) -> Self {
        Self([Role::Viewer, Role::Operator, Role::Admin].map(|role| {
            let capabilities = capabilities(target).iter().map(Method::to_string).collect();
            rendered(&ResultBody::hello(registration.clone(), capabilities, Some(role.to_string()))).into()
        }))
    }

    fn of(&self, role: Role) -> Arc<[u8]> {
        let [viewer, operator, admin] = &self.0;
        Arc::clone(match role {
            Role::Viewer => viewer,
            Role::Operator => operator,
            Role::Admin => admin,
        })
    }
}

/// Methods beyond those of the contract that are answered.
fn capabilities(target: &Target) -> Vec<Method> {
    let mut methods = vec![Method::Why, Method::WhatIf, Method::Command(Command::SignalChild)];
    if target.specs.takes_specs() {
        methods.extend([Method::Plan, Method::Command(Command::Apply)]);
    }
    if target.specs.has_file() {
        methods.push(Method::Command(Command::Reload));
    }
    methods
}

fn takes(target: &Target, command: Command) -> bool {
    Command::CONTRACT.contains(&command) || capabilities(target).contains(&Method::Command(command))
}

/// What a relay is told, or would be.
fn what_a_relay_is_told(config: &Config, socket: &Path) -> Registration {
    Registration {
        target_id: config.target_id.to_string(),
        display_name: config.display_name.clone(),
        ipc_path: socket.to_string_lossy().into_owned(),
        lease_seconds: config.registration.as_ref().map_or(LEASE_SECONDS, |relay| relay.lease_seconds),
        supported_commands: SupportedCommand::contract(),
    }
}

/// The methods that bring a manifest or a stack text, which may be long.
const LONG: [Method; 4] =
    [Method::Command(Command::AddChild), Method::Command(Command::Apply), Method::Plan, Method::WhatIf];

/// Whether the beginning of a frame looks as if it were of one of those. Whether it is one is known when the whole is
/// read; then it is looked at again.
pub(crate) fn may_be_long(beginning: &[u8]) -> bool {
    let names = |method: &Method| {
        let name = method.spec().map_or("", |spec| spec.name).as_bytes();
        beginning.windows(name.len()).any(|window| window == name)
    };
    LONG.iter().any(names)
}

/// The socket grants a long frame to what looks as if it may have one.
fn check_size(caller: &Caller, method: Method) -> Result<(), WireError> {
    if caller.frame_bytes <= ORDINARY_FRAME || LONG.contains(&method) {
        return Ok(());
    }
    let message = format!("the request has {} bytes; {method} may have {ORDINARY_FRAME}", caller.frame_bytes);
    Err(WireError::new(ErrorCode::RequestTooLarge, message))
}
