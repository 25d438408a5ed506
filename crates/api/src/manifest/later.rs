//! Keys of the contract that have no effect yet, and other spellings of those that have.

/// A key that a later version brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaterKey {
    /// The type it will be a field of, by name.
    pub owner: &'static str,
    /// The key.
    pub key: &'static str,
}

const fn later(owner: &'static str, key: &'static str) -> LaterKey {
    LaterKey { owner, key }
}

/// Keys of the contract whose effect comes with a later version. They are refused by name, and are
/// neither in the schema nor in the docs.
pub const LATER: &[LaterKey] = &[later("ResourceLimits", "max_cpu_percent")];

/// What is said of a key in [`LATER`]. `path` is the key as the user reads it, such as
/// `resource_limits.max_memory_mb`.
pub fn later_sentence(path: &str) -> String {
    format!("`{path}` is not supported by this version; remove it")
}

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
