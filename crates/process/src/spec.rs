//! What a program is and how it is run.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::between::Image;
use crate::cgroup::{self, Cgroup};
use crate::environment;
use crate::group::Program;
use crate::limits::{Limit, Limits};
use crate::log_file::LogFile;
use crate::output::OutputLine;
use crate::probe::Probe;
use crate::signal::Signal;
use crate::start_error::{StartError, find, reason};
use crate::watch::Together;

/// A program to run: its command, its surroundings, how it is stopped, and when it counts as started.
///
/// ```
/// use std::time::Duration;
/// use supervisor_process::{Probe, ProgramSpec, Readiness, Signal};
///
/// let web = ProgramSpec::new("python3")
///     .args(["-m", "http.server", "8080"])
///     .working_dir("/srv/www")
///     .env("PYTHONUNBUFFERED", "1")
///     .stop_signal(Signal::INT)
///     .readiness(Readiness::probe(Probe::tcp("127.0.0.1:8080")).every(Duration::from_millis(100)));
/// ```
///
/// The program is executed as it is: no shell reads its words. It starts in a process group of its own with
/// `/dev/null` as its input, no descriptor but the first three, no signal blocked or ignored, and an
/// environment made of [`INHERITED`](crate::INHERITED) and [`ProgramSpec::env`] alone.
#[derive(Clone)]
pub struct ProgramSpec {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) working_dir: Option<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) stop_signal: Signal,
    pub(crate) success_exit_codes: Vec<i32>,
    pub(crate) readiness: Readiness,
    pub(crate) health: Option<Health>,
    pub(crate) limits: Limits,
    pub(crate) together: Together,
    pub(crate) allow_new_privileges: bool,
    pub(crate) on_output: Option<OnOutput>,
    pub(crate) log_file: Option<LogFile>,
}

/// What is called with each line of a program's output.
pub(crate) type OnOutput = Arc<dyn Fn(OutputLine) + Send + Sync>;

/// When a program counts as started (D19).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Readiness {
    /// As soon as it was executed.
    #[default]
    Immediate,
    /// When a probe succeeds. It is tried until then; how long is the child's `ready_within`.
    Probe(Check),
    /// When it says `READY=1` on the socket `NOTIFY_SOCKET`, as `sd_notify` does.
    Notify,
}

/// A probe and how often it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is tried.
    pub probe: Probe,
    /// How long after a try ended the next one begins.
    pub interval: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// How many good tries in a row make a program ready. Of health each good one counts by itself.
    pub successes: u32,
}

/// The promise of life that is kept while the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) watch: Watch,
    pub(crate) max_retries: u32,
    pub(crate) start_period: Duration,
}

/// Who keeps the promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watch {
    /// A probe that is tried.
    Probe(Check),
    /// The program: it says `WATCHDOG=1` every `interval`, at most `timeout` late.
    Notify { interval: Duration, timeout: Duration },
}

impl Health {
    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        match &self.watch {
            Watch::Probe(check) => {
                findings.extend(check.findings("health_check"));
                if matches!(check.probe, Probe::LogLine(_) | Probe::Delay(_)) {
                    findings.push(
                        "health_check: use `http`, `tcp`, `exec` or `notify`; the others say nothing about health"
                            .into(),
                    );
                }
            }
            Watch::Notify { interval, .. } if interval.is_zero() => {
                findings.push("health_check: check_interval must be above 0".into());
            }
            Watch::Notify { .. } => {}
        }
        if self.max_retries == 0 {
            findings.push("health_check: max_retries must be at least 1".into());
        }
        findings
    }
}

impl Check {
    /// Tries `probe` every second, for at most a second.
    pub const fn new(probe: Probe) -> Self {
        Self { probe, interval: Duration::from_secs(1), timeout: Duration::from_secs(1), successes: 1 }
    }

    /// Pauses this long between two tries.
    pub const fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Gives each try this long.
    pub const fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Takes so many good tries in a row for ready.
    pub const fn successes(mut self, successes: u32) -> Self {
        self.successes = successes;
        self
    }
}

impl Readiness {
    /// Ready when `probe` succeeds. It is tried at once and then every 250 ms, for at most a second each.
    pub const fn probe(probe: Probe) -> Self {
        Self::Probe(Check::new(probe).every(Duration::from_millis(250)))
    }

