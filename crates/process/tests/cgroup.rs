//! A cgroup for each program, on a kernel that has them: being put into one, `cgroup.kill`, and what is left.
//!
//! What is asked of memory, CPU and the number of processes is tested against plain files, beside the code.
#![cfg(feature = "cgroup")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "common/delegated.rs"]
mod delegated;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::fs;
use std::path::PathBuf;

use common::{Bench, end, exit_of, failure_of, is_alive, sh, until};
use supervisor_api::Exit;
use supervisor_process::cgroup::{self, Place, Status};
use supervisor_process::{Limit, ProgramSpec};

/// The directories of runs.
fn runs(status: &Status) -> Vec<PathBuf> {
    let entries = fs::read_dir(&status.dir).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect()
}

/// The number of the namespace of our process numbers.
fn numbers() -> String {
    let name = fs::read_link("/proc/self/ns/pid").unwrap();
    name.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).to_owned()
}

/// One test, since a process has one place for its cgroups.
#[tokio::test]
async fn nothing_that_a_program_started_gets_away() {
    let Some(place) = delegated::delegated("supervisor-test") else {
        let needs = "a cgroup v2 in which directories can be made: root, Linux 5.14 or later";
        return skip::skip(&format!("nothing_that_a_program_started_gets_away: needs {needs}"));
    };
    // What a supervisor that is dead left: another one had our number before us.
    let left = place.0.join(format!("tokio-supervisor.{}.{}.1", numbers(), std::process::id()));
    fs::create_dir_all(left.join("run")).unwrap();
    let mut sleeper = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(left.join("run/cgroup.procs"), sleeper.id().to_string()).unwrap();

    let status = cgroup::start(&Place::At(place.0.clone())).unwrap();
    assert!(!left.exists() && sleeper.wait().is_ok_and(|end| !end.success()), "what the dead left is gone");
    assert!(cgroup::start(&Place::Own).unwrap_err().to_string().contains("already"));
    assert_eq!(cgroup::status(), Some(status.clone()));

    // A kill meets what left the group.
    let bench = Bench::new();
    let away =
        "echo own=$(sed -n s/0:://p /proc/self/cgroup); setsid sh -c 'echo away=$$; exec sleep 1000' & wait";
    let run = bench.start(sh(away));
    let pid = bench.pid("away").await;
    let own = bench.word("own=").await;
    let dirs = runs(&status);
    assert_eq!(dirs.len(), 1, "{dirs:?}");
    assert!(dirs[0].ends_with(own.rsplit('/').next().unwrap()), "{own} is not {dirs:?}");
    bench.kill();
    assert_eq!(end(run).await, Exit::Killed { signal: 9, by_us: true });
    assert!(!is_alive(pid), "it left its group, and not its cgroup");
    assert!(bench.seen().unconfined.is_empty());
    assert_eq!(runs(&status), [] as [PathBuf; 0]);

    // The end of a program is the end of its daemons.
    let bench = Bench::new();
    let run = bench
        .start(sh("setsid sh -c 'echo away=$$; exec sleep 1000' </dev/null & sleep 0.1; wait $!& exit 0"));
    assert_eq!(end(run).await, Exit::Completed);
    assert!(!is_alive(bench.pid("away").await));
    assert_eq!(runs(&status), [] as [PathBuf; 0]);

    // So is the drop of a run.
    let bench = Bench::new();
    let run = bench.start(sh(away));
    let pid = bench.pid("away").await;
    run.abort();
    until("killed with the dropped run", || !is_alive(pid)).await;
    until("removed with the dropped run", || runs(&status).is_empty()).await;

    // A failed start leaves nothing; a limit of the kernel's for each process is set as ever.
    assert!(failure_of(ProgramSpec::new("/nonexistent/program")).await.contains("no such file"));
    assert_eq!(runs(&status), [] as [PathBuf; 0]);
    assert_eq!(
        exit_of(sh("test $(ulimit -n) = 33").limit(Limit::FileDescriptors, 33)).await,
        Exit::Completed
    );

    // Without the controllers the limits of the whole are watched.
    if status.controllers.is_empty() {
        let bench = Bench::new();
        let many = sh("for i in 1 2 3 4; do sleep 1000 & done; wait").max_processes(3).high_memory(1 << 20);
        let run = bench.start(many);
        let seen = bench.until("unwell", |seen| !seen.unwell.is_empty()).await;
        assert_eq!(seen.unwell[0], "has 5 processes and threads, its limit is 3");
        bench.kill();
        end(run).await;
    }
    fs::remove_dir(&status.dir).unwrap();
}
