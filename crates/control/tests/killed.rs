//! A served tree that is killed at any moment, while clients command it and send again what was not answered.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_api::wire::{AuditEntry, AuditRecord};
use supervisor_control::{AuditConfig, AuditOptions, Config, Control};
use supervisor_ledger::{Reader, verify};
use supervisor_socket::{Bind, BindMode, Rate};
use tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorSpec};

/// Says to the copy of this program that it is the target, and where it works.
const WORK_IN: &str = "SUPERVISOR_CONTROL_TEST_TARGET_IN";
/// Says which one it is. A process number may come again.
const TARGET: &str = "SUPERVISOR_CONTROL_TEST_TARGET";

const CLIENTS: usize = 8;
/// One for each child: a restart of it.
const COMMANDS: usize = 1_000;
/// After how many more answers the target is killed, in turn.
const KILL_AFTER: [usize; 6] = [70, 7, 130, 41, 1, 99];

/// A tree whose children leave a line in the world each time they are started.
fn tree(world: &Path, target: &str) -> SupervisorSpec {
    let child = |number: usize| {
        let (world, target) = (world.to_owned(), target.to_owned());
        ChildSpec::service(format!("w-{number}"), move |ctx: ChildContext| {
            let mut world = OpenOptions::new().append(true).create(true).open(&world).unwrap();
            world.write_all(format!("{target} {number}\n").as_bytes()).unwrap();
            // A run that is ready at once is started before its factory is called: one that is killed in between has
            // left no line.
            async move {
                ctx.ready();
                ctx.stopping().await;
            }
        })
        .ready_eventually()
    };
    SupervisorSpec::root((0..COMMANDS).map(child))
}

/// Serves until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the program that the other test starts and kills"]
async fn the_target_that_is_killed() {
    let Some(directory) = std::env::var_os(WORK_IN).map(PathBuf::from) else { return };
    let handle =
        Supervisor::start(tree(&directory.join("world"), &std::env::var(TARGET).unwrap())).await.unwrap();
    let bind = Bind::at(directory.join("t.sock")).mode(BindMode::ReplaceStale);
    let mut config = Config::new("shop", "0123456789abcdef", bind);
    config.audit = AuditConfig::Directory(AuditOptions::new(directory.join("audit")));
    config.mutations = Rate { every: Duration::from_micros(1), burst: 1_000_000 };
    let control = Control::serve(handle.clone(), config).await.unwrap();
    assert_eq!(control.audit().state.as_str(), "sound");
    std::io::stderr().write_all(b"serves\n").unwrap();
    handle.join().await;
}

/// How many targets have served so far, for those who wait for the next.
#[derive(Default)]
struct Served {
    count: Mutex<usize>,
    more: Condvar,
}

impl Served {
    fn count(&self) -> usize {
        *self.count.lock().unwrap()
    }

    fn one_more(&self) {
        *self.count.lock().unwrap() += 1;
        self.more.notify_all();
    }

    fn wait_for_more_than(&self, before: usize) {
        drop(self.more.wait_while(self.count.lock().unwrap(), |count| *count <= before).unwrap());
    }
}

struct Target(Child);

