//! What children take when they do not say.

use serde::{Deserialize, Serialize};

use super::{
    BackoffManifest, ChildManifest, CommandPermissions, EnvFileManifest, EnvironmentEntry, Kind, LogManifest,
    ReadyWithin, ShutdownManifest,
};
use crate::policy::Criticality;

/// What the children of a supervisor, and theirs, take when they do not say. A key inside a mapping
/// counts by itself: a child that says `backoff: {max_ms: 5000}` keeps the other keys from here. The
/// `defaults` of a nested supervisor go before those above it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DefaultsManifest {
    /// The delay before a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffManifest>,
    /// How much the whole suffers when a child does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality: Option<Criticality>,
    /// How long a child may take to be ready. Supervisors are not affected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_within_secs: Option<ReadyWithin>,
    /// How a child is stopped. Supervisors are not affected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<ShutdownManifest>,
    /// Which commands of an operator a child allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_permissions: Option<CommandPermissions>,
    /// For programs: the directory it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// For programs: the file in which is written what each prints. It has a `dir`, and no `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogManifest>,
    /// Variables that programs and tasks get besides their own. A child's own value goes before the
    /// one here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<EnvironmentEntry>,
    /// For programs: files with variables that they get before those of their own `env_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_file: Option<EnvFileManifest>,
}

impl DefaultsManifest {
    /// These defaults over those of the supervisor above.
    pub fn over(&self, above: &Self) -> Self {
        Self {
            backoff: merged(self.backoff, above.backoff, merge_backoff),
            criticality: self.criticality.or(above.criticality),
            ready_within_secs: self.ready_within_secs.or(above.ready_within_secs),
            shutdown: merged(self.shutdown, above.shutdown, merge_shutdown),
            command_permissions: merged(
                self.command_permissions.clone(),
                above.command_permissions.clone(),
                merge_permissions,
            ),
            working_dir: self.working_dir.clone().or_else(|| above.working_dir.clone()),
            log: merged(self.log.clone(), above.log.clone(), LogManifest::over),
            environment: merge_environment(&self.environment, &above.environment),
            env_file: merged(self.env_file.clone(), above.env_file.clone(), EnvFileManifest::over),
        }
    }
}

impl ChildManifest {
    /// Takes from `defaults` what the manifest does not say and what concerns its kind.
    pub fn apply_defaults(&mut self, defaults: &DefaultsManifest) {
        self.backoff = merged(self.backoff, defaults.backoff, merge_backoff);
        self.criticality = self.criticality.or(defaults.criticality);
        self.command_permissions =
            merged(self.command_permissions.take(), defaults.command_permissions.clone(), merge_permissions);
        if self.kind == Kind::Supervisor {
            return;
        }
        self.ready_within_secs = self.ready_within_secs.or(defaults.ready_within_secs);
        self.shutdown = merged(self.shutdown, defaults.shutdown, merge_shutdown);
        self.environment = merge_environment(&self.environment, &defaults.environment);
        if self.kind == Kind::Process {
            self.working_dir = self.working_dir.take().or_else(|| defaults.working_dir.clone());
            self.env_file = merged(self.env_file.take(), defaults.env_file.clone(), EnvFileManifest::over);
            let log = defaults.log.as_ref().filter(|log| self.log.is_some() || log.says_where());
            self.log = merged(self.log.take(), log.cloned(), LogManifest::over);
        }
    }
}

fn merged<T>(own: Option<T>, above: Option<T>, merge: fn(T, T) -> T) -> Option<T> {
    match (own, above) {
        (Some(own), Some(above)) => Some(merge(own, above)),
        (own, above) => own.or(above),
    }
}

fn merge_backoff(own: BackoffManifest, above: BackoffManifest) -> BackoffManifest {
    BackoffManifest {
        initial_ms: own.initial_ms.or(above.initial_ms),
        max_ms: own.max_ms.or(above.max_ms),
        jitter_ratio: own.jitter_ratio.or(above.jitter_ratio),
        reset_after_secs: own.reset_after_secs.or(above.reset_after_secs),
    }
}

