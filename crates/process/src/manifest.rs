//! From the words of a manifest (`kind: process`) to a program.

use std::num::NonZeroU32;
use std::time::Duration;

use supervisor_api::SupervisorPath;
use supervisor_api::manifest::{
    ChildManifest, HealthCheckManifest, Hours, LogFileManifest, LogManifest, ReadinessManifest,
    ReadinessProbe, StopSignal, Umask, escalation_problem,
};
use supervisor_api::policy::Grace;

use crate::checks::{Check, Readiness};
use crate::env_file::EnvFile;
use crate::hook::Hook;
use crate::http::Http;
use crate::identity::Identity;
use crate::input::Input;
use crate::limits::Limits;
use crate::log_file::LogFile;
use crate::probe::Probe;
use crate::signal::Signal;
use crate::sockets::Wanted;
use crate::spec::ProgramSpec;
use crate::watch::Together;

/// The grace of a program that says none (D8).
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

impl ProgramSpec {
    /// The program that a manifest of the kind `process` describes, which is at `path` in its tree.
    ///
    /// Its variables and secrets are not in it: the tree keeps them for the child, and a run gets them from
    /// there. What every kind of child has (restart, back-off, grace, …) is the tree's too.
    ///
    /// # Errors
    ///
    /// A sentence that names the key, for a manifest that is not sound. One that has passed
    /// [`ChildManifest::problems`] is.
    pub fn from_manifest(manifest: &ChildManifest, path: &SupervisorPath) -> Result<Self, String> {
        let Some((program, args)) = manifest.command.as_deref().and_then(<[String]>::split_first) else {
            return Err("command: a `process` needs a program, for example `command: [sleep, 10]`".into());
        };
        let mut spec = Self::new(program).args(args);
        spec.working_dir = manifest.working_dir.as_ref().map(Into::into);
        spec.env_files = manifest.env_file.as_ref().map(EnvFile::of).unwrap_or_default();
        spec.identity = Identity {
            user: manifest.user.clone(),
            group: manifest.group.clone(),
            umask: manifest.umask.map(Umask::bits),
            nice: manifest.nice,
        };
        spec.input = match &manifest.stdin {
            None if manifest.terminal == Some(true) => Input::Terminal,
            said => said.as_ref().map(Input::of).unwrap_or_default(),
        };
        let sockets = manifest.sockets.iter().map(|said| Wanted::of(said, &manifest.name));
        spec.sockets = sockets.collect::<Result<_, _>>()?;
        spec.allow_new_privileges = manifest.no_new_privs == Some(false);
        if let Some(signal) = manifest.stop_signal {
            spec.stop_signal = signal.into();
        }
        let grace = manifest.shutdown.and_then(|shutdown| shutdown.graceful_timeout_ms);
        let grace = grace.map_or(Grace::Timeout(DEFAULT_GRACE), Into::into);
        if let Some(problem) = escalation_problem(&manifest.escalation, grace) {
            return Err(format!("escalation: {problem}"));
        }
        let steps = manifest.escalation.iter();
        spec.escalation = steps.map(|step| (step.after_ms.duration(), step.signal.into())).collect();
        spec.pre_start = manifest.pre_start.as_ref().map(Hook::of);
        spec.post_stop = manifest.post_stop.as_ref().map(Hook::of);
        if spec.post_stop.is_some() && grace == Grace::Brutal {
            return Err(
                "`post_stop` would never run, since `graceful_timeout_ms` is `brutal`; give a grace".into()
            );
        }
        if let Some(codes) = &manifest.success_exit_codes {
            spec.success_exit_codes = codes.iter().map(|&code| code.into()).collect();
        }
        let limits = manifest.resource_limits.unwrap_or_default();
        spec.limits = Limits::of(&limits);
        if let Some(said) = manifest.log.as_ref().and_then(LogManifest::kept) {
            spec.log_file = Some(log_file(said, path)?);
        }
        let bytes = |mib: NonZeroU32| u64::from(mib.get()) << 20;
        spec.together = Together {
            memory: limits.max_memory_mb.map(bytes),
            high_memory: limits.high_memory_mb.map(bytes),
            cpu: limits.max_cpu_percent.map(NonZeroU32::get),
            processes: limits.max_processes.map(NonZeroU32::get),
        };
        if let Some(ReadinessManifest::Probe(said)) = &manifest.readiness {
            spec.readiness = readiness(said)?;
        }
        if let Some(said) = &manifest.health_check {
            spec = spec.with_health(said)?;
        }
        match spec.findings().into_iter().next() {
            Some(finding) => Err(finding),
            None => Ok(spec),
        }
    }
}