    /// Pauses this long between two tries. Without a probe there is nothing to try, and nothing changes.
    pub fn every(self, interval: Duration) -> Self {
        match self {
            Self::Probe(check) => Self::Probe(check.every(interval)),
            other => other,
        }
    }

    /// Takes so many good tries in a row. Without a probe nothing changes.
    pub fn successes(self, successes: u32) -> Self {
        match self {
            Self::Probe(check) => Self::Probe(check.successes(successes)),
            other => other,
        }
    }

    /// Gives each try this long. Without a probe nothing changes.
    pub fn within(self, timeout: Duration) -> Self {
        match self {
            Self::Probe(check) => Self::Probe(check.within(timeout)),
            other => other,
        }
    }
}

impl ProgramSpec {
    /// A program without arguments: a path, or a name that is looked for in the `PATH` it will have.
    ///
    /// A relative path is relative to the working directory.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            working_dir: None,
            environment: Vec::new(),
            stop_signal: Signal::TERM,
            success_exit_codes: vec![0],
            readiness: Readiness::Immediate,
            health: None,
            limits: Limits::default(),
            together: Together::default(),
            allow_new_privileges: false,
            on_output: None,
            log_file: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Runs it in this directory. Default: the supervisor's own.
    pub fn working_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.working_dir = Some(dir.into());
        self
    }

    /// Sets a variable, over what would be inherited. The last word for a name counts.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// What asks it to stop, sent to its whole group. Default: TERM.
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// Exit codes that mean a good end. Default: 0 alone. A shell that is stopped by TERM often says 143.
    pub fn success_exit_codes(mut self, codes: impl IntoIterator<Item = i32>) -> Self {
        self.success_exit_codes = codes.into_iter().collect();
        self
    }

    /// When it counts as started. Default: [`Readiness::Immediate`].
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Probes it while it runs, from ready on. After `max_retries` failures in a row it is unhealthy, and
    /// is stopped for it (D13). A probe that only waits or watches the output ([`Probe::delay`],
    /// [`Probe::log_line`]) says nothing about health and is refused.
    pub fn health(mut self, check: Check, max_retries: u32) -> Self {
        let start_period = Duration::ZERO;
        self.health = Some(Health { watch: Watch::Probe(check), max_retries, start_period });
        self
    }

    /// It promises to say `WATCHDOG=1` on the socket `NOTIFY_SOCKET` every `interval`, at most `timeout` late, from
    /// ready on. It finds the interval in `WATCHDOG_USEC`. After `max_retries` misses in a row it is unhealthy, and is
    /// stopped for it (D13).
    pub fn health_notify(mut self, interval: Duration, timeout: Duration, max_retries: u32) -> Self {
        let watch = Watch::Notify { interval, timeout };
        self.health = Some(Health { watch, max_retries, start_period: Duration::ZERO });
        self
    }

    /// For so long after ready no miss counts, until the first sign of life. Said after [`Self::health`] or
    /// [`Self::health_notify`]; without a promise nothing changes.
    pub fn start_period(mut self, period: Duration) -> Self {
        if let Some(health) = &mut self.health {
            health.start_period = period;
        }
        self
    }

    /// Holds each of its processes to a limit, in the limit's own units. Default: what the supervisor was started
    /// with. One above the supervisor's own hard limit is a failed start.
    pub fn limit(mut self, limit: Limit, value: u64) -> Self {
        self.limits.set(limit, value);
        self
    }

    /// The most memory that its processes may have in use together, in bytes. Where it has a cgroup with this controller
    /// ([`cgroup::start`](crate::cgroup::start)) the kernel holds it to that, and kills all of it when there is no other
    /// way; the end says so. Elsewhere it is measured every two seconds: above
    /// it twice in a row, the run is told of with [`Orders::unwell`](crate::Orders::unwell); a child of a
    /// tree is then unhealthy, and is stopped for it (D13). Between two measurements it may use any amount.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.together.memory = Some(bytes);
        self
    }

    /// The most CPU that its processes may use together, in percent of one core: 150 is one and a half cores. Where it has
    /// a cgroup with this controller the kernel gives it no more. Elsewhere it is measured every two seconds: above it five times in a row, about ten seconds, the run is told of as for
    /// [`Self::max_memory`]. The first measurement is the average since the program began.
    pub fn max_cpu(mut self, percent: u32) -> Self {
        self.together.cpu = Some(percent);
        self
    }

    /// The memory, in bytes, above which the kernel slows its processes down and takes memory back from them. Only where it
    /// has a cgroup with this controller; elsewhere nothing comes of it ([`Self::unenforced`]).
    pub fn high_memory(mut self, bytes: u64) -> Self {
        self.together.high_memory = Some(bytes);
        self
    }

    /// The most processes and threads that it may have together. Where it has a cgroup with this controller the kernel
    /// refuses it more. Elsewhere they are counted every two seconds: above it twice in a row, the run is told of as for
    /// [`Self::max_memory`].
    pub fn max_processes(mut self, many: u32) -> Self {
        self.together.processes = Some(many);
        self
    }

    /// Lets it gain privileges by executing a setuid program such as `sudo`. Default: it cannot
    /// (`no_new_privs`).
    pub fn allow_new_privileges(mut self) -> Self {
        self.allow_new_privileges = true;
        self
    }

    /// Calls `each` with every line of output, instead of writing it to the child's log.
    ///
    /// It is called on the runtime and must not block. For a reader that may be slow use
    /// [`output()`](crate::output()), which keeps 256 KiB:
    ///
    /// ```
    /// # use supervisor_process::{ProgramSpec, output};
    /// let (sink, lines) = output();
    /// let spec = ProgramSpec::new("date").on_output(move |line| sink.push(line));
    /// ```
    pub fn on_output(mut self, each: impl Fn(OutputLine) + Send + Sync + 'static) -> Self {
        self.on_output = Some(Arc::new(each));
        self
    }

    /// Writes every line of output to this file too. Trouble with the file is told with
    /// [`Orders::log_file`](crate::Orders::log_file), and holds up nothing.
    pub fn log_file(mut self, file: LogFile) -> Self {
        self.log_file = Some(file);
        self
    }

    /// Everything that is wrong with the spec and can be known without running it, one sentence each.
    ///
    /// Whether files exist is not looked at: they may come before the program is started.
    pub fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        if self.program.is_empty() {
            findings.push("command: the program is empty; name a program".into());
        }
        if let Err(error) = self.image(&self.program, &environment::build([], self.own_environment())) {
            findings.push(error.to_string());
        }
        for (name, _) in &self.environment {
            if name.is_empty() || name.contains('=') {
                findings.push(format!("environment: `{name}` cannot be the name of a variable"));
            }
        }
        for code in self.success_exit_codes.iter().filter(|code| !(0..=255).contains(*code)) {
            findings.push(format!("success_exit_codes: {code} is no exit code; they go from 0 to 255"));
        }
        findings.extend(self.limits.findings());
        if let Readiness::Probe(check) = &self.readiness {
            findings.extend(check.findings("readiness"));
        }
        if let Some(health) = &self.health {
            findings.extend(health.findings());
        }
        findings
    }

    fn own_environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What is executed for the run called `run`: the program found, every word ready. It gets the variables `more`
    /// over its own, and is in a cgroup of its own if this process makes any.
    pub(crate) fn program(&self, run: &str, more: &[(&str, String)]) -> Result<Program, StartError> {
        let more = more.iter().map(|(name, value)| (*name, value.as_str()));
        let own = self.own_environment().chain(more).chain([(environment::RUN, run)]);
        let environment = environment::build(std::env::vars_os(), own);
        let file = find(&self.program, environment::path(&environment), self.working_dir.as_deref())?;
        let mut image = self.image(file.as_os_str(), &environment)?;
        let made = cgroup::current().map(|house| house.make(run, &self.together)).transpose();
        let cgroup = made.map_err(|(place, error)| StartError::Cgroup {
            program: file.display().to_string(),
            place: place.display().to_string(),
            why: reason(&error),
        })?;
        image.cgroup = cgroup.as_ref().map(Cgroup::procs);
        Ok(Program { image: Arc::new(image), file, working_dir: self.working_dir.clone(), cgroup })
    }

    fn image(&self, file: &OsStr, environment: &environment::Environment) -> Result<Image, StartError> {
        let word = |text: &OsStr, what: &str| {
            CString::new(text.as_bytes()).map_err(|_| StartError::Nul {
                program: file.to_string_lossy().replace('\0', "\\0"),
                what: what.replace('\0', "\\0"),
            })
        };
        let pair = |(name, value): (&OsString, &OsString)| {
            let text = [name.as_os_str(), value.as_os_str()].join(OsStr::new("="));
            word(&text, &format!("the variable {}", name.to_string_lossy()))
        };
        let arguments = std::iter::once(&self.program).chain(&self.args);
        // Its place is known here, its value only when there is a process.
        let own_pid =
            (environment.get(OsStr::new(environment::WATCHDOG_PID)).is_some_and(|value| value.is_empty()))
                .then(|| environment.keys().position(|name| name == environment::WATCHDOG_PID))
                .flatten();
        Ok(Image {
            own_pid,
            path: word(file, "its path")?,
            arguments: arguments.map(|arg| word(arg, "an argument")).collect::<Result<_, _>>()?,
            environment: environment.iter().map(pair).collect::<Result<_, _>>()?,
            working_dir: self
                .working_dir
                .as_deref()
                .map(Path::as_os_str)
                .map(|d| word(d, "working_dir"))
                .transpose()?,
            limits: self.limits.to_set(),
            no_new_privileges: !self.allow_new_privileges,
            cgroup: None,
        })
    }

    /// The same program's surroundings with another command: for a probe that is a program.
    pub(crate) fn with_command(&self, program: &OsStr, args: &[OsString]) -> Self {
        Self { args: args.to_vec(), ..self.surroundings(program) }
    }

    fn surroundings(&self, program: &OsStr) -> Self {
        Self {
            working_dir: self.working_dir.clone(),
            environment: self.environment.clone(),
            limits: self.limits,
            allow_new_privileges: self.allow_new_privileges,
            ..Self::new(program)
        }
    }
}

