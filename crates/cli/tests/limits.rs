//! How many open files a run has, and its programs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::after;

#[test]
fn a_run_has_as_many_open_files_as_it_may_and_its_programs_what_it_was_started_with() {
    let text = "version: 1\nname: files\nchildren:\n  \
                - {name: own, kind: process, role: job, command: [sh, -c, \"grep open.files /proc/$PPID/limits\"]}\n  \
                - {name: given, kind: process, role: job, command: [sh, -c, 'echo soft $(ulimit -Sn) hard $(ulimit -Hn)']}\n  \
                - {name: said, kind: process, role: job, command: [sh, -c, 'echo said $(ulimit -Sn)'], \
                   resource_limits: {max_file_descriptors: 55}}\n";
    let end = after("ulimit -Sn 90 && ulimit -Hn 700", text);
    let out = String::from_utf8(end.stdout).unwrap();
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in ["Max open files 700 700", "soft 90 hard 700", "said 55"] {
        assert!(words.contains(said), "{said}: {out}");
    }
    assert_eq!(String::from_utf8_lossy(&end.stderr), "");
}

#[test]
fn too_many_programs_for_the_limit_are_said_before_the_start_and_by_the_one_that_does_not_start() {
    let child = |at: usize| format!("  - {{name: p{at}, kind: process, command: [sleep, 1000]}}\n");
    let children: String = (0..40).map(child).collect();
    let text =
        format!("version: 1\nname: many\nsupervisor: {{on_start_failure: unwind}}\nchildren:\n{children}");
    let end = after("ulimit -n 64", &text);
    let err = String::from_utf8(end.stderr).unwrap();
    let said = "supervisor: 40 programs need about 248 open files, and this process may have 64: some of them will not \
                start; raise the limit with `ulimit -n 248` where it is started\n";
    assert!(err.starts_with(said), "{err}");
    let out = String::from_utf8(end.stdout).unwrap();
    let refusal = "the system cannot make a process: too many open files in the supervisor; each program that runs takes \
                   three: raise the limit with `ulimit -n` where the supervisor is started";
    assert!(out.contains(refusal) || err.contains(refusal), "{out}{err}");
    assert!(!end.status.success());
}
