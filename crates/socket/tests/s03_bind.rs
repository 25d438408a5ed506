//! Rule 3: how the socket's file comes and goes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;

use common::skip::is_root;
use common::{Folder, again, argument, client, dead_socket, give_away, mode, succeeds};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use supervisor_socket::{Bind, BindError, BindMode};

const MODES: [BindMode; 2] = [BindMode::CreateNew, BindMode::ReplaceStale];

#[tokio::test]
async fn s03_what_is_no_socket_of_ours_is_replaced_in_no_mode() {
    for mode in MODES {
        let folder = Folder::new();
        fs::write(folder.join("file"), "precious").unwrap();
        folder.folder("folder");
        dead_socket(&folder.join("dead.sock"));
        symlink("dead.sock", folder.join("link")).unwrap();
        symlink("nowhere", folder.join("dangling")).unwrap();
        let _datagrams = UnixDatagram::bind(folder.join("datagrams")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let before = folder.names();
        for (name, code, words) in [
            ("file", "ipc_bind_failed", "is no socket"),
            ("folder", "ipc_bind_failed", "is no socket"),
            ("fifo", "ipc_bind_failed", "is no socket"),
            ("link", "ipc_symlink_rejected", "is a symbolic link"),
            ("dangling", "ipc_symlink_rejected", "is a symbolic link"),
            ("datagrams", "ipc_bind_failed", "is in use"),
        ] {
            let error = Bind::at(folder.join(name)).mode(mode).listen().await.unwrap_err();
            assert_eq!(error.code(), code, "{name}: {error}");
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        assert_eq!(folder.names(), before, "nothing came and nothing went");
        assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "precious");
    }
}

#[tokio::test]
async fn s03_a_dead_socket_of_another_user_is_not_replaced() {
    if !is_root("s03_a_dead_socket_of_another_user_is_not_replaced") {
        return;
    }
    let folder = Folder::new();
    let path = folder.join("a.sock");
    dead_socket(&path);
    give_away(&path);
    for mode in MODES {
        let error = Bind::at(&path).mode(mode).listen().await.unwrap_err();
        assert!(matches!(error, BindError::NotOurs { owner: common::STRANGER, us: 0, .. }), "{error:?}");
        assert_eq!(error.code(), "ipc_socket_owner_mismatch");
    }
    assert!(path.exists());
}

#[tokio::test]
async fn s03_create_new_refuses_a_dead_socket_that_replace_stale_replaces() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    dead_socket(&path);
    let error = Bind::at(&path).mode(BindMode::CreateNew).listen().await.unwrap_err();
    assert!(matches!(error, BindError::Exists { .. }), "{error:?}");
    assert!(error.to_string().contains("use the bind mode `replace_stale`"), "{error}");
    let listener = Bind::at(&path).mode(BindMode::ReplaceStale).listen().await.unwrap();
    client(&path).await;
    drop(listener);
    assert!(Bind::at(&path).mode(BindMode::CreateNew).listen().await.is_ok());
}

#[tokio::test]
async fn s03_a_listener_removes_its_file_and_no_other() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    drop(Bind::at(&path).listen().await.unwrap());
    assert_eq!(folder.names(), Vec::<String>::new());

    let first = Bind::at(&path).listen().await.unwrap();
    fs::remove_file(&path).unwrap();
    let second = Bind::at(&path).listen().await.unwrap();
    drop(first);
    client(&path).await;
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(second);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn s03_the_file_is_removed_where_it_is_also_when_its_directory_was_moved() {
    let folder = Folder::new();
    folder.folder("here");
    let listener = Bind::at(folder.join("here/a.sock")).listen().await.unwrap();
    fs::rename(folder.join("here"), folder.join("there")).unwrap();
    folder.folder("here");
    dead_socket(&folder.join("here/a.sock"));
    drop(listener);
    assert!(!folder.join("there/a.sock").exists());
    assert!(folder.join("here/a.sock").exists());
}

#[tokio::test]
async fn s03_permissions_are_0600_or_what_was_asked_for() {
    let folder = Folder::new();
    for permissions in [0o600, 0o660, 0o666, 0o606] {
        let listener = Bind::at(folder.join("a.sock")).permissions(permissions).listen().await.unwrap();
        assert_eq!(mode(listener.path()), permissions);
    }
    for permissions in [0o700, 0o060, 0o400, 0o4600, 0] {
        let error = Bind::at(folder.join("a.sock")).permissions(permissions).listen().await.unwrap_err();
        assert_eq!(error.code(), "ipc_set_permissions_failed");
        assert!(error.to_string().contains(&format!("{permissions:04o}")), "{error}");
    }
}

#[tokio::test]
async fn s03_what_a_process_left_that_ended_while_it_bound_is_removed() {
    let folder = Folder::new();
    dead_socket(&folder.join(".tokio-supervisor.bind"));
    let _listener = Bind::at(folder.join("a.sock")).listen().await.unwrap();
    assert_eq!(folder.names(), ["a.sock"]);
}

/// Everything that happens in the directory while a socket is bound, with a umask that takes nothing away.
#[test]
#[ignore = "the umask is that of a whole process; run by the test below"]
fn bind_under_watch() {
    let Some(folder) = argument() else { return };
    rustix::process::umask(rustix::fs::Mode::empty());
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    let events = WatchFlags::CREATE | WatchFlags::ATTRIB | WatchFlags::MOVE | WatchFlags::DELETE;
    inotify::add_watch(&watch, &folder, events).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(Bind::at(folder.join("a.sock")).listen()).unwrap();
    assert_eq!(mode(listener.path()), 0o600);
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    let mut story = Vec::new();
    while let Ok(event) = events.next() {
        story.push((event.events(), event.file_name().unwrap().to_str().unwrap().to_owned()));
    }
    let unfinished = || ".tokio-supervisor.bind".to_owned();
    // No ATTRIB: the mode at the end is the mode at birth.
    assert_eq!(
        story,
        [
            (ReadFlags::CREATE, unfinished()),
            (ReadFlags::MOVED_FROM, unfinished()),
            (ReadFlags::MOVED_TO, "a.sock".to_owned())
        ]
    );
}

#[tokio::test]
async fn s03_the_file_is_born_with_0600_under_a_name_of_its_own_and_then_renamed() {
    let folder = Folder::new();
    succeeds(again("bind_under_watch", folder.path())).await;
}

#[test]
#[ignore = "the umask is that of a whole process; run by the test below"]
fn bind_with_a_umask_that_takes_everything() {
    let Some(folder) = argument() else { return };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o777));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(Bind::at(folder.join("a.sock")).listen()).unwrap();
    assert_eq!(mode(listener.path()), 0o600);
}

#[tokio::test]
async fn s03_a_umask_does_not_lock_the_owner_out() {
    let folder = Folder::new();
    succeeds(again("bind_with_a_umask_that_takes_everything", folder.path())).await;
}