impl ProgramSpec {
    fn with_health(self, said: &HealthCheckManifest) -> Result<Self, String> {
        let promise = said.heartbeat();
        let spec = match health_probe(said).map_err(|message| format!("health_check: http: {message}"))? {
            Some(probe) => {
                let check = Check::new(probe).every(promise.interval).within(promise.timeout);
                self.health(check, promise.max_retries)
            }
            None if said.notify == Some(true) => {
                self.health_notify(promise.interval, promise.timeout, promise.max_retries)
            }
            None => return Err("health_check: a `process` needs `http`, `tcp`, `exec` or `notify`".into()),
        };
        Ok(spec.start_period(said.start_period().unwrap_or_default()))
    }
}

fn log_file(said: &LogFileManifest, path: &SupervisorPath) -> Result<LogFile, String> {
    let file = said.path_of(path).ok_or("`log` has neither `file` nor `dir`; say where it is written")?;
    let mut log = LogFile::at(file);
    let bytes = |mib: NonZeroU32| u64::from(mib.get()) << 20;
    log.max_size = said.max_size_mb.map_or(log.max_size, bytes);
    log.max_age = said.max_age_hours.map(Hours::duration);
    log.keep = said.keep.unwrap_or(log.keep);
    log.total = said.total_mb.map(bytes);
    log.compress = said.compress.unwrap_or(log.compress);
    log.timestamps = said.timestamps.unwrap_or(log.timestamps);
    Ok(log)
}

fn readiness(said: &ReadinessProbe) -> Result<Readiness, String> {
    let http = said.http.as_ref().map(Http::from_manifest).transpose();
    let http = http.map_err(|message| format!("readiness: http: {message}"))?.map(Probe::http);
    let tcp = || said.tcp.as_ref().map(Probe::tcp);
    let exec = || said.exec.as_ref().map(Probe::exec);
    let log_line = || said.log_line.as_ref().map(Probe::log_line);
    let delay = || said.delay_ms.map(|delay| Probe::delay(delay.duration()));
    let probe = http.or_else(tcp).or_else(exec).or_else(log_line).or_else(delay);
    match probe.map(Readiness::probe) {
        Some(probe) => Ok(probe.every(said.interval()).within(said.timeout()).successes(said.successes())),
        None if said.notify == Some(true) => Ok(Readiness::Notify),
        None => Err("readiness: there is no probe".into()),
    }
}

fn health_probe(said: &HealthCheckManifest) -> Result<Option<Probe>, String> {
    let http = said.http.as_ref().map(Http::from_manifest).transpose()?.map(Probe::http);
    let tcp = || said.tcp.as_ref().map(Probe::tcp);
    let exec = || said.exec.as_ref().map(Probe::exec);
    Ok(http.or_else(tcp).or_else(exec))
}

