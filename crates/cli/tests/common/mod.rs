//! A running `supervisor run`, as its user sees it, and the processes that belong to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "not every test needs everything")]

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

/// Longer than anything here takes. Nobody waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `supervisor run`. Every process of it has the folder as its HOME, which nobody else has.
pub(crate) struct Run {
    child: Child,
    lines: Receiver<String>,
    /// Lines of standard error.
    complaints: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    /// Every line of standard output so far.
    pub(crate) seen: Vec<String>,
    pub(crate) home: tempfile::TempDir,
}

/// How a run ended.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<String>,
    pub(crate) err: String,
}

/// A folder that a run can have for itself.
pub(crate) fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let runtime = home.path().join("run");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(runtime, Permissions::from_mode(0o700)).unwrap();
    home
}

static HANGUP: Once = Once::new();

/// Under `nohup` the tests ignore SIGHUP, and a program inherits what is ignored, but not what is caught.
fn hear_hangups() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    if u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 0 {
        return;
    }
    // On a thread of its own: the test may be in a runtime, where no other can be.
    let caught = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _inside = runtime.enter();
        // What catches the signal stays when its stream is gone.
        drop(signal(SignalKind::hangup()).unwrap());
    });
    caught.join().unwrap();
}

/// The binary, told to live in `home`.
pub(crate) fn supervisor(home: &Path) -> Command {
    HANGUP.call_once(hear_hangups);
    let mut command = Command::new(env!("CARGO_BIN_EXE_supervisor"));
    let state = home.join(".local/state");
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run")).env("XDG_STATE_HOME", state);
    command.stdin(Stdio::null());
    command
}

