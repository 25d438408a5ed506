//! Folding what was pushed leads to the state that the target would answer with.

use serde_json::{Value, json};
use supervisor_api::command::BudgetUse;
use supervisor_api::wire::{
    Change, DashboardState, EventRecord, Gap, Push, RECENT, ResultBody, RowMore, StateDelta, Stream,
    TargetLine, TreeView, UnixNanos,
};
use supervisor_api::{Lifecycle, PollTimes, ProgramUsage, SupervisorPath};

use crate::{lines, value};

/// A line that answers with a state, or a push.
enum Step {
    State(Box<DashboardState>),
    Push(Box<Push>),
}

fn step(line: &str) -> Step {
    match TargetLine::read(line.as_bytes()).unwrap() {
        TargetLine::Push(push) => Step::Push(push),
        TargetLine::Response(response) => match response.into_result() {
            Some(Ok(ResultBody::State { state, .. })) => Step::State(state),
            other => panic!("not a state: {other:?}"),
        },
    }
}

fn state(line: &str) -> DashboardState {
    match step(line) {
        Step::State(state) => *state,
        Step::Push(push) => panic!("not a state: {push:?}"),
    }
}

/// Folds a fixture; gives the view, what each push did, and the state that is expected.
fn folded(name: &str) -> (TreeView, Vec<Change>, DashboardState) {
    let lines = lines(name);
    let (first, rest) = lines.split_first().unwrap();
    let (last, pushes) = rest.split_last().unwrap();
    let mut view = TreeView::new(state(first));
    let changes = pushes
        .iter()
        .map(|line| match step(line) {
            Step::Push(push) => view.apply(*push),
            Step::State(_) => panic!("a state in the middle"),
        })
        .collect();
    (view, changes, state(last))
}

fn path(text: &str) -> SupervisorPath {
    SupervisorPath::parse(text).unwrap()
}

#[test]
fn events_and_rows_fold_once_each_and_only_what_is_newer() {
    use Change::{Changed, Foreign};
    let (view, changes, expected) = folded("fold_upsert");
    assert_eq!(*view.state(), expected);
    let all = [Changed, Changed, Changed, Changed, Changed, Foreign, Changed, Changed, Changed, Changed];
    assert_eq!(changes, all);
    assert_eq!(view.row(&path("/new")), expected.runtime_state.last());
    assert_eq!(view.row(&path("/none")), None);
}

#[test]
fn with_a_topology_rows_are_replaced_but_a_newer_row_stays_and_an_older_topology_is_not_taken() {
    let (view, changes, expected) = folded("fold_replace");
    assert_eq!(*view.state(), expected);
    assert_eq!(changes, [Change::Changed, Change::Changed, Change::Stale, Change::Changed]);
    assert_eq!(view.row(&path("/a")), None);
    for node in &expected.topology.nodes {
        assert_eq!(view.node(&node.path), Some(node));
    }
    assert_eq!(view.node(&path("/a")), None);
}

#[test]
fn what_comes_twice_changes_nothing() {
    let lines = lines("fold_upsert");
    let mut view = TreeView::new(state(&lines[0]));
    let pushes = &lines[1..lines.len() - 1];
    for line in pushes {
        let Step::Push(push) = step(line) else { panic!("{line}") };
        view.apply(*push.clone());
        let before = view.state().clone();
        assert_ne!(view.apply(*push), Change::Changed, "{line}");
        assert_eq!(*view.state(), before, "{line}");
    }
}

#[test]
fn a_gap_is_kept_and_grows_until_a_new_state_comes() {
    let (mut view, _, state) = folded("fold_replace");
    assert_eq!(view.gap(Stream::Events), Some(Gap { from: 7, to: 9 }));
    assert_eq!(view.gap(Stream::Logs), None);
    let gap =
        |stream: Stream, from, to| Push::Gap { target_id: "shop".into(), stream: stream.into(), from, to };
    assert_eq!(view.apply(gap(Stream::Events, 12, 13)), Change::Changed);
    assert_eq!(view.apply(gap(Stream::Logs, 1, 1)), Change::Changed);
    assert_eq!(view.gap(Stream::Events), Some(Gap { from: 7, to: 13 }));
    view.replace(state);
    assert_eq!((view.gap(Stream::Events), view.gap(Stream::Logs)), (None, None));
}

