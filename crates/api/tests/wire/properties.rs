//! Any bytes are answered, and any message reads back as it was written.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value};
use supervisor_api::command::BudgetUse;
use supervisor_api::wire::*;
use supervisor_api::{
    EventKind, Health, Lifecycle, Readiness, Severity, ShutdownState, SupervisorPath, Vocabulary,
};
use supervisor_api::{PollTimes, ProgramUsage};

/// Bytes that are JSON more often than not: pieces of it, in any order, and other bytes between them.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"request_id\"",
            "\"r\"",
            "\"method\"",
            "\"hello\"",
            "\"params\"",
            "\"type\"",
            "\"command\"",
            "\"event\"",
            "\"ok\"",
            "true",
            "null",
            "1e400",
            "18446744073709551616",
            "-1",
            "\"\\ud800\"",
            "\"",
            "\\",
            "\u{feff}",
            "\u{202e}",
            " ",
            "{\"request_id\":\"r\",",
            "\"method\":\"state\",\"params\":{",
            "\"command.restart_child\"",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A good line with one byte changed, added or removed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let good: Vec<String> = crate::KINDS.iter().flat_map(|(name, _)| crate::lines(name)).collect();
    (prop::sample::select(good), any::<prop::sample::Index>(), any::<u8>(), 0..3u8).prop_map(
        |(line, at, byte, how)| {
            let mut line = line.into_bytes();
            let at = at.index(line.len());
            match how {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                _ => drop(line.remove(at)),
            }
            line
        },
    )
}

/// Reads the bytes as everything there is; none of it may panic, and a refusal can be sent.
fn read_as_everything(bytes: &[u8]) {
    if let Err(refusal) = Request::read(bytes) {
        assert!((1..=128).contains(&refusal.request_id.len()) && refusal.request_id.is_ascii());
        let stage = refusal.error.stage.known().unwrap();
        assert!(stage.refuses_the_request());
        let line = serde_json::to_vec(&refusal.response()).unwrap();
        assert!(!line.contains(&b'\n'));
        assert!(matches!(TargetLine::read(&line), Ok(TargetLine::Response(_))));
    }
    if let Err(error) = ClientMessage::read(bytes) {
        assert!(!error.message.is_empty() && !error.message.chars().any(char::is_control));
    }
    if let Err(refusal) = Registration::read(bytes) {
        let ack = serde_json::to_vec(&RegistrationAck::refused(refusal)).unwrap();
        assert!(RegistrationAck::read(&ack).is_ok());
    }
    let _ = (TargetLine::read(bytes), RegistrationAck::read(bytes), ClientMessage::command_id_in(bytes));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,12}", Just("__proto__".to_owned()), Just("\u{202e}\0\n\"\\".to_owned())]
}

fn shared() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn id() -> impl Strategy<Value = String> {
    "[!-~]{1,128}"
}

fn path() -> impl Strategy<Value = SupervisorPath> {
    "(/[a-c]{1,3}){0,3}"
        .prop_map(|text| SupervisorPath::parse(if text.is_empty() { "/" } else { &text }).unwrap())
}

