//! A registration against relays that behave and misbehave, over a real socket, in the time of the test.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_api::report::{RegistrationHealth, RegistrationPhase};
use supervisor_api::wire::{
    ConnectionState, ErrorCode, Registration, RegistrationAck, RegistrationRefusal, RegistrationState,
    Stream, SubscribeParams, SupportedCommand,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_supervisor::{EventKind, EventStream, Supervisor, SupervisorHandle, SupervisorSpec};

use super::status::words;
use super::{Registrar, RegistrationConfig};
use crate::feed::{Feed, Feeds};
use crate::scene::{bytes, serve};
use crate::target::UNASKED;

const SECOND: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a relay does with a registration.
#[derive(Debug, Clone)]
enum Way {
    Takes,
    Refuses(ErrorCode, bool),
    /// Says this, with the line feed that is in it or is not, and closes.
    Says(String),
    Silent,
    /// Closes before it has read anything.
    Closes,
}

/// A relay that notes what it is told and when.
struct Relay {
    path: PathBuf,
    way: Arc<Mutex<Way>>,
    heard: Arc<Mutex<Vec<(Instant, Value)>>>,
    task: Option<JoinHandle<()>>,
    _home: tempfile::TempDir,
}

impl Relay {
    /// One that is not there yet.
    fn absent() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("relay.sock");
        Self { path, way: Arc::new(Mutex::new(Way::Takes)), heard: Arc::default(), task: None, _home: home }
    }

    fn of(way: Way) -> Self {
        let mut relay = Self::absent();
        relay.now(way);
        relay.listen();
        relay
    }

    fn listen(&mut self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let (way, heard) = (Arc::clone(&self.way), Arc::clone(&self.heard));
        self.task = Some(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let way = way.lock().unwrap().clone();
                tokio::spawn(answer(stream, way, Arc::clone(&heard)));
            }
        }));
    }

    fn leave(&mut self) {
        self.task.take().unwrap().abort();
        std::fs::remove_file(&self.path).unwrap();
    }

    fn now(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    fn heard(&self) -> Vec<(Instant, Value)> {
        self.heard.lock().unwrap().clone()
    }

    fn config(&self) -> RegistrationConfig {
        RegistrationConfig::new(&self.path)
    }

    fn register(&self) -> Registrar {
        self.register_of(Supervisor::launch(SupervisorSpec::root([])).unwrap())
    }

    fn register_of(&self, tree: SupervisorHandle) -> Registrar {
        Registrar::start(self.config(), registration(), tree, watch::Sender::new(UNASKED))
    }
}

async fn answer(stream: UnixStream, way: Way, heard: Arc<Mutex<Vec<(Instant, Value)>>>) {
    if matches!(way, Way::Closes) {
        heard.lock().unwrap().push((Instant::now(), Value::Null));
        return;
    }
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.ends_with('\n'));
    heard.lock().unwrap().push((Instant::now(), serde_json::from_str(&line).unwrap()));
    let ack = match way {
        Way::Takes => RegistrationAck::registered("shop"),
        Way::Refuses(code, retryable) => {
            let refusal = RegistrationRefusal::new(code, "not so");
            RegistrationAck { retryable, ..RegistrationAck::refused(refusal) }
        }
        Way::Says(text) => return drop(stream.write_all(text.as_bytes()).await),
        Way::Silent | Way::Closes => {
            // Until the other end gives up.
            let mut rest = Vec::new();
            return drop(stream.read_to_end(&mut rest).await);
        }
    };
    let line = serde_json::to_string(&ack).unwrap() + "\n";
    // The other end may be gone already.
    let _ = stream.write_all(line.as_bytes()).await;
    let mut more = Vec::new();
    let _ = stream.read_to_end(&mut more).await;
    assert_eq!(more, b"", "one line for each connection");
}

fn registration() -> Registration {
    Registration {
        target_id: "shop".into(),
        display_name: "The shop".into(),
        ipc_path: "/run/user/7/tokio-supervisor/shop.sock".into(),
        lease_seconds: 30,
        supported_commands: SupportedCommand::contract(),
    }
}

