//! Each key that the documentation of a tool has, in a file of its own.

use supervisor_stack::Format;

use super::Is::{Here, Left, So};
use super::{Is, check, documented, made};

/// supervisord's configuration page: section, key, value.
const SUPERVISORD: &[(&str, &str, &str, Is)] = &[
    ("program:web", "command", "/bin/web --port=80", Here("command: [/bin/web, \"--port=80\"]")),
    ("program:web", "process_name", "%(program_name)s-x", Here("name: web-x")),
    ("program:web", "numprocs", "2", Here("replicas: 2")),
    ("program:web", "numprocs_start", "5", So),
    ("program:web", "priority", "10", Here("order of their priority")),
    ("program:web", "autostart", "false", Here("profiles: [web]")),
    ("program:web", "startsecs", "5", Here("readiness: {delay_ms: 5000}")),
    ("program:web", "startsecs", "5", Here("budget: {max_restarts: 3, window_secs: 15}")),
    ("program:web", "startsecs", "0", Here("budget: unlimited")),
    ("program:web", "startretries", "7", Here("budget: {max_restarts: 7, window_secs: 7}")),
    ("program:web", "startretries", "0", Left("for the second time")),
    ("program:web", "autorestart", "true", Here("restart_policy: permanent")),
    ("program:web", "exitcodes", "0,3", Here("success_exit_codes: [0, 3]")),
    ("program:web", "stopsignal", "QUIT", Here("stop_signal: SIGQUIT")),
    ("program:web", "stopwaitsecs", "20", Here("graceful_timeout_ms: 20000")),
    ("program:web", "stopasgroup", "true", So),
    ("program:web", "killasgroup", "true", So),
    ("program:web", "user", "www-data", Here("user: www-data")),
    ("program:web", "redirect_stderr", "true", So),
    (
        "program:web",
        "stdout_logfile",
        "/var/log/web.log",
        Here("log: {file: /var/log/web.log, max_size_mb: 50, keep: 10}"),
    ),
    ("program:web", "stdout_logfile_maxbytes", "50MB", Left("no stdout_logfile")),
    ("program:web", "stdout_logfile_backups", "3", Left("no stdout_logfile")),
    ("program:web", "stdout_capture_maxbytes", "1MB", Left("no capture mode")),
    ("program:web", "stdout_events_enabled", "true", Left("control socket")),
    ("program:web", "stdout_syslog", "true", Left("syslog")),
    ("program:web", "stderr_logfile", "/var/log/web.err", Left("one file")),
    ("program:web", "stderr_logfile_maxbytes", "1MB", Left("one file")),
    ("program:web", "stderr_logfile_backups", "2", Left("one file")),
    ("program:web", "stderr_capture_maxbytes", "1MB", Left("no capture mode")),
    ("program:web", "stderr_events_enabled", "true", Left("control socket")),
    ("program:web", "stderr_syslog", "true", Left("syslog")),
    ("program:web", "stderr_syslog", "false", So),
    ("program:web", "environment", "A=\"1, 2\",B='x'", Here("{name: A, value: \"1, 2\"}")),
    ("program:web", "environment", "P=\"%(ENV_PW)s\"", Here("{name: P, secret_ref: \"${PW}\"}")),
    ("program:web", "directory", "/srv/web", Here("working_dir: /srv/web")),
    ("program:web", "umask", "022", Here("umask: \"022\"")),
    ("program:web", "serverurl", "AUTO", Left("control socket")),
    ("program:web", "no_such_key", "1", Left("no section or key of supervisord")),
    ("group:all", "programs", "web", Here("name: all")),
    ("group:all", "priority", "5", Here("order of their priority")),
    ("supervisord", "logfile", "/tmp/s.log", Left("redirect its output")),
    ("supervisord", "logfile_maxbytes", "50MB", Left("redirect its output")),
    ("supervisord", "logfile_backups", "10", Left("redirect its output")),
    ("supervisord", "loglevel", "info", Left("events --filter")),
    ("supervisord", "pidfile", "/tmp/s.pid", Left("its lock")),
    ("supervisord", "umask", "022", Here("umask: \"022\"")),
    ("supervisord", "nodaemon", "true", So),
    ("supervisord", "nodaemon", "false", Left("foreground")),
    ("supervisord", "silent", "true", Left("redirect its output")),
    ("supervisord", "minfds", "1024", Left("limit of open files")),
    ("supervisord", "minprocs", "200", Left("limit of processes")),
    ("supervisord", "nocleanup", "true", Left("put in order")),
    ("supervisord", "childlogdir", "/tmp", Left("`log` of a program")),
    ("supervisord", "user", "root", Left("`user` of each program")),
    ("supervisord", "directory", "/tmp", Here("working_dir: /tmp")),
    ("supervisord", "strip_ansi", "true", Left("control characters")),
    ("supervisord", "environment", "A=\"1\"", Here("- {name: A, value: \"1\"}")),
    ("supervisord", "identifier", "shop", Left("`name` at the root")),
    ("unix_http_server", "file", "/tmp/s.sock", Left("control socket")),
    ("unix_http_server", "chmod", "0700", Left("control socket")),
    ("unix_http_server", "chown", "a:b", Left("control socket")),
    ("unix_http_server", "username", "u", Left("control socket")),
    ("unix_http_server", "password", "canary", Left("control socket")),
    ("inet_http_server", "port", "127.0.0.1:9001", Left("dashboard")),
    ("inet_http_server", "username", "u", Left("dashboard")),
    ("inet_http_server", "password", "canary", Left("dashboard")),
    ("supervisorctl", "serverurl", "unix:///tmp/s.sock", Left("finds the control socket")),
    ("supervisorctl", "username", "u", Left("finds the control socket")),
    ("supervisorctl", "password", "canary", Left("finds the control socket")),
    ("supervisorctl", "prompt", "mine", Left("finds the control socket")),
    ("supervisorctl", "history_file", "/tmp/h", Left("finds the control socket")),
    ("DEFAULT", "user", "www-data", Left("for every section")),
    ("include", "files", "conf.d/*.ini", Left("name these files too")),
    ("fcgi-program:f", "socket", "tcp://localhost:9002", Left("FastCGI")),
    ("fcgi-program:f", "socket_backlog", "5", Left("FastCGI")),
    ("fcgi-program:f", "socket_owner", "a", Left("FastCGI")),
    ("fcgi-program:f", "socket_mode", "0700", Left("FastCGI")),
    ("eventlistener:e", "buffer_size", "10", Left("protocol of supervisord")),
    ("eventlistener:e", "events", "TICK_60", Left("protocol of supervisord")),
    ("eventlistener:e", "result_handler", "a:b", Left("protocol of supervisord")),
    ("rpcinterface:r", "supervisor.rpcinterface_factory", "a:b", Left("no plug-ins")),
];

