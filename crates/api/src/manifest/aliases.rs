//! Other spellings of keys and words of the contract.

/// Other spellings of a key: type, spelling, key.
pub const KEY_ALIASES: &[(&str, &str, &str)] =
    &[("ChildManifest", "factory_key", "factory"), ("ChildManifest", "task_role", "role")];

/// Other spellings of a word: type, spelling, word.
pub const WORD_ALIASES: &[(&str, &str, &str)] = &[
    ("Criticality", "best_effort", "optional"),
    ("StopSignal", "TERM", "SIGTERM"),
    ("StopSignal", "INT", "SIGINT"),
    ("StopSignal", "QUIT", "SIGQUIT"),
    ("StopSignal", "HUP", "SIGHUP"),
    ("StopSignal", "USR1", "SIGUSR1"),
    ("StopSignal", "USR2", "SIGUSR2"),
    ("StopSignal", "WINCH", "SIGWINCH"),
    ("StopSignal", "KILL", "SIGKILL"),
];
