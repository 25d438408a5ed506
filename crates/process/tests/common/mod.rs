//! A bench on which programs are run as a tree would run them, and eyes for `/proc`.
#![allow(dead_code, reason = "each test file uses its own part of the bench")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use supervisor_api::{Exit, ProgramUsage};
use supervisor_process::{Orders, OutputLine, ProgramSpec, Sockets, Unconfined};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Longer than anything here takes on a busy machine. Reaching it is a failure.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Looks every few milliseconds until `so`.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LONG;
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The one that a program runs for.
#[derive(Clone)]
pub(crate) struct Bench(Arc<Inner>);

struct Inner {
    /// Once it is asked for: when the grace ends.
    stop: watch::Sender<Option<Option<Instant>>>,
    kill: watch::Sender<bool>,
    seen: watch::Sender<Seen>,
    sockets: Arc<Mutex<Option<Arc<Sockets>>>>,
}

/// What the run has told.
#[derive(Default, Clone)]
pub(crate) struct Seen {
    pub(crate) pid: Option<u32>,
    pub(crate) ready: bool,
    pub(crate) phases: Vec<String>,
    pub(crate) beats: u32,
    pub(crate) unwell: Vec<String>,
    pub(crate) winds_down: bool,
    pub(crate) warnings: Vec<String>,
    pub(crate) lines: Vec<OutputLine>,
    pub(crate) log_file: Vec<(u64, String)>,
    pub(crate) unconfined: Vec<Unconfined>,
    pub(crate) usage: Option<ProgramUsage>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::holding(Arc::default())
    }

    /// For the next run of the same child.
    pub(crate) fn again(&self) -> Self {
        Self::holding(Arc::clone(&self.0.sockets))
    }

    fn holding(sockets: Arc<Mutex<Option<Arc<Sockets>>>>) -> Self {
        Self(Arc::new(Inner {
            stop: watch::Sender::new(None),
            kill: watch::Sender::new(false),
            seen: watch::Sender::default(),
            sockets,
        }))
    }

    /// Runs `spec` in a task of its own.
    pub(crate) fn start(&self, spec: ProgramSpec) -> JoinHandle<Exit> {
        let bench = self.clone();
        tokio::spawn(async move { supervisor_process::run(&spec, &bench).await })
    }

    pub(crate) fn stop(&self) {
        self.0.stop.send_replace(Some(None));
    }

    /// Asks it to stop within so long. Nobody kills it then.
    pub(crate) fn stop_within(&self, grace: Duration) {
        self.0.stop.send_replace(Some(Some(Instant::now() + grace)));
    }

    pub(crate) fn kill(&self) {
        self.0.kill.send_replace(true);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.0.seen.borrow().clone()
    }

    /// Waits until what the run has told is so.
    pub(crate) async fn until(&self, what: &str, mut so: impl FnMut(&Seen) -> bool) -> Seen {
        let mut seen = self.0.seen.subscribe();
        let waited = tokio::time::timeout(LONG, seen.wait_for(|seen| so(seen))).await;
        match waited {
            Ok(seen) => seen.unwrap().clone(),
            Err(_) => panic!("never {what}; heard: {:?}", self.text()),
        }
    }

    /// The rest of the first line that begins with `start`, as soon as there is one.
    pub(crate) async fn word(&self, start: &str) -> String {
        let find =
            |seen: &Seen| seen.lines.iter().find_map(|line| line.text.strip_prefix(start).map(str::to_owned));
        find(&self.until(&format!("a line {start}"), |seen| find(seen).is_some()).await).unwrap()
    }

    /// The process id in a line `NAME=PID`.
    pub(crate) async fn pid(&self, name: &str) -> u32 {
        self.word(&format!("{name}=")).await.trim().parse().unwrap()
    }

    /// All lines, joined.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<_> = self.seen().lines.into_iter().map(|line| line.text).collect();
        lines.join("\n")
    }

    fn tell(&self, change: impl FnOnce(&mut Seen)) {
        self.0.seen.send_modify(change);
    }
}

impl Orders for Bench {
    async fn stopping(&self) -> Option<Instant> {
        let mut stop = self.0.stop.subscribe();
        let stop = stop.wait_for(Option::is_some).await.unwrap();
        stop.flatten()
    }

    async fn killed(&self) {
        self.0.kill.subscribe().wait_for(|kill| *kill).await.unwrap();
    }

    fn gone(&self) {
        self.tell(|seen| seen.pid = None);
    }

    fn hook(&self, text: &str) {
        self.tell(|seen| seen.warnings.push(text.to_owned()));
    }

    fn executed(&self, pid: u32) {
        self.tell(|seen| seen.pid = Some(pid));
    }

    fn ready(&self) {
        self.tell(|seen| seen.ready = true);
    }

    fn phase(&self, text: &str) {
        self.tell(|seen| seen.phases.push(text.into()));
    }

    fn alive(&self) {
        self.tell(|seen| seen.beats += 1);
    }

    fn unwell(&self, why: &str) {
        self.tell(|seen| seen.unwell.push(why.into()));
    }

    fn winds_down(&self) {
        self.tell(|seen| seen.winds_down = true);
    }

    fn warn(&self, text: &str) {
        self.tell(|seen| seen.warnings.push(text.into()));
    }

    fn output(&self, line: OutputLine) {
        self.tell(|seen| seen.lines.push(line));
    }

    fn log_file(&self, lost: u64, text: &str) {
        self.tell(|seen| seen.log_file.push((lost, text.into())));
    }

    /// These tests signal programs by themselves; an operator's signals go through a tree.
    fn takes_signals(
        &self,
        _: impl Fn(supervisor_process::Signal, supervisor_process::Whom) -> Result<(), String>
        + Clone
        + Send
        + Sync
        + 'static,
    ) {
    }