#[test]
fn each_key_of_supervisord() {
    for &(section, key, value, is) in SUPERVISORD {
        let web = "[program:web]\n";
        let text = match (section, key) {
            ("program:web", "command") => format!("{web}command = {value}\n"),
            ("program:web", _) => format!("{web}command = /bin/web\n{key} = {value} ; a comment\n"),
            ("group:all", "priority") => {
                format!("[{section}]\n{key}={value}\nprograms=web\n\n{web}command=/bin/web\n")
            }
            _ => format!("[{section}]\n{key}={value}\n\n{web}command=/bin/web\n"),
        };
        let made = made(Format::Supervisord, "supervisord.conf", &text);
        check(&format!("{section}.{key}"), &text, &made, is);
        assert!(!made.text.contains("canary") && !format!("{:?}", made.left).contains("canary"), "{key}");
    }
}

/// process-compose's schema: of the file, and of a process.
const COMPOSE: &[(&str, &str, Is)] = &[
    ("version", "\"0.5\"", So),
    ("name", "till", Here("name: till")),
    ("log_location", "./pc.log", Left("`log` with `dir`")),
    ("log_level", "debug", Left("events --filter")),
    ("log_length", "3000", Left("256 KiB")),
    ("log_configuration", "{disable_json: true}", Left("`log` under")),
    ("log_format", "json", Left("--output json")),
    ("environment", "['A=1']", Here("- {name: A, value: \"1\"}")),
    ("shell", "{shell_command: bash, shell_argument: -c}", So),
    ("is_strict", "true", So),
    ("vars", "{A: 1}", So),
    ("vars", "{A: [1]}", Left("not filled in")),
    ("disable_env_expansion", "true", So),
    ("is_tui_disabled", "true", So),
    ("is_tui_disabled", "false", Left("screen")),
    ("ordered_shutdown", "true", Here("stop: concurrent")),
    ("extends", "other.yaml", Left("`include`")),
    ("mcp_server", "{port: 1}", Left("no such server")),
    ("dot_env_vars", "{A: b}", Left("itself")),
    ("x-mine", "1", Left("no key of process-compose")),
    ("env_cmds", "{A: date}", Left("run the command before")),
    ("file_names", "[a]", Left("itself")),
    ("env_file_names", "[a]", Left("itself")),
    ("web.name", "web", So),
    ("web.command", "./web --a b", Here("command: [./web, --a, b]")),
    ("web.entrypoint", "[./web, x]", Here("command: [./web, x]")),
    ("web.disabled", "true", Here("profiles: [web]")),
    ("web.is_daemon", "true", Left("foreground")),
    ("web.launch_timeout_seconds", "5", Left("background")),
    ("web.log_location", "./web.log", Here("log: {file: ./web.log}")),
    (
        "web.log_configuration",
        "{rotation: {filename: w.log, max_size_mb: 5, max_backups: 2, compress: true}}",
        Here("max_size_mb: 5, keep: 2, compress: true"),
    ),
    (
        "web.log_configuration",
        "{rotation: {directory: /var/log, filename: w.log}}",
        Here("log: {file: /var/log/w.log}"),
    ),
    ("web.log_configuration.rotation", "{max_age_days: 3}", Left("max_age_days")),
    ("web.log_configuration.fields_order", "[a]", Left("line by line")),
    ("web.log_configuration.disable_json", "true", Left("line by line")),
    ("web.log_configuration.timestamp_format", "x", Left("line by line")),
    ("web.log_configuration.no_color", "true", Left("line by line")),
    ("web.log_configuration.no_metadata", "true", Left("line by line")),
    ("web.log_configuration.add_timestamp", "true", Here("timestamps: true")),
    ("web.log_configuration.flush_each_line", "true", Left("line by line")),
    ("web.environment", "[A=1, 'B=x y']", Here("{name: B, value: \"x y\"}")),
    ("web.availability.restart", "on_failure", Here("restart_policy: transient")),
    ("web.availability.restart", "always", Here("restart_policy: permanent")),
    ("web.availability.restart", "\"no\"", Here("role: job")),
    (
        "web.availability.restart",
        "exit_on_failure",
        Here("budget: {max_restarts: 0, on_exhausted: shutdown_tree}"),
    ),
    (
        "web.availability.backoff_seconds",
        "2",
        Here("backoff: {initial_ms: 2000, max_ms: 2000, jitter_ratio: 0}"),
    ),
    (
        "web.availability.max_restarts",
        "4",
        Here("budget: {max_restarts: 4, window_secs: 86400, on_exhausted: quarantine}"),
    ),
    ("web.availability.exit_on_end", "false", So),
    ("web.availability.exit_on_end", "true", Here("auto_shutdown: any_significant")),
    ("web.availability.exit_on_skipped", "true", Left("waits")),
    ("web.depends_on", "{db: {condition: process_healthy}}", Here("dependencies: [db]")),
    ("web.depends_on", "{db: {condition: process_started}}", Here("{name: db, condition: started}")),
    ("web.depends_on", "{job: {condition: process_completed}}", Here("{name: job, condition: completed}")),
    (
        "web.depends_on",
        "{job: {condition: process_completed_successfully}}",
        Here("{name: job, condition: completed_ok}"),
    ),
    (
        "web.liveness_probe.exec",
        "{command: ./ok}",
        Here("health_check: {check_interval_secs: 10, exec: [./ok]}"),
    ),
    (
        "web.liveness_probe.exec",
        "{command: ./ok, working_dir: /x}",
        Here("exec: [bash, -c, \"cd /x || exit; ./ok\"]"),
    ),
    ("web.liveness_probe.exec", "{command: ./ok, odd: 1}", Left("no key")),
    ("web.liveness_probe.http_get", "{port: 80}", Here("health_check: {check_interval_secs: 10, http: {url")),
    ("web.readiness_probe.exec", "{command: ./ok}", Here("readiness: {exec: [./ok]}")),
    ("web.liveness_probe.initial_delay_seconds", "5", Here("start_period_secs: 5")),
    ("web.liveness_probe.period_seconds", "2", Here("check_interval_secs: 2")),
    ("web.liveness_probe.timeout_seconds", "3", Here("timeout_secs: 3")),
    ("web.liveness_probe.failure_threshold", "4", Here("max_retries: 4")),
    ("web.liveness_probe.success_threshold", "1", So),
    ("web.liveness_probe.success_threshold", "2", Left("enough")),
    (
        "web.readiness_probe.http_get",
        "{host: 127.0.0.1, scheme: http, path: /up, port: 80}",
        Here("readiness: {http: {url: \"http://127.0.0.1:80/up\", status: 200}}"),
    ),
    ("web.readiness_probe.http_get", "{num_port: 81}", Here("url: \"http://127.0.0.1:81/\"")),
    (
        "web.readiness_probe.http_get",
        "{port: 82, headers: {X-A: b}, status_code: 204}",
        Here("status: 204, headers: [{name: X-A, value: b}]"),
    ),
    ("web.readiness_probe.http_get", "{scheme: https}", Left("plain http")),
    ("web.readiness_probe.initial_delay_seconds", "5", Left("from the start on")),
    ("web.readiness_probe.period_seconds", "2", Here("check_interval_secs: 2")),
    ("web.readiness_probe.timeout_seconds", "3", Here("timeout_secs: 3")),
    ("web.readiness_probe.success_threshold", "2", Here("success_threshold: 2")),
    ("web.readiness_probe.failure_threshold", "4", Left("`ready_within_secs`")),
    ("web.ready_log_line", "up", Here("readiness: {log_line: up}")),
    ("web.shutdown.command", "./stop", Left("signal")),
    ("web.shutdown.timeout_seconds", "10", Here("graceful_timeout_ms: 10000")),
    ("web.shutdown.signal", "2", Here("stop_signal: SIGINT")),
    ("web.shutdown.parent_only", "true", Left("all of its processes")),
    ("web.shutdown.send_keys", "q", Left("nobody types")),
    ("web.disable_ansi_colors", "true", Left("control characters")),
    ("web.working_dir", "/srv", Here("working_dir: /srv")),
    ("web.namespace", "front", Here("tags: [front]")),
    ("web.replicas", "3", Here("replicas: 3")),
    ("web.description", "the web", Here("  # the web\n  - name: web")),
    ("web.vars", "{A: 1}", So),
    ("web.env_file", "web.env", Here("env_file: [web.env]")),
    ("web.extends", "db", Left("write out")),
    ("web.is_disabled", "\"true\"", Here("profiles: [web]")),
    ("web.is_dotenv_disabled", "true", So),
    ("web.is_interactive", "true", Left("nobody types")),
    ("web.is_template_disabled", "true", So),
    ("web.schedule", "{cron: \"* * * * *\"}", Left("by hand, with `cron`")),
    ("web.watch", "{paths: [{path: .}]}", Left("has changed")),
    ("web.mcp", "{type: tool}", Left("no such server")),
    ("web.truncate_log", "true", Left("rotated")),
    ("web.monitor_for", "silence", Left("silent")),
    ("web.monitor_silence_threshold", "5s", Left("silent")),
    ("web.success_exit_codes", "[3, 143]", Here("success_exit_codes: [0, 3, 143]")),
    ("web.is_foreground", "true", Left("`terminal: true`")),
    ("web.is_tty", "true", Here("terminal: true")),
    ("web.is_elevated", "true", Left("as root")),
    ("web.original_config", "x", Left("itself")),
    ("web.replica_num", "1", Left("itself")),
    ("web.replica_name", "x", Left("itself")),
    ("web.executable", "x", Left("itself")),
    ("web.args", "[x]", Left("itself")),
    ("web.no_such_key", "1", Left("no key of process-compose")),
];

