//! What a program reads.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::fs;
use std::os::unix::fs::FileTypeExt as _;

use common::{Bench, end, exit_of, failure_of, sh, until_named};
use supervisor_api::Exit;
use supervisor_process::{Input, ProgramSpec};

#[tokio::test]
async fn nothing_is_read_unless_it_is_said() {
    assert_eq!(exit_of(ProgramSpec::new("cat")).await, Exit::Completed);
}

#[tokio::test]
async fn each_run_reads_the_file_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in"), "one\ntwo\n").unwrap();
    let spec = ProgramSpec::new("cat").working_dir(dir.path()).stdin(Input::File("in".into()));
    for _ in 0..2 {
        let bench = Bench::new();
        assert_eq!(end(bench.start(spec.clone())).await, Exit::Completed);
        assert_eq!(bench.text(), "one\ntwo");
    }
}

#[tokio::test]
async fn a_pipe_stays_open_until_the_program_has_ended() {
    let bench = Bench::new();
    let run = bench.start(sh("echo pid=$$; exec cat").stdin(Input::Pipe));
    let pid = bench.pid("pid").await;
    until_named(pid, "cat").await;
    assert!(fs::metadata(format!("/proc/{pid}/fd/0")).unwrap().file_type().is_fifo());
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped, "it was asked: had its input ended, it would have completed");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_failed_start_that_names_it() {
    let of = |path: &str| failure_of(ProgramSpec::new("/bin/cat").stdin(Input::File(path.into())));
    let none = "cannot start `/bin/cat`: stdin: `/no/such/file`: no such file or directory";
    assert_eq!(of("/no/such/file").await, none);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let expected =
        format!("cannot start `/bin/cat`: stdin: `{folder}`: it is neither a file nor a device; name one");
    assert_eq!(of(&folder).await, expected);
    // Opening it would wait for a writer for ever.
    let fifo = dir.path().join("fifo").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let said = of(&fifo).await;
    assert!(said.ends_with("it is neither a file nor a device; name one"), "{said}");
}
