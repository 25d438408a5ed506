//! As whom a program runs.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use common::{Bench, end, failure_of, is_alive, sh, status, until};
use rustix::process::{DumpableBehavior, dumpable_behavior};
use supervisor_api::Exit;
use supervisor_process::ProgramSpec;

/// A user and a group whom nothing else on this machine has.
const NOBODY_ELSE: u32 = 54_318;

/// What a program that ends well wrote.
async fn output_of(spec: ProgramSpec) -> String {
    let bench = Bench::new();
    let exit = end(bench.start(spec)).await;
    assert_eq!(exit, Exit::Completed, "{}", bench.text());
    bench.text()
}

/// Of a program that waits: its ids and groups.
async fn ids_of(spec: ProgramSpec) -> [String; 3] {
    let bench = Bench::new();
    let run = bench.start(spec);
    let pid = bench.pid("pid").await;
    let ids = ["Uid", "Gid", "Groups"].map(|key| status(pid, key));
    bench.kill();
    end(run).await;
    ids
}

fn waiting() -> ProgramSpec {
    sh("echo pid=$$; exec sleep 60").working_dir("/")
}

fn four(id: u32) -> String {
    format!("{id}\t{id}\t{id}\t{id}")
}

#[tokio::test]
async fn a_program_runs_as_its_user_with_that_users_groups_and_no_other() {
    if !skip::is_root("a_program_runs_as_its_user_with_that_users_groups_and_no_other") {
        return;
    }
    let said = |text: &str| text.split_whitespace().map(|id| id.parse().unwrap()).collect::<BTreeSet<u32>>();
    let groups = |user: &str| {
        let known = Command::new("id").args(["-G", user]).output().unwrap();
        said(&String::from_utf8(known.stdout).unwrap())
    };
    for user in ["nobody", "root"] {
        let number = |flag: &str| -> u32 {
            let known = Command::new("id").args([flag, user]).output().unwrap();
            String::from_utf8(known.stdout).unwrap().trim().parse().unwrap()
        };
        let [uid, gid, has] = ids_of(waiting().user(user)).await;
        assert_eq!((uid, gid), (four(number("-u")), four(number("-g"))), "{user}");
        assert_eq!(said(&has), groups(user), "{user}");
    }
    let [uid, gid, has] = ids_of(waiting().user(NOBODY_ELSE).group("daemon")).await;
    assert_eq!((uid, gid, said(&has)), (four(NOBODY_ELSE), four(1), BTreeSet::from([1])));
    let [uid, gid, has] = ids_of(waiting().group(NOBODY_ELSE)).await;
    assert_eq!((uid, gid, said(&has)), (four(0), four(NOBODY_ELSE), BTreeSet::from([NOBODY_ELSE])));
}

#[tokio::test]
async fn a_program_of_another_user_cannot_come_back_and_ends_with_its_supervisor_all_the_same() {
    let test = "a_program_of_another_user_cannot_come_back_and_ends_with_its_supervisor_all_the_same";
    if !skip::is_root(test) || !skip::has("setpriv", test) {
        return;
    }
    let script = "setpriv --reuid 0 true 2>&- && echo root again; setpriv --regid 0 true 2>&- && echo again; exec setpriv -d";
    let text = output_of(sh(script).user("nobody").working_dir("/")).await;
    assert!(text.starts_with("uid: 65534\neuid: 65534\ngid: 65534\negid: 65534\n"), "{text}");
    assert!(text.ends_with("Parent death signal: KILL"), "{text}");
}

#[tokio::test]
async fn a_program_of_another_user_is_stopped_and_killed_whole() {
    if !skip::is_root("a_program_of_another_user_is_stopped_and_killed_whole") {
        return;
    }
    let script = "sleep 60 & echo child=$!; trap 'echo asked' TERM; echo up; while :; do wait; done";
    let bench = Bench::new();
    let run = bench.start(sh(script).user("nobody").working_dir("/"));
    let child = bench.pid("child").await;
    bench.until("up", |seen| seen.lines.iter().any(|line| line.text == "up")).await;
    bench.stop();
    bench.until("asked", |seen| seen.lines.iter().any(|line| line.text == "asked")).await;
    bench.kill();
    assert_eq!(end(run).await, Exit::Killed { signal: 9, by_us: true });
    until("all gone", || !is_alive(child)).await;
}

#[tokio::test]
async fn the_environment_is_that_of_the_user_and_what_the_spec_says_wins() {
    if !skip::is_root("the_environment_is_that_of_the_user_and_what_the_spec_says_wins") {
        return;
    }
    let show = || sh("echo $HOME $USER $LOGNAME ${TMPDIR-none}").working_dir("/");
    assert_eq!(output_of(show().user("nobody")).await, "/nonexistent nobody nobody none");
    assert_eq!(output_of(show().user("nobody").env("HOME", "/srv")).await, "/srv nobody nobody none");
    assert_eq!(output_of(show().user(NOBODY_ELSE).group(0)).await, "/ none");
}

