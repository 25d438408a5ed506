//! What one manifest contradicts in itself: keys of another kind, two probes, a text that is no
//! address. Siblings are not looked at.

use super::address::connect_target;
use super::{
    ChildManifest, EnvFileManifest, EnvironmentEntry, HttpManifest, Kind, LogFileManifest, LogManifest,
    ReadinessManifest, ReadinessProbe, ScheduleManifest, sockets, stopping, surroundings,
};
use crate::policy::ReadinessMode;
use crate::{Finding, SupervisorPath};

impl ChildManifest {
    /// Where the manifest contradicts itself, as findings about `path`. Its children are not looked
    /// at: they are manifests of their own.
    pub fn problems(&self, path: &SupervisorPath) -> Vec<Finding> {
        let mut problems = Problems { path: path.to_string(), findings: Vec::new() };
        problems.keys_of_other_kinds(self);
        problems.command(self);
        let more = [surroundings::problems(self), stopping::problems(self), sockets::problems(self)];
        for (key, message) in more.into_iter().flatten() {
            problems.add(key, message);
        }
        problems.spellings(self);
        problems.readiness(self);
        problems.health_check(self);
        problems.log(self);
        problems.environment(self);
        problems.findings
    }
}

/// Which kinds a key is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Tasks,
    Programs,
    Supervisors,
    TasksAndPrograms,
}

impl For {
    const fn includes(self, kind: Kind) -> bool {
        match kind {
            Kind::AsyncWorker | Kind::BlockingWorker => matches!(self, Self::Tasks | Self::TasksAndPrograms),
            Kind::Process => matches!(self, Self::Programs | Self::TasksAndPrograms),
            Kind::Supervisor => matches!(self, Self::Supervisors),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Tasks => "`async_worker` and `blocking_worker`",
            Self::Programs => "`process`",
            Self::Supervisors => "`supervisor`",
            Self::TasksAndPrograms => "`process`, `async_worker` and `blocking_worker`",
        }
    }
}

struct Problems {
    path: String,
    findings: Vec<Finding>,
}

impl Problems {
    fn add(&mut self, key: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.findings.push(Finding { path: self.path.clone(), key, message, warning: false });
    }

    fn keys_of_other_kinds(&mut self, child: &ChildManifest) {
        let keys = [
            ("factory", child.factory.is_some(), For::Tasks),
            ("command", child.command.is_some(), For::Programs),
            ("working_dir", child.working_dir.is_some(), For::Programs),
            ("user", child.user.is_some(), For::Programs),
            ("group", child.group.is_some(), For::Programs),
            ("umask", child.umask.is_some(), For::Programs),
            ("nice", child.nice.is_some(), For::Programs),
            ("stdin", child.stdin.is_some(), For::Programs),
            ("terminal", child.terminal.is_some(), For::Programs),
            ("sockets", !child.sockets.is_empty(), For::Programs),
            ("no_new_privs", child.no_new_privs.is_some(), For::Programs),
            ("replicas", child.replicas.is_some(), For::Programs),
            ("stop_signal", child.stop_signal.is_some(), For::Programs),
            ("reload_signal", child.reload_signal.is_some(), For::Programs),
            ("escalation", !child.escalation.is_empty(), For::Programs),
            ("schedule", child.schedule.is_some(), For::Programs),
            ("pre_start", child.pre_start.is_some(), For::Programs),
            ("post_stop", child.post_stop.is_some(), For::Programs),
            ("success_exit_codes", child.success_exit_codes.is_some(), For::Programs),
            ("log", child.log.is_some(), For::Programs),
            ("resource_limits", child.resource_limits.is_some(), For::TasksAndPrograms),
            ("health_check", child.health_check.is_some(), For::TasksAndPrograms),
            ("readiness", child.readiness.is_some(), For::TasksAndPrograms),
            ("environment", !child.environment.is_empty(), For::TasksAndPrograms),
            ("env_file", child.env_file.is_some(), For::Programs),
            ("secrets", !child.secrets.is_empty(), For::TasksAndPrograms),
            ("profile", child.profile.is_some(), For::Supervisors),
            ("strategy", child.strategy.is_some(), For::Supervisors),
            ("order", child.order.is_some(), For::Supervisors),
            ("stop", child.stop.is_some(), For::Supervisors),
            ("on_start_failure", child.on_start_failure.is_some(), For::Supervisors),
            ("auto_shutdown", child.auto_shutdown.is_some(), For::Supervisors),
            ("dynamic", child.dynamic.is_some(), For::Supervisors),
            ("defaults", child.defaults.is_some(), For::Supervisors),
            ("children", child.children.is_some(), For::Supervisors),
        ];
        for (key, given) in [("replicas", child.replicas.is_some()), ("profiles", child.profiles.is_some())] {
            // What reads a stack file has taken them out.
            if given && (key == "profiles" || child.kind == Kind::Process) {
                self.add(
                    key,
                    format!("`{key}` is for a stack file; add each child that is wanted by itself"),
                );
            }
        }
        for (key, given, kinds) in keys {
            if given && !kinds.includes(child.kind) {
                let message =
                    format!("`{key}` is for the kind {}; this child is a `{}`", kinds.words(), child.kind);
                self.add(key, message);
            }
        }
    }