impl Target {
    fn start(directory: &Path, number: usize) -> Self {
        let mut target = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_target_that_is_killed", "--ignored", "--nocapture"])
            .env(WORK_IN, directory)
            .env(TARGET, number.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(target.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.any(|line| line == "serves"), "the target did not come to serve");
        // Whatever it says later must not make it wait.
        std::thread::spawn(move || said.for_each(drop));
        Self(target)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// One command on a connection of its own. `None`: the target was killed before it has answered.
fn ask(socket: &Path, number: usize) -> Option<String> {
    let request = json!({"request_id": "1", "method": "command.restart_child", "params": {
        "command_id": format!("c-{number}"), "target_id": "shop", "command": "restart_child",
        "target": {"child_path": format!("/w-{number}")}, "reason": "why not", "requested_by": "a test"
    }});
    let stream = UnixStream::connect(socket).ok()?;
    (&stream).write_all(format!("{request}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).ok()?;
    let answer: Value = serde_json::from_str(answer.strip_suffix('\n')?).unwrap();
    let result = &answer["result"]["result"];
    match result["error"]["code"].as_str() {
        None => Some(result["status"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()),
        Some(code) => Some(code.to_owned()),
    }
}

/// Sends each command until it is answered, from several clients at a time.
fn command_all(socket: &Path, served: &Served, answered: &mpsc::Sender<()>) -> BTreeMap<usize, String> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (next, answered) = (&next, answered.clone());
                scope.spawn(move || {
                    let mut answers = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= COMMANDS {
                            return answers;
                        }
                        let answer = loop {
                            let before = served.count();
                            match ask(socket, number) {
                                Some(answer) => break answer,
                                None => served.wait_for_more_than(before),
                            }
                        };
                        answers.push((number, answer));
                        answered.send(()).unwrap();
                    }
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// How often each child was restarted, over all targets: started once more by the same target.
fn restarts(world: &Path) -> BTreeMap<usize, usize> {
    let mut starts: HashMap<(usize, usize), usize> = HashMap::new();
    for line in fs::read_to_string(world).unwrap().lines() {
        let (target, number) = line.split_once(' ').unwrap();
        *starts.entry((target.parse().unwrap(), number.parse().unwrap())).or_default() += 1;
    }
    let mut restarts = BTreeMap::new();
    for ((_, number), count) in starts {
        *restarts.entry(number).or_default() += count - 1;
    }
    restarts
}

fn commands_of(path: &Path, entry: AuditEntry) -> BTreeSet<usize> {
    let mut reader = Reader::open(path).unwrap();
    let all = reader.entries::<AuditRecord>().map(|entry| entry.unwrap().body);
    let of_entry = all.filter(|record| record.entry.is(entry));
    of_entry.map(|record| record.command_id.unwrap()[2..].parse().unwrap()).collect()
}

#[test]
fn s11_s12_a_target_killed_during_1000_commands_forgets_none_it_has_answered_and_does_none_twice() {
    let home = tempfile::Builder::new().prefix("control-").tempdir().unwrap();
    let directory = home.path().canonicalize().unwrap();
    let (socket, audit) = (directory.join("t.sock"), directory.join("audit"));
    let served = Served::default();
    let (answered, answers_came) = mpsc::channel();
    let mut kills = 0;
    let (answers, again) = std::thread::scope(|scope| {
        let commanding = scope.spawn(|| command_all(&socket, &served, &answered));
        let mut left = COMMANDS;
        let last = loop {
            let target = Target::start(&directory, kills);
            served.one_more();
            let after = KILL_AFTER[kills % KILL_AFTER.len()];
            if left <= after {
                break target;
            }
            answers_came.iter().take(after).for_each(drop);
            left -= after;
            target.kill();
            kills += 1;
            // As it was left.
            verify(&audit).unwrap();
        };
        let answers = commanding.join().unwrap();
        // The last one knows what all have answered.
        let again = command_all(&socket, &served, &answered);
        last.kill();
        (answers, again)
    });
    assert!(kills >= 10, "{kills}");
    assert_eq!(answers, again);
    assert_eq!(verify(&audit).unwrap().torn, None);

    let restarts = restarts(&directory.join("world"));
    let (intents, outcomes) =
        (commands_of(&audit, AuditEntry::Intent), commands_of(&audit, AuditEntry::Outcome));
    assert_eq!(intents, outcomes, "an intent has no outcome, be it that it is unknown");
    let mut replays = 0;
    for number in 0..COMMANDS {
        let times = restarts[&number];
        match answers[&number].as_str() {
            "completed" => assert_eq!(times, 1, "command {number} was answered"),
            "replay_detected" => {
                assert!(times <= 1, "command {number} was done twice");
                replays += 1;
            }
            other => panic!("command {number} was answered {other}"),
        }
        assert!(intents.contains(&number), "command {number} is not in the audit");
    }
    // At most those that ran when a target was killed.
    assert!(replays <= kills * CLIENTS, "{replays} in {kills} kills");
}