    fn uses(&self, usage: ProgramUsage) {
        self.tell(|seen| seen.usage = Some(usage));
    }

    fn held(&self) -> Option<Arc<Sockets>> {
        self.0.sockets.lock().unwrap().clone()
    }

    fn holds(&self, sockets: Arc<Sockets>) {
        *self.0.sockets.lock().unwrap() = Some(sockets);
    }

    fn unconfined(&self, processes: &[Unconfined]) {
        self.tell(|seen| seen.unconfined.extend_from_slice(processes));
    }
}

/// `script`, run by sh.
pub(crate) fn sh(script: &str) -> ProgramSpec {
    ProgramSpec::new("sh").args(["-c", script])
}

/// Runs `spec` to its end.
pub(crate) async fn exit_of(spec: ProgramSpec) -> Exit {
    end(Bench::new().start(spec)).await
}

/// The end of a run that is about to end.
pub(crate) async fn end(run: JoinHandle<Exit>) -> Exit {
    tokio::time::timeout(LONG, run).await.expect("the run does not end").unwrap()
}

/// What a run failed with.
pub(crate) async fn failure_of(spec: ProgramSpec) -> String {
    match exit_of(spec).await {
        Exit::Failed { error } => error.to_string(),
        other => panic!("not a failure: {other}"),
    }
}

/// A word in the environment by which all processes of a test are found again.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) const NAME: &str = "TEST_MARK";

    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn named(name: &str) -> Self {
        Self(name.into())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Marks `spec`.
    pub(crate) fn on(&self, spec: ProgramSpec) -> ProgramSpec {
        spec.env(Self::NAME, &self.0)
    }

    /// The living processes that bear the mark, and how they are called.
    pub(crate) fn processes(&self) -> BTreeMap<u32, String> {
        let pair = format!("{}={}", Self::NAME, self.0);
        let bears =
            |pid: &u32| environment(*pid).split(|&byte| byte == 0).any(|found| found == pair.as_bytes());
        let command = |pid: u32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&words).replace('\0', " "))
        };
        // A dead process has no environment any more.
        pids().filter(bears).map(command).collect()
    }

    /// Waits until the number of living processes with the mark is `count`.
    pub(crate) async fn until(&self, count: usize) -> BTreeMap<u32, String> {
        let mut found = BTreeMap::new();
        let mut enough = || {
            found = self.processes();
            found.len() == count
        };
        until(&format!("{count} processes of {self:?}"), &mut enough).await;
        found
    }

    /// Waits until the living processes with the mark are these, by their commands: one that was just forked is still
    /// called like its parent.
    pub(crate) async fn until_commands(&self, commands: &[&str]) {
        until(&format!("{commands:?} of {self:?}"), || {
            self.processes().into_values().eq(commands.iter().copied())
        })
        .await;
    }
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mark").field(&self.0).field(&self.processes()).finish()
    }
}

/// The environment a process was started with. In the middle of an exec, or opened before one and read after it, it
/// reads as empty though the process lives: it is read again then.
#[expect(clippy::disallowed_methods, reason = "the end of an exec tells nobody")]
fn environment(pid: u32) -> Vec<u8> {
    // One read takes it whole; a second one after an exec would find nothing.
    let mut bytes = vec![0; 256 * 1024];
    // On a busy machine an exec can be interrupted for long.
    for _ in 0..5_000 {
        let file = fs::File::open(format!("/proc/{pid}/environ"));
        let length = file.and_then(|mut file| file.read(&mut bytes)).unwrap_or_default();
        if length > 0 || has_no_environment(pid) {
            bytes.truncate(length);
            return bytes;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Vec::new()
}

/// Dead processes and threads of the kernel have no environment, and no program either. That of another is empty if
/// it ends where it begins; in the middle of an exec it ends at 0.
fn has_no_environment(pid: u32) -> bool {
    let bounds = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat[stat.rfind(')')? + 2..].split(' ').skip(47).map(str::to_owned);
        Some((fields.next()?, fields.next()?))
    };
    let empty = bounds().is_none_or(|(begin, end)| begin == end && end != "0");
    empty || fs::read_link(format!("/proc/{pid}/exe")).is_err()
}

/// Waits until the process executes the program of this name.
pub(crate) async fn until_named(pid: u32, name: &str) {
    until(&format!("process {pid} called {name}"), || status(pid, "Name") == name).await;
}

/// An executable file. Another process writes it: were it open here for writing while a test beside this one forks,
/// that child would hold it open until its exec, and the system executes no file that is open for writing.
pub(crate) fn executable(path: &Path, content: impl AsRef<[u8]>) {
    let draft = path.with_extension("draft");
    fs::write(&draft, content).unwrap();
    assert!(Command::new("cp").arg(&draft).arg(path).status().unwrap().success());
    fs::remove_file(draft).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether the process exists, dead or alive.
pub(crate) fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

/// Whether a process that is no child of this one runs. Once it is dead, its parent may take its time to reap it.
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    exists(pid) && !status.contains("\nState:\tZ")
}

/// A line of `/proc/PID/status`, without its name.
pub(crate) fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim().to_owned()
}

/// The dead children of this process that nobody reaped.
pub(crate) fn zombies() -> Vec<u32> {
    let own = std::process::id().to_string();
    let stats = pids().filter_map(|pid| Some((pid, fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)));
    let zombie = |stat: &str| {
        let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        fields[0] == "Z" && fields[1] == own
    };
    stats.filter(|(_, stat)| zombie(stat)).map(|(pid, _)| pid).collect()
}