#[test]
fn each_key_of_process_compose() {
    for &(key, value, is) in COMPOSE {
        let parts: Vec<&str> = key.split('.').collect();
        let others = "  db: {command: ./db, readiness_probe: {exec: {command: ./ok}}}\n  job: {command: ./job, availability: {restart: \"no\"}}\n";
        // A probe needs something to try beside its times.
        let tries =
            if key.contains("_probe.") && !value.starts_with('{') { ", exec: {command: ./ok}" } else { "" };
        let command =
            if matches!(parts[..], ["web", "command" | "entrypoint"]) { "" } else { ", command: ./web" };
        // A log file needs a name beside what is said of it.
        let command = match key.contains("log_configuration") && !value.contains("filename") {
            true => ", command: ./web, log_location: web.log",
            false => command,
        };
        let text = match parts[..] {
            [key] => format!("{key}: {value}\nprocesses:\n  web: {{command: ./web}}\n"),
            [_, key] => format!("processes:\n{others}  web: {{{key}: {value}{command}}}\n"),
            [_, outer, key] => {
                format!("processes:\n{others}  web: {{{outer}: {{{key}: {value}{tries}}}{command}}}\n")
            }
            _ => unreachable!(),
        };
        let made = made(Format::ProcessCompose, "process-compose.yaml", &text);
        check(key, &text, &made, is);
    }
}

