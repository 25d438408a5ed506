//! Another user at a socket: this test binary again, under another uid. For who runs the tests as root.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// The uid and the gid of another user.
pub(crate) const STRANGER: u32 = 54_321;
const ARGUMENTS: &str = "STRANGER_TEST_ARGUMENTS";

#[test]
#[ignore = "the client under another uid of the tests beside"]
fn ask_each() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let (path, requests): (String, Vec<Value>) = serde_json::from_str(&arguments).unwrap();
    for request in requests {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Who is turned away may find the other end closed.
        let _ = writeln!(&stream, "{request}");
        let mut answer = String::new();
        let _ = BufReader::new(&stream).read_line(&mut answer);
        println!("ANSWER {answer}");
    }
}

/// Asks each on a connection of its own, as the stranger.
pub(crate) async fn as_stranger(path: &Path, requests: Vec<Value>) -> Vec<Value> {
    // Through /proc, so that it is found also by a user who may not enter the directory in which it lies.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", "stranger::ask_each"])
        .env(ARGUMENTS, json!([path, requests]).to_string())
        .env_remove("RUST_BACKTRACE")
        .current_dir("/")
        .stdout(Stdio::piped())
        .uid(STRANGER)
        .gid(STRANGER);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers = text.lines().filter_map(|line| line.split_once("ANSWER ").map(|(_, answer)| answer));
    answers.map(|answer| serde_json::from_str(answer).unwrap_or_else(|_| panic!("{text}"))).collect()
}
