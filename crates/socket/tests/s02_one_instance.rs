//! Rule 2: one instance of a name, and no socket that lives is replaced.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use common::{Echo, Folder, again, argument, client, is_echoed, mode, set_mode, succeed};
use rustix::fs::FlockOperation;
use supervisor_api::ChildId;
use supervisor_socket::{Bind, BindError, BindMode, Instance, InstanceError, Settings, Surroundings};

fn claim(folder: &Folder) -> Result<Instance, InstanceError> {
    claim_in(&Surroundings { state_home: Some(folder.path().into()), ..Surroundings::default() })
}

fn claim_in(surroundings: &Surroundings) -> Result<Instance, InstanceError> {
    Instance::claim(&ChildId::new("shop").unwrap(), surroundings)
}

/// Runs a helper until it says that it is ready.
fn started(mut command: Command) -> Child {
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("READY")), "the helper has ended");
    child
}

/// Says that the test may go on, and stays until the test closes the input.
#[expect(clippy::print_stdout, reason = "the test waits for this line")]
fn stay() {
    println!("\nREADY");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
#[ignore = "the other process of the tests of this file"]
fn hold_the_name() {
    let Some(state_home) = argument() else { return };
    let surroundings = Surroundings { state_home: Some(state_home), ..Surroundings::default() };
    let _instance = claim_in(&surroundings).unwrap();
    stay();
}

#[test]
fn s02_a_second_run_of_a_name_is_refused_and_names_the_process() {
    let folder = Folder::new();
    let mut holder = started(again("hold_the_name", folder.path()));
    let error = claim(&folder).unwrap_err();
    assert!(matches!(error, InstanceError::Taken { pid: Some(pid), .. } if pid == holder.id()), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("`shop` runs already as process {}", holder.id())), "{text}");
    assert_eq!(error.code(), "ipc_bind_failed");
    drop(holder.stdin.take());
    succeed(holder);
    let instance = claim(&folder).unwrap();
    assert_eq!(instance.directory(), folder.join("tokio-supervisor/shop"));
    assert_eq!(mode(instance.directory()), 0o700);
    assert_eq!(mode(&instance.directory().join("lock")), 0o600);
}

#[test]
fn s02_the_name_of_a_killed_process_is_free() {
    let folder = Folder::new();
    let mut holder = started(again("hold_the_name", folder.path()));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let lock = folder.join("tokio-supervisor/shop/lock");
    assert_eq!(
        fs::read_to_string(&lock).unwrap(),
        format!("{}\n", holder.id()),
        "its signature is still there"
    );
    let _instance = claim(&folder).unwrap();
    assert_eq!(fs::read_to_string(&lock).unwrap(), format!("{}\n", std::process::id()));
}

#[test]
fn s02_a_dead_signature_is_not_believed() {
    let folder = Folder::new();
    let instance = claim(&folder).unwrap();
    // As it is for an instant after the death of a holder, before the next one signs.
    fs::write(instance.directory().join("lock"), format!("{}\n", u32::MAX)).unwrap();
    let error = claim(&folder).unwrap_err();
    assert_eq!(error.to_string(), "`shop` runs already; stop it, or run this one under another name");
}

#[test]
fn s02_programs_that_the_holder_has_started_do_not_keep_the_name() {
    let folder = Folder::new();
    let instance = claim(&folder).unwrap();
    let mut program = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    drop(instance);
    let again = claim(&folder);
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(again.is_ok(), "{again:?}");
}