/// The tables have each key that is documented.
#[test]
fn no_documented_key_is_forgotten() {
    let known = |key: &str| {
        let (section, key) = key.split_once('.').unwrap();
        SUPERVISORD.iter().any(|(of, known, ..)| of.split(':').next() == Some(section) && *known == key)
    };
    let forgotten: Vec<_> = documented::SUPERVISORD.split_whitespace().filter(|key| !known(key)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    let known = |key: &str| COMPOSE.iter().any(|(known, ..)| *known == key);
    let forgotten: Vec<_> = documented::COMPOSE.split_whitespace().filter(|key| !known(key)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

/// systemd's pages of units and services, and of what runs in them.
const SYSTEMD: &[(&str, &str, &str, Is)] = &[
    ("Unit", "Description", "Web", Here("  # Web\n")),
    ("Unit", "Documentation", "man:web", Here("  # man:web\n")),
    ("Unit", "After", "db.service", Left("was not read")),
    ("Unit", "Before", "x.target", Left("not of the stack")),
    ("Unit", "Requires", "db.service", Left("was not read")),
    ("Unit", "Wants", "db.service", Left("was not read")),
    ("Unit", "BindsTo", "db.service", Left("`restart_dependants: true`")),
    ("Unit", "PartOf", "db.service", Left("`restart_dependants: true`")),
    ("Unit", "Conflicts", "x.service", Left("another program")),
    ("Unit", "OnFailure", "x.service", Left("another program")),
    ("Unit", "ConditionPathExists", "/x", Left("look itself")),
    ("Unit", "AssertPathExists", "/x", Left("look itself")),
    ("Unit", "StartLimitIntervalSec", "10min", Here("budget: {window_secs: 600}")),
    ("Unit", "StartLimitBurst", "3", Here("budget: {max_restarts: 3}")),
    ("Unit", "StartLimitIntervalSec", "0", Here("budget: unlimited")),
    ("Service", "Type", "notify", Here("readiness: {notify: true}")),
    ("Service", "Type", "simple", So),
    ("Service", "Type", "oneshot", Here("role: job")),
    ("Service", "Type", "forking", Left("foreground")),
    ("Service", "ExecStart", "/bin/web -a 'b c' $$x", Here("command: [/bin/web, -a, \"b c\", \"$x\"]")),
    (
        "Service",
        "ExecStart",
        "/bin/web ${PORT}",
        Here("command: [sh, -c, \"exec /bin/web \\\"${PORT}\\\"\"]"),
    ),
    ("Service", "ExecStartPre", "/bin/x a", Here("pre_start: {command: [/bin/x, a], timeout_secs: 90}")),
    ("Service", "ExecStartPost", "/bin/x", Left("make it a job")),
    ("Service", "ExecStop", "/bin/x", Left("signal")),
    (
        "Service",
        "ExecStopPost",
        "-/bin/x",
        Here("post_stop: {command: [sh, -c, \"{ /bin/x || true; }\"], timeout_secs: 90}"),
    ),
    ("Service", "ExecReload", "/bin/kill -HUP $MAINPID", Here("reload_signal: SIGHUP")),
    ("Service", "ExecReload", "/bin/web reload", Left("`reload_signal`")),
    ("Service", "ExecCondition", "/bin/x", Left("look itself")),
    ("Service", "Restart", "always", Here("restart_policy: permanent")),
    ("Service", "Restart", "on-failure", Here("restart_policy: transient")),
    ("Service", "Restart", "no", Here("role: job")),
    ("Service", "Restart", "on-abnormal", Left("nearest")),
    ("Service", "RestartSec", "500ms", Here("backoff: {initial_ms: 500, max_ms: 500, jitter_ratio: 0}")),
    ("Service", "RestartSec", "3\nRestart=always", Here("    budget: unlimited\n")),
    ("Service", "RestartSec", "5\nRestart=on-failure", Here("    budget: unlimited\n")),
    ("Service", "RestartSteps", "5", Left("doubles")),
    ("Service", "RestartMaxDelaySec", "1min", Here("backoff: {max_ms: 60000}")),
    ("Service", "TimeoutStartSec", "1min 30s", Here("ready_within_secs: 90")),
    ("Service", "TimeoutStopSec", "infinity", Here("graceful_timeout_ms: infinity")),
    ("Service", "TimeoutSec", "20", Here("graceful_timeout_ms: 20000")),
    ("Service", "TimeoutAbortSec", "20", Left("SIGKILL")),
    ("Service", "RuntimeMaxSec", "1h", Left("its age")),
    (
        "Service",
        "WatchdogSec",
        "30",
        Here("health_check: {notify: true, check_interval_secs: 30, max_retries: 1}"),
    ),
    ("Service", "SuccessExitStatus", "3 143", Here("success_exit_codes: [0, 3, 143]")),
    ("Service", "SuccessExitStatus", "SIGUSR1", Left("numbers")),
    ("Service", "RestartPreventExitStatus", "2", Left("`restart_policy`")),
    ("Service", "RestartForceExitStatus", "2", Left("`restart_policy`")),
    ("Service", "User", "www-data", Here("user: www-data")),
    ("Service", "Group", "www-data", Here("group: www-data")),
    ("Service", "DynamicUser", "yes", Left("confined")),
    ("Service", "SupplementaryGroups", "x", Left("confined")),
    ("Service", "WorkingDirectory", "/srv/web", Here("working_dir: /srv/web")),
    ("Service", "WorkingDirectory", "~", Left("write out")),
    ("Service", "WorkingDirectory", "%h/web", Left("write out")),
    ("Service", "RootDirectory", "/srv", Left("confined")),
    ("Service", "Environment", "A=1 \"B=x y\"", Here("{name: B, value: \"x y\"}")),
    (
        "Service",
        "EnvironmentFile",
        "-/etc/web.env",
        Here("env_file:\n      - {file: /etc/web.env, required: false}"),
    ),
    ("Service", "EnvironmentFile", "/etc/web/*.env", Left("patterns")),
    ("Service", "EnvironmentFile", "/etc/web.env", Here("env_file: [/etc/web.env]")),
    ("Service", "PassEnvironment", "A B", Here("{name: B, secret_ref: \"${B}\"}\n    secrets:\n")),
    ("Service", "PassEnvironment", "A", Here("{name: A, key: A, required: false}")),
    ("Service", "PassEnvironment", "A=1", Left("no name")),
    ("Service", "UnsetEnvironment", "A", Left("from empty")),
    ("Service", "UMask", "0027", Here("umask: \"0027\"")),
    ("Service", "Nice", "-5", Here("nice: -5")),
    ("Service", "OOMScoreAdjust", "5", Left("not chosen")),
    ("Service", "KillMode", "mixed", Left("all of its processes")),
    ("Service", "KillMode", "control-group", So),
    ("Service", "KillSignal", "SIGINT", Here("stop_signal: SIGINT")),
    ("Service", "ReloadSignal", "SIGUSR1", Here("reload_signal: SIGUSR1")),
    ("Service", "RestartKillSignal", "SIGINT", Left("`escalation`")),
    ("Service", "SendSIGKILL", "no", Left("`escalation`")),
    ("Service", "SendSIGHUP", "yes", Left("`escalation`")),
    ("Service", "FinalKillSignal", "SIGABRT", Left("`escalation`")),
    ("Service", "WatchdogSignal", "SIGTERM", Left("`escalation`")),
    ("Service", "PIDFile", "/run/web.pid", Left("foreground")),
    ("Service", "GuessMainPID", "yes", Left("foreground")),
    ("Service", "RemainAfterExit", "yes", Left("`completed`")),
    ("Service", "NotifyAccess", "all", So),
    ("Service", "NotifyAccess", "main", Left("group may notify")),
    ("Service", "BusName", "a.b", Left("D-Bus")),
    ("Service", "Sockets", "web.socket", Left("`sockets`")),
    ("Service", "StandardInput", "file:/x", Here("stdin: {file: /x}")),
    ("Service", "StandardInput", "tty", Left("`stdin`")),
    ("Service", "StandardOutput", "append:/var/log/web.log", Here("log: {file: /var/log/web.log}")),
    ("Service", "StandardOutput", "journal", So),
    ("Service", "StandardError", "file:/x", Left("one file")),
    ("Service", "SyslogIdentifier", "web", Left("path of its program")),
    ("Service", "TTYPath", "/dev/tty1", Left("`terminal: true`")),
    ("Service", "LimitNOFILE", "1024:4096", Here("max_file_descriptors: 4096")),
    ("Service", "LimitCORE", "0", Here("max_core_mb: 0")),
    ("Service", "LimitNPROC", "infinity", Left("that of the supervisor")),
    ("Service", "LimitFSIZE", "1G", Here("max_file_size_mb: 1024")),
    ("Service", "LimitAS", "4G", Here("max_address_space_mb: 4096")),
    ("Service", "LimitCPU", "60", Here("max_cpu_secs: 60")),
    ("Service", "LimitMEMLOCK", "64M", Here("max_locked_memory_mb: 64")),
    ("Service", "LimitSTACK", "8M", Here("max_stack_mb: 8")),
    ("Service", "LimitRTPRIO", "5", Left("`resource_limits`")),
    ("Service", "MemoryMax", "512M", Here("max_memory_mb: 512")),
    ("Service", "MemoryHigh", "400M", Here("high_memory_mb: 400")),
    ("Service", "MemorySwapMax", "0", Left("`resource_limits`")),
    ("Service", "CPUQuota", "150%", Here("max_cpu_percent: 150")),
    ("Service", "CPUWeight", "10", Left("`resource_limits`")),
    ("Service", "TasksMax", "64", Here("max_processes: 64")),
    ("Service", "NoNewPrivileges", "no", Here("no_new_privs: false")),
    ("Service", "LoadCredential", "a:/x", Left("`secrets`")),
    ("Service", "ProtectSystem", "strict", Left("confined")),
    ("Service", "ProtectSystem", "no", So),
    ("Service", "IPAccounting", "no", So),
    ("Service", "SendSIGHUP", "no", So),
    ("Service", "PrivateTmp", "yes", Left("confined")),
    ("Service", "RestrictAddressFamilies", "AF_UNIX", Left("confined")),
    ("Service", "ReadWritePaths", "/x", Left("confined")),
    ("Service", "SystemCallFilter", "@system-service", Left("confined")),
    ("Service", "CapabilityBoundingSet", "", So),
    ("Service", "AmbientCapabilities", "CAP_NET_BIND_SERVICE", Left("confined")),
    ("Service", "StateDirectory", "web", Left("make them before")),
    ("Service", "Slice", "a.slice", Left("`resource_limits`")),
    ("Service", "Delegate", "yes", Left("`resource_limits`")),
    ("Service", "NoSuchKey", "1", Left("no key of systemd")),
    ("Install", "WantedBy", "multi-user.target", Left("the stack is what is started")),
    ("Install", "RequiredBy", "x", Left("the stack is what is started")),
    ("Install", "Alias", "x.service", Left("the stack is what is started")),
    ("Install", "Also", "x.service", Left("the stack is what is started")),
];

/// Of the keys that are in no table above each is told, with a reason of its own.
#[test]
fn each_documented_key_of_a_unit() {
    let all =
        [("Unit", documented::UNIT), ("Service", documented::SERVICE), ("Install", documented::INSTALL)];
    let mut seen = 0;
    for (section, keys) in all {
        for key in keys.split_whitespace() {
            seen += 1;
            if SYSTEMD.iter().any(|(_, known, ..)| *known == key) {
                continue;
            }
            let text = format!("[Service]\nExecStart=/bin/web\n[{section}]\n{key}=x\n");
            let made = made(Format::Systemd, "web.service", &text);
            let of_key: Vec<_> =
                made.left.iter().filter(|left| left.key == format!("{section}.{key}")).collect();
            assert!(matches!(&of_key[..], [left] if !left.why.starts_with("no key")), "{key}: {of_key:?}");
        }
    }
    assert!(seen > 350, "{seen}");
    let documented =
        |key: &str| all.iter().any(|(_, keys)| keys.split_whitespace().any(|known| known == key));
    let lost: Vec<_> =
        SYSTEMD.iter().filter(|(_, key, ..)| !documented(key)).map(|(_, key, ..)| *key).collect();
    assert_eq!(lost, ["NoSuchKey"]);
}

#[test]
fn each_key_of_a_unit() {
    for &(section, key, value, is) in SYSTEMD {
        let start = if key == "ExecStart" { "" } else { "ExecStart=/bin/web\n" };
        let text = match section {
            "Service" => format!("[Service]\n{start}{key}={value}\n"),
            _ => format!("[{section}]\n{key}={value}\n\n[Service]\n{start}"),
        };
        let made = made(Format::Systemd, "web.service", &text);
        check(&format!("{section}.{key}"), &text, &made, is);
        assert!(made.text.contains("name: web"), "{}", made.text);
    }
}