impl From<StopSignal> for Signal {
    fn from(word: StopSignal) -> Self {
        match word {
            StopSignal::Term => Self::TERM,
            StopSignal::Int => Self::INT,
            StopSignal::Quit => Self::QUIT,
            StopSignal::Hup => Self::HUP,
            StopSignal::Usr1 => Self::USR1,
            StopSignal::Usr2 => Self::USR2,
            StopSignal::Winch => Self::WINCH,
            StopSignal::Kill => Self::KILL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{Health, Watch};
    use crate::limits::Limit;

    /// The program of a manifest with these keys.
    fn program(keys: &str) -> Result<ProgramSpec, String> {
        let text = format!(r#"{{"name": "a", "kind": "process", {keys}}}"#);
        let path = SupervisorPath::parse("/shop/a").unwrap();
        ProgramSpec::from_manifest(&serde_json::from_str(&text).unwrap(), &path)
    }

    fn readiness(probe: &str) -> Readiness {
        program(&format!(r#""command": ["x"], "readiness": {probe}"#)).unwrap().readiness
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let said = program(r#""command": ["sleep", "10"]"#).unwrap();
        assert_eq!(format!("{said:?}"), format!("{:?}", ProgramSpec::new("sleep").arg("10")));
    }

    #[test]
    fn every_key_of_a_program_has_its_effect() {
        let said = program(
            r#""command": ["x", "", "$y"], "working_dir": "/srv", "stop_signal": "SIGUSR1",
               "success_exit_codes": [0, 143], "resource_limits": {"max_file_descriptors": 99, "max_memory_mb": 7,
               "max_cpu_percent": 250, "high_memory_mb": 6, "max_processes": 5},
               "escalation": [{"signal": "INT", "after_ms": 300}, {"signal": "QUIT", "after_ms": 4699}],
               "user": "nobody", "group": 7, "umask": "027", "nice": 5, "no_new_privs": false, "stdin": {"file": "in"},
               "env_file": ["/a", {"file": "/b", "required": false}]"#,
        );
        let expected = ProgramSpec::new("x")
            .args(["", "$y"])
            .working_dir("/srv")
            .env_file("/a", true)
            .env_file("/b", false)
            .stop_signal(Signal::USR1)
            .escalate(Duration::from_millis(300), Signal::INT)
            .escalate(Duration::from_millis(4_699), Signal::QUIT)
            .success_exit_codes([0, 143])
            .limit(Limit::FileDescriptors, 99)
            .max_memory(7 << 20)
            .max_cpu(250)
            .high_memory(6 << 20)
            .max_processes(5)
            .user("nobody")
            .group(7)
            .umask(0o027)
            .nice(5)
            .stdin(Input::File("in".into()))
            .allow_new_privileges();
        assert_eq!(format!("{:?}", said.unwrap()), format!("{expected:?}"));
    }

    #[test]
    fn every_key_of_a_log_file_has_its_effect() {
        let log =
            |keys: &str| program(&format!(r#""command": ["x"], "log": {keys}"#)).map(|spec| spec.log_file);
        let said = r#"{"file": "/x", "max_size_mb": 2, "max_age_hours": 1, "keep": 3, "total_mb": 4, "compress": false,
            "timestamps": true}"#;
        let hour = Duration::from_secs(3600);
        let expected = LogFile::at("/x").max_size(2 << 20).max_age(hour).keep(3).total(4 << 20);
        assert_eq!(log(said), Ok(Some(expected.compress(false).timestamps(true))));
        assert_eq!(log(r#"{"dir": "/l"}"#), Ok(Some(LogFile::at("/l/shop/a.log"))));
        assert_eq!(log(r#""off""#), Ok(None));
        assert!(log(r#"{"keep": 1}"#).unwrap_err().contains("has neither `file` nor `dir`"));
    }

    #[test]
    fn every_probe_has_its_key() {
        let check = |probe| Readiness::probe(probe);
        assert_eq!(readiness(r#""immediate""#), Readiness::Immediate);
        assert_eq!(readiness(r#"{"tcp": "a:1"}"#), check(Probe::tcp("a:1")));
        assert_eq!(readiness(r#"{"http": "http://a/"}"#), check(Probe::http("http://a/")));
        assert_eq!(readiness(r#"{"exec": ["t", "u"]}"#), check(Probe::exec(["t", "u"])));
        assert_eq!(readiness(r#"{"log_line": "UP"}"#), check(Probe::log_line("UP")));
        assert_eq!(readiness(r#"{"delay_ms": 70}"#), check(Probe::delay(Duration::from_millis(70))));
        let timed = r#"{"tcp": "a:1", "check_interval_secs": 2, "timeout_secs": 0.5}"#;
        let expected =
            check(Probe::tcp("a:1")).every(Duration::from_secs(2)).within(Duration::from_millis(500));
        assert_eq!(readiness(timed), expected);
        assert_eq!(readiness(r#"{"notify": true}"#), Readiness::Notify);
        let thrice = check(Probe::tcp("unix:/run/x")).successes(3);
        assert_eq!(readiness(r#"{"tcp": "unix:/run/x", "success_threshold": 3}"#), thrice);
    }

    #[test]
    fn every_key_of_an_http_probe_has_its_effect() {
        let said = r#"{"http": {"url": "http://a/", "status": [200, "300-302"], "response_header": {"name": "X", "value": "y"},
            "headers": [{"name": "A", "value": "b"}, {"name": "C", "secret_ref": "${d}"}], "body_contains": "ok"}}"#;
        let http = Http::get("http://a/")
            .status(200..=200)
            .status(300..=302)
            .header("A", "b")
            .header_secret("C", "d")
            .response_header_is("X", "y")
            .body_contains("ok");
        assert_eq!(readiness(said), Readiness::probe(Probe::http(http)));
    }

    #[test]
    fn d13_a_health_check_has_its_times_and_retries() {
        let health =
            |keys: &str| program(&format!(r#""command": ["x"], "health_check": {{{keys}}}"#)).unwrap().health;
        let check = |probe, interval| Check::new(probe).every(Duration::from_secs(interval));
        let said = health(r#""exec": ["t"], "check_interval_secs": 7, "timeout_secs": 2, "max_retries": 9"#);
        let expected = check(Probe::exec(["t"]), 7).within(Duration::from_secs(2));
        let probed = |check, max_retries, start_period| {
            Some(Health { watch: Watch::Probe(check), max_retries, start_period })
        };
        assert_eq!(said, probed(expected, 9, Duration::ZERO));
        for (keys, probe) in
            [(r#""tcp": "a:1""#, Probe::tcp("a:1")), (r#""http": "http://a/""#, Probe::http("http://a/"))]
        {
            let said = health(&format!(r#"{keys}, "start_period_secs": 30"#));
            assert_eq!(said, probed(check(probe, 5), 3, Duration::from_secs(30)));
        }
        let watch = Watch::Notify { interval: Duration::from_secs(5), timeout: Duration::from_secs(1) };
        let expected = Health { watch, max_retries: 3, start_period: Duration::ZERO };
        assert_eq!(health(r#""notify": true"#), Some(expected));
    }

    #[test]
    fn what_is_not_sound_is_refused_with_its_key() {
        for (keys, key) in [
            (r#""tags": []"#, "command: "),
            (r#""command": []"#, "command: "),
            (r#""command": [""]"#, "command: "),
            (
                r#""command": ["x"], "escalation": [{"signal": "INT", "after_ms": 5000}]"#,
                "escalation: the last signal would be sent after 5000 ms, and the grace is 5000 ms",
            ),
            (r#""command": ["x"], "readiness": {}"#, "readiness: "),
            (r#""command": ["x"], "readiness": {"tcp": "x"}"#, "readiness: tcp: "),
            (
                r#""command": ["x"], "readiness": {"http": {"url": "http://a", "status": 9}}"#,
                "readiness: http: status",
            ),
            (r#""command": ["x"], "health_check": {}"#, "health_check: "),
        ] {
            let error = program(keys).unwrap_err();
            assert!(error.starts_with(key), "{keys}: {error}");
        }
    }

    #[test]
    fn every_stop_signal_is_the_signal_of_that_name() {
        for &word in StopSignal::ALL {
            assert_eq!(Signal::from(word).to_string(), word.as_str());
        }
    }
}
