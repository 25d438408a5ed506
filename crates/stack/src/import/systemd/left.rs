//! What is said of the keys of a unit that have no counterpart, by the beginnings of their names.

const LEFT: &[(&[&str], &str)] = &[
    (
        &[
            "Conflicts",
            "OnFailure",
            "OnSuccess",
            "PropagatesReload",
            "ReloadPropagated",
            "PropagatesStop",
            "StopPropagated",
        ],
        "nothing is started, stopped or reloaded because of another program but by `dependencies`",
    ),
    (
        &["Upholds", "Requisite"],
        "a program is kept up by its own `restart_policy`, and waits for others with `dependencies`",
    ),
    (&["BindsTo", "PartOf"], "`restart_dependants: true` of the other program restarts all who depend on it"),
    (
        &["RequiresMountsFor", "WantsMountsFor", "JoinsNamespaceOf", "DefaultDependencies"],
        "the supervisor is what systemd orders; say it in the unit of the supervisor",
    ),
    (
        &[
            "CollectMode",
            "IgnoreOnIsolate",
            "StopWhenUnneeded",
            "RefuseManual",
            "AllowIsolate",
            "SurviveFinalKillSignal",
        ],
        "it is for systemd's own commands; say it in the unit of the supervisor",
    ),
    (
        &[
            "FailureAction",
            "SuccessAction",
            "StartLimitAction",
            "RebootArgument",
            "JobTimeout",
            "JobRunningTimeout",
        ],
        "nothing is done to the machine; say it in the unit of the supervisor",
    ),
    (&["SourcePath"], "it is what a generator writes"),
    (
        &["Condition", "Assert", "ExecCondition"],
        "nothing is asked before a start; have the program look itself, and end with 0",
    ),
    (
        &["ExecStartPost"],
        "nothing runs when a program has started; make it a job that waits for it with `dependencies`",
    ),
    (&["ExecStop"], "a program is stopped with a signal; give it one that does the same"),
    (&["ExecReload"], "a program is told to reload by a signal: `reload_signal`"),
    (
        &["PIDFile", "GuessMainPID", "ExitType"],
        "it is for programs that put themselves into the background; have it stay in the foreground",
    ),
    (&["RemainAfterExit"], "a job that has ended keeps its row as `completed`, and anything else has ended"),
    (&["BusName"], "nobody looks at D-Bus; `readiness` has other ways to tell that a program is ready"),
    (&["NotifyAccess"], "every process of the program's group may notify"),
    (&["FileDescriptorStore"], "descriptors that a program sends are closed"),
    (&["OpenFile"], "have the program open it; `stdin` can be a file"),
    (
        &["Sockets", "NonBlocking", "USBFunction"],
        "`sockets` of a program says where the supervisor listens for it",
    ),
    (&["RestartSteps"], "`backoff` doubles the delay from `initial_ms` to `max_ms`"),
    (
        &["RestartMode"],
        "who depends on it goes on while it is restarted, unless it says `restart_dependants: true`",
    ),
    (
        &["RestartForceExitStatus", "RestartPreventExitStatus"],
        "`restart_policy` and `success_exit_codes` say which ends lead to a start",
    ),
    (
        &["RuntimeMaxSec", "RuntimeRandomizedExtraSec"],
        "no run is ended for its age; `timeout` of the coreutils before the command does it",
    ),
    (
        &["TimeoutAbortSec", "TimeoutStartFailureMode", "TimeoutStopFailureMode"],
        "what is too late is killed with SIGKILL",
    ),
    (
        &[
            "RuntimeDirectory",
            "StateDirectory",
            "CacheDirectory",
            "LogsDirectory",
            "ConfigurationDirectory",
            "TimeoutCleanSec",
        ],
        "no directories are made or removed for a program; make them before the start",
    ),
    (
        &["SendSIGKILL", "FinalKillSignal", "RestartKillSignal", "SendSIGHUP", "WatchdogSignal"],
        "after the stop signal and its grace comes SIGKILL; `escalation` has signals in between",
    ),
    (
        &[
            "SyslogIdentifier",
            "SyslogFacility",
            "SyslogLevel",
            "LogLevelMax",
            "LogExtraFields",
            "LogNamespace",
        ],
        "a line of output has the path of its program, and the level that it says",
    ),
    (
        &["LogRateLimit", "LogFilterPatterns"],
        "nothing of the output is left out; of each program 256 KiB are kept in memory",
    ),
    (&["UnsetEnvironment"], "the environment is made from empty, so nothing has to be taken away"),
    (&["StandardInputText", "StandardInputData"], "write it to a file, and name that in `stdin`"),
    (&["TTY", "UtmpIdentifier", "UtmpMode"], "`terminal: true` gives a program a terminal of its own"),
    (
        &["LoadCredential", "SetCredential", "ImportCredential"],
        "`secrets_from: [credentials]` has those of the unit of the supervisor, and `secrets` names what a program gets",
    ),
    (
        &["WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also", "DefaultInstance"],
        "the stack is what is started; docs/guides/systemd.md has a unit for it",
    ),
    (
        &["Allowed", "CPUAffinity", "NUMA"],
        "a program runs on the processors of the supervisor; have `taskset` start it",
    ),
    (
        &["OOM", "ManagedOOM"],
        "which program the kernel kills for want of memory is not chosen; `max_memory_mb` limits each",
    ),
    (
        &["CPUScheduling", "IOScheduling", "TimerSlack"],
        "`nice` is what there is; have `chrt` or `ionice` start it",
    ),
    (&["Limit"], "`resource_limits` does not have this limit; it is that of the supervisor"),
    (
        &[
            "Slice",
            "Delegate",
            "DisableControllers",
            "CPU",
            "IO",
            "BlockIO",
            "Memory",
            "DefaultMemory",
            "Tasks",
            "Startup",
            "Device",
            "NetClass",
            "CoredumpReceive",
        ],
        "a cgroup has the limits of `resource_limits`, and no others",
    ),
];

