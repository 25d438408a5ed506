//! What is read: tables as they stand, and JSON in the shapes of the wire.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};
use supervisor_api::EventKind::{ChildQuarantined, ChildStopped};
use supervisor_api::Lifecycle::*;
use supervisor_api::command::BudgetUse;
use supervisor_api::policy::Strategy;
use supervisor_api::wire::{DashboardState, NodeCriticality, UnixNanos};
use supervisor_api::{PollTimes, ProgramUsage};

use crate::shop::{Said, Shop};
use crate::target::World;

/// `/api` has failed and backs off; `/jobs/nightly` is quarantined.
fn trouble(world: &mut World) {
    world.fails("/api", "exit code 1");
    let more = json!({"cause": "budget", "next": "until_operator", "budget_used": 5, "budget_max": 5});
    world.event(ChildQuarantined, "/jobs/nightly", Quarantined, more);
}

#[test]
fn tree_shows_who_is_in_it_and_how_each_is() {
    Shop::after(trouble).say(&["tree"]).is("
TREE           STATE        READY       HEALTH   RUN  RESTARTS  NOTE
shop           running      ready       unknown    1         0
├─ db          running      ready       unknown    1         0
├─ api         backoff      unreported  unknown    1         0  starts again in 3.0 s (attempt 1); last failure: failed: exit code 1
└─ jobs        running      ready       unknown    1         0
   ├─ nightly  quarantined  unreported  unknown    1         0  stays so until an operator resumes or restarts it
   └─ mail     running      ready       unknown    1         0");
}

#[test]
fn tree_as_json_is_the_state_of_the_wire() {
    let shop = Shop::after(trouble);
    let said = shop.json(&["tree"]).json();
    assert_eq!((&said["type"], &said["target_id"]), (&json!("state"), &json!("shop")));
    let state: DashboardState = serde_json::from_value(said["state"].clone()).unwrap();
    assert_eq!(state, shop.world(|world| world.state()));
}

#[test]
fn status_says_what_needs_attention() {
    Shop::after(trouble).say(&["status"]).is("
shop is degraded
5 children: 1 backoff, 1 quarantined, 3 running
config 9f86d081884c7d65, state generation 2

/api           backoff      starts again in 3.0 s (attempt 1); last failure: failed: exit code 1
/jobs/nightly  quarantined  stays so until an operator resumes or restarts it");
    Shop::after(|_| {}).say(&["status"]).is("
shop is healthy
5 children: 1 completed, 4 running
config 9f86d081884c7d65, state generation 0");
}

#[test]
fn status_of_a_child_says_everything_about_it_by_path_or_id() {
    let shop = Shop::after(trouble);
    let text = "
/api
kind          async_worker
state         backoff
next          starts again in 3.0 s (attempt 1)
readiness     unreported
health        unknown
criticality   standard
run           1
attempt       0
restarts      0
last failure  failed: exit code 1
depends on    /db";
    shop.say(&["status", "/api"]).is(text);
    shop.say(&["status", "api"]).is(text);
    let said = shop.json(&["status", "/jobs"]).json();
    assert_eq!(said["children"], json!(["/jobs/nightly", "/jobs/mail"]));
    assert_eq!(shop.json(&["status", "db"]).json()["needed_by"], json!(["/api"]));
    assert_eq!(said["row"]["lifecycle_state"], "running");
}

/// Everything happened hours ago, and no event of it is kept.
fn long_ago(world: &mut World) {
    let now = world.now;
    let hours = |ago: u64| Some(UnixNanos(now - ago * 3_600_000_000_000));
    world.edit(|state| {
        for row in &mut state.runtime_state {
            match row.child_path.as_str() {
                "/api" => {
                    row.lifecycle_state = Backoff.into();
                    row.more.since_unix_nanos = hours(2);
                    row.more.next_start_at_unix_nanos = Some(UnixNanos(now + 90_000_000_000));
                }
                "/db" => {
                    row.more.since_unix_nanos = hours(5);
                    row.more.started_at_unix_nanos = hours(6);
                    row.more.last_heartbeat_unix_nanos = Some(UnixNanos(now - 3_200_000_000));
                    row.more.pid = Some(4_711);
                    row.more.phase = Some("serving 7 clients".into());
                    row.more.usage = Some(Box::new(ProgramUsage {
                        cpu_percent: 150,
                        cpu_millis: 61_000,
                        resident_bytes: 612 << 20,
                        threads: 4,
                        descriptors: 11,
                        processes: 1,
                        measured_at_unix_nanos: now - 1_500_000_000,
                    }));
                    row.more.poll_times = Some(Box::new(PollTimes {
                        busy_percent: 12,
                        busy_millis: 3_400,
                        polls: 1_234,
                        longest_poll_micros: 7_900,
                        measured_at_unix_nanos: now - 2_500_000_000,
                    }));
                }
                "/jobs" => {
                    let window_nanos = 60_000_000_000;
                    row.more.budget =
                        Some(BudgetUse { used: 2, max: 5, window_nanos, clear_at_unix_nanos: None });
                }
                _ => {}
            }
        }
        let jobs = state.topology.nodes.iter_mut().find(|node| node.path.as_str() == "/jobs").unwrap();
        (jobs.strategy, jobs.dynamic) = (Some(Strategy::RestForOne.into()), Some(true));
    });
}

#[test]
fn status_says_since_when_and_until_when_however_long_ago_it_was() {
    let shop = Shop::after(long_ago);
    shop.say(&["status"]).is("
shop is degraded
5 children: 1 backoff, 1 completed, 3 running
config 9f86d081884c7d65, state generation 0

/api  backoff  for 2 h 0 min; starts again in 1 min 30 s (attempt 1)");
    let facts = |path: &str| shop.say(&["status", path]).out;
    let says = |path: &str, name: &str, value: &str| {
        let said = facts(path);
        let line = said.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        assert_eq!(line.strip_prefix(name).map(str::trim), Some(value), "{said}");
    };
    says("/api", "since", "2 h 0 min ago");
    says("/api", "next", "starts again in 1 min 30 s (attempt 1)");
    says("/db", "since", "5 h 0 min ago");
    says("/db", "up", "6 h 0 min");
    says("/db", "heartbeat", "3.2 s ago");
    says("/db", "process", "4711");
    says("/db", "doing", "serving 7 clients");
    let uses =
        "150 % CPU (1 min 1 s so far), 612 MiB memory, 4 threads, 11 descriptors, 1 process; 1.5 s ago";
    says("/db", "uses", uses);
    assert!(shop.say(&["why", "/db"]).out.contains(&format!("Its program uses {uses}.")));
    let polled = "12 % of the time (3.4 s in 1234 polls so far), at most 7 ms; 2.5 s ago";
    says("/db", "polled", polled);
    assert!(shop.say(&["why", "/db"]).out.contains(&format!("It is being polled {polled}.")));
    says("/jobs", "budget", "2 of 5 restarts used within 1 min 0 s");
    says("/jobs", "strategy", "rest_for_one, dynamic");
    assert!(!facts("/api").contains("process"), "nothing runs");
}

#[test]
fn why_says_since_when_however_long_ago_it_was() {
    let shop = Shop::after(long_ago);
    shop.say(&["why", "/api"]).is("
/api is backoff; the target no longer has an event that says why.
It has been backoff for 2 h 0 min; it starts again in 1 min 30 s (attempt 1).");
    let said = shop.json(&["why", "/api"]).json();
    assert_eq!(said["row"]["child_path"], "/api");
    assert!(said["row"]["since_unix_nanos"].is_u64(), "{said}");
}

#[test]
fn status_as_json_counts_and_names() {
    let said = Shop::after(trouble).json(&["status"]).json();
    assert_eq!(said["health"], "degraded");
    assert_eq!(said["by_state"], json!({"backoff": 1, "quarantined": 1, "running": 3}));
    let paths: Vec<_> = said["attention"].as_array().unwrap().iter().map(|row| &row["child_path"]).collect();
    assert_eq!(paths, ["/api", "/jobs/nightly"]);
}

#[test]
fn d21_health_is_a_word_and_an_exit_code() {
    let table = [
        ("/db", NodeCriticality::Critical, Backoff, "unhealthy: /db is backoff", 1, 1),
        ("/db", NodeCriticality::Critical, Paused, "unhealthy: /db is paused", 1, 1),
        ("/db", NodeCriticality::Critical, Completed, "healthy", 0, 0),
        ("/api", NodeCriticality::Standard, Failed, "degraded: /api is failed", 0, 1),
        ("/api", NodeCriticality::BestEffort, Failed, "healthy", 0, 0),
        ("/api", NodeCriticality::BestEffort, Quarantined, "degraded: /api is quarantined", 0, 1),
        ("/api", NodeCriticality::BestEffort, Unresponsive, "degraded: /api is unresponsive", 0, 1),
        ("/", NodeCriticality::Standard, Starting, "unhealthy: / is starting", 1, 1),
    ];
    for (path, criticality, state, text, code, strict) in table {
        let shop = Shop::after(|world| {
            world.edit(|dashboard| {
                let node = dashboard.topology.nodes.iter_mut().find(|node| node.path.as_str() == path);
                node.unwrap().criticality = criticality.into();
            });
            world.event(ChildStopped, path, state, json!({}));
        });
        let said = shop.say(&["health"]);
        assert_eq!((said.out.trim_end(), said.code), (text, Some(code)));
        assert_eq!(shop.say(&["health", "--strict"]).code, Some(strict), "{text}");
        let json = shop.json(&["health"]);
        assert_eq!((json.json()["health"].as_str(), json.code), (text.split(':').next(), Some(code)));
    }
}

#[test]
fn events_are_lines_with_the_sequence_that_since_takes() {
    let shop = Shop::after(trouble);
    let all = "
     1 2025-11-21T18:33:21.000+00:00 /api                 ended: failed: exit code 1 [ran 1.5 s, budget 1 of 5]; starts again in 4.0 s (attempt 1)
     2 2025-11-21T18:33:22.000+00:00 /jobs/nightly        quarantined [budget 5 of 5]; stays until an operator resumes or restarts it";
    shop.say(&["events"]).is(all.trim_matches('\n'));
    shop.say(&["events", "--since", "1"]).is(all.trim_matches('\n'));
    shop.say(&["events", "--since", "2"]).is(all.lines().last().unwrap());
    shop.say(&["events", "--since", "3"]).is("");
    for (filter, sequences) in [
        (&["path=/api"][..], vec![1]),
        (&["under=/jobs"], vec![2]),
        (&["under=/jobs", "under=/api"], vec![1, 2]),
        (&["type=ChildQuarantined"], vec![2]),
        (&["state=backoff", "state=quarantined"], vec![1, 2]),
        (&["state=backoff", "under=/jobs"], vec![]),
        (&["severity=error"], vec![2]),
        (&["command=c-1"], vec![]),
    ] {
        let mut args = vec!["events"];
        args.extend(filter.iter().flat_map(|filter| ["--filter", filter]));
        let seen: Vec<_> =
            shop.json(&args).lines().iter().map(|line| line["event"]["sequence"].as_u64().unwrap()).collect();
        assert_eq!(seen, sequences, "{filter:?}");
    }
}

#[test]
fn events_that_are_no_longer_kept_are_told_as_a_gap() {
    let shop = Shop::after(|world| {
        for n in 0..6 {
            world.fails("/api", &n.to_string());
        }
        world.kept.0 = 5;
    });
    let said = shop.say(&["events", "--since", "2"]);
    assert!(
        said.out.starts_with("… events 2 to 4 are no longer kept by the target\n     5 "),
        "{}",
        said.out
    );
    let kinds: Vec<Value> =
        shop.json(&["events", "--since", "2"]).lines().iter().map(|line| line["type"].clone()).collect();
    assert_eq!(kinds, ["gap", "event", "event"]);
}

/// The sequences of the next lines of a stream, and of what it says about the connection.
fn lines(output: impl std::io::Read + Send + 'static) -> impl FnMut() -> String {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    move || receive.recv_timeout(crate::shop::LONG).expect("a line")
}

#[test]
fn following_goes_on_over_the_end_of_the_target_and_over_its_next_life() {
    let mut shop = Shop::after(|world| world.fails("/api", "1"));
    let mut child =
        shop.command(&["events", "--follow", "--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut next = lines(child.stdout.take().unwrap());
    let mut line = || -> Value { serde_json::from_str(&next()).unwrap() };
    let told = |line: Value| {
        (line["event"]["sequence"].as_u64().unwrap(), line["event"]["payload"]["exit"]["error"].clone())
    };
    assert_eq!(told(line()), (1, json!("1")));
    shop.world(|world| world.fails("/api", "2"));
    assert_eq!(told(line()), (2, json!("2")));
    shop.again(|mut world| {
        world.fails("/api", "3");
        world
    });
    assert_eq!(told(line()), (3, json!("3")));
    shop.again(|_| {
        let mut world = World::shop();
        world.fails("/db", "another life");
        world
    });
    assert_eq!(line(), json!({"type": "target_restarted", "target_id": "shop"}));
    assert_eq!(told(line()), (1, json!("another life")));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_person_who_follows_is_told_when_the_target_is_gone() {
    let mut shop = Shop::after(|world| world.fails("/api", "1"));
    let mut child =
        shop.command(&["events", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
    out();
    shop.dies();
    assert_eq!(err(), "the target closed the connection; waiting for it");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn following_ends_when_nobody_reads_any_more() {
    let shop = Shop::after(|world| {
        world.fails("/api", "1");
        world.log("/api", "slow");
    });
    for verb in [&["events"][..], &["logs", "/"]] {
        let mut child = shop.command(verb).arg("--follow").stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        // The reader goes away, and nothing happens any more that could be written.
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.contains("/api"), "{first}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{verb:?}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_an_effect_is_none_the_less_one() {
    let shop = Shop::after(trouble);
    let say = |args: &[&str]| -> Said {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        shop.command(args)
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
            .into()
    };
    for verb in
        [&["tree"][..], &["status"], &["events"], &["events", "--follow"], &["why", "/api"], &["schema"]]
    {
        say(verb).fails(1, &["cannot write to standard output: No space left on device"]);
    }
    for verb in [&["health"][..], &["restart", "/api", "--reason", "x"]] {
        assert_eq!(say(verb).code, Some(0), "{verb:?}");
    }
}

#[test]
fn logs_are_those_of_the_child_and_of_what_is_below_it() {
    let shop = Shop::after(|world| {
        world.log("/db", "ready");
        world.log("/jobs/mail", "12 sent");
        world.log("/jobs/nightly", "done");
        world.log("/db", "slow");
    });
    shop.say(&["logs", "/jobs"]).is("
2025-11-21T18:33:20.002+00:00 /jobs/mail           | 12 sent
2025-11-21T18:33:20.003+00:00 /jobs/nightly        | done");
    let said = shop.json(&["logs", "db"]);
    let messages: Vec<_> = said.lines().iter().map(|line| line["log"]["message"].clone()).collect();
    assert_eq!(messages, ["ready", "slow"]);
    shop.say(&["logs", "/api"]).is("");
    Shop::after(|_| {}).say(&["logs", "/"]).is("");
}

#[test]
fn a_target_that_does_not_know_earlier_runs_is_not_taken_for_one_that_has_none() {
    let shop = Shop::after(|world| world.log("/db", "ready"));
    shop.say(&["logs", "/db", "--previous"]).fails(1, &["it is of an older version"]);
    shop.say(&["logs", "/db", "--previous", "--follow"]).fails(2, &["cannot be used with"]);
}

#[test]
fn logs_follow_what_comes() {
    let shop = Shop::after(|world| world.log("/db", "one"));
    let mut child = shop
        .command(&["logs", "/db", "--follow", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut next = lines(child.stdout.take().unwrap());
    assert!(next().contains("one"));
    shop.world(|world| (world.log("/api", "other"), world.log("/db", "two")));
    assert!(next().contains("two"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nothing_that_a_target_says_reaches_the_terminal_as_it_is() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}<img src=x onerror=alert(1)>\r";
    let shop = Shop::after(|world| {
        world.edit(|state| {
            state.target.display_name = evil.to_owned();
            state.config_version = evil.into();
            for node in &mut state.topology.nodes {
                node.name = evil.to_owned();
                node.tags.push(evil.to_owned());
                node.diagnostics.insert(evil.to_owned(), evil.to_owned());
            }
            for row in &mut state.runtime_state {
                row.last_failure = Some(json!(evil));
                row.health = supervisor_api::wire::Word::Other(evil.into());
            }
        });
        world.fails("/api", evil);
        world.log("/api", evil);
    });
    let verbs = [
        &["tree"][..],
        &["status"],
        &["status", "/api"],
        &["events"],
        &["logs", "/api"],
        &["why", "/api"],
        &["health"],
        &["restart", "/api", "--reason", evil],
        &["remove", "/nobody", "--reason", "x"],
        &["remove", "/api", "--reason", "x"],
    ];
    for verb in verbs {
        let said = shop.say(verb);
        for text in [&said.out, &said.err] {
            let bad: Vec<char> =
                text.chars().filter(|c| c.is_control() && *c != '\n' || *c == '\u{202e}').collect();
            assert!(bad.is_empty(), "{verb:?} shows {bad:?}: {text:?}");
        }
    }
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let shop = Shop::after(trouble);
    assert!(!shop.say(&["tree"]).out.contains('\u{1b}'));
    let always = shop.say(&["tree", "--color", "always"]);
    assert!(always.out.contains("\u{1b}[33mbackoff\u{1b}[0m"), "{}", always.out);
    assert!(!shop.say(&["tree", "--color", "always", "--output", "json"]).out.contains('\u{1b}'));
}
