//! Directories, a service that echoes, and this test binary again under other conditions.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod skip;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};
use supervisor_socket::{Connection, Deadlines, FrameLimits, Peer, Refusal, Service, Standing, connect};

/// Longer than anything here takes on a busy machine. Reaching it is a failure.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// The uid of nobody we know.
pub(crate) const STRANGER: u32 = 54_321;

/// A directory of ours, mode 0700, under a path without links. It goes with the value.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        // Short, since the paths of sockets are.
        let root = fs::canonicalize(std::env::temp_dir()).unwrap();
        Self(tempfile::Builder::new().prefix("socket-").tempdir_in(root).unwrap())
    }

    /// One that everybody may enter, and only we may write to.
    pub(crate) fn open_to_all() -> Self {
        let folder = Self::new();
        set_mode(folder.path(), 0o755);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// A directory in here, mode 0700.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(&path).unwrap();
        set_mode(&path, 0o700);
        path
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub(crate) fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
}

/// A socket on which nobody listens. Nobody ever did: a listener that is dropped may live on for an instant, in a
/// helper that is being started.
pub(crate) fn dead_socket(path: &Path) {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
}

/// This test binary again: runs the ignored test `name`, which finds `argument` in the environment.
pub(crate) fn again(name: &str, argument: impl AsRef<Path>) -> Command {
    // Through /proc, so that it is found also by a user who may not enter the directory in which it lies.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", name])
        .env("SOCKET_TEST_ARGUMENT", argument.as_ref())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// The same under another uid and gid.
pub(crate) fn again_as(id: u32, name: &str, argument: impl AsRef<Path>) -> Command {
    let mut command = again(name, argument);
    command.uid(id).gid(id);
    command
}

/// What [`again`] was given. An ignored test that is run without it has nothing to do.
pub(crate) fn argument() -> Option<PathBuf> {
    std::env::var_os("SOCKET_TEST_ARGUMENT").map(PathBuf::from)
}

/// Waits for a helper and asserts that it found everything as it should.
pub(crate) fn succeed(helper: Child) {
    let output = helper.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The same from an async test, whose runtime goes on meanwhile.
pub(crate) async fn succeeds(mut command: Command) {
    tokio::task::spawn_blocking(move || succeed(command.spawn().unwrap())).await.unwrap();
}

/// Looks every few milliseconds until `so`.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LONG;
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn client(path: &Path) -> Connection {
    connect(path, FrameLimits::replies(64 << 20), Deadlines::default()).await.unwrap()
}

/// Sends a line to an echo and asserts that it comes back.
pub(crate) async fn is_echoed(client: &mut Connection, line: &str) {
    client.writer.send(line.as_bytes()).await.unwrap();
    assert_eq!(client.reader.next().await.unwrap().as_deref(), Some(line));
}

/// Echoes frames; answers an error with its code; remembers whom it has met.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) standing: Option<fn(&Peer) -> Standing>,
    pub(crate) served: Mutex<Vec<Peer>>,
    pub(crate) refused: Mutex<Vec<(Option<Peer>, Refusal)>>,
}

impl Service for Echo {
    fn standing(&self, peer: &Peer) -> Standing {
        self.standing.map_or(Standing::Ordinary, |standing| standing(peer))
    }

    fn refused(&self, peer: Option<&Peer>, refusal: Refusal) -> Option<Vec<u8>> {
        self.refused.lock().unwrap().push((peer.copied(), refusal));
        Some(format!("refused: {refusal}").into_bytes())
    }

    async fn session(self: Arc<Self>, _: u64, mut connection: Connection) {
        self.served.lock().unwrap().push(connection.peer);
        loop {
            let answer = match connection.reader.next().await {
                Ok(Some(frame)) if frame == "panic" => panic!("as asked for"),
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => {
                    if error.is_answered() {
                        let _ = connection.writer.send(error.code().as_bytes()).await;
                    }
                    return;
                }
            };
            if connection.writer.send(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
