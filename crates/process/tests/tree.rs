//! Programs as children of a real tree.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::time::Duration;

use common::{LONG, Mark, exists, sh, until, until_named};
use rustix::process::{Pid, Signal, kill_process};
use supervisor_process::{Check, Probe, ProgramSpec, Readiness};
use tokio_supervisor::api::manifest::StopSignal;
use tokio_supervisor::{
    ChildManifest, ChildSpec, EventKind, EventStream, Exit, Health, Kind, Lifecycle, LogItem, Registry, Role,
    Severity, StampedEvent, Supervisor, SupervisorError, SupervisorHandle, SupervisorSpec,
};

const FOREVER: &str = "echo pid=$$; exec sleep 60";

/// A tree in which nobody is killed, or given up after a kill, because the machine is busy.
fn root(children: impl IntoIterator<Item = ChildSpec>) -> SupervisorSpec {
    SupervisorSpec::root(children).defaults(|child| child.grace(LONG).abort_wait(LONG))
}

fn often(probe: Probe) -> Readiness {
    Readiness::probe(probe).every(Duration::from_millis(10))
}

/// The next event that is wanted.
async fn event(events: &mut EventStream, wanted: impl Fn(&StampedEvent) -> bool) -> StampedEvent {
    let find = async {
        loop {
            let item = events.next().await.expect("the tree has ended");
            if let Some(event) = item.event().filter(|event| wanted(event)) {
                return event.clone();
            }
        }
    };
    tokio::time::timeout(LONG, find).await.expect("the event does not come")
}

async fn state(handle: &SupervisorHandle, path: &str, wanted: Lifecycle) {
    until(&format!("{path} {wanted}"), || handle.child(path).unwrap().state.lifecycle_state == wanted).await;
}

/// The process id that the run with this number printed.
async fn pid(handle: &SupervisorHandle, path: &str, generation: u64) -> u32 {
    let find = || {
        let logs = handle.logs(path).unwrap();
        let mut own = logs.iter().filter(|line| line.generation == generation);
        own.find_map(|line| line.message.strip_prefix("pid=")?.parse().ok())
    };
    until("a process id", || find().is_some()).await;
    find().unwrap()
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}

