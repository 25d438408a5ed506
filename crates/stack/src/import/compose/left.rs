//! What is said of the keys of process-compose that have no counterpart.

const OF_FILE: &[(&str, &str)] = &[
    ("log_location", "each program has a file of its own: `log` with `dir` under `supervisor.defaults`"),
    ("log_level", "`supervisor events --filter severity=…` chooses what is shown"),
    ("log_length", "the newest 256 KiB of the output of each program are kept in memory"),
    ("log_configuration", "`log` under `supervisor.defaults` is for files of all programs"),
    ("log_format", "`supervisor run --output json` prints lines of JSON"),
    ("is_tui_disabled", "`supervisor run` has no such screen; it prints its events"),
    ("extends", "import that file, too, and name its children in a file under `include`"),
    ("env_cmds", "run the command before, and give its output as a variable of the environment"),
    ("mcp_server", "there is no such server; the control socket has a documented protocol"),
    ("file_names", "process-compose writes it itself"),
    ("env_file_names", "process-compose writes it itself"),
    ("dot_env_vars", "process-compose writes it itself"),
];

const OF_PROCESS: &[(&str, &str)] = &[
    (
        "is_daemon",
        "a program that puts itself into the background cannot be looked after; have it stay in the foreground",
    ),
    ("launch_timeout_seconds", "it is for programs that put themselves into the background"),
    (
        "disable_ansi_colors",
        "what is shown on a terminal has no control characters; files have them as text such as `\\x1b`",
    ),
    ("extends", "write out what the other process says"),
    (
        "is_foreground",
        "no program has the terminal of the supervisor; `terminal: true` gives it one of its own",
    ),
    ("is_interactive", "nobody types at a program; `terminal: true` gives it a terminal of its own"),
    ("is_elevated", "start the supervisor as root, and say `user` of the others"),
    ("schedule", "write the `schedule` of the job by hand, with `cron` or `every_secs`"),
    (
        "watch",
        "nothing is restarted because a file has changed; `supervisor restart PATH` does it from elsewhere",
    ),
    ("mcp", "there is no such server; the control socket has a documented protocol"),
    (
        "truncate_log",
        "a log file goes on over the runs of its program; it is rotated by its size and its age",
    ),
    ("monitor_for", "who is silent or active is not told; a `health_check` finds who hangs"),
    ("monitor_silence_threshold", "who is silent or active is not told; a `health_check` finds who hangs"),
    ("original_config", "process-compose writes it itself"),
    ("replica_num", "process-compose writes it itself"),
    ("replica_name", "process-compose writes it itself"),
    ("executable", "process-compose makes it of `command` itself"),
    ("args", "process-compose makes them of `command` itself"),
];

/// Of what nobody knows.
pub(super) const UNKNOWN: &str = "no key of process-compose that is known";

pub(super) fn of_file(key: &str) -> String {
    said(OF_FILE, key)
}

pub(super) fn of_process(key: &str) -> String {
    said(OF_PROCESS, key)
}

fn said(table: &[(&str, &str)], key: &str) -> String {
    table.iter().find(|(known, _)| *known == key).map_or(UNKNOWN, |(_, why)| why).to_owned()
}