fn merge_shutdown(own: ShutdownManifest, above: ShutdownManifest) -> ShutdownManifest {
    ShutdownManifest {
        graceful_timeout_ms: own.graceful_timeout_ms.or(above.graceful_timeout_ms),
        abort_wait_ms: own.abort_wait_ms.or(above.abort_wait_ms),
    }
}

fn merge_permissions(own: CommandPermissions, above: CommandPermissions) -> CommandPermissions {
    CommandPermissions {
        allow_shutdown: own.allow_shutdown.or(above.allow_shutdown),
        allow_restart: own.allow_restart.or(above.allow_restart),
        allowed_signals: own.allowed_signals.or(above.allowed_signals),
    }
}

fn merge_environment(own: &[EnvironmentEntry], above: &[EnvironmentEntry]) -> Vec<EnvironmentEntry> {
    let inherited = above.iter().filter(|entry| own.iter().all(|mine| mine.name != entry.name));
    inherited.chain(own).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChildId;

    fn defaults(json: &str) -> DefaultsManifest {
        serde_json::from_str(json).unwrap()
    }

    fn child(json: &str) -> ChildManifest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_childs_own_keys_go_before_the_defaults_key_by_key() {
        let defaults = defaults(
            r#"{"backoff": {"initial_ms": 5, "max_ms": 50}, "criticality": "critical", "working_dir": "/d",
                "environment": [{"name": "A", "value": "d"}, {"name": "B", "value": "d"}]}"#,
        );
        let mut own = child(
            r#"{"name": "a", "kind": "process", "command": ["x"], "backoff": {"max_ms": 9},
                "environment": [{"name": "B", "value": "own"}]}"#,
        );
        own.apply_defaults(&defaults);
        let expected = child(
            r#"{"name": "a", "kind": "process", "command": ["x"], "backoff": {"initial_ms": 5, "max_ms": 9},
                "criticality": "critical", "working_dir": "/d",
                "environment": [{"name": "A", "value": "d"}, {"name": "B", "value": "own"}]}"#,
        );
        assert_eq!(own, expected);
    }

    #[test]
    fn a_supervisor_takes_no_grace_and_no_start_timeout_from_the_defaults() {
        let defaults = defaults(
            r#"{"shutdown": {"graceful_timeout_ms": 1}, "ready_within_secs": 1, "working_dir": "/",
                "environment": [{"name": "A", "value": "x"}]}"#,
        );
        let bare = ChildManifest::new(ChildId::new("s").unwrap(), Kind::Supervisor);
        let mut own = bare.clone();
        own.apply_defaults(&defaults);
        assert_eq!(own, bare);
    }

    #[test]
    fn rules_for_log_files_alone_make_none() {
        let of = |log: &str, own: &str| {
            let mut child = child(&format!(r#"{{"name": "a", "kind": "process", "command": ["x"] {own}}}"#));
            child.apply_defaults(&defaults(&format!(r#"{{"log": {log}}}"#)));
            serde_json::to_string(&child.log).unwrap()
        };
        assert_eq!(of(r#"{"keep": 1}"#, ""), "null");
        assert_eq!(of(r#"{"keep": 1}"#, r#", "log": {"file": "x"}"#), r#"{"file":"x","keep":1}"#);
        assert_eq!(of(r#"{"dir": "y"}"#, ""), r#"{"dir":"y"}"#);
        assert_eq!(of(r#"{"dir": "y"}"#, r#", "log": "off""#), r#""off""#);
    }

    #[test]
    fn nested_defaults_go_before_those_above() {
        let above = defaults(r#"{"backoff": {"initial_ms": 1, "max_ms": 2}, "working_dir": "/above"}"#);
        let below = defaults(r#"{"backoff": {"max_ms": 3}, "criticality": "optional"}"#);
        let both = below.over(&above);
        let expected = r#"{"backoff": {"initial_ms": 1, "max_ms": 3}, "criticality": "optional", "working_dir": "/above"}"#;
        assert_eq!(both, defaults(expected));
    }
}
