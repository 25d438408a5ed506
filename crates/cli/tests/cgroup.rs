//! A run in a cgroup that was delegated to it, and one outside of any.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../process/tests/common/delegated.rs"]
mod delegated;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::fs;

use common::after;
use delegated::Delegated;
use rustix::fs::{XattrFlags, setxattr};

/// Marked as systemd marks it; `None` where none can be had.
fn delegated() -> Option<Delegated> {
    let dir = delegated::delegated("supervisor-cli")?;
    setxattr(&dir.0, "trusted.delegate", b"1", XattrFlags::empty()).ok()?;
    Some(dir)
}

#[test]
fn each_program_of_a_run_in_a_delegated_cgroup_has_its_own_and_its_daemons_end_with_it() {
    let Some(place) = delegated() else {
        return skip::skip(
            "each_program_of_a_run_in_a_delegated_cgroup: needs a cgroup v2 in which directories can be made: root, \
             Linux 5.14 or later",
        );
    };
    let text = "version: 1\nname: own\nchildren:\n  \
                - {name: a, kind: process, role: job, command: [sh, -c, 'cat /proc/self/cgroup; \
                   setsid sh -c \"echo away $$; exec sleep 1000\" & sleep 0.2']}\n";
    let end = after(&format!("echo $$ > {}/cgroup.procs", place.0.display()), text);
    let (out, err) = (String::from_utf8(end.stdout).unwrap(), String::from_utf8(end.stderr).unwrap());
    assert_eq!((end.status.code(), err.as_str()), (Some(0), ""), "{out}");
    let own = format!("0::/{}/tokio-supervisor.", place.0.file_name().unwrap().to_str().unwrap());
    let line = out.lines().find_map(|line| line.split_once(&own)).unwrap_or_else(|| panic!("{own}: {out}"));
    assert!(line.1.contains('/'), "a directory for the run: {out}");
    assert!(!out.contains("unconfined"), "{out}");
    // The supervisor's own is all that is left, and nobody is in it.
    assert_eq!(
        fs::read_to_string(place.0.join("cgroup.events")).unwrap().lines().next(),
        Some("populated 0")
    );
}

#[test]
fn a_run_without_a_cgroup_says_once_which_limits_are_watched_and_why() {
    let text = "version: 1\nname: none\nchildren:\n  \
                - {name: a, kind: process, role: job, command: ['true'], \
                   resource_limits: {max_memory_mb: 500, max_cpu_percent: 90, max_core_mb: 0}}\n  \
                - {name: b, kind: process, role: job, command: ['true'], resource_limits: {max_memory_mb: 500}}\n";
    let end = after(":", text);
    let err = String::from_utf8(end.stderr).unwrap();
    let said = "supervisor: resource_limits.max_cpu_percent, resource_limits.max_memory_mb: watched every two seconds, and \
                not enforced by the kernel: ";
    // Where the tests themselves run in a cgroup with all controllers, nothing is to be said.
    if !err.is_empty() {
        let why = err.strip_prefix(said).unwrap_or_else(|| panic!("{err}"));
        assert!(why.trim().len() > 10 && why.lines().count() == 1, "{err}");
    }
    assert_eq!(end.status.code(), Some(0));
    let quiet =
        after(":", &text.replace("max_memory_mb", "max_stack_mb").replace("max_cpu_percent: 90, ", ""));
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");
}
