//! Places where secrets can be looked for, for [`Registry::secrets_from`](tokio_supervisor::Registry::secrets_from):
//! the files of a directory, the credentials that systemd gives, and what a program prints.
//!
//! A secret is text without a NUL character, of at most 64 KiB. A line's end at its end is not part of it.
//! No error has anything of a value in it.
//!
//! ```
//! use supervisor_process::secrets;
//! use tokio_supervisor::Registry;
//!
//! let registry = Registry::new()
//!     .secrets_from("the systemd credentials", |key| async move { secrets::of_systemd(&key).await })
//!     .secrets_from("/run/secrets", |key| async move { secrets::in_directory("/run/secrets", &key).await });
//! # drop(registry);
//! ```

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_supervisor::Secret;

use crate::aside;
use crate::exit::describe;
use crate::output::{Lines, OutputLine, Stream, Take};
use crate::small_file;
use crate::spec::ProgramSpec;

/// The most bytes that a secret has.
const LARGEST: u64 = 64 * 1024;

/// How many programs are asked at a time; a tree that starts may have a thousand questions.
static ASKING: Semaphore = Semaphore::const_new(4);

/// What stands for the key in the words of a command that is asked.
pub const KEY: &str = "{key}";

/// The variable that has the directory with the credentials that systemd gives to a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The secret in the file called `key` of a directory, as those of Docker, Kubernetes and systemd have them; a link is
/// followed. `None`: there is no such file.
///
/// # Errors
///
/// A sentence: the key cannot be the name of a file, there is no such directory, or the file cannot be read or is no
/// secret.
pub async fn in_directory(directory: impl AsRef<Path>, key: &str) -> Result<Option<Secret>, String> {
    if key.contains(['/', '\0']) || matches!(key, "" | "." | "..") {
        return Err(format!("`{}` cannot be the name of a file", key.escape_debug()));
    }
    let directory = directory.as_ref().to_owned();
    let file = directory.join(key);
    // A file may be on a disk that is slow.
    let read = tokio::task::spawn_blocking(move || match small_file::read(&file, LARGEST)? {
        None if !directory.is_dir() => Err("there is no such directory".to_owned()),
        found => Ok(found),
    });
    let bytes = read.await.map_err(|error| error.to_string()).flatten();
    let bytes = bytes.map_err(|why| format!("its file {key}: {why}"))?;
    bytes.map(|bytes| text(bytes).map_err(|why| format!("its file {key} {why}"))).transpose()
}

/// The credential called `key` that systemd has given to this process (`LoadCredential=` and its like). `None`: it was not
/// given.
///
/// # Errors
///
/// As [`in_directory`], and when systemd has given none at all.
pub async fn of_systemd(key: &str) -> Result<Option<Secret>, String> {
    match std::env::var_os(CREDENTIALS) {
        Some(directory) => in_directory(directory, key).await,
        None => Err(format!("{CREDENTIALS} is not set; name some with LoadCredential= in the unit")),
    }
}

/// What `command` prints to its standard output when each [`KEY`] in its words is replaced by `key`. It runs as this process
/// does, with its environment and nothing to read, no shell reads its words, and after `limit` it is killed. `None`: it printed nothing.
///
/// # Errors
///
/// A sentence: it cannot be started, was not done in time, ended badly, with the last line of its standard error, or printed what
/// is no secret.
pub async fn of_command(
    command: &[impl AsRef<str>],
    limit: Duration,
    key: &str,
) -> Result<Option<Secret>, String> {
    let mut words = command.iter().map(|word| word.as_ref().replace(KEY, key));
    let Some(program) = words.next() else { return Err("the command is empty".to_owned()) };
    let own = ProgramSpec::new(program).allow_new_privileges();
    let own = own_environment().fold(own, |spec, (name, value)| spec.env(name, value));
    let (answer, last) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
    // It is closed by nobody.
    let _turn = ASKING.acquire().await;
    let status = aside::run(own.args(words), limit, |stream| match stream {
        Stream::Stdout => Heard::Answer(Arc::clone(&answer)),
        Stream::Stderr => {
            let last = Arc::clone(&last);
            let keep =
                move |line: OutputLine| *last.lock().unwrap_or_else(PoisonError::into_inner) = line.text;
            Heard::Complaint(Lines::new(stream, Box::new(keep)))
        }
    })
    .await?;
    if !status.success() {
        let said = std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner));
        let colon = if said.is_empty() { "" } else { ": " };
        return Err(format!("{}{colon}{said}", describe(status)));
    }
    let answer = std::mem::take(&mut *answer.lock().unwrap_or_else(PoisonError::into_inner));
    if answer.len() as u64 > LARGEST {
        return Err(format!("what it printed is larger than {LARGEST} bytes"));
    }
    let secret = text(answer).map_err(|why| format!("what it printed {why}"))?;
    Ok(Some(secret).filter(|secret| !secret.expose().is_empty()))
}

