//! What a child, a supervisor and a stack file may say: the keys, their types and their ranges.
//!
//! These types are the one definition of the keys. The JSON Schema, the diagnostics of a stack file
//! and `add_child` over the wire all follow from them, so a range lives in the type of its field
//! ([`Millis`], [`Seconds`], [`Hours`], [`Ratio`]) and the text beside a field is what a user reads about it.
//!
//! Every key is optional but those that name a thing. An absent key means "the default applies"
//! (`semantics.md` D1, D15); a manifest never holds a default itself, so what a user wrote can be
//! told from what was filled in.
//!
//! [`ChildManifest::problems`] says where one manifest contradicts itself. What concerns siblings
//! (unknown dependencies, cycles, duplicates) is decided where the whole tree is known.

mod address;
mod aliases;
mod budget;
mod check;
mod control;
mod dashboard;
mod defaults;
mod dependency;
mod env_file;
mod hook;
mod http;
mod log;
mod probe;
mod program;
mod schedule;
mod secrets;
mod sockets;
mod stack;
mod stopping;
mod surroundings;
mod units;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::life::words;
use crate::policy::{
    AutoShutdown, Criticality, OnStartFailure, Profile, RestartType, Role, StartOrder, StopOrder, Strategy,
};
use crate::{ChildId, policy};

pub use address::{ConnectTarget, HttpTarget, connect_target, http_target, tcp_target};
pub use aliases::{KEY_ALIASES, WORD_ALIASES};
pub use budget::{BackoffManifest, BudgetLimits, BudgetManifest, Unlimited};
pub use check::{is_shell_name, secret_reference};
pub use control::{
    Account, AuditKept, AuditManifest, ControlLimits, ControlManifest, ControlRole, HealthManifest,
    IdleWithin, NoAudit, RegistrationManifest, RoleManifest, SocketBindMode, SocketPermissions,
    health_address,
};
pub use dashboard::{DashboardListens, DashboardManifest, NoDashboard, dashboard_address};
pub use defaults::DefaultsManifest;
pub use dependency::{DependencyManifest, DependencyUntil};
pub use env_file::{EnvFile, EnvFileEntry, EnvFileManifest};
pub use hook::{HookEntry, HookManifest};
pub use http::{HeaderEntry, HttpManifest, HttpRequestManifest, ResponseHeader, StatusManifest, StatusRange};
pub use log::{LogFileManifest, LogManifest, NoLog};
pub use probe::{HealthCheckManifest, ReadinessManifest, ReadinessProbe, ReadyWithin};
pub use program::{EnvironmentEntry, ResourceLimits, SecretEntry, SignalWord, StopSignal};
pub use schedule::{MissedRun, ScheduleEntry, ScheduleManifest};
pub use secrets::{SecretsManifest, SecretsPlace, SecretsWord};
pub use sockets::{ListenAddress, SocketManifest};
pub use stack::{
    RootShutdownManifest, STACK_VERSION, StackManifest, StopWithin, SupervisorManifest, VariableDefault,
};
pub use stopping::{EscalationStep, escalation_problem};
pub use surroundings::{StdinFile, StdinManifest, StdinWord, Umask};
pub use units::{Hours, Infinity, Millis, RangeError, Ratio, Seconds};

words! {
    /// What runs.
    Kind {
        /// An asynchronous task, made by a registered factory.
        AsyncWorker = "async_worker",
        /// A blocking task on a thread of its own, made by a registered factory.
        BlockingWorker = "blocking_worker",
        /// A nested supervisor with children of its own.
        Supervisor = "supervisor",
        /// A program of the operating system.
        Process = "process",
    }
}