#[test]
fn s02_other_names_are_free_and_a_lock_that_is_a_link_is_not_followed() {
    let folder = Folder::new();
    let _shop = claim(&folder).unwrap();
    let around = Surroundings { state_home: Some(folder.path().into()), ..Surroundings::default() };
    let other = Instance::claim(&ChildId::new("other").unwrap(), &around).unwrap();
    let lock = other.directory().join("lock");
    drop(other);
    fs::remove_file(&lock).unwrap();
    fs::write(folder.join("precious"), "precious").unwrap();
    symlink(folder.join("precious"), &lock).unwrap();
    let error = Instance::claim(&ChildId::new("other").unwrap(), &around).unwrap_err();
    assert!(matches!(error, InstanceError::Failed { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(folder.join("precious")).unwrap(), "precious");
}

/// Who could rename the directory of the name could give the name away a second time.
#[test]
fn s01_s02_a_name_is_not_kept_where_others_may_write_above_it() {
    let folder = Folder::new();
    drop(claim(&folder).unwrap());
    let ours = folder.join("tokio-supervisor");
    set_mode(&ours, 0o777);
    let error = claim(&folder).unwrap_err();
    assert!(error.to_string().contains("others may write to the directory"), "{error}");
    set_mode(&ours, 0o700);
    claim(&folder).unwrap();
}

#[test]
fn s02_without_a_home_the_error_says_what_to_set() {
    let error = claim_in(&Surroundings::default()).unwrap_err();
    assert!(error.to_string().contains("set HOME or XDG_STATE_HOME"), "{error}");
}

#[test]
#[ignore = "the other process of the tests of this file"]
fn listen_there() {
    let Some(path) = argument() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _listener = runtime.block_on(Bind::at(path).listen()).unwrap();
    stay();
}

#[tokio::test]
async fn s02_a_socket_that_accepts_is_replaced_in_no_mode_and_its_process_is_named() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let mut holder = started(again("listen_there", &path));
    for mode in [BindMode::CreateNew, BindMode::ReplaceStale] {
        let error = Bind::at(&path).mode(mode).listen().await.unwrap_err();
        assert!(matches!(error, BindError::InUse { pid: Some(pid), .. } if pid == holder.id()), "{error:?}");
        assert_eq!(error.code(), "ipc_bind_failed");
        let words = format!("a.sock is in use as process {}", holder.id());
        assert!(error.to_string().contains(&words), "{error}");
    }
    client(&path).await;
    assert_eq!(folder.names(), ["a.sock"]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(Bind::at(&path).listen().await.is_ok(), "a dead one is replaced");
}

#[tokio::test]
async fn s02_a_listener_that_is_too_busy_to_accept_is_not_taken_for_dead() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let busy =
        rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&busy, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&busy, 0).unwrap();
    let _waiting = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let error = Bind::at(&path).listen().await.unwrap_err();
    assert!(matches!(error, BindError::InUse { pid: None, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s02_of_many_who_bind_at_once_exactly_one_gets_the_path() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    for round in 0..20 {
        common::dead_socket(&path);
        let all: Vec<_> = (0..8).map(|_| tokio::spawn(Bind::at(&path).listen())).collect();
        let mut winners = Vec::new();
        for one in all {
            match one.await.unwrap() {
                Ok(listener) => winners.push(listener),
                Err(error) => assert!(matches!(error, BindError::InUse { .. }), "{error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let server = winners.remove(0).serve(Settings::default(), Arc::<Echo>::default());
        is_echoed(&mut client(&path).await, "hello").await;
        server.close().await;
        assert_eq!(folder.names(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn s02_one_who_keeps_the_directory_locked_is_waited_for_and_then_told() {
    let folder = Folder::new();
    let held = fs::File::open(folder.path()).unwrap();
    rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
    let begun = tokio::time::Instant::now();
    let error = Bind::at(folder.join("a.sock")).listen().await.unwrap_err();
    assert!(matches!(error, BindError::Locked { .. }), "{error:?}");
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!(error.to_string().contains("for 5 seconds"), "{error}");
    let bind = tokio::spawn(Bind::at(folder.join("a.sock")).listen());
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    rustix::fs::flock(&held, FlockOperation::Unlock).unwrap();
    assert!(bind.await.unwrap().is_ok(), "one who lets go is followed");
}
