//! Each metric moves when what it counts happens, and the number of series is bounded.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{event, ms, secs, service, settle, start, state};
use prometheus_client::registry::Registry;
use tokio_supervisor::api::ProgramUsage;
use tokio_supervisor::{
    Backoff, ChildContext, ChildSpec, EventItem, EventKind, Lifecycle, Metrics, OnExhausted,
    SupervisorHandle, SupervisorSpec,
};

/// A tree and what a scrape of it reads.
struct Scraped {
    handle: SupervisorHandle,
    registry: Registry,
    metrics: Metrics,
}

async fn scraped(children: impl IntoIterator<Item = ChildSpec>) -> Scraped {
    of(SupervisorSpec::root(children).unlimited()).await
}

async fn of(spec: SupervisorSpec) -> Scraped {
    let handle = start(spec).await;
    let mut registry = Registry::default();
    let metrics = handle.register_metrics(&mut registry);
    Scraped { handle, registry, metrics }
}

impl Scraped {
    fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    /// The value of the series with exactly these labels; `None` when there is no such series.
    fn read(&self, series: &str) -> Option<f64> {
        let text = self.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }

    fn expect(&self, series: &str, value: f64) {
        assert_eq!(self.read(series), Some(value), "{series}\n{}", self.text());
    }
}

fn failing(name: &str) -> ChildSpec {
    ChildSpec::service(name, |_| async { Err::<(), _>("boom") })
}

fn every(span: std::time::Duration) -> Backoff {
    let mut backoff = Backoff::exponential(span, span);
    backoff.jitter_ratio = 0.0;
    backoff
}

const A: &str = r#"supervisor_path="/",child_path="/a""#;