/// A name for a run that no other run on this machine has.
pub(crate) fn new_run() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    static PROCESS: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let process = PROCESS.get_or_init(|| {
        // The process id alone comes again after the machine or the container was started again.
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        format!("{}-{}", uuid.trim(), std::process::id())
    });
    format!("{process}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Names the variables of the environment and keeps their values to itself: they may be secret.
impl fmt::Debug for ProgramSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("ProgramSpec")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("working_dir", &self.working_dir)
            .field("environment", &names)
            .field("stop_signal", &self.stop_signal)
            .field("success_exit_codes", &self.success_exit_codes)
            .field("readiness", &self.readiness)
            .field("health", &self.health)
            .field("limits", &self.limits)
            .field("log_file", &self.log_file)
            .field("together", &self.together)
            .field("allow_new_privileges", &self.allow_new_privileges)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_spec_has_no_findings() {
        let spec = ProgramSpec::new("/bin/sh")
            .args(["-c", "exit"])
            .env("A", "b=c")
            .readiness(Readiness::probe(Probe::tcp("localhost:80")))
            .health(Check::new(Probe::http("http://[::1]:80/x")), 3);
        assert_eq!(spec.findings(), Vec::<String>::new());
    }

    #[test]
    fn every_finding_names_its_key() {
        let cases = [
            (ProgramSpec::new(""), "command: the program is empty; name a program"),
            (ProgramSpec::new("a\0b"), "cannot start `a\\0b`: its path contains a NUL character"),
            (ProgramSpec::new("a").arg("\0"), "cannot start `a`: an argument contains a NUL character"),
            (
                ProgramSpec::new("a").env("X", "\0"),
                "cannot start `a`: the variable X contains a NUL character",
            ),
            (ProgramSpec::new("a").env("X=Y", ""), "environment: `X=Y` cannot be the name of a variable"),
            (ProgramSpec::new("a").env("", ""), "environment: `` cannot be the name of a variable"),
            (
                ProgramSpec::new("a").success_exit_codes([0, 256]),
                "success_exit_codes: 256 is no exit code; they go from 0 to 255",
            ),
            (
                ProgramSpec::new("a").limit(Limit::FileDescriptors, 2),
                "max_file_descriptors: a program needs at least 3",
            ),
            (
                ProgramSpec::new("a").readiness(Readiness::probe(Probe::tcp("localhost"))),
                "readiness: tcp: the address 'localhost' is not HOST:PORT; write it as `127.0.0.1:5432`",
            ),
            (
                ProgramSpec::new("a").health(Check::new(Probe::log_line("x")), 1),
                "health_check: use `http`, `tcp`, `exec` or `notify`; the others say nothing about health",
            ),
        ];
        for (spec, finding) in cases {
            assert_eq!(spec.findings(), [finding]);
        }
    }

    #[test]
    fn debug_shows_no_value_of_the_environment() {
        let text = format!("{:?}", ProgramSpec::new("a").env("TOKEN", "canary"));
        assert!(text.contains("TOKEN") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn no_two_runs_have_one_name() {
        assert_ne!(new_run(), new_run());
    }
}