/// Waits for a phase, at most two hours of the test's time.
async fn until(registrar: &mut Registrar, phase: RegistrationPhase) -> RegistrationHealth {
    let wait = timeout(7_200 * SECOND, async {
        loop {
            let health = registrar.health();
            if health.phase == phase {
                return health;
            }
            registrar.status.changed().await.unwrap();
        }
    });
    wait.await.unwrap_or_else(|_| panic!("it never is {phase}"))
}

#[tokio::test(start_paused = true)]
async fn one_line_with_exactly_its_keys_on_a_new_connection_each_heartbeat() {
    let relay = Relay::of(Way::Takes);
    let began = Instant::now();
    let mut registrar = relay.register();
    assert_eq!(registrar.health().phase, RegistrationPhase::Connecting);
    let health = until(&mut registrar, RegistrationPhase::Registered).await;
    assert!(health.was_registered && health.problem.is_none() && health.code.is_none());
    assert_eq!(health.next_attempt_ms, Some(15_000));
    sleep(200 * SECOND).await;
    let heard = relay.heard();
    assert_eq!(heard.len(), 14);
    for (at, (when, line)) in heard.iter().enumerate() {
        assert_eq!(*when - began, HEARTBEAT * at as u32);
        let keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["display_name", "ipc_path", "lease_seconds", "supported_commands", "target_id"]);
        assert_eq!((&line["target_id"], &line["lease_seconds"]), (&json!("shop"), &json!(30)));
        let command = &line["supported_commands"][0];
        assert_eq!(*command, json!({"name": "restart_child", "idempotent": true, "timeout_seconds": 30}));
    }
    assert_eq!(registrar.health().phase, RegistrationPhase::Registered);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_not_there_is_asked_again_at_last_once_a_heartbeat_until_it_is() {
    let mut relay = Relay::absent();
    let mut registrar = relay.register();
    let mut delays = Vec::new();
    for failures in 1..=10 {
        while registrar.health().failures < failures {
            registrar.status.changed().await.unwrap();
        }
        let health = registrar.health();
        assert_eq!((health.phase, health.was_registered), (RegistrationPhase::Unreachable, false));
        assert!(health.problem.unwrap().contains("there is no socket"));
        delays.push(health.next_attempt_ms.unwrap());
    }
    for (at, delay) in delays.iter().enumerate() {
        let whole = (500 << at).min(15_000);
        assert!((whole / 2..=whole).contains(delay), "delay {at} is {delay}");
    }
    relay.listen();
    let health = until(&mut registrar, RegistrationPhase::Registered).await;
    assert_eq!((health.failures, health.problem), (0, None));
}