/// A stack file with these children.
pub(crate) fn file(home: &Path, text: &str) -> PathBuf {
    let path = home.join("stack.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The text of `examples/quickstart.yaml`, in which nobody is killed or fails because the machine is busy or the test takes long.
pub(crate) fn quickstart_text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/quickstart.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let patient = [
        ("graceful_timeout_ms: 3000", "graceful_timeout_ms: 60000"),
        ("ready_within_secs: 10", "ready_within_secs: 60"),
        ("sleep 20;", "sleep 1000;"),
    ];
    patient.into_iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

impl Run {
    /// Runs a file with JSON lines.
    pub(crate) fn json(text: &str) -> Self {
        Self::start(home(), text, &["--output", "json"])
    }

    /// Runs a file with these arguments.
    pub(crate) fn start(home: tempfile::TempDir, text: &str, args: &[&str]) -> Self {
        Self::start_with(home, text, args, &[])
    }

    /// The same with these variables in the supervisor's own environment. Unless the arguments say where the dashboard is
    /// there is none: its usual ports belong to all tests.
    pub(crate) fn start_with(
        home: tempfile::TempDir,
        text: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let off = if args.contains(&"--dashboard") { &[][..] } else { &["--dashboard", "off"] };
        Self::start_as_given(home, text, &[args, off].concat(), variables)
    }

    /// The same with these arguments and no others.
    pub(crate) fn start_as_given(
        home: tempfile::TempDir,
        text: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let path = file(home.path(), text);
        let mut command = supervisor(home.path());
        command.envs(variables.iter().copied()).arg("run").args(args).arg(path);
        Self::of(home, command)
    }

    /// Runs a file with JSON lines, started by another command that is made of ours.
    pub(crate) fn under(home: tempfile::TempDir, text: &str, by: impl FnOnce(Command) -> Command) -> Self {
        let path = file(home.path(), text);
        let mut command = supervisor(home.path());
        command.args(["run", "--output", "json", "--dashboard", "off"]).arg(path);
        let command = by(command);
        Self::of(home, command)
    }

    fn of(home: tempfile::TempDir, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        let (send, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, complaints) = channel();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            for line in stderr.lines() {
                let line = line.unwrap();
                text += &format!("{line}\n");
                // Nobody may wait for it.
                let _ = send.send(line);
            }
            text
        });
        Self { child, lines, complaints, errors: Some(errors), seen: Vec::new(), home }
    }

    /// The next line; `None` when there will be none.
    fn next(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("nothing came for {PATIENCE:?}; until then:\n{}", self.seen.join("\n"))
            }
        }
    }

    /// The next line, if one comes in this time.
    pub(crate) fn next_within(&mut self, time: Duration) -> Option<String> {
        let line = self.lines.recv_timeout(time).ok()?;
        self.seen.push(line.clone());
        Some(line)
    }

    /// Waits for a line.
    #[track_caller]
    pub(crate) fn line(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        while let Some(line) = self.next() {
            if is_it(&line) {
                return line;
            }
        }
        panic!("the run ended before that line:\n{}\n{}", self.seen.join("\n"), self.errors());
    }

    /// Waits for the first line, for people, and says where the health port is.
    #[track_caller]
    pub(crate) fn health(&mut self) -> SocketAddr {
        let line = self.line(|line| line.contains("health on http://"));
        let address = line.split("health on http://").nth(1).unwrap().split(';').next().unwrap();
        address.parse().unwrap()
    }

    /// Waits for a JSON line.
    #[track_caller]
    pub(crate) fn value(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let line = self.line(|line| is_it(&serde_json::from_str(line).unwrap()));
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for the event of this type about this path.
    #[track_caller]
    pub(crate) fn event(&mut self, kind: &str, path: &str) -> Value {
        self.value(|line| line["event"]["event_type"] == kind && line["event"]["target_path"] == path)
    }

    /// Waits for a program's output.
    #[track_caller]
    pub(crate) fn output(&mut self, path: &str, text: &str) {
        self.value(|line| line["log"]["target_path"] == path && line["log"]["message"] == text);
    }

    /// Waits for a line of standard error with this text.
    #[track_caller]
    pub(crate) fn error(&self, text: &str) {
        while let Ok(line) = self.complaints.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return;
            }
        }
        panic!("{text:?} was not said on standard error");
    }

    /// Sends a signal to the supervisor.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Does something while the supervisor stands still, so that all of it is the same moment to it.
    #[track_caller]
    pub(crate) fn at_one_moment(&self, act: impl FnOnce()) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.child.id());
        soon("stopped", || std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(()));
        act();
        self.signal(Signal::CONT);
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has ended by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> End {
        while self.next().is_some() {}
        let code = self.child.wait().unwrap().code();
        End { code, out: std::mem::take(&mut self.seen), err: self.errors() }
    }

    /// Asks it to stop and waits for that.
    pub(crate) fn stop(self) -> End {
        self.signal(Signal::TERM);
        self.end()
    }

    /// The folder, for another run in it.
    pub(crate) fn take_home(mut self) -> tempfile::TempDir {
        let _ = self.child.wait();
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    fn errors(&mut self) -> String {
        self.errors.take().map(|errors| errors.join().unwrap()).unwrap_or_default()
    }

    /// Every process of this run: the supervisor, its guardian, programs and what they started.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes(self.home.path())
    }

    /// Waits until every one of these texts is in the command of a process of this run, and returns all processes. One
    /// that was just forked is still called like its parent.
    #[track_caller]
    pub(crate) fn processes_with(&self, texts: &[&str]) -> Vec<Process> {
        soon(&format!("{texts:?} in {:?}", self.processes()), || {
            let all = self.processes();
            let there = |text: &&str| all.iter().any(|process| process.command.starts_with(*text));
            texts.iter().all(there).then_some(all)
        })
    }

    /// The only program with this in its command, as soon as it is there. With two of them it would be left to chance
    /// which one a test looks at.
    #[track_caller]
    pub(crate) fn program(&self, text: &str) -> Pid {
        let parent = self.pid().as_raw_nonzero().get();
        soon(&format!("a program with {text:?}"), || {
            let all = self.processes();
            let mut found =
                all.iter().filter(|process| process.parent == parent && process.command.contains(text));
            let first = found.next()?.pid;
            assert!(found.next().is_none(), "several programs with {text:?}: {all:?}");
            Some(first)
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind; one that passed has waited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    /// The JSON lines.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.out.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The paths of the events of this type, in order.
    pub(crate) fn paths_of(&self, kind: &str) -> Vec<String> {
        let values = self.values();
        let events = values.iter().filter(|line| line["event"]["event_type"] == kind);
        events.map(|line| line["event"]["target_path"].as_str().unwrap().to_owned()).collect()
    }

    /// The outcome of a child in the report.
    pub(crate) fn outcome(&self, path: &str) -> Value {
        let report = self.values().pop().unwrap();
        assert_eq!(report["type"], "report", "the report is the last line");
        let outcomes = report["report"]["shutdown"]["outcomes"].as_array().unwrap().clone();
        outcomes.into_iter().find(|outcome| outcome["path"] == path).unwrap()
    }
}

/// A process of a run.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) parent: i32,
    pub(crate) command: String,
    /// Tells its end, also when another process has its number by then.
    end: OwnedFd,
}

/// The living processes that have this folder as their HOME.
pub(crate) fn processes(home: &Path) -> Vec<Process> {
    let mark = format!("HOME={}", home.display());
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).ok();
        // Opened before it is looked at: it never tells of a later process with the same number.
        let end = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let environment = environment(pid);
        environment.split(|byte| *byte == 0).find(|variable| *variable == mark.as_bytes())?;
        let command = String::from_utf8_lossy(&read("cmdline")?).replace('\0', " ");
        let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
        // After the name, which is in brackets and may hold anything: state and parent.
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (rest.next()?, rest.next()?.parse().ok()?);
        (state != "Z").then_some(Process { pid: Pid::from_raw(pid)?, parent, command, end })
    })
    .collect()
}

