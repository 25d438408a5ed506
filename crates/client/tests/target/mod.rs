//! A small target that speaks the real protocol from a world that the test changes.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Map, Value, json};
use supervisor_api::manifest::Kind;
use supervisor_api::wire::*;
use supervisor_api::{
    EventKind, Exit, Health, Lifecycle, Readiness, Severity, ShutdownState, SupervisorPath,
};
use supervisor_socket::{Bind, Connection, Peer, Refusal, Server, Service, Settings, Standing};
use tokio::sync::watch;

/// The time at which nothing has happened yet.
pub(crate) const DAWN: u64 = 1_763_750_000_000_000_000;

/// Does what a command asks for, and says how it went.
pub(crate) type Obey = Arc<dyn Fn(&mut World, &ControlCommandRequest) -> ControlCommandResult + Send + Sync>;

/// What a target does with subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushes {
    /// As the protocol says.
    Told,
    /// Grants them and pushes nothing.
    Never,
    /// Refuses them.
    Refused,
}

/// Everything that a target knows.
pub(crate) struct World {
    view: TreeView,
    pub(crate) events: Vec<EventRecord>,
    pub(crate) logs: Vec<LogRecord>,
    pub(crate) deltas: Vec<StateDelta>,
    /// The first event, and the first line, that is still kept.
    pub(crate) kept: (u64, u64),
    pub(crate) capabilities: Vec<String>,
    pub(crate) role: Option<String>,
    pub(crate) protocol: String,
    /// Whether it says that a command may be sent again.
    pub(crate) idempotent: bool,
    /// Reads and does not answer any more.
    pub(crate) silent: bool,
    pub(crate) pushes: Pushes,
    /// How often a state was asked for.
    pub(crate) states: usize,
    /// Where each subscription to events began.
    pub(crate) asked_from: Vec<Option<u64>>,
    pub(crate) commands: Vec<ControlCommandRequest>,
    pub(crate) obey: Obey,
    pub(crate) why: Option<WhyAnswer>,
    pub(crate) what_if: Option<WhatIfAnswer>,
    pub(crate) now: u64,
}

pub(crate) fn path(text: &str) -> SupervisorPath {
    SupervisorPath::parse(text).unwrap()
}

fn node(at: &str, kind: Kind, criticality: NodeCriticality) -> Node {
    let path = path(at);
    let is_root = path.is_root();
    Node {
        node_id: at.to_owned(),
        child_id: path.last_segment().map(str::to_owned),
        name: path.last_segment().unwrap_or("shop").to_owned(),
        path,
        kind: if is_root { NodeKind::RootSupervisor } else { NodeKind::ChildTask }.into(),
        node_type: Some(kind.into()),
        strategy: None,
        dynamic: None,
        tags: Vec::new(),
        criticality: criticality.into(),
        state_summary: Lifecycle::Declared.into(),
        diagnostics: Default::default(),
    }
}

fn row(at: &str, state: Lifecycle) -> RuntimeRow {
    let live = state == Lifecycle::Running;
    RuntimeRow {
        child_path: path(at),
        lifecycle_state: state.into(),
        health: Health::Unknown.into(),
        readiness: if live { Readiness::Ready } else { Readiness::Unreported }.into(),
        generation: 1,
        attempt: 0,
        restart_count: 0,
        last_failure: None,
        last_policy_decision: None,
        shutdown_state: ShutdownState::of(state, false).into(),
        as_of: Some(0),
        more: Default::default(),
    }
}

