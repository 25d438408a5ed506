//! A target that is killed at any moment does nothing twice, and forgets nothing that it has answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use supervisor_api::wire::AuditEntry;
use supervisor_ledger::verify;

use crate::audit::tests::{caller, completed, home, open, records, restart};

/// Say to the copy of this program that it is the target, where it works, and which command is the next.
const WORK_IN: &str = "SUPERVISOR_CONTROL_TEST_WORKS_IN";
const FROM: &str = "SUPERVISOR_CONTROL_TEST_BEGINS_WITH";

const CLIENTS: usize = 8;
const COMMANDS: usize = 1_000;
/// How many of the last commands a new target is asked again.
const AGAIN: usize = 40;

/// Asks for a command that leaves a line in the world, and tells what was answered: `done`, or a code.
async fn ask(once: &crate::ids::Once, world: &Path, number: usize) {
    let asked = restart(&format!("c-{number}"));
    let act = {
        let (world, result) = (world.to_owned(), completed(&asked));
        async move {
            let mut world = OpenOptions::new().append(true).create(true).open(world).unwrap();
            world.write_all(format!("{number}\n").as_bytes()).unwrap();
            result
        }
    };
    let answer = match once.run(&caller(7), &asked, None, act).await {
        Ok(result) => result.status.to_string(),
        Err(error) => error.code.to_string(),
    };
    // One write of a whole line: a pipe keeps it in one piece.
    std::io::stderr().write_all(format!("answer {number} {answer}\n").as_bytes()).unwrap();
}

/// Serves until it is killed, or all commands are done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the program that the other test starts and kills"]
async fn the_target_that_is_killed() {
    let Some(directory) = std::env::var_os(WORK_IN).map(PathBuf::from) else { return };
    let first: usize = std::env::var(FROM).unwrap().parse().unwrap();
    let once = open(&directory.join("audit")).await;
    let world = directory.join("world");
    for number in first.saturating_sub(AGAIN)..first {
        ask(&once, &world, number).await;
    }
    let next = Arc::new(AtomicUsize::new(first));
    let clients = (0..CLIENTS).map(|_| {
        let (once, world, next) = (once.clone(), world.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= COMMANDS {
                    return;
                }
                std::io::stderr().write_all(format!("asks {number}\n").as_bytes()).unwrap();
                ask(&once, &world, number).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    once.close().await;
    std::io::stderr().write_all(b"all\n").unwrap();
}

/// What a target has said until it was killed.
#[derive(Default)]
struct Said {
    asked: BTreeSet<usize>,
    answers: BTreeMap<usize, BTreeSet<String>>,
    all: bool,
}

/// Starts a target and kills it after so many lines, which is at any moment.
fn serve_and_kill(directory: &Path, first: usize, lines: usize) -> Said {
    let mut target = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ids::kill::the_target_that_is_killed", "--ignored", "--nocapture"])
        .env(WORK_IN, directory)
        .env(FROM, first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Said::default();
    let mut output = BufReader::new(target.stderr.take().unwrap()).lines();
    let mut take = |line: String| match line.split(' ').collect::<Vec<_>>()[..] {
        ["asks", number] => drop(said.asked.insert(number.parse().unwrap())),
        ["answer", number, word] => {
            said.answers.entry(number.parse().unwrap()).or_default().insert(word.to_owned());
        }
        ["all"] => said.all = true,
        _ => {}
    };
    output.by_ref().take(lines).for_each(|line| take(line.unwrap()));
    target.kill().unwrap();
    // What was said before the end counts too.
    output.for_each(|line| take(line.unwrap()));
    target.wait().unwrap();
    said
}

#[test]
fn s11_s12_killed_at_any_moment_a_target_does_nothing_twice_and_forgets_nothing_it_has_answered() {
    let home = home();
    let directory = home.path.parent().unwrap();
    let mut answers: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let (mut next, mut kills) = (0, 0);
    for round in 0.. {
        let said = serve_and_kill(directory, next, 3 + AGAIN.min(next) + round * 37 % 150);
        next = said.asked.last().map_or(next, |last| last + 1);
        for (number, words) in said.answers {
            answers.entry(number).or_default().extend(words);
        }
        // As it was left, and as the next target makes it.
        verify(&home.path).unwrap();
        if said.all {
            break;
        }
        kills += 1;
        assert!(round < 200, "it does not come to an end");
    }
    assert!(kills >= 8, "{kills} kills");
    let verified = verify(&home.path).unwrap();
    assert_eq!(verified.torn, None);

    let world = fs::read_to_string(directory.join("world")).unwrap();
    let done: Vec<usize> = world.lines().map(|line| line.parse().unwrap()).collect();
    let once: BTreeSet<usize> = done.iter().copied().collect();
    assert_eq!(once.len(), done.len(), "something was done twice");

    let number = |record: &supervisor_api::wire::AuditRecord| -> usize {
        record.command_id.as_deref().and_then(|id| id.strip_prefix("c-")).unwrap().parse().unwrap()
    };
    let all = records(&home.path);
    let of = |entry: AuditEntry| -> BTreeSet<usize> {
        all.iter().filter(|(_, record)| record.entry.is(entry)).map(|(_, record)| number(record)).collect()
    };
    let (intents, outcomes) = (of(AuditEntry::Intent), of(AuditEntry::Outcome));
    assert!(once.is_subset(&intents), "something was done without an intent");
    assert_eq!(intents, outcomes, "an intent has no outcome, be it that it is unknown");
    let (mut completed, mut replays) = (0, 0);
    for (number, words) in &answers {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["completed"] => {
                assert!(
                    once.contains(number) && outcomes.contains(number),
                    "{number} was answered and not done"
                );
                completed += 1;
            }
            ["replay_detected"] => replays += 1,
            _ => panic!("command {number} was answered {words:?}"),
        }
    }
    assert!(completed > COMMANDS / 2 && completed + replays <= COMMANDS, "{completed} and {replays}");
}