fn word<T: Vocabulary + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = Word<T>> {
    prop_oneof![
        prop::sample::select(all).prop_map(Word::Known),
        "x_[a-z]{0,5}".prop_map(|text| Word::Other(text.into()))
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![vec(inner.clone(), 0..3).prop_map(Value::from), object(inner).prop_map(Value::Object)]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    btree_map(text(), inner, 0..3).prop_map(|map| map.into_iter().collect())
}

/// Null where a value may be absent reads back as absent.
fn some_json() -> impl Strategy<Value = Option<Value>> {
    option::of(json().prop_filter("null is absent", |value| !value.is_null()))
}

prop_compose! {
    fn more()(
        times: [Option<u64>; 4], pid: Option<u32>,
        budget: Option<(u32, u32, u64, Option<u64>)>, phase: Option<String>,
        usage: Option<([u32; 4], [u64; 3])>, polls: Option<(u32, [u64; 4])>,
    ) -> RowMore {
        let [since, started, next, beat] = times.map(|at| at.map(UnixNanos));
        RowMore {
            since_unix_nanos: since, started_at_unix_nanos: started, next_start_at_unix_nanos: next, pid,
            last_heartbeat_unix_nanos: beat, phase: phase.map(Into::into),
            budget: budget.map(|(used, max, window_nanos, clear_at_unix_nanos)| BudgetUse {
                used, max, window_nanos, clear_at_unix_nanos,
            }),
            usage: usage.map(|([cpu_percent, threads, descriptors, processes], [cpu, memory, at])| {
                Box::new(ProgramUsage {
                    cpu_percent, cpu_millis: cpu, resident_bytes: memory, threads, descriptors, processes,
                    measured_at_unix_nanos: at,
                })
            }),
            poll_times: polls.map(|(busy_percent, [busy_millis, polls, longest_poll_micros, at])| {
                Box::new(PollTimes {
                    busy_percent, busy_millis, polls, longest_poll_micros, measured_at_unix_nanos: at,
                })
            }),
        }
    }
}

prop_compose! {
    fn row()(
        child_path in path(), lifecycle_state in word(Lifecycle::ALL), health in word(Health::ALL),
        readiness in word(Readiness::ALL), generation: u64, attempt: u64, restart_count: u64,
        last_failure in some_json(), last_policy_decision in some_json(),
        shutdown_state in word(ShutdownState::ALL), as_of: Option<u64>, more in more(),
    ) -> RuntimeRow {
        RuntimeRow {
            child_path, lifecycle_state, health, readiness, generation, attempt, restart_count, last_failure,
            last_policy_decision, shutdown_state, as_of, more,
        }
    }
}

prop_compose! {
    fn event()(
        target_id in shared(), sequence: u64, correlation_id in option::of(text()),
        event_type in word(EventKind::ALL), severity in word(Severity::ALL), target_path in path(),
        child_id in option::of(text()), at: u64, config_version in shared(), payload in object(json()),
    ) -> EventRecord {
        EventRecord {
            target_id, sequence, correlation_id, event_type, severity, target_path, child_id,
            occurred_at_unix_nanos: UnixNanos(at), config_version, payload,
        }
    }
}

prop_compose! {
    fn log()(
        target_id in shared(), sequence: Option<u64>, correlation_id in option::of(text()),
        severity in word(Severity::ALL), message in text(), fields in btree_map(text(), text(), 0..3), at: u64,
        child_path in option::of(path()), generation: Option<u64>,
    ) -> LogRecord {
        LogRecord {
            target_id, sequence, correlation_id, severity, message, fields, occurred_at_unix_nanos: UnixNanos(at),
            child_path, generation,
        }
    }
}

prop_compose! {
    fn delta()(
        state_generation: Option<u64>, rows in option::of(vec(row(), 0..4)), events in option::of(vec(event(), 0..2)),
        logs in option::of(vec(log(), 0..2)), dropped_event_count: Option<u64>, dropped_log_count: Option<u64>,
        connection_state in option::of(word(ConnectionState::ALL)), topology in option::of(topology()),
    ) -> StateDelta {
        StateDelta {
            state_generation, topology, runtime_state: rows, recent_events: events, recent_logs: logs,
            dropped_event_count, dropped_log_count, connection_state,
        }
    }
}

fn topology() -> impl Strategy<Value = Topology> {
    vec((path(), path(), any::<u64>()), 0..3).prop_map(|edges| Topology {
        root: SupervisorPath::root(),
        nodes: Vec::new(),
        edges: edges.iter().map(|(from, to, order)| Edge::dependency(from, to, *order)).collect(),
        declaration_order: edges.iter().map(|(_, to, _)| to.to_string()).collect(),
    })
}

fn push() -> impl Strategy<Value = Push> {
    prop_oneof![
        (shared(), event()).prop_map(|(target_id, event)| Push::Event { target_id, event: event.into() }),
        (shared(), log()).prop_map(|(target_id, log)| Push::Log { target_id, log: log.into() }),
        (shared(), delta())
            .prop_map(|(target_id, delta)| Push::StateDelta { target_id, delta: delta.into() }),
        (shared(), word(Stream::ALL), any::<u64>(), any::<u64>())
            .prop_map(|(target_id, stream, from, to)| Push::Gap { target_id, stream, from, to }),
    ]
}

prop_compose! {
    fn asked()(
        command_id in id(), target_id in shared(), expect_state_generation: Option<u64>,
        command in prop::sample::select(Command::ALL), child_path in option::of(text()),
        child_manifest in some_json(), signal in option::of(text()), stack in option::of(text()), rollback: bool,
        reason in text(), requested_by in text(), confirmed: bool, at: Option<u64>,
    ) -> ControlCommandRequest {
        ControlCommandRequest {
            command_id: command_id.into(), target_id, expect_state_generation, command,
            target: CommandTarget { child_path, child_manifest }, signal, stack, rollback, reason, requested_by,
            confirmed, requested_at_unix_nanos: at.map(UnixNanos),
        }
    }
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        Just(Call::Hello),
        (option::of(path()), any::<Option<std::num::NonZeroU32>>(), option::of(path()))
            .prop_map(|(after, limit, under)| Call::State(StateParams { after, limit, under })),
        (
            prop::sample::select(Stream::ALL),
            any::<Option<u64>>(),
            option::of(path()),
            option::of(prop::sample::select(KeptLogs::ALL))
        )
            .prop_map(|(stream, from_sequence, under, kept)| {
                let kept = kept.filter(|_| stream == Stream::Logs);
                let params = SubscribeParams { session_established: true, from_sequence, under, kept };
                Call::Subscribe(stream, params)
            }),
        text().prop_map(|child_path| Call::Why(WhyParams { child_path })),
        text().prop_map(|stack| Call::Plan(PlanParams { stack })),
        asked().prop_map(|asked| Call::Command(Box::new(asked))),
    ]
    .prop_filter("an id of a command is not blank", |call| match call {
        Call::Command(asked) => !asked.command_id.trim().is_empty(),
        _ => true,
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn any_pieces_of_json_are_answered(bytes in frames()) {
        read_as_everything(&bytes);
    }

    #[test]
    fn any_damaged_line_is_answered(bytes in damaged()) {
        read_as_everything(&bytes);
    }

    #[test]
    fn any_request_reads_back(request_id in id(), call in call()) {
        let request = Request { request_id, call };
        let line = serde_json::to_string(&request).unwrap();
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(Request::read(line.as_bytes()), Ok(request));
    }

    #[test]
    fn any_push_reads_back(push in push()) {
        let line = serde_json::to_string(&push).unwrap();
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(TargetLine::read(line.as_bytes()), Ok(TargetLine::Push(Box::new(push))));
    }

    #[test]
    fn any_pushes_fold_once_and_never_go_back(deltas in vec(delta(), 1..6)) {
        let Ok(TargetLine::Response(first)) = TargetLine::read(crate::lines("fold_replace")[0].as_bytes()) else {
            panic!()
        };
        let Some(Ok(ResultBody::State { state, .. })) = first.into_result() else { panic!() };
        let mut view = TreeView::new(*state);
        for delta in deltas {
            let before = view.state().clone();
            let replaces = delta.topology.is_some();
            view.apply_delta(delta);
            prop_assert!(view.state().state_generation >= before.state_generation);
            for row in &before.runtime_state {
                let now = view.row(&row.child_path);
                prop_assert!(replaces || now.is_some(), "a row is lost");
                let ages = now.map(|now| (now.as_of, row.as_of));
                prop_assert!(!matches!(ages, Some((Some(now), Some(was))) if now < was), "a row went back");
            }
        }
    }

    #[test]
    fn canonical_json_is_the_same_value_and_depends_on_the_value_only(value in json()) {
        let text = canonical_json(&value);
        let read: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(canonical_json(&read), text);
    }
}