impl World {
    /// A shop: `/db`, `/api` that needs it, and a supervisor `/jobs` with two children.
    pub(crate) fn shop() -> Self {
        use {Kind::*, Lifecycle::*, NodeCriticality::*};
        let all = [
            ("/", Supervisor, Standard, Running),
            ("/db", Process, Critical, Running),
            ("/api", AsyncWorker, Standard, Running),
            ("/jobs", Supervisor, Standard, Running),
            ("/jobs/nightly", AsyncWorker, BestEffort, Completed),
            ("/jobs/mail", AsyncWorker, Standard, Running),
        ];
        let nodes: Vec<Node> = all.iter().map(|(at, kind, how, _)| node(at, *kind, *how)).collect();
        let parents = nodes.iter().filter_map(|node| Some((node.path.parent()?, node.path.clone())));
        let mut edges: Vec<Edge> = parents.map(|(above, below)| Edge::parent(&above, &below, 0)).collect();
        edges.push(Edge::dependency(&path("/api"), &path("/db"), 0));
        let topology = Topology {
            root: SupervisorPath::root(),
            declaration_order: nodes[1..].iter().map(|node| node.path.to_string()).collect(),
            nodes,
            edges,
        };
        Self::of(DashboardState {
            target: TargetInfo {
                target_id: "shop".into(),
                display_name: "The shop".to_owned(),
                registration_state: RegistrationState::Active.into(),
                connection_state: ConnectionState::Registered.into(),
            },
            topology,
            runtime_state: all.iter().map(|(at, _, _, state)| row(at, *state)).collect(),
            recent_events: Vec::new(),
            recent_logs: Vec::new(),
            dropped_event_count: 0,
            dropped_log_count: 0,
            config_version: "9f86d081884c7d65".into(),
            generated_at_unix_nanos: UnixNanos(DAWN),
            health: None,
            state_generation: 0,
            next_after: None,
        })
    }

    pub(crate) fn of(state: DashboardState) -> Self {
        Self {
            view: TreeView::new(state),
            events: Vec::new(),
            logs: Vec::new(),
            deltas: Vec::new(),
            kept: (1, 1),
            capabilities: Vec::new(),
            role: Some("operator".to_owned()),
            protocol: TARGET_PROTOCOL.to_owned(),
            idempotent: true,
            silent: false,
            pushes: Pushes::Told,
            states: 0,
            asked_from: Vec::new(),
            commands: Vec::new(),
            obey: Arc::new(obey),
            why: None,
            what_if: None,
            now: DAWN,
        }
    }

    pub(crate) fn target_id(&self) -> Arc<str> {
        self.view.target_id().clone()
    }

    pub(crate) fn state(&self) -> DashboardState {
        DashboardState { generated_at_unix_nanos: UnixNanos(self.now), ..self.view.state().clone() }
    }

    pub(crate) fn row(&self, at: &str) -> RuntimeRow {
        self.view.row(&path(at)).unwrap().clone()
    }

