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
use crate::feed::{EventLines, Feed, Range};
use crate::foresee;
use crate::gate::Gate;
use crate::ids::Once;
use crate::registration::{Registrar, RegistrationConfig};
use crate::specs::SpecBook;
use crate::state;
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
    registrar: Mutex<Option<Registrar>>,
}

/// What a request gets.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The one answer.
    pub response: Response,
    /// What is pushed from now on, after the answer to a subscription.
    pub(crate) feed: Option<Feed>,
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
            lines: EventLines::default(),
            standing: watch::Sender::new(UNASKED),
        };
        let registration = what_a_relay_is_told(config, socket);
        let shared = Shared {
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
        let Request { request_id, call, .. } = request;
        match self.call(caller, call).await {
            Ok((result, feed)) => Answer { response: Response::answered(request_id, result), feed },
            Err(error) => {
                let error = error.on(self.shared.target.id.clone());
                Answer { response: Response::refused(request_id, error), feed: None }
            }
        }
    }

    async fn call(&self, caller: &Caller, call: Call) -> Result<(ResultBody, Option<Feed>), WireError> {
        let Shared { target, registration, .. } = &*self.shared;
        let method = call.method();
        check_size(caller, method)?;
        let target_id = Arc::clone(&target.id);
        match call {
            Call::Hello => {
                let capabilities = capabilities(target).iter().map(Method::to_string).collect();
                let role = Some(caller.role.to_string());
                Ok((ResultBody::hello(registration.clone(), capabilities, role), None))
            }
            Call::State(params) => {
                let mut state = Box::new(state::read(target, &params)?);
                state.health = Some(Box::new(self.health()));
                Ok((ResultBody::State { target_id, state }, None))
            }
            Call::Subscribe(stream, params) => {
                let (feed, Range { first, last }) = Feed::open(target, stream, &params);
                let (from_sequence, subscription) = (Some(first), stream.into());
                let result =
                    ResultBody::Subscription { target_id, subscription, from_sequence, to_sequence: last };
                Ok((result, Some(feed)))
            }
            Call::Why(params) => {
                let why = why::answer(target, &params.child_path)?;
                Ok((ResultBody::Why { target_id, why }, None))
            }
            Call::WhatIf(params) => {
                let what_if = foresee::what_if(target, &self.shared.gate, caller, params).await?;
                Ok((ResultBody::WhatIf { target_id, what_if }, None))
            }
            Call::Plan(params) if target.specs.takes_specs() => {
                let (plan, details) = foresee::plan(target, &params).await?;
                Ok((ResultBody::Plan { target_id, plan, details }, None))
            }
            Call::Command(asked) if takes(target, asked.command) => {
                let result = Box::new(command::answer(&self.shared, caller, *asked).await?);
                Ok((ResultBody::CommandResult { target_id, result }, None))
            }
            _ => {
                let message = format!(
                    "this target does not have the method {method}; capabilities in hello says what it has"
                );
                Err(WireError::new(ErrorCode::UnsupportedMethod, message))
            }
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
