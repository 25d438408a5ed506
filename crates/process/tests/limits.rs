//! What the kernel holds a program to.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::{Bench, end, exit_of, failure_of, pids, sh};
use supervisor_api::Exit;
use supervisor_process::{Limit, ProgramSpec};

const MIB: u64 = 1024 * 1024;
/// A user whom nothing else on this machine runs as.
const NOBODY_ELSE: &str = "54317";

/// What a program that ends well wrote.
async fn output_of(spec: ProgramSpec) -> String {
    let bench = Bench::new();
    let exit = end(bench.start(spec)).await;
    assert_eq!(exit, Exit::Completed, "{}", bench.text());
    bench.text()
}

#[tokio::test]
async fn every_limit_is_set_soft_and_hard_and_no_other_is_touched() {
    let plain = output_of(ProgramSpec::new("cat").arg("/proc/self/limits")).await;
    let rows = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    for &(limit, value, row) in &[
        (Limit::FileDescriptors, 33, "Max open files 33 33 files"),
        (Limit::Core, 0, "Max core file size 0 0 bytes"),
        (Limit::UserProcesses, 777, "Max processes 777 777 processes"),
        (Limit::FileSize, MIB, "Max file size 1048576 1048576 bytes"),
        (Limit::AddressSpace, 512 * MIB, "Max address space 536870912 536870912 bytes"),
        (Limit::Stack, 2 * MIB, "Max stack size 2097152 2097152 bytes"),
        (Limit::CpuTime, 60, "Max cpu time 60 61 seconds"),
        (Limit::LockedMemory, 0, "Max locked memory 0 0 bytes"),
    ] {
        let text = output_of(ProgramSpec::new("cat").arg("/proc/self/limits").limit(limit, value)).await;
        let changed: Vec<_> = rows(&text).into_iter().filter(|now| !rows(&plain).contains(now)).collect();
        assert_eq!(changed, [row], "{limit:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_ends_the_program_that_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large");
    let to = format!("of={}", file.display());
    let writer = ProgramSpec::new("dd").args(["if=/dev/zero", &to, "bs=64k", "count=64"]);
    let failure = failure_of(writer.limit(Limit::FileSize, MIB)).await;
    assert_eq!(failure, "killed by SIGXFSZ: it came to its max_file_size_mb of 1");
    assert_eq!(std::fs::metadata(file).unwrap().len(), MIB);
}

#[tokio::test]
async fn a_program_that_used_up_its_cpu_time_says_so() {
    let failure = failure_of(sh("while :; do :; done").limit(Limit::CpuTime, 1)).await;
    assert_eq!(failure, "killed by SIGXCPU: it came to its max_cpu_secs of 1");
}

#[tokio::test]
async fn more_address_space_than_allowed_is_refused_to_the_program() {
    let greedy = |mib: u64| {
        ProgramSpec::new("dd")
            .args(["if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"])
            .limit(Limit::AddressSpace, mib * MIB)
    };
    assert_eq!(failure_of(greedy(128)).await, "exit code 1");
    assert_eq!(exit_of(greedy(1024)).await, Exit::Completed);
}

#[tokio::test]
async fn a_fork_bomb_of_a_user_stays_within_its_processes_and_is_ended_whole() {
    let bench = Bench::new();
    let bomb = "echo up; bomb() { bomb | bomb & wait; }; bomb 2>&1; exec sleep 60";
    // The kernel does not hold root to it.
    let root = rustix::process::geteuid().is_root();
    let user = ["--reuid", NOBODY_ELSE, "--regid", NOBODY_ELSE, "--clear-groups", "sh", "-c", bomb];
    let spec = if root { ProgramSpec::new("setpriv").args(user) } else { sh("sh -c : || exec sleep 60") };
    let allowed = if root { 12 } else { 1 };
    let run = bench.start(spec.limit(Limit::UserProcesses, allowed));
    let refused = |text: &str| text.to_ascii_lowercase().contains("fork");
    bench.until("a fork refused", |seen| seen.lines.iter().any(|line| refused(&line.text))).await;
    assert!(of_the_user() <= 12, "{}", of_the_user());
    bench.kill();
    end(run).await;
    assert_eq!(of_the_user(), 0, "its end is the end of all of them");
}

#[tokio::test]
async fn a_limit_above_the_hard_limit_is_a_failed_start_that_names_key_value_and_remedy() {
    // Root may raise all others.
    let failure = failure_of(ProgramSpec::new("/bin/true").limit(Limit::FileDescriptors, 1 << 40)).await;
    let own = hard_limit("Max open files");
    let expected = format!(
        "cannot start `/bin/true`: max_file_descriptors: 1099511627776: operation not permitted; it may not be above \
         the supervisor's own hard limit, which is {own}: lower it, or raise that (`ulimit -Hn`) where the supervisor \
         is started"
    );
    assert_eq!(failure, expected);
}

/// How many processes of the user run. A dead one holds nothing, and its new parent may take its time.
fn of_the_user() -> usize {
    let is_one =
        |text: String| text.contains(&format!("\nUid:\t{NOBODY_ELSE}\t")) && !text.contains("\nState:\tZ");
    let read = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status"));
    pids().filter(|pid| read(pid).is_ok_and(is_one)).count()
}

/// The hard limit of this process in a row of `/proc/self/limits`.
fn hard_limit(row: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(row)).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn no_limit_reaches_the_supervisor_itself() {
    let before = std::fs::read_to_string("/proc/self/limits").unwrap();
    exit_of(sh("exit").limit(Limit::FileDescriptors, 20).limit(Limit::Core, 0)).await;
    assert_eq!(std::fs::read_to_string("/proc/self/limits").unwrap(), before);
}
