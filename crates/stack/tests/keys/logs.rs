//! The log files of programs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use supervisor_stack::Stack;

use crate::tree::{block, launch};

/// Looks every few milliseconds until `so`. `block` says how long.
async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A job that runs a shell script, with this log.
fn job(name: &str, script: &str, log: &str) -> String {
    format!("  - {{name: {name}, kind: process, role: job, command: [sh, -c, {script:?}]{log}}}\n")
}

/// Runs a job that prints numbers with these rules for its log, and waits until these files are left. It prints so many
/// times 100 000 numbers, which is less than may wait for a disk, and waits each time until they are written: nothing is
/// lost on the slowest machine.
async fn leaves(times: u32, rules: &str, expected: &[&str]) {
    // In memory where that can be: a compressed file is synced, which a disk that others write to makes long.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("a.log");
    let shown = path.display();
    let script = format!(
        "n=0; while [ $n -lt {times} ]; do seq $((n * 100000 + 1)) $((n * 100000 + 100000)); n=$((n + 1)); \
         until tail -n 1 {shown} 2>/dev/null | grep -q \"^${{n}}00000$\"; do sleep 0.01; done; done"
    );
    let tree = launch("", &job("a", &script, &format!(", log: {{file: {shown}, {rules}}}")));
    assert_eq!(&*tree.end().await.phase, "all_done");
    let names = || {
        let entries = fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    until(|| names() == expected).await;
}

#[test]
pub(crate) fn what_a_program_prints_is_in_its_file_beside_that_of_the_stack() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let stack = dir.path().join("stack.yaml");
        let children =
            job("a", "echo one; echo two", ", log: {file: logs/a.log}") + &job("b", "echo three", "");
        fs::write(&stack, format!("version: 1\nname: logs\nchildren:\n{children}")).unwrap();
        let handle = Stack::read(&stack).unwrap().launch().unwrap();
        handle.join().await;
        until(|| text(&dir.path().join("logs/a.log")) == "one\ntwo\n").await;
        assert_eq!(fs::read_dir(dir.path().join("logs")).unwrap().count(), 1);
    });
}

#[test]
pub(crate) fn with_a_directory_each_program_has_the_file_of_its_path() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let top = format!("supervisor: {{defaults: {{log: {{dir: {}}}}}}}", dir.path().display());
        let below = job("b", "echo of b", "").trim_start_matches("  - ").to_owned();
        let group = format!("  - {{name: g, kind: supervisor, children: [{below}]}}\n");
        let children = job("a", "echo of a", "") + &group + &job("c", "echo of c", ", log: off");
        let mut tree = launch(&top, &children);
        assert_eq!(tree.said("/c").await, "of c");
        until(|| text(&dir.path().join("a.log")) == "of a\n").await;
        until(|| text(&dir.path().join("g/b.log")) == "of b\n").await;
        assert!(!dir.path().join("c.log").exists());
        tree.stop().await;
    });
}

#[test]
pub(crate) fn a_file_is_rotated_at_its_size_and_only_so_much_is_kept() {
    block(async {
        let [one, two, three] = [1, 2, 3].map(|number| format!("a.log.00000{number}"));
        let plain = "max_size_mb: 1, compress: false";
        // A little more than 3 MiB.
        leaves(5, plain, &["a.log", &one, &two, &three]).await;
        leaves(5, &format!("{plain}, keep: 2"), &["a.log", &two, &three]).await;
        leaves(5, &format!("{plain}, keep: 0"), &["a.log"]).await;
        leaves(5, &format!("{plain}, total_mb: 1"), &["a.log", &three]).await;
        leaves(5, "timestamps: false", &["a.log"]).await;
    });
}

#[test]
pub(crate) fn rotated_files_are_compressed_unless_it_is_said() {
    block(async {
        leaves(2, "max_size_mb: 1", &["a.log", "a.log.000001.gz"]).await;
        leaves(2, "max_size_mb: 1, compress: false", &["a.log", "a.log.000001"]).await;
    });
}

#[test]
pub(crate) fn a_file_is_rotated_at_its_age() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let log = format!(", log: {{file: {}, max_age_hours: 0.000001, compress: false}}", path.display());
        let tree = launch("", &job("a", "while :; do echo x; sleep 0.01; done", &log));
        until(|| dir.path().join("a.log.000002").exists()).await;
        tree.stop().await;
    });
}

#[test]
pub(crate) fn the_time_is_before_each_line_when_it_is_said() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let log = format!(", log: {{file: {}, timestamps: true}}", path.display());
        let tree = launch("", &job("a", "echo said", &log));
        tree.end().await;
        until(|| text(&path).ends_with('\n')).await;
        let line = text(&path);
        let (time, rest) = line.split_once(' ').unwrap();
        let shape: String = time.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
        assert_eq!((shape.as_str(), rest), ("0000-00-00T00:00:00.000Z", "said\n"));
    });
}