    fn command(&mut self, child: &ChildManifest) {
        if child.kind != Kind::Process {
            return;
        }
        let Some(command) = &child.command else {
            return self.add("", "a `process` needs a `command`, for example `command: [sleep, 10]`");
        };
        match command.first() {
            None => self.add("command", "`command` is empty; its first item is the program"),
            Some(program) if program.is_empty() => self.add("command", "the program of `command` is empty"),
            Some(_) => {}
        }
        if command.iter().any(|item| item.contains('\0')) {
            self.add("command", "an item of `command` has a NUL character, which no program can be given");
        }
        if let Some(problem) = child.schedule.as_ref().and_then(ScheduleManifest::problem) {
            self.add("schedule", problem);
        }
        for (key, hook) in [("pre_start", &child.pre_start), ("post_stop", &child.post_stop)] {
            if let Some(problem) = hook.as_ref().and_then(|hook| hook.problem(key)) {
                self.add(key, problem);
            }
        }
        let empty_or_nul = |text: &String| text.is_empty() || text.contains('\0');
        if child.working_dir.as_ref().is_some_and(empty_or_nul) {
            self.add("working_dir", "`working_dir` must be the path of a directory");
        }
        if child.success_exit_codes.as_ref().is_some_and(Vec::is_empty) {
            self.add("success_exit_codes", "the list is empty, so no exit would be good; write `[0]`");
        }
    }

    fn spellings(&mut self, child: &ChildManifest) {
        if child.primary.is_some() && child.sidecar_config.is_some() {
            self.add("sidecar_config", "`sidecar_config` and `primary` say the same thing; keep `primary`");
        }
    }

    fn readiness(&mut self, child: &ChildManifest) {
        match (&child.readiness, child.kind) {
            (Some(ReadinessManifest::Mode(ReadinessMode::Explicit)), Kind::Process) => self.add(
                "readiness",
                "a `process` cannot call `ctx.ready()`; use a probe, for example `readiness: {notify: true}` or `readiness: {log_line: READY}`",
            ),
            (Some(ReadinessManifest::Probe(probe)), Kind::Process) => self.readiness_probe(probe),
            (Some(ReadinessManifest::Probe(_)), Kind::AsyncWorker | Kind::BlockingWorker) => self.add(
                "readiness",
                "probes are for the kind `process`; a task has `readiness: explicit` and calls `ctx.ready()`",
            ),
            _ => {}
        }
    }

    fn readiness_probe(&mut self, probe: &ReadinessProbe) {
        match probe.given()[..] {
            [] => self.add(
                "readiness",
                "there is no probe; add one of `http`, `tcp`, `exec`, `log_line`, `notify` and `delay_ms`",
            ),
            [comes @ ("log_line" | "notify" | "delay_ms")] => {
                for key in probe.about_tries() {
                    let word = key.rsplit('.').next().unwrap_or(key);
                    self.add(key, format!("`{comes}` is not tried, it comes; remove `{word}`"));
                }
            }
            [_] => {}
            ref several => self.two_probes("readiness", several),
        }
        self.http("readiness", probe.http.as_ref());
        self.connect("readiness.tcp", probe.tcp.as_deref());
        self.probe_command("readiness.exec", probe.exec.as_deref());
        if probe.log_line.as_deref() == Some("") {
            self.add("readiness.log_line", "the text is empty, so any line would do; write what to look for");
        }
    }

