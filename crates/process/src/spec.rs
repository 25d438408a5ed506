//! What a program is and how it is run.

use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::manifest::Account;

use crate::checks::{Check, Health, Readiness, Watch};
use crate::env_file::EnvFile;
use crate::environment;
use crate::hook::Hook;
use crate::identity::Identity;
use crate::input::Input;
use crate::limits::{Limit, Limits};
use crate::log_file::LogFile;
use crate::output::OutputLine;
use crate::passed::{self, Passed};
use crate::signal::Signal;
use crate::sockets::Wanted;
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
/// nothing to read unless [`ProgramSpec::stdin`] says so, no descriptor but the first three and those of [`ProgramSpec::pass`], no signal blocked or ignored, and an
/// environment made of [`INHERITED`](crate::INHERITED) and [`ProgramSpec::env`] alone.
#[derive(Clone)]
pub struct ProgramSpec {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) working_dir: Option<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) env_files: Vec<EnvFile>,
    pub(crate) identity: Identity,
    pub(crate) input: Input,
    pub(crate) passed: Vec<Passed>,
    pub(crate) sockets: Vec<Wanted>,
    pub(crate) stop_signal: Signal,
    pub(crate) escalation: Vec<(Duration, Signal)>,
    pub(crate) pre_start: Option<Hook>,
    pub(crate) post_stop: Option<Hook>,
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
            env_files: Vec::new(),
            identity: Identity::default(),
            input: Input::Null,
            passed: Vec::new(),
            sockets: Vec::new(),
            stop_signal: Signal::TERM,
            escalation: Vec::new(),
            pre_start: None,
            post_stop: None,
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

    /// Reads variables from this file at each start, with the rights of the supervisor: one `NAME=value` a line. What
    /// [`Self::env`] says goes before them, and a later file before an earlier one. When a file that is `required` is
    /// missing, or a line cannot be read, the start has failed. Probes that are programs have what the run has.
    pub fn env_file(mut self, path: impl Into<PathBuf>, required: bool) -> Self {
        self.env_files.push(EnvFile { path: path.into(), required });
        self
    }

    /// Runs this program before each start, in the same surroundings: as the same user, in the same directory, with the same
    /// variables and limits, and nothing to read. What it prints is kept as the program's output. When it ends badly, or is not done
    /// within `limit` and so is killed, the start has failed. A stop stops it as it would the program.
    pub fn pre_start(
        mut self,
        command: impl IntoIterator<Item = impl Into<OsString>>,
        limit: Duration,
    ) -> Self {
        self.pre_start = Some(Hook { command: command.into_iter().map(Into::into).collect(), limit });
        self
    }

    /// Runs this program after each run, however that ended, also when `pre_start` ended badly, in the same surroundings. `EXIT_CODE` is
    /// `exited`, `killed` or `dumped`, and `EXIT_STATUS` the exit code or the name of the signal, as for systemd's
    /// `ExecStopPost=`; without a program that was started neither is there. The run is over when it has ended.
    ///
    /// As a child, the program has all of its grace, and this has `limit` beside that. It is left out when everything is to
    /// be killed at once. When it ends badly that is told, and changes nothing.
    pub fn post_stop(
        mut self,
        command: impl IntoIterator<Item = impl Into<OsString>>,
        limit: Duration,
    ) -> Self {
        self.post_stop = Some(Hook { command: command.into_iter().map(Into::into).collect(), limit });
        self
    }

    /// Runs it as this user, with that user's groups and none of the supervisor's. It finds its own `HOME`, `USER`,
    /// `LOGNAME` and `SHELL`. Only root may say another user than its own; a start as one that cannot be had is refused.
    /// Default: the supervisor's.
    ///
    /// A name is looked up in `/etc/passwd` and `/etc/group`, at each start. A number needs no entry there, but then
    /// [`Self::group`].
    pub fn user(mut self, user: impl Into<Account>) -> Self {
        self.identity.user = Some(user.into());
        self
    }

    /// Runs it as this group. Without a [`Self::user`] it is in no other. Default: the primary group of the user.
    pub fn group(mut self, group: impl Into<Account>) -> Self {
        self.identity.group = Some(group.into());
        self
    }

    /// The permissions that its files are made without, such as `0o027`. Default: the supervisor's.
    pub fn umask(mut self, mask: u32) -> Self {
        self.identity.umask = Some(mask & 0o777);
        self
    }

    /// How much it gives way to others for the CPU, from -20 (least) to 19 (most). Only root may go below the
    /// supervisor's own. Default: the supervisor's.
    pub fn nice(mut self, nice: i8) -> Self {
        self.identity.nice = Some(nice);
        self
    }

    /// What it reads as its standard input. Default: [`Input::Null`]. Probes that are programs read nothing.
    pub fn stdin(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Gives each run of it this descriptor, for example a socket that listens: the first one as 3, the next as 4, and so
    /// on. It learns of them as from systemd: `LISTEN_FDS` is how many there are, `LISTEN_FDNAMES` their names with `:`
    /// between them, and `LISTEN_PID` its own process id. All of its runs, and all clones of the spec, share it, so that
    /// who connects between two runs waits for the next one and is not refused:
    ///
    /// ```
    /// # use supervisor_process::ProgramSpec;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let spec = ProgramSpec::new("./web").pass("http", listener);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// It is closed with the last clone of the spec. Probes that are programs do not get it. A name has no `:`.
    pub fn pass(mut self, name: impl Into<String>, descriptor: impl Into<OwnedFd>) -> Self {
        self.passed.push(Passed { name: name.into(), descriptor: Arc::new(descriptor.into()) });
        self
    }

    /// What asks it to stop, sent to its whole group. Default: TERM.
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// When it has not ended `after` the stop signal, or after the last signal added here, sends it this one, too.
    /// What has not ended when its grace is over is killed as ever: a signal that would come later is not sent.
    pub fn escalate(mut self, after: Duration, signal: Signal) -> Self {
        self.escalation.push((after, signal));
        self
    }

    /// Whether it is asked to stop with this signal, first or later.
    pub(crate) fn asks_with(&self, signal: i32) -> bool {
        let later = self.escalation.iter().map(|(_, signal)| *signal);
        later.chain([self.stop_signal]).any(|asked| asked.number() == signal)
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
    /// is stopped for it (D13). A probe that only waits or watches the output ([`Probe::delay`](crate::Probe::delay),
    /// [`Probe::log_line`](crate::Probe::log_line)) says nothing about health and is refused.
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
        let hooks = [("pre_start", &self.pre_start), ("post_stop", &self.post_stop)];
        findings.extend(hooks.into_iter().filter_map(|(key, hook)| hook.as_ref()?.finding(key)));
        findings.extend(self.identity.findings());
        findings.extend(passed::findings(&self.passed));
        findings.extend(self.limits.findings());
        if let Readiness::Probe(check) = &self.readiness {
            findings.extend(check.findings("readiness"));
        }
        if let Some(health) = &self.health {
            findings.extend(health.findings());
        }
        findings
    }
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
            .field("env_files", &self.env_files)
            .field("identity", &self.identity)
            .field("input", &self.input)
            .field("passed", &self.passed)
            .field("sockets", &self.sockets)
            .field("stop_signal", &self.stop_signal)
            .field("escalation", &self.escalation)
            .field("pre_start", &self.pre_start)
            .field("post_stop", &self.post_stop)
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
    use crate::probe::Probe;

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
}