/// One child: what runs, and how it is looked after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChildManifest {
    /// The name among the siblings: the last segment of the child's path.
    pub name: ChildId,
    /// What runs.
    pub kind: Kind,

    /// For tasks: the registered factory that makes the task. Default: the name.
    #[serde(alias = "factory_key", skip_serializing_if = "Option::is_none")]
    pub factory: Option<String>,

    /// For programs: the program and its arguments, one item each. No shell is involved; write
    /// `[sh, -c, "…"]` to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// For programs of a stack file: how many of it there are. They are called NAME-1, NAME-2 and so on, have their number in the
    /// variable REPLICA, and as `${replica}` in their texts. Default: one, with the name as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1000)))]
    pub replicas: Option<NonZeroU32>,
    /// For children of a stack file: the profiles of which one must be selected, with `--profile`, for the child to be there.
    /// Default: it is always there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<String>>,
    /// For programs: the directory it runs in. A relative one is taken from where the supervisor
    /// was started, which is also the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// For programs: the user it runs as, by number, or by name as `/etc/passwd` has it. It gets that user's groups and
    /// none of the supervisor's. Only root may say another than its own. Default: the supervisor's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Account>,
    /// For programs: the group it runs as, by number, or by name as `/etc/group` has it. Only root may say another.
    /// Default: the primary group of `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Account>,
    /// For programs: the permissions that its files are made without, in octal digits such as `027`. Default: the
    /// supervisor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<Umask>,
    /// For programs: how much it gives way to others for the CPU, from -20 (least) to 19 (most). Only root may go below
    /// the supervisor's own. Default: the supervisor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = -20, max = 19)))]
    pub nice: Option<i8>,
    /// For programs: what it reads as its standard input: `null`, a file, or `pipe`. Default: `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<StdinManifest>,
    /// For programs: whether it runs at a terminal of its own, of 80 columns and 24 rows, at which nobody types. What it
    /// prints on it is kept as its `stdout`. Not together with `stdin`. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<bool>,
    /// For programs: where the supervisor listens for it. The sockets are its descriptors from 3 on, and stay open over its
    /// restarts, so that who connects meanwhile waits and is not refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<SocketManifest>,
    /// For programs: whether neither it nor what it starts can gain privileges, as with `sudo` and other setuid
    /// programs. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_new_privs: Option<bool>,
    /// For programs: the signal that asks it to stop. Default: `SIGTERM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<StopSignal>,
    /// For programs: the signal at which it reads its configuration again. `supervisor signal PATH RELOAD` sends it to the
    /// program itself, and not to what that has started. Default: none, and then that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload_signal: Option<StopSignal>,
    /// For programs: what is sent when it does not end at the stop signal, in order. All of it comes within the grace, and
    /// what is left when that is over is killed. Default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalation: Vec<EscalationStep>,
    /// For programs: a program that runs before each start, in the same surroundings, and must end well. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_start: Option<HookManifest>,
    /// For programs: a program that runs after each run, however that ended, in the same surroundings. It has its own time
    /// beside the grace, and says with EXIT_CODE and EXIT_STATUS how the program ended. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_stop: Option<HookManifest>,
    /// For programs: the exit codes that count as a good end. Default: `[0]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_exit_codes: Option<Vec<u8>>,
    /// For programs: the file in which is written what it prints, or `off`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogManifest>,
    /// For programs: limits that the kernel enforces, or that are watched. For tasks: `max_cpu_percent`; other limits
    /// cannot be enforced, and are marked as such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_limits: Option<ResourceLimits>,

    /// What the child is for. A role gives defaults and never overrides a key. Default: `service`
    /// for programs and tasks, `supervisor` for supervisors.
    #[serde(alias = "task_role", skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// For programs with the role `job`: when it starts, each time anew, and not with its supervisor. An operator's restart
    /// runs it now. Default: it starts once, with its supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleManifest>,
    /// For jobs: start it again when it fails. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
    /// For sidecars: the sibling it lives and ends with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<ChildId>,
    /// The longer spelling of `primary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecar_config: Option<SidecarConfig>,
    /// How much the whole suffers when the child does. Default: `standard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality: Option<Criticality>,
    /// When the end of the child leads to a new start. Default: what the role says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartType>,
    /// The delay before a restart. The first restart of a streak of failures is immediate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffManifest>,
    /// How many restarts are allowed in how long a time. On a supervisor: the budget it applies to
    /// its children.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetManifest>,
    /// The siblings that must be ready, or done, before this child starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyManifest>,
    /// Whether the children that depend on this one are restarted when it is. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_dependants: Option<bool>,
    /// The promise to report life while running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckManifest>,
    /// What counts as ready. Default: `immediate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ReadinessManifest>,
    /// How long the child may take to be ready, in seconds, or `infinity`; then the start has
    /// failed. Default: 60, for supervisors `infinity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_within_secs: Option<ReadyWithin>,
    /// How the child is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<ShutdownManifest>,
    /// Which commands of an operator this child allows. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_permissions: Option<CommandPermissions>,
    /// The variables of a program's environment, or what a task reads with `ctx.env()`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<EnvironmentEntry>,
    /// For programs: files with variables, one `NAME=value` a line, read at each start. `environment` goes before them, and a
    /// later file before an earlier one. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_file: Option<EnvFileManifest>,
    /// The secrets the child may read. Their values are never printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretEntry>,
    /// Whether the end of this child can end its supervisor (`auto_shutdown`). Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub significant: Option<bool>,
    /// Labels, for people and filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,

    /// For supervisors: the set of defaults its tree starts from. Default: that of the supervisor
    /// above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// For supervisors: who is restarted when a child has to be. Default: `one_for_one`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// For supervisors: in which order children start. Default in a file: `dependencies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<StartOrder>,
    /// For supervisors: how children are stopped. Default: `sequential`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopOrder>,
    /// For supervisors: what a failed first start leads to. Default in a file: `retry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_start_failure: Option<OnStartFailure>,
    /// For supervisors: when it ends by itself. Default: `never`. `all_done` is for a file's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown: Option<AutoShutdown>,
    /// For supervisors: children are added while it runs, and stopped all at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<DynamicManifest>,
    /// For supervisors: what its children, and theirs, take when they do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<DefaultsManifest>,
    /// For supervisors: its children, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<ChildManifest>>,

    /// Of a supervisor: it stands in a stack file, whose defaults hold for what it does not say. Whoever reads the file
    /// says so; it is no key.
    #[serde(skip)]
    pub in_file: bool,
}