/// What confines a unit, by the beginnings of the names.
const CONFINED: &[&str] = &[
    "Ambient",
    "AppArmor",
    "BPF",
    "Bind",
    "Cache",
    "Capabilit",
    "Configuration",
    "Coredump",
    "DelegateNamespaces",
    "Dynamic",
    "Exec",
    "Extension",
    "IPAccounting",
    "IPAddress",
    "IPC",
    "IPEgress",
    "IPIngress",
    "IgnoreSIGPIPE",
    "Inaccessible",
    "Keyring",
    "Landlock",
    "Lock",
    "Logs",
    "MemoryDeny",
    "MemoryKSM",
    "Mount",
    "NFTSet",
    "Network",
    "NoExec",
    "PAM",
    "Personality",
    "Private",
    "Proc",
    "Protect",
    "ReadOnly",
    "ReadWrite",
    "RemoveIPC",
    "Restrict",
    "Root",
    "Runtime",
    "SELinux",
    "Secure",
    "SetLogin",
    "Smack",
    "SocketBind",
    "State",
    "Supplementary",
    "SystemCall",
    "Temporary",
    "User",
];
const CONFINES: &str = "a program is confined by `user`, `no_new_privs` and `resource_limits` alone; say it in the unit of the supervisor";

/// The sentence for a key that has no counterpart.
pub(super) fn why(key: &str) -> &'static str {
    let begins = |names: &[&str]| names.iter().any(|name| key.starts_with(name));
    // What denies memory, addresses and pipes confines, and limits nothing.
    let confines = [
        "MemoryDeny",
        "MemoryKSM",
        "IPC",
        "IPAddress",
        "IPAccounting",
        "IPEgress",
        "IPIngress",
        "IgnoreSIGPIPE",
    ];
    match LEFT.iter().find(|(names, _)| begins(names)) {
        Some((_, why)) if !begins(&confines) => why,
        _ if begins(CONFINED) => CONFINES,
        _ => "no key of systemd that is known",
    }
}