#[tokio::test(start_paused = true)]
async fn the_delays_of_many_targets_are_not_the_same() {
    let relay = Relay::absent();
    let mut delays = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let mut registrar = relay.register();
        delays.insert(until(&mut registrar, RegistrationPhase::Unreachable).await.next_attempt_ms);
    }
    assert!(delays.len() > 20, "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_answer_as_it_should_is_told_of_and_asked_again() {
    let other = serde_json::to_string(&RegistrationAck::registered("another")).unwrap() + "\n";
    let pending = r#"{"ok":true,"retryable":false,"status":"pending","target_id":"shop"}"#;
    let ways = [
        (Way::Silent, "did not answer within 5s"),
        (Way::Closes, "did not answer"),
        (Way::Says(String::new()), "it closed the connection"),
        (Way::Says("{\"ok\":true".into()), "did not answer"),
        (Way::Says("nonsense\n".into()), "did not answer as it should"),
        (Way::Says("[]\n".into()), "did not answer as it should"),
        (Way::Says("{\"ok\":false,\"retryable\":true}\n".into()), "the refusal does not say why"),
        (Way::Says(format!("{}\n", "x".repeat(70_000))), "did not answer"),
        (Way::Says(other), "it speaks of target \"another\""),
        (Way::Says(format!("{pending}\n")), "its status is \"pending\""),
    ];
    for (way, says) in ways {
        let relay = Relay::of(way.clone());
        let mut registrar = relay.register();
        let health = until(&mut registrar, RegistrationPhase::Unreachable).await;
        let problem = health.problem.unwrap();
        assert!(problem.contains(says), "{way:?}: {problem}");
        assert!(health.next_attempt_ms.is_some() && health.code.is_none());
        relay.now(Way::Takes);
        until(&mut registrar, RegistrationPhase::Registered).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_may_pass_is_tried_again_soon_and_one_that_will_not_after_minutes() {
    for (code, retryable, within) in [
        (ErrorCode::IpcPathConflict, true, 250..=500),
        (ErrorCode::TargetIdOwnerMismatch, false, 150_000..=300_000),
    ] {
        let relay = Relay::of(Way::Refuses(code, retryable));
        let mut registrar = relay.register();
        let health = until(&mut registrar, RegistrationPhase::Refused).await;
        assert_eq!(health.code.as_deref(), Some(code.as_str()));
        assert!(health.problem.as_ref().unwrap().contains("not so"), "{health:?}");
        assert!(within.contains(&health.next_attempt_ms.unwrap()), "{health:?}");
        assert_eq!(words(&health), (RegistrationState::Rejected, ConnectionState::Unavailable));
        // Whoever mends the relay need not start the target anew.
        relay.now(Way::Takes);
        until(&mut registrar, RegistrationPhase::Registered).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_renewed_runs_out_to_the_second_and_who_watches_is_told() {
    let mut relay = Relay::of(Way::Takes);
    let began = Instant::now();
    let mut registrar = relay.register();
    until(&mut registrar, RegistrationPhase::Registered).await;
    relay.leave();
    let health = until(&mut registrar, RegistrationPhase::Renewing).await;
    assert_eq!(began.elapsed(), HEARTBEAT);
    assert_eq!(words(&health), (RegistrationState::Active, ConnectionState::Reconnecting));
    let health = until(&mut registrar, RegistrationPhase::Unreachable).await;
    assert_eq!(began.elapsed(), 30 * SECOND);
    assert!(health.was_registered);
    assert_eq!(words(&health), (RegistrationState::Expired, ConnectionState::Expired));
    relay.listen();
    until(&mut registrar, RegistrationPhase::Registered).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_relay_costs_a_heartbeat_and_not_the_lease() {
    let relay = Relay::of(Way::Takes);
    let mut registrar = relay.register();
    until(&mut registrar, RegistrationPhase::Registered).await;
    relay.now(Way::Silent);
    until(&mut registrar, RegistrationPhase::Renewing).await;
    relay.now(Way::Takes);
    let mut seen = Vec::new();
    while seen.last() != Some(&RegistrationPhase::Registered) {
        registrar.status.changed().await.unwrap();
        seen.push(registrar.health().phase);
    }
    assert!(!seen.contains(&RegistrationPhase::Unreachable), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_ends_asks_for_the_shortest_lease_and_then_is_quiet() {
    let relay = Relay::of(Way::Takes);
    let mut registrar = relay.register();
    until(&mut registrar, RegistrationPhase::Registered).await;
    registrar.close().await;
    let heard = relay.heard();
    let leases: Vec<_> = heard.iter().map(|(_, line)| line["lease_seconds"].as_u64().unwrap()).collect();
    assert_eq!(leases, [30, 1]);
    sleep(600 * SECOND).await;
    assert_eq!(relay.heard().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn leaving_a_relay_that_is_silent_takes_a_second_and_one_that_never_had_it_no_time() {
    let relay = Relay::of(Way::Takes);
    let mut registrar = relay.register();
    until(&mut registrar, RegistrationPhase::Registered).await;
    relay.now(Way::Silent);
    let began = Instant::now();
    registrar.close().await;
    assert_eq!(began.elapsed(), SECOND);

    let absent = Relay::absent();
    let mut registrar = absent.register();
    until(&mut registrar, RegistrationPhase::Unreachable).await;
    let began = Instant::now();
    registrar.close().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_is_dropped_is_not_renewed() {
    let relay = Relay::of(Way::Takes);
    let mut registrar = relay.register();
    until(&mut registrar, RegistrationPhase::Registered).await;
    drop(registrar);
    sleep(600 * SECOND).await;
    assert_eq!(relay.heard().len(), 1);
}

#[test]
fn each_phase_has_its_words() {
    for phase in RegistrationPhase::ALL {
        for was_registered in [false, true] {
            let health = RegistrationHealth {
                phase: *phase,
                relay: String::new(),
                was_registered,
                failures: 0,
                code: None,
                problem: None,
                next_attempt_ms: None,
            };
            let (registration, connection) = words(&health);
            assert_eq!(registration == RegistrationState::Rejected, *phase == RegistrationPhase::Refused);
            let active = phase.is_registered() || *phase == RegistrationPhase::Connecting;
            assert_eq!(registration == RegistrationState::Active, active);
            let is_connection = connection == ConnectionState::Registered;
            assert_eq!(is_connection, *phase == RegistrationPhase::Registered);
        }
    }
}

/// The words for the connection that a reader is pushed, as they change.
async fn pushed(feeds: &mut Feeds) -> String {
    loop {
        let line = timeout(7_200 * SECOND, feeds.next()).await.expect("nothing is pushed");
        let line: Value = serde_json::from_slice(&bytes(line)).unwrap();
        if let Some(word) = line["delta"]["connection_state"].as_str() {
            return word.to_owned();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_the_target_is_pushed_each_change_of_its_registration() {
    let (_tree, dispatcher) = serve(SupervisorSpec::root([])).await;
    let params = SubscribeParams { session_established: true, ..SubscribeParams::default() };
    let (feed, _) = Feed::open(&dispatcher.shared.target, Stream::Events, &params);
    let mut feeds = Feeds::default();
    feeds.add(feed);
    let mut relay = Relay::absent();
    let began = Instant::now();
    dispatcher.register(relay.config());
    assert_eq!(pushed(&mut feeds).await, "connecting");
    assert_eq!(pushed(&mut feeds).await, "unavailable");
    relay.listen();
    assert_eq!(pushed(&mut feeds).await, "registered");
    relay.leave();
    let registered = Instant::now();
    assert_eq!(pushed(&mut feeds).await, "reconnecting");
    assert_eq!(registered.elapsed(), HEARTBEAT);
    assert_eq!(pushed(&mut feeds).await, "expired");
    assert_eq!(registered.elapsed(), 30 * SECOND);
    relay.listen();
    assert_eq!(pushed(&mut feeds).await, "registered");
    dispatcher.take_registrar().unwrap().close().await;
    assert_eq!(pushed(&mut feeds).await, "expired");
    assert!(began.elapsed() < 120 * SECOND);
}

/// The next event about the registration: whether the relay has the target, and the text.
async fn told(events: &mut EventStream) -> (bool, String) {
    loop {
        let item = events.next().await.unwrap();
        let event = item.event().unwrap();
        let registered = match event.event.kind {
            EventKind::TargetRegistered => true,
            EventKind::TargetUnregistered => false,
            _ => continue,
        };
        assert!(event.path.is_root());
        let text = event.event.detail.as_ref().and_then(|detail| detail.text.clone());
        return (registered, text.unwrap().to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn the_events_of_the_tree_tell_when_no_relay_has_it_and_when_one_has_again() {
    let tree = Supervisor::launch(SupervisorSpec::root([])).unwrap();
    let mut events = tree.events_after(0);
    let mut relay = Relay::absent();
    let registrar = relay.register_of(tree);
    let (registered, why) = told(&mut events).await;
    assert!(!registered && why.contains("relay.sock"), "{why}");
    relay.listen();
    assert_eq!(told(&mut events).await, (true, relay.path.display().to_string()));
    relay.now(Way::Refuses(ErrorCode::InvalidLeaseSeconds, false));
    let (registered, why) = told(&mut events).await;
    assert!(!registered && why.contains("not so"), "{why}");
    drop(registrar);
}