impl ChildManifest {
    /// The smallest manifest: a name and a kind.
    pub fn new(name: ChildId, kind: Kind) -> Self {
        Self {
            name,
            kind,
            factory: None,
            command: None,
            replicas: None,
            profiles: None,
            working_dir: None,
            user: None,
            group: None,
            umask: None,
            nice: None,
            stdin: None,
            terminal: None,
            sockets: Vec::new(),
            no_new_privs: None,
            stop_signal: None,
            reload_signal: None,
            escalation: Vec::new(),
            pre_start: None,
            post_stop: None,
            success_exit_codes: None,
            log: None,
            resource_limits: None,
            role: None,
            schedule: None,
            retry: None,
            primary: None,
            sidecar_config: None,
            criticality: None,
            restart_policy: None,
            backoff: None,
            budget: None,
            dependencies: Vec::new(),
            restart_dependants: None,
            health_check: None,
            readiness: None,
            ready_within_secs: None,
            shutdown: None,
            command_permissions: None,
            environment: Vec::new(),
            env_file: None,
            secrets: Vec::new(),
            significant: None,
            tags: Vec::new(),
            profile: None,
            strategy: None,
            order: None,
            stop: None,
            on_start_failure: None,
            auto_shutdown: None,
            dynamic: None,
            defaults: None,
            children: None,
            in_file: false,
        }
    }

    /// The sidecar's primary, in whichever of the two spellings.
    pub fn primary(&self) -> Option<&ChildId> {
        self.primary.as_ref().or(self.sidecar_config.as_ref().map(|config| &config.primary_child_id))
    }

    /// The factory that makes the task: `factory`, else the name.
    pub fn factory_name(&self) -> &str {
        self.factory.as_deref().unwrap_or(self.name.as_str())
    }

    /// What the child says as a supervisor of its own children.
    pub fn as_supervisor(&self) -> SupervisorManifest {
        SupervisorManifest {
            profile: self.profile,
            strategy: self.strategy,
            budget: self.budget.clone(),
            order: self.order,
            stop: self.stop,
            on_start_failure: self.on_start_failure,
            auto_shutdown: self.auto_shutdown,
            dynamic: self.dynamic,
            shutdown: None,
            defaults: self.defaults.clone(),
            in_file: self.in_file,
        }
    }
}

/// The longer spelling of a sidecar's primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SidecarConfig {
    /// The sibling the sidecar lives and ends with.
    pub primary_child_id: ChildId,
}

words! {
    /// The two graces that are not a time.
    GraceWord {
        /// No request to stop: killed at once.
        Brutal = "brutal",
        /// Asked, and waited for for ever.
        Infinity = "infinity",
    }
}

/// A grace: milliseconds, `brutal` or `infinity` (R55, R56).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a whole number of milliseconds, `brutal` or `infinity`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GraceManifest {
    /// Asked, waited for this long, then killed. Zero is legal.
    Millis(Millis),
    /// `brutal` or `infinity`.
    Word(GraceWord),
}

impl From<GraceManifest> for policy::Grace {
    fn from(grace: GraceManifest) -> Self {
        match grace {
            GraceManifest::Millis(millis) => Self::Timeout(millis.duration()),
            GraceManifest::Word(GraceWord::Brutal) => Self::Brutal,
            GraceManifest::Word(GraceWord::Infinity) => Self::Infinity,
        }
    }
}