    /// Changes the state behind the events' back.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut DashboardState)) {
        let mut state = self.view.state().clone();
        change(&mut state);
        self.view.replace(state);
    }

    /// One second later this happens, and the child is in this state. `more` is added to the payload.
    pub(crate) fn event(&mut self, kind: EventKind, at: &str, state: Lifecycle, more: Value) -> u64 {
        let known = self.view.row(&path(at)).cloned().unwrap_or_else(|| row(at, state));
        self.now += 1_000_000_000;
        let live = state.is_live();
        let starts = matches!(kind, EventKind::ChildStarting | EventKind::ChildRestarting);
        let readiness = match (live, state) {
            (false, _) => Readiness::Unreported,
            (true, Lifecycle::Running) => Readiness::Ready,
            (true, _) => Readiness::NotReady,
        };
        let payload = json!({
            "state": state, "health": known.health.as_str(), "readiness": readiness,
            "generation": known.generation + u64::from(starts), "attempt": known.attempt,
            "restart_count": known.restart_count, "cause": "exit", "next": "nothing",
        });
        let Value::Object(mut payload) = payload else { unreachable!() };
        let Value::Object(more) = more else { panic!("{more} is no object") };
        let correlation_id = more.get("correlation_id").and_then(Value::as_str).map(str::to_owned);
        payload.extend(more.into_iter().filter(|(key, _)| key != "correlation_id"));
        self.record(kind, at, correlation_id, payload)
    }

    fn record(&mut self, kind: EventKind, at: &str, id: Option<String>, payload: Map<String, Value>) -> u64 {
        let sequence = self.events.last().map_or(self.kept.0, |last| last.sequence + 1);
        let target_path = path(at);
        let event = EventRecord {
            target_id: self.target_id(),
            sequence,
            correlation_id: id,
            event_type: kind.into(),
            severity: kind.severity().into(),
            child_id: target_path.last_segment().map(str::to_owned),
            target_path,
            occurred_at_unix_nanos: UnixNanos(self.now),
            config_version: self.view.state().config_version.clone(),
            payload,
        };
        self.view.apply_event(event.clone());
        let generation = self.view.state().state_generation + 1;
        self.view.apply_delta(StateDelta { state_generation: Some(generation), ..StateDelta::default() });
        self.events.push(event);
        sequence
    }

    /// `/api` ends with this error and backs off.
    pub(crate) fn fails(&mut self, at: &str, error: &str) -> u64 {
        let known = self.row(at);
        let more = json!({
            "exit": Exit::failed(error), "ran_ms": 1_500, "budget_used": known.attempt + 1, "budget_max": 5,
            "next": "start_at", "next_in_ms": 4_000,
        });
        self.event(EventKind::ChildFailed, at, Lifecycle::Backoff, more)
    }

    pub(crate) fn log(&mut self, at: &str, message: &str) -> u64 {
        self.now += 1_000_000;
        let sequence = self.logs.last().map_or(self.kept.1, |last| last.sequence.unwrap() + 1);
        let log = LogRecord {
            target_id: self.target_id(),
            sequence: Some(sequence),
            correlation_id: None,
            severity: Severity::Info.into(),
            message: message.to_owned(),
            fields: [("stream".to_owned(), "stdout".to_owned())].into(),
            occurred_at_unix_nanos: UnixNanos(self.now),
            child_path: Some(path(at)),
            generation: Some(1),
        };
        self.view.apply(Push::Log { target_id: self.target_id(), log: Box::new(log.clone()) });
        self.logs.push(log);
        sequence
    }

    /// The state changes otherwise than by an event.
    pub(crate) fn delta(&mut self, delta: StateDelta) {
        self.view.apply_delta(delta.clone());
        self.deltas.push(delta);
    }

    fn answer(&mut self, call: Call) -> Result<ResultBody, WireError> {
        let target_id = self.target_id();
        let unsupported = || WireError::new(ErrorCode::UnsupportedMethod, "there is no such method here");
        match call {
            Call::Hello => Ok(ResultBody::Hello {
                protocol_version: self.protocol.clone(),
                registration: Registration {
                    target_id: target_id.to_string(),
                    display_name: self.view.state().target.display_name.clone(),
                    ipc_path: "/nowhere/shop.sock".to_owned(),
                    lease_seconds: LEASE_SECONDS,
                    supported_commands: SupportedCommand::contract()
                        .into_iter()
                        .map(|command| SupportedCommand { idempotent: self.idempotent, ..command })
                        .collect(),
                },
                capabilities: self.capabilities.clone(),
                role: self.role.clone(),
            }),
            Call::State(params) => {
                self.states += 1;
                let mut state = self.state();
                if let Some(under) = params.under {
                    state.runtime_state.retain(|row| under.contains(&row.child_path));
                }
                Ok(ResultBody::State { target_id, state: Box::new(state) })
            }
            Call::Subscribe(..) if self.pushes == Pushes::Refused => Err(unsupported()),
            Call::Subscribe(stream, _) if self.pushes == Pushes::Never => {
                let subscription = stream.into();
                Ok(ResultBody::Subscription {
                    target_id,
                    subscription,
                    from_sequence: None,
                    to_sequence: None,
                })
            }
            Call::Subscribe(stream, params) => {
                let (kept, next) = self.bounds(stream);
                if stream == Stream::Events {
                    self.asked_from.push(params.from_sequence);
                }
                let from = params.from_sequence.unwrap_or(next).clamp(kept.min(next), next);
                Ok(ResultBody::Subscription {
                    target_id,
                    subscription: stream.into(),
                    from_sequence: Some(from),
                    to_sequence: None,
                })
            }
            Call::Why(_) => {
                let why = self.why.clone().ok_or_else(unsupported)?;
                Ok(ResultBody::Why { target_id, why })
            }
            Call::WhatIf(_) => {
                let what_if = self.what_if.clone().ok_or_else(unsupported)?;
                Ok(ResultBody::WhatIf { target_id, what_if })
            }
            Call::Command(asked) => {
                self.commands.push((*asked).clone());
                let obey = self.obey.clone();
                let result = obey(self, &asked);
                match result
                    .error
                    .clone()
                    .filter(|error| error.stage.known().is_some_and(Stage::refuses_the_request))
                {
                    Some(error) => Err(error),
                    None => Ok(ResultBody::CommandResult { target_id, result: Box::new(result) }),
                }
            }
            _ => Err(unsupported()),
        }
    }

    /// The first record that is kept, and the one that comes next.
    fn bounds(&self, stream: Stream) -> (u64, u64) {
        match stream {
            Stream::Events => (self.kept.0, self.events.last().map_or(self.kept.0, |last| last.sequence + 1)),
            Stream::Logs => {
                (self.kept.1, self.logs.last().map_or(self.kept.1, |last| last.sequence.unwrap() + 1))
            }
        }
    }
}