    fn health_check(&mut self, child: &ChildManifest) {
        let Some(check) = &child.health_check else { return };
        match (child.kind, &check.given()[..]) {
            (Kind::Process, []) => {
                self.add("health_check", "there is no probe; add one of `http`, `tcp`, `exec` and `notify`");
            }
            (Kind::Process, [_, _, ..]) => self.two_probes("health_check", &check.given()),
            (Kind::AsyncWorker | Kind::BlockingWorker, [_, ..]) => self.add(
                "health_check",
                "probes are for the kind `process`; a task keeps the promise with `ctx.heartbeat()`",
            ),
            _ => {}
        }
        if child.kind == Kind::Process {
            self.http("health_check", check.http.as_ref());
            self.connect("health_check.tcp", check.tcp.as_deref());
            self.probe_command("health_check.exec", check.exec.as_deref());
        }
    }

    fn two_probes(&mut self, key: &'static str, given: &[&str]) {
        self.add(key, format!("only one probe may be given; there are {}", quoted(given)));
    }

    fn connect(&mut self, key: &'static str, address: Option<&str>) {
        if let Some(Err(message)) = address.map(connect_target) {
            self.add(key, message);
        }
    }

    fn http(&mut self, of: &'static str, probe: Option<&HttpManifest>) {
        for (below, message) in probe.map(HttpManifest::problems).unwrap_or_default() {
            self.add(http_key(of, below), message);
        }
    }

    fn probe_command(&mut self, key: &'static str, command: Option<&[String]>) {
        if command.is_some_and(|command| command.first().is_none_or(String::is_empty)) {
            self.add(key, "it needs a program, for example `exec: [test, -f, ready]`");
        }
    }

    fn log(&mut self, child: &ChildManifest) {
        let key = |below| match below {
            "file" => "log.file",
            _ => "log.dir",
        };
        for (below, message) in
            child.log.iter().filter_map(LogManifest::kept).flat_map(LogFileManifest::problems)
        {
            self.add(key(below), message);
        }
        let defaults = child.defaults.iter().filter_map(|defaults| defaults.log.as_ref()?.kept());
        for said in defaults {
            if said.file.is_some() {
                let message = "`log.file` in `defaults` would be one file for all; write `log.dir`, in which each has its own";
                self.add("defaults.log.file", message);
            }
            for (_, message) in said.problems().into_iter().filter(|(below, _)| *below == "dir") {
                self.add("defaults.log.dir", message);
            }
        }
    }

    fn environment(&mut self, child: &ChildManifest) {
        let below = child.defaults.as_ref().map_or(&[][..], |defaults| &defaults.environment);
        self.variables("environment", &child.environment);
        self.variables("defaults.environment", below);
        let of_the_defaults = child.defaults.as_ref().and_then(|defaults| defaults.env_file.as_ref());
        for (key, files) in [("env_file", child.env_file.as_ref()), ("defaults.env_file", of_the_defaults)] {
            if let Some(message) = files.and_then(EnvFileManifest::problem) {
                self.add(key, message);
            }
        }
        let mut names: Vec<&str> = child.secrets.iter().map(|secret| secret.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            self.add("secrets", format!("the secret '{}' is there twice", pair[0]));
        }
        for secret in &child.secrets {
            if !is_variable(&secret.key) {
                self.add(
                    "secrets",
                    format!("the key '{}' cannot be the name of a variable", secret.key.escape_debug()),
                );
            }
        }
    }

    fn variables(&mut self, key: &'static str, entries: &[EnvironmentEntry]) {
        let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            self.add(key, format!("the variable '{}' is there twice", pair[0].escape_debug()));
        }
        for entry in entries {
            // What follows a `=` is a value in the wrong place.
            let name = entry.name.split_inclusive('=').next().unwrap_or_default().escape_debug();
            if !is_variable(&entry.name) {
                let problem = "cannot be the name of a variable: it is empty or has `=` or NUL";
                self.add(key, format!("'{name}' {problem}"));
            }
            match (&entry.value, &entry.secret_ref) {
                (Some(value), None) if value.contains('\0') => {
                    self.add(key, format!("the value of '{name}' has a NUL character"));
                }
                (Some(_), None) => {}
                (None, Some(reference)) if secret_reference(reference).is_some() => {}
                // Not quoted: it may be the secret itself.
                (None, Some(_)) => {
                    let problem = "is not a reference; write it as `${NAME}`";
                    self.add(key, format!("the `secret_ref` of '{name}' {problem}"));
                }
                (Some(_), Some(_)) => {
                    self.add(key, format!("'{name}' has both `value` and `secret_ref`; keep one"));
                }
                (None, None) => self.add(key, format!("'{name}' needs a `value` or a `secret_ref`")),
            }
        }
    }
}