/// The environment a process was started with. In the middle of an exec, or opened before one and read after it, it
/// reads as empty though the process lives: it is read again then.
fn environment(pid: i32) -> Vec<u8> {
    // One read takes it whole; a second one after an exec would find nothing.
    let mut bytes = vec![0; 256 * 1024];
    // On a busy machine an exec can be interrupted for long.
    for _ in 0..5_000 {
        let file = std::fs::File::open(format!("/proc/{pid}/environ"));
        let length = file.and_then(|mut file| file.read(&mut bytes)).unwrap_or_default();
        if length > 0 || has_no_environment(pid) {
            bytes.truncate(length);
            return bytes;
        }
        rest(1);
    }
    Vec::new()
}

/// Dead processes and threads of the kernel have no environment, and no program either. That of another is empty if
/// it ends where it begins; in the middle of an exec it ends at 0.
fn has_no_environment(pid: i32) -> bool {
    let bounds = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat[stat.rfind(')')? + 2..].split(' ').skip(47).map(str::to_owned);
        Some((fields.next()?, fields.next()?))
    };
    let empty = bounds().is_none_or(|(begin, end)| begin == end && end != "0");
    empty || std::fs::read_link(format!("/proc/{pid}/exe")).is_err()
}

#[expect(clippy::disallowed_methods, reason = "other processes do not tell what they do")]
pub(crate) fn rest(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// What the health port answers: head and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Looks every few milliseconds until there is what is looked for.
#[track_caller]
pub(crate) fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE.as_millis() / 5 {
        if let Some(found) = look() {
            return found;
        }
        rest(5);
    }
    panic!("never {what}")
}

/// Waits until all of these have ended.
pub(crate) fn wait_gone(processes: &[Process]) {
    for process in processes {
        let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&process.end, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(ended, 1, "{process:?} lives on");
    }
}

/// The same command, by a shell that does this before.
pub(crate) fn by_shell(before: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before} && exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args()).stdin(Stdio::null());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Runs a stack to its end, from a shell that did this before.
pub(crate) fn after(shell: &str, text: &str) -> Output {
    let home = home();
    let path = file(home.path(), text);
    let mut command = supervisor(home.path());
    command.args(["run", "--dashboard", "off", "--no-socket"]).arg(path);
    by_shell(shell, &command).output().unwrap()
}