/// What a good target does: at once, and visibly.
pub(crate) fn obey(world: &mut World, asked: &ControlCommandRequest) -> ControlCommandResult {
    use {EventKind::*, Lifecycle::*};
    let at = asked.target.child_path.clone().unwrap_or_else(|| "/".to_owned());
    let refuse = |world: &World, code, message: String| {
        let error = WireError::new(code, message).on(world.target_id());
        ControlCommandResult::rejected(asked, error, UnixNanos(world.now))
    };
    if let Err(error) = asked.check(&world.target_id()) {
        return ControlCommandResult::rejected(asked, error, UnixNanos(world.now));
    }
    if world.view.row(&path(&at)).is_none() {
        return refuse(world, ErrorCode::ValidationFailed, format!("there is no child {at}"));
    }
    if asked.command.needs_confirmation() && !asked.confirmed {
        return refuse(world, ErrorCode::ValidationFailed, "say confirmed: true".to_owned());
    }
    let because = json!({
        "cause": "operator", "requested_by": asked.requested_by, "reason": asked.reason,
        "correlation_id": asked.command_id,
    });
    let steps: &[(EventKind, Lifecycle)] = match asked.command {
        Command::RestartChild => &[
            (ChildStopping, Stopping),
            (ChildStopped, Stopped),
            (ChildStarting, Starting),
            (ChildRunning, Running),
        ],
        Command::PauseChild => &[(ChildStopping, Stopping), (EventKind::Paused, Lifecycle::Paused)],
        Command::ResumeChild => &[(Resumed, Starting), (ChildRunning, Running)],
        Command::QuarantineChild => &[(ChildStopping, Stopping), (ChildQuarantined, Quarantined)],
        Command::RemoveChild => &[(ChildStopping, Stopping), (ChildRuntimeStateRemoved, Removed)],
        Command::ShutdownTree => &[(ShutdownRequested, Running), (ShutdownCompleted, Stopped)],
        _ => &[],
    };
    for (kind, state) in steps {
        world.event(*kind, &at, *state, because.clone());
    }
    ControlCommandResult::completed(asked, UnixNanos(world.now))
}

struct Speaker {
    world: Mutex<World>,
    news: watch::Sender<u64>,
    standing: Standing,
}

/// A running target. It is gone when this is dropped.
pub(crate) struct Target {
    speaker: Arc<Speaker>,
    server: Option<Server>,
    path: PathBuf,
}

impl Target {
    pub(crate) async fn start(path: &Path, world: World) -> Self {
        Self::start_as(path, world, Standing::Ordinary).await
    }

    /// A target to which everybody who connects is this.
    pub(crate) async fn start_as(path: &Path, world: World, standing: Standing) -> Self {
        let (news, _) = watch::channel(0);
        let speaker = Arc::new(Speaker { world: Mutex::new(world), news, standing });
        let settings = Settings { grace: Duration::ZERO, ..Settings::default() };
        let server = Bind::at(path).listen().await.unwrap().serve(settings, speaker.clone());
        Self { speaker, server: Some(server), path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the world, or changes it; what is new is pushed.
    pub(crate) fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.speaker.world());
        self.speaker.news.send_modify(|number| *number += 1);
        result
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.server.as_ref().unwrap().counts().open
    }

    /// Closes every connection and the socket. What the target knows stays for the next one.
    pub(crate) async fn die(mut self) -> World {
        self.server.take().unwrap().close().await;
        std::mem::replace(&mut *self.speaker.world(), World::shop())
    }
}

impl Speaker {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl Service for Speaker {
    fn standing(&self, _: &Peer) -> Standing {
        self.standing
    }

    fn refused(&self, _: Option<&Peer>, refusal: Refusal) -> Option<Vec<u8>> {
        let error = WireError::new(ErrorCode::PeerCredUidMismatch, refusal.to_string());
        Some(serde_json::to_vec(&Response::refused(INVALID_REQUEST, error)).unwrap())
    }

