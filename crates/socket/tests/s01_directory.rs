//! Rule 1: where a socket may be.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::skip::is_root;
use common::{Folder, client, dead_socket, give_away, mode, set_mode};
use supervisor_api::ChildId;
use supervisor_socket::{Bind, BindError, DirectoryError, Listener, Surroundings, sockets};

/// What somebody does to a path.
type Act = fn(&Path);

async fn by_name(surroundings: &Surroundings) -> Result<Listener, BindError> {
    Bind::by_name(ChildId::new("shop").unwrap(), surroundings.clone()).listen().await
}

/// A user with a runtime directory, which may be absent, and a home.
fn user(folder: &Folder) -> Surroundings {
    let home = folder.folder("home");
    Surroundings { runtime_dir: Some(folder.join("run")), home: Some(home), ..Surroundings::default() }
}

fn directory_error(result: Result<Listener, BindError>) -> DirectoryError {
    match result {
        Err(BindError::Directory(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s01_the_default_directory_is_created_for_us_alone_and_the_socket_is_in_it() {
    let folder = Folder::new();
    folder.folder("run");
    let listener = by_name(&user(&folder)).await.unwrap();
    assert_eq!(listener.path(), folder.join("run/tokio-supervisor/shop.sock"));
    assert_eq!(mode(&folder.join("run/tokio-supervisor")), 0o700);
    assert_eq!(mode(listener.path()), 0o600);
}

#[tokio::test]
async fn s01_every_directory_that_is_created_on_the_way_is_for_us_alone() {
    let folder = Folder::new();
    let surroundings = Surroundings { runtime_dir: None, ..user(&folder) };
    let listener = by_name(&surroundings).await.unwrap();
    assert_eq!(listener.path(), folder.join("home/.local/state/tokio-supervisor/run/shop.sock"));
    for created in
        [".local", ".local/state", ".local/state/tokio-supervisor", ".local/state/tokio-supervisor/run"]
    {
        assert_eq!(mode(&folder.join("home").join(created)), 0o700, "{created}");
    }
    let state_home = folder.join("not/yet/there");
    let surroundings = Surroundings { state_home: Some(state_home.clone()), ..surroundings };
    let listener = by_name(&surroundings).await.unwrap();
    assert_eq!(listener.path(), state_home.join("tokio-supervisor/run/shop.sock"));
}

#[tokio::test]
async fn s01_a_runtime_directory_that_is_not_sound_is_passed_over() {
    let root = is_root("s01_a_runtime_directory_that_is_not_sound_is_passed_over");
    let spoil: &[(&str, Act)] = &[
        ("absent", |run| fs::remove_dir(run).unwrap()),
        ("a shared temp folder", |run| set_mode(run, 0o1777)),
        ("writable by its group", |run| set_mode(run, 0o770)),
        ("a link", |run| {
            fs::rename(run, run.with_extension("real")).unwrap();
            symlink(run.with_extension("real"), run).unwrap();
        }),
        ("of another user", give_away),
    ];
    for (what, spoil) in spoil.iter().filter(|(what, _)| root || *what != "of another user") {
        let folder = Folder::new();
        spoil(&folder.folder("run"));
        let listener = by_name(&user(&folder)).await.unwrap();
        assert_eq!(
            listener.path(),
            folder.join("home/.local/state/tokio-supervisor/run/shop.sock"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn s01_a_directory_of_ours_that_was_tampered_with_is_refused_and_not_passed_over() {
    let root = is_root("s01_a_directory_of_ours_that_was_tampered_with_is_refused_and_not_passed_over");
    let tamper: &[(&str, Act, &str, &str)] = &[
        ("a link", |ours| symlink("/tmp", ours).unwrap(), "ipc_symlink_rejected", "is a symbolic link"),
        (
            "writable",
            |ours| {
                fs::create_dir(ours).unwrap();
                set_mode(ours, 0o707);
            },
            "ipc_path_metadata_failed",
            "take that away with `chmod go-w ",
        ),
        ("a file", |ours| fs::write(ours, "").unwrap(), "ipc_path_metadata_failed", "is not a directory"),
        (
            "of another user",
            |ours| {
                fs::create_dir(ours).unwrap();
                give_away(ours);
            },
            "ipc_socket_owner_mismatch",
            "belongs to uid 54321 and not to uid 0",
        ),
    ];
    for (what, tamper, code, words) in tamper.iter().filter(|(what, ..)| root || *what != "of another user") {
        let folder = Folder::new();
        tamper(&folder.folder("run").join("tokio-supervisor"));
        let error = directory_error(by_name(&user(&folder)).await);
        assert_eq!(error.code(), *code, "{what}: {error}");
        assert!(error.to_string().contains(words), "{what}: {error}");
        assert_eq!(fs::read_dir(folder.join("home")).unwrap().count(), 0, "{what}: nothing elsewhere");
    }
}

#[tokio::test]
async fn s01_without_any_place_the_error_says_why_of_each_and_names_the_flag() {
    let folder = Folder::new();
    let surroundings = Surroundings { home: None, ..user(&folder) };
    let text = directory_error(by_name(&surroundings).await).to_string();
    assert!(text.contains("/run is not there") && text.contains("`--socket PATH`"), "{text}");
    let text = directory_error(by_name(&Surroundings::default()).await).to_string();
    assert!(text.contains("neither XDG_RUNTIME_DIR nor XDG_STATE_HOME nor HOME is set"), "{text}");
}

#[tokio::test]
async fn s01_an_explicit_path_passes_the_same_checks() {
    let folder = Folder::new();
    folder.folder("real/deep");
    fs::write(folder.join("file"), "").unwrap();
    for (name, mode) in [("group", 0o720), ("all", 0o702), ("sticky", 0o1777)] {
        set_mode(&folder.folder(name), mode);
    }
    symlink(folder.join("real"), folder.join("link")).unwrap();
    symlink("deep", folder.join("real/link")).unwrap();
    let mut cases = vec![
        ("absent/a.sock", "ipc_path_metadata_failed", "create it with `mkdir -m 700 "),
        ("file/a.sock", "ipc_path_metadata_failed", "/file is not a directory"),
        ("group/a.sock", "ipc_path_metadata_failed", "(mode 0720)"),
        ("all/a.sock", "ipc_path_metadata_failed", "(mode 0702)"),
        ("sticky/a.sock", "ipc_path_metadata_failed", "(mode 1777)"),
        ("link/a.sock", "ipc_symlink_rejected", "/link is a symbolic link"),
        ("link/deep/a.sock", "ipc_symlink_rejected", "/link is a symbolic link"),
        ("real/link/a.sock", "ipc_symlink_rejected", "/real/link is a symbolic link"),
        ("real/link/../a.sock", "ipc_symlink_rejected", "/real/link is a symbolic link"),
    ];
    if is_root("s01_an_explicit_path_passes_the_same_checks") {
        give_away(&folder.folder("foreign"));
        cases.push(("foreign/a.sock", "ipc_socket_owner_mismatch", "belongs to uid 54321"));
    }
    for (path, code, words) in cases {
        let error = Bind::at(folder.join(path)).listen().await.unwrap_err();
        assert_eq!(error.code(), code, "{path}: {error}");
        assert!(error.to_string().contains(words), "{path}: {error}");
    }
    assert!(Bind::at(folder.join("real/deep/a.sock")).listen().await.is_ok());
    assert!(Bind::at(folder.join("real/deep/../a.sock")).listen().await.is_ok());
}

#[tokio::test]
async fn s01_a_path_has_at_most_100_bytes_and_the_error_shows_the_length_and_the_flag() {
    let folder = Folder::new();
    let of_length = |bytes: usize| {
        let left = bytes - folder.path().as_os_str().as_bytes().len() - "/.sock".len();
        folder.join(&format!("{}.sock", "n".repeat(left)))
    };
    let longest = of_length(100);
    let listener = Bind::at(&longest).listen().await.unwrap();
    client(&longest).await;
    drop(listener);
    let error = Bind::at(of_length(101)).listen().await.unwrap_err();
    assert_eq!(error.code(), "ipc_bind_failed");
    let text = error.to_string();
    assert!(text.contains("has 101 bytes and may have 100") && text.contains("`--socket PATH`"), "{text}");
    let deep = Surroundings { runtime_dir: Some(folder.folder(&"d".repeat(80))), ..Surroundings::default() };
    assert!(matches!(by_name(&deep).await, Err(BindError::TooLong { bytes: 101.., .. })));
}

#[tokio::test]
async fn s01_a_path_that_names_no_file_is_refused() {
    for path in ["/", "", "/tmp/.."] {
        assert!(matches!(Bind::at(path).listen().await, Err(BindError::NoName { .. })), "{path:?}");
    }
}

#[tokio::test]
async fn s01_a_client_finds_the_sockets_of_all_sound_places_in_their_order() {
    let folder = Folder::new();
    let user = user(&folder);
    assert_eq!(sockets(&user), Vec::<PathBuf>::new());
    folder.folder("run");
    let bind = |name: &str, around: &Surroundings| {
        Bind::by_name(ChildId::new(name).unwrap(), around.clone()).listen()
    };
    let _b = bind("b", &user).await.unwrap();
    let _a = bind("a", &user).await.unwrap();
    let _c = bind("c", &Surroundings { runtime_dir: None, ..user.clone() }).await.unwrap();
    fs::write(folder.join("run/tokio-supervisor/file.sock"), "").unwrap();
    dead_socket(&folder.join("run/tokio-supervisor/of-another-program"));
    let names = |user: &Surroundings| -> Vec<_> {
        sockets(user).iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_owned()).collect()
    };
    let of_home = PathBuf::from("home/.local/state/tokio-supervisor/run/c.sock");
    let of_run = ["run/tokio-supervisor/a.sock", "run/tokio-supervisor/b.sock"].map(PathBuf::from);
    let [a, b] = of_run;
    assert_eq!(names(&user), [a, b, of_home.clone()]);
    set_mode(&folder.join("run/tokio-supervisor"), 0o777);
    assert_eq!(names(&user), [of_home], "what others may write to is not believed");
}