#[tokio::test]
async fn its_output_can_be_opened_again_by_its_user() {
    if !skip::is_root("its_output_can_be_opened_again_by_its_user") {
        return;
    }
    let spec = sh("echo out > /dev/stdout && echo err > /dev/stderr").user("nobody").working_dir("/");
    let text = output_of(spec).await;
    assert_eq!(text.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["err", "out"]));
}

#[tokio::test]
async fn places_are_entered_with_the_rights_of_the_user() {
    if !skip::is_root("places_are_entered_with_the_rights_of_the_user") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let shown = dir.path().display();
    assert_eq!(
        failure_of(ProgramSpec::new("/bin/true").working_dir(dir.path()).user("nobody")).await,
        format!(
            "cannot start `/bin/true`: working_dir `{shown}`: permission denied; it runs as the user 65534"
        )
    );
    let tool = dir.path().join("tool");
    common::executable(&tool, "#!/bin/sh\n");
    let said = failure_of(ProgramSpec::new(&tool).user("nobody").working_dir("/")).await;
    assert!(said.contains("may not be entered") && said.ends_with("it runs as the user 65534"), "{said}");
}

#[tokio::test]
async fn files_are_made_without_the_umask_and_the_cpu_is_shared_as_nice_says() {
    let dir = tempfile::tempdir().unwrap();
    let spec = sh("touch file; nice").working_dir(dir.path()).umask(0o137).nice(7);
    assert_eq!(output_of(spec).await, "7");
    assert_eq!(fs::metadata(dir.path().join("file")).unwrap().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn an_account_that_is_not_known_is_a_failed_start_that_names_it() {
    let said = failure_of(ProgramSpec::new("/bin/true").user("no-such-user")).await;
    let expected = "cannot start `/bin/true`: user: 'no-such-user' is no user of /etc/passwd; write its number, which \
                    `getent passwd no-such-user` may know";
    assert_eq!(said, expected);
    let said = failure_of(ProgramSpec::new("/bin/true").group("no-such-group")).await;
    assert!(said.starts_with("cannot start `/bin/true`: group: 'no-such-group' is no group"), "{said}");
    let said = failure_of(ProgramSpec::new("/bin/true").user(NOBODY_ELSE)).await;
    assert!(said.ends_with("its group is not known; say `group`, too"), "{said}");
}

/// The rest of the test as a user without rights: `setpriv` executes this test again as nobody.
#[test]
fn without_the_right_the_start_fails_with_the_key_and_the_remedy() {
    let test = "without_the_right_the_start_fails_with_the_key_and_the_remedy";
    if rustix::process::geteuid().is_root() {
        if !skip::has("setpriv", test) {
            return;
        }
        let own = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = dir.path().join("test");
        fs::copy(own, &copy).unwrap();
        let user = ["--reuid", "54318", "--regid", "54318", "--clear-groups"];
        let again = Command::new("setpriv").args(user).arg(&copy).args([test, "--exact"]).output().unwrap();
        let text = String::from_utf8_lossy(&again.stdout).into_owned();
        assert!(again.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let of = |spec: fn(ProgramSpec) -> ProgramSpec| failure_of(spec(ProgramSpec::new("/bin/true").working_dir("/")));
        let remedy = "start the supervisor as root, or remove `user`";
        assert_eq!(
            of(|spec| spec.user("root")).await,
            format!(
                "cannot start `/bin/true`: user: operation not permitted; only root may start a program as another user \
                 (here 0): {remedy}"
            )
        );
        let said = of(|spec| spec.group("root")).await;
        assert!(said.contains(": group: operation not permitted") && said.ends_with("remove `group`"), "{said}");
        let said = of(|spec| spec.nice(-5)).await;
        assert!(said.contains(": nice: -5: permission denied; only root may go below"), "{said}");
        let own = rustix::process::getuid().as_raw();
        let group = rustix::process::getgid().as_raw();
        let [uid, gid, _] = ids_of(waiting().user(own).group(group)).await;
        assert_eq!((uid, gid), (four(own), four(group)), "its own user needs no right");
    });
}

#[tokio::test]
async fn the_supervisor_stays_as_it_was_when_a_program_runs_as_another() {
    if !skip::is_root("the_supervisor_stays_as_it_was_when_a_program_runs_as_another") {
        return;
    }
    // The kernel notes with a memory that its process has changed its user: it is to be looked at, and written down when
    // it crashes, by root alone. That is for the program's memory.
    assert_eq!(ids_of(waiting().user(NOBODY_ELSE).group("daemon")).await[0], four(NOBODY_ELSE));
    let said = failure_of(ProgramSpec::new("/no/such").user(NOBODY_ELSE).group("daemon")).await;
    assert!(said.contains("no such file"), "{said}");
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
}
