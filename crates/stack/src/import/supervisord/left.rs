//! What is said of the keys of `supervisord.conf` that have no counterpart.

/// What is said of keys that have no counterpart. The section is the part before a colon.
const LEFT: &[(&str, &str, &str)] = &[
    (
        "program",
        "stdout_capture_maxbytes",
        "there is no capture mode; a program tells its state with sd_notify or on its output",
    ),
    (
        "program",
        "stderr_capture_maxbytes",
        "there is no capture mode; a program tells its state with sd_notify or on its output",
    ),
    (
        "program",
        "stdout_events_enabled",
        "what a program prints is on the control socket as it is: `supervisor logs --follow`",
    ),
    (
        "program",
        "stderr_events_enabled",
        "what a program prints is on the control socket as it is: `supervisor logs --follow`",
    ),
    (
        "program",
        "stdout_syslog",
        "output is not sent to syslog; run the supervisor as a service, so that it is in the journal",
    ),
    (
        "program",
        "stderr_syslog",
        "output is not sent to syslog; run the supervisor as a service, so that it is in the journal",
    ),
    ("program", "serverurl", "programs are not told of the control socket"),
    (
        "supervisord",
        "logfile",
        "the supervisor prints its events; redirect its output, or run it as a service",
    ),
    (
        "supervisord",
        "logfile_maxbytes",
        "the supervisor prints its events; redirect its output, or run it as a service",
    ),
    (
        "supervisord",
        "logfile_backups",
        "the supervisor prints its events; redirect its output, or run it as a service",
    ),
    ("supervisord", "loglevel", "`supervisor events --filter severity=…` chooses what is shown"),
    (
        "supervisord",
        "pidfile",
        "one stack of a name runs once; its socket and its lock say which process that is",
    ),
    ("supervisord", "nodaemon", "the supervisor stays in the foreground; run it as a service"),
    ("supervisord", "silent", "the supervisor prints its events; redirect its output"),
    ("supervisord", "minfds", "`supervisor run` raises its limit of open files to the hard one by itself"),
    ("supervisord", "minprocs", "set the limit of processes where the supervisor is started"),
    (
        "supervisord",
        "nocleanup",
        "what a killed supervisor has left half done is put in order at the next start",
    ),
    ("supervisord", "childlogdir", "output is kept in memory; `log` of a program writes it to a file"),
    ("supervisord", "user", "start the supervisor as this user, or say `user` of each program"),
    (
        "supervisord",
        "directory",
        "start the supervisor in this directory, or say `working_dir` of each program",
    ),
    (
        "supervisord",
        "strip_ansi",
        "what is shown on a terminal has no control characters; files keep what was printed",
    ),
    ("supervisord", "identifier", "`name` at the root of the file is the name of the stack"),
    (
        "unix_http_server",
        "",
        "there is a control socket without configuration; `control` says who may use it",
    ),
    (
        "inet_http_server",
        "",
        "the dashboard listens on a local port by itself; `supervisor relay` is for other machines",
    ),
    ("supervisorctl", "", "`supervisor status` finds the control socket by itself"),
    ("rpcinterface", "", "there are no plug-ins; the control socket has a documented protocol"),
    ("DEFAULT", "", "what it says is for every section; write it into those that need it"),
    ("include", "files", "name these files too: `supervisor import supervisord.conf conf.d/*.conf`"),
    (
        "eventlistener",
        "",
        "it speaks a protocol of supervisord; `supervisor events --follow --output json` tells what happens",
    ),
    (
        "fcgi-program",
        "",
        "sockets of FastCGI are not handed over; `sockets` has those that a program takes with LISTEN_FDS",
    ),
];

/// The sentence for a key of a section that has no counterpart. A section alone is for all of its keys.
pub(super) fn why(kind: &str, key: &str) -> &'static str {
    let fits = |of: &str, named: &str| of == kind && (named == key || named.is_empty());
    let known = LEFT.iter().find(|(of, named, _)| fits(of, named)).map(|(_, _, why)| *why);
    known.unwrap_or("no section or key of supervisord that is known")
}