/// The key `below` of the `http` probe of `readiness` or `health_check`.
fn http_key(of: &'static str, below: &str) -> &'static str {
    match (of == "readiness", below) {
        (true, "url") => "readiness.http.url",
        (true, "status") => "readiness.http.status",
        (true, "headers") => "readiness.http.headers",
        (true, "response_header") => "readiness.http.response_header",
        (true, "body_contains") => "readiness.http.body_contains",
        (true, _) => "readiness.http",
        (false, "url") => "health_check.http.url",
        (false, "status") => "health_check.http.status",
        (false, "headers") => "health_check.http.headers",
        (false, "response_header") => "health_check.http.response_header",
        (false, "body_contains") => "health_check.http.body_contains",
        (false, _) => "health_check.http",
    }
}

fn quoted(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Whether a name is one that a shell could set: letters, digits and `_`, and no digit first.
pub fn is_shell_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(plain) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// The NAME in `${NAME}`, or `None` when the text is not of that form.
pub fn secret_reference(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let good =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    good.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings of a child with these keys, as `key: message` lines.
    fn problems(keys: &str) -> Vec<String> {
        let child: ChildManifest = serde_json::from_str(&format!(r#"{{"name": "a", {keys}}}"#)).unwrap();
        let found = child.problems(&SupervisorPath::parse("/a").unwrap());
        assert!(found.iter().all(|finding| finding.path == "/a" && !finding.warning));
        found.into_iter().map(|finding| format!("{}: {}", finding.key, finding.message)).collect()
    }

    #[track_caller]
    fn refused(keys: &str, key: &str, words: &str) {
        let found = problems(keys);
        let hit = found.iter().any(|text| text.starts_with(&format!("{key}: ")) && text.contains(words));
        assert!(hit, "{keys} → {found:?}");
    }

    const PROGRAM: &str = r#""kind": "process", "command": ["x"]"#;
    const TASK: &str = r#""kind": "async_worker""#;

    #[test]
    fn a_key_of_another_kind_is_refused() {
        for key in [r#""factory": "f""#, r#""strategy": "one_for_all""#, r#""children": []"#] {
            let name = key.split('"').nth(1).unwrap();
            refused(&format!("{PROGRAM}, {key}"), name, "this child is a `process`");
        }
        for key in [r#""command": ["x"]"#, r#""stop_signal": "INT""#] {
            let name = key.split('"').nth(1).unwrap();
            refused(&format!("{TASK}, {key}"), name, "this child is a `async_worker`");
        }
        refused(
            r#""kind": "supervisor", "environment": [{"name": "A", "value": ""}]"#,
            "environment",
            "supervisor",
        );
        assert_eq!(problems(TASK), [""; 0]);
        assert_eq!(problems(PROGRAM), [""; 0]);
        assert_eq!(problems(r#""kind": "supervisor""#), [""; 0]);
    }

    #[test]
    fn a_program_needs_a_command_that_can_be_run() {
        refused(r#""kind": "process""#, "", "needs a `command`");
        refused(r#""kind": "process", "command": []"#, "command", "is empty");
        refused(r#""kind": "process", "command": [""]"#, "command", "is empty");
        refused(r#""kind": "process", "command": ["a\u0000b"]"#, "command", "NUL");
    }

    #[test]
    fn an_account_has_a_name_and_niceness_an_end() {
        refused(&format!(r#"{PROGRAM}, "user": """#), "user", "a name or a number");
        refused(&format!(r#"{PROGRAM}, "group": "a:b""#), "group", "a name or a number");
        refused(&format!(r#"{PROGRAM}, "nice": 20"#), "nice", "-20 to 19");
        let kill = r#""escalation": [{"signal": "SIGKILL", "after_ms": 5}]"#;
        refused(&format!("{PROGRAM}, {kill}"), "escalation", "when the grace is over");
        refused(&format!(r#"{PROGRAM}, "stdin": {{"file": ""}}"#), "stdin.file", "path of a file");
        refused(&format!(r#"{TASK}, "umask": "022""#), "umask", "this child is a `async_worker`");
        let good = r#""user": "nobody", "group": 0, "nice": -20, "no_new_privs": false, "umask": "7", "stdin": "pipe""#;
        assert_eq!(problems(&format!("{PROGRAM}, {good}")), [""; 0]);
    }

    #[test]
    fn a_primary_is_said_once() {
        let both = r#""role": "sidecar", "primary": "b", "sidecar_config": {"primary_child_id": "b"}"#;
        refused(&format!("{TASK}, {both}"), "sidecar_config", "keep `primary`");
        let long = r#""role": "sidecar", "sidecar_config": {"primary_child_id": "b"}"#;
        assert_eq!(problems(&format!("{TASK}, {long}")), [""; 0]);
    }

    #[test]
    fn d13_a_program_is_probed_and_a_task_beats() {
        let program = |check: &str| format!(r#"{PROGRAM}, "health_check": {check}"#);
        refused(&program("{}"), "health_check", "there is no probe");
        refused(&program(r#"{"tcp": "a:1", "exec": ["x"]}"#), "health_check", "`tcp`, `exec`");
        refused(&program(r#"{"http": "ftp://a"}"#), "health_check.http", "http://");
        refused(&program(r#"{"exec": [""]}"#), "health_check.exec", "needs a program");
        refused(&program(r#"{"notify": false}"#), "health_check", "there is no probe");
        refused(&program(r#"{"notify": true, "tcp": "a:1"}"#), "health_check", "`tcp`, `notify`");
        refused(
            &program(r#"{"http": {"url": "http://a", "status": []}}"#),
            "health_check.http.status",
            "is empty",
        );
        refused(&program(r#"{"tcp": "unix:x"}"#), "health_check.tcp", "unix:/run/app/app.sock");
        for probe in [r#""tcp": "a:1""#, r#""notify": true"#] {
            refused(&format!(r#"{TASK}, "health_check": {{{probe}}}"#), "health_check", "ctx.heartbeat()");
        }
        assert_eq!(problems(&program(r#"{"notify": true, "start_period_secs": 5}"#)), [""; 0]);
        assert_eq!(problems(&program(r#"{"tcp": "a:1", "max_retries": 1}"#)), [""; 0]);
        assert_eq!(problems(&format!(r#"{TASK}, "health_check": {{}}"#)), [""; 0]);
    }

    #[test]
    fn exactly_one_probe_that_can_be_tried() {
        let readiness = |probe: &str| format!(r#"{PROGRAM}, "readiness": {probe}"#);
        refused(&readiness("{}"), "readiness", "there is no probe");
        refused(&readiness(r#"{"log_line": "x", "delay_ms": 1}"#), "readiness", "`log_line`, `delay_ms`");
        refused(&readiness(r#"{"http": "https://x/"}"#), "readiness.http", "not plain http");
        refused(&readiness(r#"{"tcp": "localhost"}"#), "readiness.tcp", "HOST:PORT");
        refused(&readiness(r#"{"exec": []}"#), "readiness.exec", "needs a program");
        refused(&readiness(r#"{"log_line": ""}"#), "readiness.log_line", "is empty");
        refused(&readiness(r#"{"tcp": "a:1", "notify": true}"#), "readiness", "`tcp`, `notify`");
        refused(&readiness(r#"{"notify": false}"#), "readiness", "there is no probe");
        let header = r#"{"http": {"url": "http://a", "headers": [{"name": "a: b"}]}}"#;
        refused(&readiness(header), "readiness.http.headers", "has no colon");
        for comes in [r#""notify": true"#, r#""log_line": "x""#, r#""delay_ms": 5"#] {
            for key in ["success_threshold", "timeout_secs", "check_interval_secs"] {
                let said = readiness(&format!(r#"{{{comes}, "{key}": 2}}"#));
                refused(&said, &format!("readiness.{key}"), "is not tried");
            }
        }
        refused(&readiness(r#""explicit""#), "readiness", "cannot call `ctx.ready()`");
        refused(&format!(r#"{TASK}, "readiness": {{"tcp": "a:1"}}"#), "readiness", "ctx.ready()");
        for good in [
            r#"{"tcp": "[::1]:80"}"#,
            r#"{"notify": true}"#,
            r#"{"exec": ["t"], "success_threshold": 3}"#,
            r#"{"delay_ms": 0}"#,
            r#""immediate""#,
            r#"{"exec": ["true"]}"#,
        ] {
            assert_eq!(problems(&readiness(good)), [""; 0], "{good}");
        }
    }

    #[test]
    fn a_log_file_is_at_one_place() {
        let log = |said: &str| format!(r#"{PROGRAM}, "log": {said}"#);
        refused(&log(r#"{"file": ""}"#), "log.file", "path of a file");
        refused(&log(r#"{"file": "logs/"}"#), "log.file", "path of a file");
        refused(&log(r#"{"dir": "a\u0000"}"#), "log.dir", "path of a directory");
        refused(&log(r#"{"dir": "a", "file": "b"}"#), "log.dir", "keep one");
        refused(&format!(r#"{TASK}, "log": "off""#), "log", "is for the kind `process`");
        let group = |said: &str| format!(r#""kind": "supervisor", "defaults": {{"log": {said}}}"#);
        refused(&group(r#"{"file": "x"}"#), "defaults.log.file", "one file for all");
        refused(&group(r#"{"dir": ""}"#), "defaults.log.dir", "path of a directory");
        for good in [r#""off""#, r#"{"file": "x"}"#, r#"{"dir": "x", "keep": 0, "max_age_hours": 0.5}"#] {
            assert_eq!(problems(&log(good)), [""; 0], "{good}");
        }
        assert_eq!(problems(&group(r#"{"max_size_mb": 1}"#)), [""; 0]);
    }

    #[test]
    fn a_program_reads_from_its_terminal_or_from_what_is_said() {
        let both = format!(r#"{PROGRAM}, "terminal": true, "stdin": "null""#);
        refused(&both, "stdin", "remove one of the two");
        refused(&format!(r#"{TASK}, "terminal": true"#), "terminal", "this child is a `async_worker`");
        assert_eq!(problems(&format!(r#"{PROGRAM}, "terminal": false, "stdin": "pipe""#)), [""; 0]);
    }

    #[test]
    fn a_program_cannot_reload_at_a_signal_that_it_does_not_hear() {
        refused(&format!(r#"{PROGRAM}, "reload_signal": "KILL""#), "reload_signal", "no program hears");
        refused(
            &format!(r#"{TASK}, "reload_signal": "HUP""#),
            "reload_signal",
            "this child is a `async_worker`",
        );
        assert_eq!(problems(&format!(r#"{PROGRAM}, "reload_signal": "HUP""#)), [""; 0]);
    }

    #[test]
    fn a_socket_is_at_an_address_of_its_own_and_no_probe_asks_the_supervisor() {
        let with = |sockets: &str, more: &str| format!(r#"{PROGRAM}, "sockets": {sockets}{more}"#);
        let at = |text: &str| with(&format!(r#"[{{"listen": "{text}"}}]"#), "");
        refused(&at("localhost:80"), "sockets", "is not IP:PORT");
        refused(&with(r#"[{"listen": "0.0.0.0:80"}, {"listen": "127.0.0.1:80"}]"#, ""), "sockets", "twice");
        refused(&with(r#"[{"listen": "0.0.0.0:80", "mode": "0600"}]"#, ""), "sockets", "no Unix socket");
        refused(&with(r#"[{"listen": "0.0.0.0:80", "name": "a:b"}]"#, ""), "sockets", "cannot name a socket");
        let web = r#"[{"listen": "0.0.0.0:80", "name": "web"}, {"listen": "unix:/a", "mode": "0666"}]"#;
        refused(&with(web, r#", "readiness": {"tcp": "127.0.0.1:80"}"#), "readiness.tcp", "use `http`");
        refused(&with(web, r#", "health_check": {"tcp": "unix:/a"}"#), "health_check.tcp", "use `http`");
        refused(&format!(r#"{TASK}, "sockets": {web}"#), "sockets", "this child is a `async_worker`");
        assert_eq!(problems(&with(web, r#", "readiness": {"tcp": "127.0.0.1:81"}"#)), [""; 0]);
    }

    #[test]
    fn variables_have_a_name_once_and_one_source() {
        let with = |entries: &str| format!(r#"{PROGRAM}, "environment": [{entries}]"#);
        refused(&with(r#"{"name": "", "value": "x"}"#), "environment", "cannot be the name");
        refused(&with(r#"{"name": "A=B", "value": "x"}"#), "environment", "cannot be the name");
        refused(&with(r#"{"name": "A"}"#), "environment", "needs a `value`");
        refused(&with(r#"{"name": "A", "value": "x", "secret_ref": "${X}"}"#), "environment", "keep one");
        refused(&with(r#"{"name": "A", "secret_ref": "$X"}"#), "environment", "${NAME}");
        refused(&with(r#"{"name": "A", "value": "1"}, {"name": "A", "value": "2"}"#), "environment", "twice");
        let secrets = r#""secrets": [{"name": "s", "key": "K"}, {"name": "s", "key": "L"}]"#;
        refused(&format!("{PROGRAM}, {secrets}"), "secrets", "twice");
        assert_eq!(problems(&with(r#"{"name": "A", "secret_ref": "${X}"}"#)), [""; 0]);
    }
}