#[test]
fn what_another_target_pushed_is_not_folded() {
    let (mut view, _, _) = folded("fold_replace");
    let before = view.state().clone();
    let delta = StateDelta { state_generation: Some(99), ..StateDelta::default() };
    let push = Push::StateDelta { target_id: "other".into(), delta: delta.into() };
    assert_eq!(view.apply(push), Change::Foreign);
    assert_eq!(*view.state(), before);
}

#[test]
fn a_row_that_does_not_say_its_age_is_taken() {
    let lines = lines("responses.seen");
    let mut view = TreeView::new(state(&lines[1]));
    let push = lines_of_pushes("state_delta");
    assert_eq!(view.apply(push), Change::Changed);
    let row = view.row(&path("/ingest")).unwrap();
    assert_eq!((row.lifecycle_state.as_str(), row.attempt), ("running", 4));
    let node = view.state().topology.nodes.iter().find(|node| node.path == path("/ingest")).unwrap();
    assert_eq!(node.state_summary.as_str(), "running");
}

fn lines_of_pushes(kind: &str) -> Push {
    let line = lines("pushes.seen").into_iter().find(|line| value(line)["type"] == kind).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn an_event_of_another_kind_of_target_is_remembered_and_moves_no_row() {
    let lines = lines("responses.seen");
    let mut view = TreeView::new(state(&lines[1]));
    let before = view.row(&path("/ingest")).cloned();
    assert_eq!(view.apply(lines_of_pushes("event")), Change::Changed);
    assert_eq!(view.row(&path("/ingest")).cloned(), before);
    assert_eq!(view.state().recent_events.len(), 2);
}

#[test]
fn the_newest_128_are_remembered_in_order() {
    let (mut view, _, _) = folded("fold_replace");
    let Push::Event { event, .. } = lines_of_pushes("event") else { panic!() };
    for sequence in 1..=300 {
        let mut event = event.clone();
        event.sequence = sequence;
        view.apply_event(*event);
    }
    let kept: Vec<u64> = view.state().recent_events.iter().map(|event| event.sequence).collect();
    assert_eq!(kept, (300 - RECENT as u64 + 1..=300).collect::<Vec<_>>());
}

#[test]
fn a_child_that_is_added_again_under_its_path_begins_anew() {
    let (mut view, _, _) = folded("fold_upsert");
    assert!(view.row(&path("/db")).unwrap().last_failure.is_some());
    let mut event = view.state().recent_events[1].clone();
    event.sequence = 50;
    event.event_type = supervisor_api::EventKind::ChildDeclarationAccepted.into();
    event.payload.remove("exit");
    event.payload.insert("state".into(), "declared".into());
    view.apply_event(event);
    let row = view.row(&path("/db")).unwrap();
    assert_eq!((row.lifecycle_state.as_str(), &row.last_failure), ("declared", &None));
}

#[test]
fn of_several_rows_for_one_path_the_newest_stays() {
    let (mut view, _, state) = folded("fold_replace");
    let mut old = view.row(&path("/c")).unwrap().clone();
    old.as_of = Some(1);
    let mut rows = view.state().runtime_state.clone();
    rows.push(old);
    let delta = StateDelta {
        topology: Some(view.state().topology.clone()),
        runtime_state: Some(rows.clone()),
        ..StateDelta::default()
    };
    view.apply_delta(delta);
    assert_eq!(view.state().runtime_state, state.runtime_state);
    let again = TreeView::new(DashboardState { runtime_state: rows, ..state.clone() });
    assert_eq!(again.state().runtime_state, state.runtime_state);
}

/// A view in which `/db` says since when it runs, and of which program.
fn timed() -> TreeView {
    let (view, _, _) = folded("fold_upsert");
    let mut state = view.state().clone();
    let row = state.runtime_state.iter_mut().find(|row| row.child_path == path("/db")).unwrap();
    (row.lifecycle_state, row.generation, row.as_of) = (Lifecycle::Running.into(), 4, Some(50));
    row.more = RowMore {
        since_unix_nanos: Some(UnixNanos(2_000)),
        started_at_unix_nanos: Some(UnixNanos(1_000)),
        pid: Some(77),
        phase: Some("loading".into()),
        budget: Some(BudgetUse { used: 1, max: 5, window_nanos: 60, clear_at_unix_nanos: Some(99) }),
        usage: Some(Box::new(ProgramUsage { cpu_percent: 7, ..ProgramUsage::default() })),
        poll_times: Some(Box::new(PollTimes { busy_percent: 8, ..PollTimes::default() })),
        ..RowMore::default()
    };
    TreeView::new(state)
}

/// An event about `/db` that leaves it in this state.
fn event(view: &TreeView, sequence: u64, state: Lifecycle, generation: u64, next: Value) -> EventRecord {
    let mut event = view.state().recent_events[1].clone();
    (event.sequence, event.target_path) = (sequence, path("/db"));
    event.occurred_at_unix_nanos = UnixNanos(sequence * 1_000_000_000);
    let payload = json!({"state": state, "health": "unknown", "readiness": "unreported", "generation": generation,
        "attempt": 0, "restart_count": 0, "next": next[0], "next_in_ms": next[1]});
    event.payload = payload.as_object().unwrap().clone();
    event
}

fn more(view: &TreeView) -> RowMore {
    view.row(&path("/db")).unwrap().more.clone()
}

#[test]
fn the_times_of_a_row_follow_the_events() {
    let mut view = timed();
    let budget = more(&view).budget;
    view.apply_event(event(&view, 51, Lifecycle::Running, 4, Value::Null));
    let on = more(&view);
    assert_eq!((on.since_unix_nanos, on.pid), (Some(UnixNanos(2_000)), Some(77)), "the state is the same");
    assert_eq!(on.phase, None, "nobody knows what it is doing now");
    assert_eq!(on.usage.map(|usage| usage.cpu_percent), Some(7));
    assert_eq!(on.poll_times.map(|times| times.busy_percent), Some(8));
    view.apply_event(event(&view, 52, Lifecycle::Backoff, 4, json!(["start_at", 1_500])));
    let waits = RowMore {
        since_unix_nanos: Some(UnixNanos(52_000_000_000)),
        next_start_at_unix_nanos: Some(UnixNanos(53_500_000_000)),
        budget,
        ..RowMore::default()
    };
    assert_eq!(more(&view), waits);
    view.apply_event(event(&view, 54, Lifecycle::Running, 5, Value::Null));
    let at = Some(UnixNanos(54_000_000_000));
    assert_eq!(
        more(&view),
        RowMore { since_unix_nanos: at, started_at_unix_nanos: at, budget, ..RowMore::default() }
    );
}

#[test]
fn a_row_as_of_the_same_event_brings_what_the_event_did_not_tell() {
    let mut view = timed();
    view.apply_event(event(&view, 51, Lifecycle::Running, 5, Value::Null));
    assert_eq!(more(&view).pid, None, "the process of the run before is not that of this one");
    let mut row = view.row(&path("/db")).unwrap().clone();
    row.more.pid = Some(78);
    let delta = |row| StateDelta { runtime_state: Some(vec![row]), ..StateDelta::default() };
    assert_eq!(view.apply_delta(delta(row.clone())), Change::Changed);
    assert_eq!(more(&view).pid, Some(78));
    assert_eq!(view.apply_delta(delta(row.clone())), Change::Stale, "it is had already");
    (row.as_of, row.more.pid) = (Some(50), Some(77));
    assert_eq!(view.apply_delta(delta(row)), Change::Stale, "an older row is not taken");
    assert_eq!(more(&view).pid, Some(78));
}

#[test]
fn of_a_target_that_tells_no_times_none_are_made_up() {
    let mut view = timed();
    let mut row = view.row(&path("/db")).unwrap().clone();
    row.more = RowMore::default();
    view.apply_delta(StateDelta { runtime_state: Some(vec![row]), ..StateDelta::default() });
    view.apply_event(event(&view, 51, Lifecycle::Backoff, 4, json!(["start_at", 1_500])));
    assert_eq!(more(&view), RowMore::default());
}