/// Our environment, without what a service manager says to this process alone, and what is no text.
fn own_environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.into_string().ok();
    let own = std::env::vars_os().filter_map(move |(name, value)| Some((text(name)?, text(value)?)));
    own.filter(|(name, _)| {
        name != "NOTIFY_SOCKET" && !name.starts_with("WATCHDOG_") && !name.starts_with("LISTEN_")
    })
}

/// What is heard of a program that is asked.
enum Heard {
    /// Its standard output, up to a byte more than a secret has.
    Answer(Arc<Mutex<Vec<u8>>>),
    /// Its standard error.
    Complaint(Lines<Box<dyn FnMut(OutputLine) + Send>>),
}

impl Take for Heard {
    fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Answer(answer) => {
                let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
                // Both are small numbers.
                let room = (LARGEST as usize + 1).saturating_sub(answer.len());
                answer.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Self::Complaint(lines) => lines.take(bytes),
        }
    }

    fn end(&mut self) {
        if let Self::Complaint(lines) = self {
            lines.end();
        }
    }
}

/// A secret out of bytes, without the end of their last line. The error is the rest of a sentence about them.
fn text(bytes: Vec<u8>) -> Result<Secret, &'static str> {
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    if text.contains('\0') {
        return Err("has a NUL character");
    }
    let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: Result<Option<Secret>, String>) -> String {
        match found {
            Ok(Some(secret)) => format!("={}", secret.expose()),
            Ok(None) => "none".to_owned(),
            Err(why) => why,
        }
    }

    #[tokio::test]
    async fn the_files_of_a_directory_are_secrets_without_the_end_of_their_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        for (name, bytes) in [
            ("plain", &b"hunter2"[..]),
            ("line", b"hunter2\n"),
            ("dos", b"hunter2\r\n"),
            ("lines", b"\tone\ntwo\n\n"),
            ("empty", b""),
            ("nul", b"canary\0"),
            ("bytes", b"canary\xff"),
        ] {
            std::fs::write(place(name), bytes).unwrap();
        }
        std::fs::write(place("large"), vec![b'x'; 64 * 1024 + 1]).unwrap();
        std::fs::write(place("largest"), vec![b'x'; 64 * 1024]).unwrap();
        std::os::unix::fs::symlink("plain", place("link")).unwrap();
        for (key, expected) in [
            ("plain", "=hunter2"),
            ("line", "=hunter2"),
            ("dos", "=hunter2"),
            ("lines", "=\tone\ntwo\n"),
            ("empty", "="),
            ("link", "=hunter2"),
            ("absent", "none"),
            ("nul", "its file nul has a NUL character"),
            ("bytes", "its file bytes is not UTF-8"),
            ("large", "its file large: it is larger than 65536 bytes"),
            ("../plain", "`../plain` cannot be the name of a file"),
            ("..", "`..` cannot be the name of a file"),
            ("", "`` cannot be the name of a file"),
        ] {
            assert_eq!(shown(in_directory(dir.path(), key).await), expected, "{key}");
        }
        assert_eq!(shown(in_directory(dir.path(), "largest").await).len(), 64 * 1024 + 1);
        let nowhere = in_directory(place("nowhere"), "a").await;
        assert_eq!(shown(nowhere), "its file a: there is no such directory");
    }

    #[tokio::test]
    async fn a_command_prints_the_secret_of_the_key_in_its_words() {
        let ask = async |script: &str, key: &str| {
            shown(of_command(&["sh", "-c", script, "-", "<{key}>"], Duration::from_secs(60), key).await)
        };
        assert_eq!(ask("echo \"$1\"; echo noise >&2", "DB").await, "=<DB>");
        assert_eq!(ask("printf '\\ta\\r\\nb\\n'", "DB").await, "=\ta\r\nb");
        assert_eq!(ask("exit 0", "DB").await, "none");
        assert_eq!(
            ask("echo canary; echo one >&2; echo no such entry >&2; exit 3", "DB").await,
            "exit code 3: no such entry"
        );
        assert_eq!(ask("echo canary; kill -9 $$", "DB").await, "killed by SIGKILL");
        assert_eq!(ask("printf 'canary\\0'", "DB").await, "what it printed has a NUL character");
        assert_eq!(ask("head -c 100000 /dev/zero", "DB").await, "what it printed is larger than 65536 bytes");
        assert_eq!(
            ask("printf %s \"$CARGO_PKG_NAME\"", "DB").await,
            "=supervisor-process",
            "it has our environment"
        );
        let none = of_command(&["/no/such/program"], Duration::from_secs(60), "DB").await;
        assert!(shown(none).contains("/no/such/program"));
        let slow = of_command(&["sleep", "1000"], Duration::from_millis(20), "DB").await;
        assert_eq!(shown(slow), "not done within 20ms, killed");
    }

    #[tokio::test]
    async fn without_credentials_of_systemd_it_says_how_to_get_them() {
        assert!(
            std::env::var_os(CREDENTIALS).is_none(),
            "the tests do not run as a service with credentials"
        );
        assert!(shown(of_systemd("DB").await).contains("LoadCredential="));
    }
}