    async fn session(self: Arc<Self>, _: u64, mut connection: Connection) {
        let mut news = self.news.subscribe();
        let mut reader = Reader::default();
        loop {
            tokio::select! {
                frame = connection.reader.next() => {
                    let Ok(Some(line)) = frame else { return };
                    if self.world().silent {
                        continue;
                    }
                    let answer = self.answer(&line, &mut reader);
                    // It may have fallen silent over what it was asked.
                    if self.world().silent {
                        continue;
                    }
                    connection.writer.queue(&serde_json::to_vec(&answer).unwrap());
                }
                _ = news.changed() => {}
            }
            for push in reader.pushes(&self.world()) {
                connection.writer.queue(&serde_json::to_vec(&push).unwrap());
            }
            if connection.writer.flush().await.is_err() {
                return;
            }
        }
    }
}

impl Speaker {
    fn answer(&self, line: &str, reader: &mut Reader) -> Response {
        let request = match Request::read(line.as_bytes()) {
            Ok(request) => request,
            Err(refusal) => return refusal.response(),
        };
        let asked = match &request.call {
            Call::Subscribe(stream, params) => Some((*stream, params.from_sequence)),
            _ => None,
        };
        let answer = self.world().answer(request.call);
        if let (Some((stream, asked)), Ok(ResultBody::Subscription { from_sequence: Some(from), .. })) =
            (asked, &answer)
        {
            reader.subscribe(stream, asked, *from, self.world().deltas.len());
        }
        // A command may have changed the world.
        self.news.send_modify(|number| *number += 1);
        match answer {
            Ok(body) => Response::answered(request.request_id, body),
            Err(error) => Response::refused(request.request_id, error),
        }
    }
}

/// How far one connection has read.
#[derive(Default)]
struct Reader {
    events: Option<u64>,
    logs: Option<u64>,
    deltas: usize,
    gaps: Vec<(Stream, u64, u64)>,
}

impl Reader {
    fn subscribe(&mut self, stream: Stream, asked: Option<u64>, from: u64, deltas: usize) {
        match stream {
            Stream::Events => (self.events, self.deltas) = (Some(from), deltas),
            Stream::Logs => self.logs = Some(from),
        }
        if let Some(asked) = asked.filter(|asked| *asked < from) {
            self.gaps.push((stream, asked, from - 1));
        }
    }

    fn pushes(&mut self, world: &World) -> Vec<Push> {
        let target_id = world.target_id();
        let mut pushes: Vec<Push> = Vec::new();
        for (stream, from, to) in self.gaps.drain(..) {
            pushes.push(Push::Gap { target_id: target_id.clone(), stream: stream.into(), from, to });
        }
        if let Some(next) = &mut self.events {
            if *next < world.kept.0 {
                let (from, to) = (*next, world.kept.0 - 1);
                pushes.push(Push::Gap {
                    target_id: target_id.clone(),
                    stream: Stream::Events.into(),
                    from,
                    to,
                });
                *next = world.kept.0;
            }
            for event in world.events.iter().filter(|event| event.sequence >= world.kept.0) {
                if event.sequence >= *next {
                    *next = event.sequence + 1;
                    pushes.push(Push::Event { target_id: target_id.clone(), event: Box::new(event.clone()) });
                }
            }
            for delta in &world.deltas[self.deltas.min(world.deltas.len())..] {
                pushes
                    .push(Push::StateDelta { target_id: target_id.clone(), delta: Box::new(delta.clone()) });
            }
            self.deltas = world.deltas.len();
        }
        if let Some(next) = &mut self.logs {
            for log in world.logs.iter().filter(|log| log.sequence >= Some(world.kept.1)) {
                if log.sequence >= Some(*next) {
                    *next = log.sequence.unwrap() + 1;
                    pushes.push(Push::Log { target_id: target_id.clone(), log: Box::new(log.clone()) });
                }
            }
        }
        pushes
    }
}

/// A folder in which a socket may be, with a short path and without links.
pub(crate) fn folder() -> tempfile::TempDir {
    let root = std::fs::canonicalize(std::env::temp_dir()).unwrap();
    tempfile::Builder::new().prefix("target-").tempdir_in(root).unwrap()
}