/// How a child is stopped: asked, waited for, killed (D8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShutdownManifest {
    /// How long the child may take to end after it was asked to, in milliseconds; `brutal` asks
    /// nothing and kills, `infinity` waits for ever. Default: 5000, for supervisors `infinity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graceful_timeout_ms: Option<GraceManifest>,
    /// How long to wait after the kill before the child counts as unresponsive, in milliseconds.
    /// Default: 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_wait_ms: Option<Millis>,
}

/// Which commands of an operator a child allows. What is not said is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandPermissions {
    /// Whether this child may be paused, quarantined and removed. The shutdown of the whole tree
    /// is not affected. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_shutdown: Option<bool>,
    /// Whether this child may be restarted. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_restart: Option<bool>,
    /// For programs: the signals that an operator may send. An empty list allows none. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_signals: Option<Vec<StopSignal>>,
}

impl From<CommandPermissions> for policy::Permissions {
    fn from(said: CommandPermissions) -> Self {
        let all = Self::default();
        Self {
            allow_shutdown: said.allow_shutdown.unwrap_or(all.allow_shutdown),
            allow_restart: said.allow_restart.unwrap_or(all.allow_restart),
            signals: said.allowed_signals.map_or(all.signals, policy::Signals::of),
        }
    }
}

/// A supervisor whose children come and go while it runs (R85).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DynamicManifest {
    /// The most children it may have at a time, those waiting for a restart included.
    pub max_children: u32,
}

/// How many times something may fail in a row.
pub type Retries = NonZeroU32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_manifest_is_a_name_and_a_kind() {
        let small: ChildManifest =
            serde_json::from_str(r#"{"name": "worker", "kind": "async_worker"}"#).unwrap();
        assert_eq!(small, ChildManifest::new(ChildId::new("worker").unwrap(), Kind::AsyncWorker));
        assert_eq!(small.factory_name(), "worker");
        let text = serde_json::to_string(&small).unwrap();
        assert_eq!(text, r#"{"name":"worker","kind":"async_worker"}"#);
    }

    #[test]
    fn unknown_keys_and_later_keys_are_refused_by_name() {
        for key in ["bogus", "max_cpu_percent"] {
            let text = format!(r#"{{"name": "a", "kind": "process", "{key}": 1}}"#);
            let error = serde_json::from_str::<ChildManifest>(&text).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn the_contracts_other_spellings_are_read() {
        let other = r#"{"name": "a", "kind": "blocking_worker", "factory_key": "f", "task_role": "sidecar",
            "sidecar_config": {"primary_child_id": "b"}, "criticality": "best_effort"}"#;
        let child: ChildManifest = serde_json::from_str(other).unwrap();
        assert_eq!(child.factory_name(), "f");
        assert_eq!(child.role, Some(Role::Sidecar));
        assert_eq!(child.primary().unwrap().as_str(), "b");
        assert_eq!(child.criticality, Some(Criticality::Optional));
    }

    #[test]
    fn aliases_of_words_are_the_ones_in_the_table() {
        for (owner, spelling, word) in WORD_ALIASES {
            let (read, expected) = match *owner {
                "Criticality" => both::<Criticality>(spelling, word),
                "StopSignal" => both::<StopSignal>(spelling, word),
                other => panic!("{other} is not known to this test"),
            };
            assert_eq!(read, expected, "{spelling}");
        }
    }

    fn both<T: serde::de::DeserializeOwned + std::fmt::Display>(
        spelling: &str,
        word: &str,
    ) -> (String, String) {
        let read = |text: &str| serde_json::from_str::<T>(&format!("\"{text}\"")).unwrap().to_string();
        (read(spelling), read(word))
    }

    #[test]
    fn words_and_times_may_stand_for_each_other() {
        let text = r#"{"name": "a", "kind": "process", "command": ["x"], "ready_within_secs": "infinity",
            "shutdown": {"graceful_timeout_ms": "brutal"}, "budget": "unlimited", "readiness": "immediate"}"#;
        let child: ChildManifest = serde_json::from_str(text).unwrap();
        assert_eq!(child.ready_within_secs.unwrap().duration(), None);
        let grace = child.shutdown.unwrap().graceful_timeout_ms.unwrap();
        assert_eq!(policy::Grace::from(grace), policy::Grace::Brutal);
        assert_eq!(child.budget, Some(BudgetManifest::Word(Unlimited::Unlimited)));
        let again: ChildManifest = serde_json::from_str(&serde_json::to_string(&child).unwrap()).unwrap();
        assert_eq!(again, child);
        let bad = r#"{"name": "a", "kind": "process", "ready_within_secs": 0}"#;
        let error = serde_json::from_str::<ChildManifest>(bad).unwrap_err().to_string();
        assert!(error.contains("seconds above 0, or `infinity`"), "{error}");
    }
}