fn manifest(keys: &str) -> ChildManifest {
    serde_json::from_str(&format!(r#"{{"kind": "process", {keys}}}"#)).unwrap()
}

fn registry() -> Registry {
    Registry::new().kind(Kind::Process, supervisor_process::kind)
}

#[tokio::test]
async fn what_a_program_uses_is_known_while_its_run_lasts() {
    let handle = Supervisor::start(root([sh(FOREVER).into_child("web")])).await.unwrap();
    until("measured", || handle.child("/web").unwrap().usage.is_some()).await;
    let used = handle.child("/web").unwrap().usage.unwrap();
    assert_eq!((used.processes, used.threads), (1, 1), "{used:?}");
    assert!(used.resident_bytes > 0 && used.measured_at_unix_nanos > 0, "{used:?}");
    let programs = handle.programs();
    assert_eq!((programs.len(), programs[0].0.as_str()), (1, "/web"));
    handle.pause_child("/web", "test", "over").await.unwrap();
    assert_eq!(handle.child("/web").unwrap().usage, None);
    assert!(handle.programs().is_empty());
    handle.shutdown("test", "over").await.unwrap();
}

/// A program that holds 60 MB, and says so.
const GREEDY: &str = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo full; while :; do sleep 60; done";

#[tokio::test]
async fn d13_a_program_above_its_limit_of_memory_is_stopped_and_started_again() {
    let greedy = sh(GREEDY).max_memory(20 << 20).into_child("greedy");
    let modest = sh(FOREVER).max_memory(20 << 20).into_child("modest");
    let handle = Supervisor::start(root([greedy, modest])).await.unwrap();
    let mut events = handle.events_after(0);
    let unhealthy = event(&mut events, |event| event.event.kind == EventKind::ChildUnhealthy).await;
    assert_eq!(unhealthy.path.as_str(), "/greedy");
    let ended = event(&mut events, |event| event.event.kind == EventKind::ChildFailed).await;
    let text = ended.to_string();
    assert!(
        text.contains("unhealthy: uses ") && text.contains(" MiB of memory, its limit is 20 MiB"),
        "{text}"
    );
    event(&mut events, |event| event.event.kind == EventKind::ChildRestarted).await;
    let modest = handle.child("/modest").unwrap();
    assert_eq!((modest.state.generation, modest.state.health), (1, Health::Unknown));
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn d13_above_its_limit_of_memory_a_program_that_answers_is_unhealthy_too() {
    let check = Check::new(Probe::exec(["true"])).every(Duration::from_millis(50));
    let greedy = sh(GREEDY).max_memory(20 << 20).health(check, 3).into_child("greedy");
    let handle = Supervisor::start(root([greedy])).await.unwrap();
    let mut events = handle.events_after(0);
    let unhealthy = event(&mut events, |event| event.event.kind == EventKind::ChildUnhealthy).await;
    assert!(unhealthy.to_string().contains("its limit is 20 MiB"), "{unhealthy}");
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn walk_a_restart_of_a_killed_program_says_why_and_brings_it_back() {
    let handle = Supervisor::start(root([sh(FOREVER).into_child("web")])).await.unwrap();
    let mut events = handle.subscribe_events();
    let first = pid(&handle, "/web", 1).await;
    assert_eq!(handle.child("/web").unwrap().pid, Some(first));
    kill(first);
    let ended =
        event(&mut events, |event| event.event.detail.as_ref().is_some_and(|d| d.exit.is_some())).await;
    let exit = ended.event.detail.as_ref().unwrap().exit.clone();
    assert_eq!(exit, Some(Exit::Killed { signal: 9, by_us: false }));
    let second = pid(&handle, "/web", 2).await;
    assert!(second != first && !exists(first));
    assert_eq!(handle.child("/web").unwrap().pid, Some(second));
    handle.pause_child("/web", "test", "held").await.unwrap();
    assert_eq!(handle.child("/web").unwrap().pid, None, "nothing runs");
    handle.resume_child("/web", "test", "on").await.unwrap();
    assert_eq!(handle.child("/web").unwrap().state.restart_count, 1);
    handle.shutdown("test", "over").await.unwrap();
    assert!(!exists(second));
}

#[tokio::test]
async fn all_programs_killed_at_the_same_moment_come_back() {
    let mark = Mark::new();
    let names: Vec<_> = (0..10).map(|n| format!("p{n}")).collect();
    let children = names.iter().map(|name| mark.on(sh(FOREVER)).into_child(name));
    let spec = root(children).budget(50, Duration::from_secs(60));
    let handle = Supervisor::start(spec).await.unwrap();
    mark.until(10).await.into_keys().for_each(kill);
    for name in &names {
        pid(&handle, &format!("/{name}"), 2).await;
    }
    mark.until(10).await;
    handle.shutdown("test", "over").await.unwrap();
    assert_eq!(mark.processes().len(), 0);
}

#[tokio::test]
async fn r53_programs_stop_in_reverse_order_each_gone_before_the_next_is_asked() {
    let script = "trap 'echo asked; sleep 0.05; exit 0' TERM; echo pid=$$; while :; do sleep 0.01; done";
    let names = ["a", "b", "c"];
    let handle = Supervisor::start(root(names.map(|name| sh(script).into_child(name))));
    let handle = handle.await.unwrap();
    for name in names {
        pid(&handle, &format!("/{name}"), 1).await;
    }
    let mut events = handle.subscribe_events();
    handle.shutdown("test", "over").await.unwrap();
    let mut order = Vec::new();
    while let Some(item) = events.next().await {
        let Some(event) = item.event() else { continue };
        let lifecycle = event.event.row.lifecycle;
        if matches!(lifecycle, Lifecycle::Stopping | Lifecycle::Stopped) && event.path.depth() == 1 {
            order.push(format!("{} {lifecycle}", event.path));
        }
    }
    order.dedup();
    let expected = ["/c stopping", "/c stopped", "/b stopping", "/b stopped", "/a stopping", "/a stopped"];
    assert_eq!(order, expected);
    for name in names {
        assert_eq!(handle.exits(name).unwrap().last().unwrap().exit, Exit::Stopped);
    }
}

#[tokio::test]
async fn d8_a_program_that_ignores_its_stop_is_killed_by_us_after_the_grace() {
    let mark = Mark::new();
    let script = "trap '' TERM; echo pid=$$; sleep 60 & sleep 60 & while :; do sleep 0.01; done";
    let child = mark.on(sh(script)).into_child("stubborn").grace(Duration::from_millis(100));
    let handle = Supervisor::start(root([child])).await.unwrap();
    pid(&handle, "/stubborn", 1).await;
    handle.shutdown("test", "over").await.unwrap();
    let exit = handle.exits("/stubborn").unwrap().last().unwrap().exit.clone();
    assert_eq!(exit, Exit::Killed { signal: 9, by_us: true });
    assert_eq!(mark.processes().len(), 0);
}

#[tokio::test]
async fn d19_a_program_that_cannot_start_is_a_failed_start_that_names_it() {
    let spec = root([sh(FOREVER).into_child("first"), ProgramSpec::new("/no/such/server").into_child("web")]);
    let error = Supervisor::start(spec).await.unwrap_err();
    let SupervisorError::StartFailed { path, exit } = error else { panic!("{error}") };
    assert_eq!(path.to_string(), "/web");
    assert_eq!(exit, Exit::failed("cannot start `/no/such/server`: no such file"));
}

#[tokio::test]
async fn d19_a_program_that_ends_before_it_is_ready_has_failed_to_start() {
    let child = sh("exit 0").readiness(often(Probe::log_line("READY"))).into_child("web");
    let error = Supervisor::start(root([child])).await.unwrap_err();
    assert!(matches!(error, SupervisorError::StartFailed { .. }), "{error}");
}

#[tokio::test]
async fn d11_a_dependant_waits_for_the_probe_of_its_dependency() {
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("up");
    let probe = Probe::exec(["test", "-e", flag.to_str().unwrap()]);
    let spec = root([
        sh(FOREVER).into_child("web").depends_on(["db"]),
        sh(FOREVER).readiness(often(probe)).into_child("db"),
    ]);
    let handle = Supervisor::launch(spec).unwrap();
    pid(&handle, "/db", 1).await;
    until("a phase", || {
        handle.child("/db").unwrap().phase.is_some_and(|phase| phase.contains("exit code 1"))
    })
    .await;
    assert_eq!(handle.child("/web").unwrap().state.generation, 0);
    std::fs::write(&flag, "").unwrap();
    handle.started().await.unwrap();
    state(&handle, "/web", Lifecycle::Running).await;
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn d19_a_program_that_is_not_ready_in_time_is_ended_and_has_failed_to_start() {
    let mark = Mark::new();
    let spec = mark.on(sh(FOREVER)).readiness(often(Probe::log_line("READY")));
    let child = spec.into_child("web").ready_within(Duration::from_millis(200));
    let error = Supervisor::start(root([child])).await.unwrap_err();
    let SupervisorError::StartFailed { exit, .. } = error else { panic!("{error}") };
    assert!(matches!(exit, Exit::TimedOut { .. }), "{exit:?}");
    assert_eq!(mark.processes().len(), 0);
}

#[tokio::test]
async fn d13_a_program_whose_health_probe_fails_is_stopped_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let script = "touch healthy; echo pid=$$; exec sleep 60";
    let check =
        Check::new(Probe::exec(["test", "-e", "healthy"])).every(Duration::from_millis(20)).within(LONG);
    let spec = sh(script).working_dir(dir.path()).readiness(often(Probe::exec(["test", "-e", "healthy"])));
    let handle = Supervisor::start(root([spec.health(check, 3).into_child("web")])).await.unwrap();
    let first = pid(&handle, "/web", 1).await;
    std::fs::remove_file(dir.path().join("healthy")).unwrap();
    pid(&handle, "/web", 2).await;
    assert!(!exists(first));
    let exit = handle.exits("/web").unwrap()[0].exit.clone();
    let Exit::Unhealthy { why } = exit else { panic!("{exit}") };
    assert!(why.contains("exec test -e healthy: exit code 1"), "{why}");
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn d18_a_program_as_a_job_is_completed_however_fast_it_is() {
    let jobs = (0..20).map(|n| ProgramSpec::new("true").into_child(format!("job{n}")).role(Role::Job));
    let handle = Supervisor::start(root(jobs)).await.unwrap();
    for n in 0..20 {
        state(&handle, &format!("/job{n}"), Lifecycle::Completed).await;
    }
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn a_line_of_json_has_the_level_that_it_says() {
    let script =
        r#"echo '{"level":"error","msg":"no disk"}'; echo '{"level":"debug","msg":"x"}' >&2; echo '{"n":1}'"#;
    let handle = Supervisor::start(root([sh(script).into_child("a").role(Role::Job)])).await.unwrap();
    until("three lines", || handle.logs("/a").unwrap().len() == 3).await;
    let mut lines: Vec<_> =
        handle.logs("/a").unwrap().iter().map(|line| (line.message.clone(), line.severity)).collect();
    lines.sort();
    let expected = [
        (r#"{"level":"debug","msg":"x"}"#.to_owned(), Severity::Debug),
        (r#"{"level":"error","msg":"no disk"}"#.to_owned(), Severity::Error),
        (r#"{"n":1}"#.to_owned(), Severity::Info),
    ];
    assert_eq!(lines, expected, "the lines stay as they are");
}

#[tokio::test]
async fn the_output_is_the_childs_log_with_its_stream() {
    let child = sh("echo out; echo err >&2; exec sleep 60").into_child("web");
    let handle = Supervisor::launch(root([child])).unwrap();
    let mut logs = handle.logs_after(0);
    let mut lines = Vec::new();
    while lines.len() < 2 {
        let Some(LogItem::Line(line)) = logs.next().await else { panic!("no line") };
        assert_eq!((line.path.to_string(), line.severity), ("/web".into(), Severity::Info));
        lines.push((line.message.clone(), line.fields.clone()));
    }
    lines.sort();
    let field = |stream: &str| vec![("stream".to_owned(), stream.to_owned())];
    assert_eq!(lines, [("err".into(), field("stderr")), ("out".into(), field("stdout"))]);
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn what_left_the_group_is_logged_as_unconfined() {
    let script = "setsid sh -c 'echo pid=$$; exec sleep 60' & wait";
    let handle = Supervisor::start(root([sh(script).into_child("web")])).await.unwrap();
    let escaped = pid(&handle, "/web", 1).await;
    // It says its id before it executes the program by whose name it is shown.
    until_named(escaped, "sleep").await;
    handle.shutdown("test", "over").await.unwrap();
    let logs = handle.logs("/web").unwrap();
    let warning = logs.iter().find(|line| line.severity == Severity::Warning).unwrap();
    assert_eq!(warning.message, format!("process {escaped} (sleep) left the group and runs on, unconfined"));
    kill(escaped);
}

#[tokio::test]
async fn d16_dropping_the_owner_of_the_tree_kills_every_group() {
    let mark = Mark::new();
    let child = mark.on(sh("trap '' TERM; sleep 60 & echo pid=$$; wait; sleep 60")).into_child("web");
    let scoped = Supervisor::scoped(root([child])).unwrap();
    pid(&scoped.handle(), "/web", 1).await;
    mark.until(2).await;
    drop(scoped);
    mark.until(0).await;
}

#[test]
fn d16_dropping_the_runtime_kills_every_group() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mark = Mark::new();
    let first = runtime();
    first.block_on(async {
        let child = mark.on(sh("trap '' TERM; sleep 60 & echo pid=$$; wait; sleep 60")).into_child("web");
        let handle = Supervisor::start(root([child])).await.unwrap();
        pid(&handle, "/web", 1).await;
        mark.until(2).await;
    });
    drop(first);
    runtime().block_on(mark.until(0));
}

#[tokio::test]
async fn a_manifest_of_the_kind_process_runs_with_its_variables_and_secrets() {
    // Cargo sets this one for its tests; here it stands for a secret in the supervisor's environment.
    let secret = std::env::var("CARGO_PKG_NAME").unwrap();
    let manifest = manifest(
        r#""name": "web", "command": ["sh", "-c", "echo $PLAIN; echo $HIDDEN; echo $TWICE; exec sleep 60"],
           "environment": [{"name": "PLAIN", "value": "a b"}, {"name": "HIDDEN", "secret_ref": "${token}"},
                           {"name": "TWICE", "secret_ref": "${CARGO_PKG_NAME}"}],
           "secrets": [{"name": "token", "key": "CARGO_PKG_NAME"}]"#,
    );
    let handle = Supervisor::launch_with(root([]), registry()).unwrap();
    handle.add_child("/", manifest, "test", "to see it").await.unwrap();
    until("three lines", || handle.logs("/web").unwrap().len() == 3).await;
    let lines: Vec<_> = handle.logs("/web").unwrap().iter().map(|line| line.message.clone()).collect();
    assert_eq!(lines, ["a b".to_owned(), secret.clone(), secret]);
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn a_manifest_that_is_not_sound_is_refused_once_per_mistake() {
    let handle = Supervisor::launch_with(root([]), registry()).unwrap();
    let bad = manifest(r#""name": "web", "command": [""], "readiness": {"tcp": "x"}"#);
    let error = handle.add_child("/", bad, "test", "to see it").await.unwrap_err();
    let SupervisorError::InvalidSpec(findings) = error else { panic!("{error}") };
    let keys: Vec<_> = findings.iter().map(|finding| (finding.path.as_str(), finding.key)).collect();
    assert_eq!(keys, [("/web", "command"), ("/web", "readiness.tcp")]);
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn an_operator_pauses_a_program_and_resumes_it() {
    let mark = Mark::new();
    let spec = root([
        mark.on(sh(FOREVER)).into_child("web"),
        ChildSpec::service("task", |ctx| async move {
            ctx.stopping().await;
        }),
    ]);
    let handle = Supervisor::start(spec).await.unwrap();
    mark.until(1).await;
    handle.pause_child("web", "test", "maintenance").await.unwrap();
    assert_eq!(mark.processes().len(), 0);
    assert_eq!(handle.exits("web").unwrap()[0].exit, Exit::Stopped);
    handle.resume_child("web", "test", "done").await.unwrap();
    mark.until(1).await;
    handle.shutdown("test", "over").await.unwrap();
    assert_eq!(mark.processes().len(), 0);
}

#[tokio::test]
async fn a_signal_reaches_the_program_and_one_that_ends_it_is_an_end_by_itself() {
    let script = "trap 'echo hung up' HUP; echo pid=$$; while :; do sleep 0.01; done";
    let handle = Supervisor::start(SupervisorSpec::root([sh(script).into_child("web")])).await.unwrap();
    let mut events = handle.subscribe_events();
    pid(&handle, "/web", 1).await;
    handle.signal_child("web", StopSignal::Hup, "ops", "new configuration").await.unwrap();
    let said = || handle.logs("web").unwrap().iter().any(|line| line.message == "hung up");
    until("the program obeys", said).await;
    assert_eq!(handle.child("web").unwrap().state.generation, 1, "it runs on");

    handle.signal_child("web", StopSignal::Kill, "ops", "a drill").await.unwrap();
    let failed = event(&mut events, |event| event.event.kind == EventKind::ChildFailed).await;
    let exit = failed.event.detail.as_ref().unwrap().exit.clone();
    assert!(matches!(exit, Some(Exit::Killed { .. })), "{exit:?}");
    pid(&handle, "/web", 2).await;
    handle.shutdown("test", "done").await.unwrap();
}