#[tokio::test(start_paused = true)]
async fn child_state_follows_the_child() {
    let scraped = scraped([service("a")]).await;
    let running = format!(r#"supervisor_child_state{{{A},state="running"}}"#);
    let paused = format!(r#"supervisor_child_state{{{A},state="paused"}}"#);
    scraped.expect(&running, 1.0);
    assert_eq!(scraped.read(&paused), None);
    scraped.handle.pause_child("a", "ops", "x").await.unwrap();
    scraped.expect(&paused, 1.0);
    assert_eq!(scraped.read(&running), None);
    scraped.handle.remove_child("a", "ops", "x").await.unwrap();
    settle().await;
    assert!(!scraped.text().contains("/a"), "what is gone has no series: {}", scraped.text());
}

#[tokio::test(start_paused = true)]
async fn restarts_and_their_delays_are_counted() {
    let scraped = scraped([failing("a").backoff(every(secs(2))), service("b")]).await;
    let restarts = format!("supervisor_restart_total{{{A}}}");
    let before = scraped.read(&restarts).unwrap();
    let observed = r#"supervisor_backoff_seconds_count{supervisor_path="/"}"#;
    let delays = scraped.read(observed).unwrap_or(0.0);
    tokio::time::sleep(secs(9)).await;
    settle().await;
    let restarted = scraped.read(&restarts).unwrap() - before;
    assert!(restarted >= 4.0, "{restarted}");
    assert!(scraped.read(observed).unwrap() - delays >= 4.0);
    let sum = scraped.read(r#"supervisor_backoff_seconds_sum{supervisor_path="/"}"#).unwrap();
    assert_eq!(sum, 2.0 * scraped.read(observed).unwrap(), "each took two seconds");
    let row = scraped.handle.row(scraped.handle.find("a").unwrap()).unwrap();
    scraped.expect(&restarts, f64::from(row.restart_count));
    scraped.expect(r#"supervisor_restart_total{supervisor_path="/",child_path="/b"}"#, 0.0);
}

#[tokio::test(start_paused = true)]
async fn uptime_is_that_of_the_run() {
    let scraped = scraped([service("a")]).await;
    let uptime = format!("supervisor_child_uptime_seconds{{{A}}}");
    tokio::time::sleep(secs(7)).await;
    scraped.expect(&uptime, 7.0);
    scraped.handle.restart_child("a", "ops", "x").await.unwrap();
    scraped.expect(&uptime, 0.0);
    tokio::time::sleep(secs(3)).await;
    scraped.expect(&uptime, 3.0);
    scraped.handle.pause_child("a", "ops", "x").await.unwrap();
    assert_eq!(scraped.read(&uptime), None, "nothing runs");
}

#[tokio::test(start_paused = true)]
async fn probes_and_missed_heartbeats_are_counted() {
    let slow = service("a").probe(secs(1), secs(5), 3, |_| async {
        tokio::time::sleep(ms(250)).await;
        Ok::<(), &str>(())
    });
    let silent = service("b").heartbeat(secs(1), secs(1), 100);
    let scraped = scraped([slow, silent]).await;
    tokio::time::sleep(ms(10_100)).await;
    let count = scraped.read(r#"supervisor_healthcheck_latency_seconds_count{supervisor_path="/"}"#).unwrap();
    let sum = scraped.read(r#"supervisor_healthcheck_latency_seconds_sum{supervisor_path="/"}"#).unwrap();
    assert!(count >= 8.0, "{count}");
    assert_eq!(sum, 0.25 * count);
    let stale = r#"supervisor_child_runtime_heartbeat_stale_total{supervisor_path="/",child_path="/b"}"#;
    scraped.expect(stale, 1.0);
    scraped.expect(
        r#"supervisor_child_runtime_heartbeat_stale_total{supervisor_path="/",child_path="/a"}"#,
        0.0,
    );
}

#[tokio::test(start_paused = true)]
async fn exhausted_budgets_and_what_is_left_of_one_are_seen() {
    let flaky =
        failing("a").backoff(every(secs(1))).budget(3, secs(60)).on_exhausted(OnExhausted::Quarantine);
    let scraped = of(SupervisorSpec::root([flaky, service("b")]).budget(5, secs(100))).await;
    let own = format!("supervisor_child_runtime_restart_limit_remaining{{{A}}}");
    let shared = r#"supervisor_child_runtime_restart_limit_remaining{supervisor_path="/",child_path=""}"#;
    let meltdowns = r#"supervisor_meltdown_total{supervisor_path="/",decision="until_operator"}"#;
    assert_eq!(scraped.read(meltdowns), None);
    scraped.expect(shared, 5.0);
    state(&scraped.handle, "a", Lifecycle::Quarantined).await;
    scraped.expect(meltdowns, 1.0);
    scraped.expect(&own, 0.0);
    tokio::time::sleep(secs(61)).await;
    scraped.expect(&own, 3.0);
}

#[tokio::test(start_paused = true)]
async fn a_shared_budget_is_charged_and_recovers() {
    let rare = failing("a").backoff(every(secs(30)));
    let scraped = of(SupervisorSpec::root([rare]).budget(5, secs(100))).await;
    let shared = r#"supervisor_child_runtime_restart_limit_remaining{supervisor_path="/",child_path=""}"#;
    state(&scraped.handle, "a", Lifecycle::Backoff).await;
    // The first restart of a streak has no delay.
    scraped.expect(shared, 3.0);
    scraped.handle.pause_child("a", "ops", "x").await.unwrap();
    tokio::time::sleep(secs(101)).await;
    scraped.expect(shared, 5.0);
}

#[tokio::test(start_paused = true)]
async fn commands_are_counted_by_how_they_ended() {
    let scraped = scraped([service("a")]).await;
    scraped.handle.restart_child("a", "ops", "x").await.unwrap();
    scraped.handle.restart_child("a", "ops", "x").await.unwrap();
    assert!(scraped.handle.restart_child("nobody", "ops", "x").await.is_err());
    scraped.handle.add_child_spec("/", service("b"), "ops", "x").await.unwrap();
    let count = |command: &str, result: &str, value: f64| {
        let labels = format!(r#"command="{command}",result="{result}""#);
        scraped.expect(&format!("supervisor_child_control_command_total{{{labels}}}"), value);
    };
    count("restart_child", "completed", 2.0);
    count("restart_child", "rejected", 1.0);
    count("add_child", "completed", 1.0);
}

#[tokio::test(start_paused = true)]
async fn the_shutdown_its_outcomes_and_its_aborts_are_counted() {
    let stubborn = ChildSpec::service("a", |_| std::future::pending::<()>()).grace(secs(5));
    let scraped = scraped([stubborn, service("b"), service("c")]).await;
    let aborts = r#"supervisor_shutdown_abort_total{supervisor_path="/"}"#;
    let alive = "supervisor_runtime_control_plane_alive";
    scraped.expect(aborts, 0.0);
    scraped.expect(alive, 1.0);
    scraped.handle.pause_child("c", "ops", "x").await.unwrap();
    scraped.handle.shutdown("ops", "x").await.unwrap();
    scraped.expect(aborts, 1.0);
    scraped.expect(alive, 0.0);
    scraped.expect("supervisor_shutdown_duration_seconds_count", 1.0);
    scraped.expect("supervisor_shutdown_duration_seconds_sum", 5.0);
    for (result, count) in [("stopped", 1.0), ("forced", 1.0), ("idle", 1.0), ("unresponsive", 0.0)] {
        scraped.expect(&format!(r#"supervisor_shutdown_child_outcomes_total{{result="{result}"}}"#), count);
    }
    // A registry may outlive its tree.
    let Scraped { handle, registry, metrics } = scraped;
    drop(handle);
    settle().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("supervisor_runtime_control_plane_alive 0") && text.ends_with("# EOF\n"), "{text}");
    drop(metrics);
}

#[tokio::test(start_paused = true)]
async fn lost_events_and_the_version_of_the_spec_are_shown() {
    let scraped = scraped([failing("a").backoff(Backoff::none())]).await;
    let lag = "supervisor_event_lag_total";
    scraped.expect(lag, 0.0);
    let mut events = scraped.handle.events_after(0);
    while scraped.handle.snapshot().sequence() < 10_000 {
        tokio::task::yield_now().await;
    }
    let Some(EventItem::Gap(gap)) = events.next().await else { panic!("nothing was lost") };
    scraped.expect(lag, gap.missed() as f64);
    assert_eq!(scraped.handle.missed_events(), gap.missed());
    let version = "supervisor_config_version";
    scraped.expect(version, 0.0);
    scraped.metrics.config_version("00000000000ffabc");
    scraped.expect(version, 255.0);
    scraped.metrics.config_version("no version");
    scraped.expect(version, 0.0);
}

#[tokio::test(start_paused = true)]
async fn dynamic_children_count_under_their_supervisor_and_make_no_series() {
    let pool = SupervisorSpec::new("pool").dynamic(10_000).unlimited();
    let scraped = scraped([ChildSpec::supervisor(pool)]).await;
    let lines = scraped.text().lines().count();
    for n in 0..500 {
        scraped.handle.start_child("pool", service(&format!("worker-{n}"))).await.unwrap();
    }
    let nested = SupervisorSpec::new("nested").children([service("below")]);
    scraped.handle.start_child("pool", ChildSpec::supervisor(nested)).await.unwrap();
    let text = scraped.text();
    assert!(!text.contains("worker-") && !text.contains("below"), "{text}");
    assert!(text.lines().count() < lines + 10, "{text}");
    let others = r#"supervisor_path="/pool",child_path="""#;
    scraped.expect(&format!(r#"supervisor_child_state{{{others},state="running"}}"#), 502.0);

    let flaky = failing("worker-x").backoff(every(secs(1)));
    scraped.handle.start_child("pool", flaky).await.unwrap();
    let mut events = scraped.handle.events_after(0);
    for _ in 0..3 {
        event(&mut events, "/pool/worker-x", EventKind::ChildRestarted).await;
    }
    assert!(scraped.read(&format!("supervisor_restart_total{{{others}}}")).unwrap() >= 3.0);
}

#[tokio::test(start_paused = true)]
async fn many_static_children_are_bounded_too_and_none_is_left_out() {
    let children: Vec<_> = (0..3000).map(|n| service(&format!("c{n}"))).collect();
    let scraped = scraped(children).await;
    let text = scraped.text();
    let running = text.lines().filter(|line| line.contains(r#"state="running""#));
    let counts: Vec<f64> =
        running.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).collect();
    assert_eq!(counts.iter().sum::<f64>(), 3001.0, "every child, and the root");
    assert!(counts.len() <= 1001, "{}", counts.len());
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_restarted_is_counted_once_with_its_children() {
    let web = SupervisorSpec::new("web").children([service("a"), service("b")]).unlimited();
    let scraped = scraped([ChildSpec::supervisor(web)]).await;
    for _ in 0..3 {
        scraped.handle.restart_child("web", "ops", "x").await.unwrap();
    }
    for child in ["/web/a", "/web/b"] {
        let labels = format!(r#"supervisor_path="/web",child_path="{child}""#);
        scraped.expect(&format!(r#"supervisor_child_state{{{labels},state="running"}}"#), 1.0);
        let states = format!("supervisor_child_state{{{labels}");
        assert_eq!(scraped.text().lines().filter(|line| line.starts_with(&states)).count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_that_are_asked_for_late_or_twice_count_the_same() {
    let scraped = scraped([failing("a").backoff(every(secs(1)))]).await;
    tokio::time::sleep(secs(10)).await;
    let mut late = Registry::default();
    scraped.handle.register_metrics(&mut late);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &late).unwrap();
    assert_eq!(text, scraped.text());
    assert!(scraped.read(&format!("supervisor_restart_total{{{A}}}")).unwrap() >= 9.0);
}

#[tokio::test(start_paused = true)]
async fn what_programs_use_is_told_of_each_child_and_of_dynamic_ones_together() {
    let program = |name: &str, megabytes: u64| {
        ChildSpec::service(name, move |ctx: ChildContext| async move {
            for seconds in 1..=2 {
                ctx.uses(ProgramUsage {
                    cpu_millis: seconds * 1_500,
                    resident_bytes: megabytes << 20,
                    threads: 3,
                    descriptors: 5,
                    processes: 2,
                    ..ProgramUsage::default()
                });
                tokio::time::sleep(secs(1)).await;
            }
            ctx.stopping().await;
        })
    };
    let crew = SupervisorSpec::new("crew").dynamic(10);
    let scraped = scraped([program("a", 7), service("b"), ChildSpec::supervisor(crew)]).await;
    for name in ["x", "y"] {
        scraped.handle.add_child_spec("/crew", program(name, 1), "ops", "more").await.unwrap();
    }
    tokio::time::sleep(secs(5)).await;
    let crew = r#"supervisor_path="/crew",child_path="""#;
    for (name, of_one, of_two) in [
        ("supervisor_program_cpu_seconds_total", 3.0, 6.0),
        ("supervisor_program_resident_bytes", (7 << 20) as f64, (2 << 20) as f64),
        ("supervisor_program_threads", 3.0, 6.0),
        ("supervisor_program_descriptors", 5.0, 10.0),
        ("supervisor_program_processes", 2.0, 4.0),
    ] {
        scraped.expect(&format!("{name}{{{A}}}"), of_one);
        scraped.expect(&format!("{name}{{{crew}}}"), of_two);
        let none = scraped.read(&format!(r#"{name}{{supervisor_path="/",child_path="/b"}}"#));
        assert_eq!(none, None, "it runs no program");
    }
    scraped.handle.restart_child("a", "ops", "x").await.unwrap();
    tokio::time::sleep(ms(500)).await;
    scraped.expect(&format!("supervisor_program_cpu_seconds_total{{{A}}}"), 4.5);
    scraped.handle.pause_child("a", "ops", "x").await.unwrap();
    assert_eq!(scraped.read(&format!("supervisor_program_threads{{{A}}}")), None, "nothing runs");
    scraped.expect(&format!("supervisor_program_cpu_seconds_total{{{A}}}"), 6.0);
}

#[tokio::test(start_paused = true)]
async fn every_name_of_the_contract_is_there() {
    let scraped = scraped([service("a")]).await;
    let text = scraped.text();
    for name in [
        "supervisor_restart",
        "supervisor_child_state",
        "supervisor_child_uptime_seconds",
        "supervisor_backoff_seconds",
        "supervisor_healthcheck_latency_seconds",
        "supervisor_meltdown",
        "supervisor_shutdown_duration_seconds",
        "supervisor_shutdown_child_outcomes",
        "supervisor_shutdown_abort",
        "supervisor_event_lag",
        "supervisor_config_version",
        "supervisor_runtime_control_plane_alive",
        "supervisor_child_control_command",
        "supervisor_child_runtime_restart_limit_remaining",
        "supervisor_child_runtime_heartbeat_stale",
    ] {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}\n{text}");
    }
}

#[tokio::test]
async fn tasks_whose_polls_are_timed_tell_their_share_and_the_longest() {
    let busy = |name| {
        ChildSpec::service(name, |ctx: ChildContext| async move {
            // The worker is blocked for that long.
            let (_keep, never) = std::sync::mpsc::channel::<()>();
            assert!(never.recv_timeout(ms(30)).is_err());
            ctx.stopping().await;
        })
    };
    let scraped = scraped([busy("a").poll_times(), service("b")]).await;
    let longest = format!("supervisor_task_longest_poll_seconds{{{A}}}");
    while scraped.read(&longest).is_none_or(|seconds| seconds < 0.03) {
        tokio::task::yield_now().await;
    }
    assert!(scraped.read(&format!("supervisor_task_busy_ratio{{{A}}}")).is_some_and(|share| share <= 1.0));
    assert!(!scraped.text().contains(r#"longest_poll_seconds{supervisor_path="/",child_path="/b""#));
    scraped.handle.shutdown("test", "over").await.unwrap();
    assert_eq!(scraped.read(&longest), None);
}
