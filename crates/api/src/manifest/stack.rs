//! The stack file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::units::{Infinity, Millis};
use super::{
    BudgetManifest, ChildManifest, ControlManifest, DashboardManifest, DefaultsManifest, DynamicManifest,
    HealthManifest, SecretsManifest,
};
use crate::ChildId;
use crate::policy::{AutoShutdown, OnStartFailure, Profile, StartOrder, StopOrder, Strategy};

/// The version of the stack file that this version reads.
pub const STACK_VERSION: u32 = 1;

/// A stack: a tree of programs and tasks, as a file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StackManifest {
    /// The version of this file's format: 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// The name of the stack.
    pub name: ChildId,
    /// Names that stand for a value in every text of the file, as `${NAME}`, each with its default; `null` has none and must be
    /// given. What reads a file takes them out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, VariableDefault>,
    /// Files with more children for the root, which have `children` and nothing else. Each is a path, or one with `*` or `?` in
    /// its last part, taken from where the stack file is. What reads a file takes this out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Where the secrets of children are looked for, in order: each is an item of `secrets`, or what a `secret_ref` names, and the
    /// first place that has its key counts. Default: `environment` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_from: Option<Vec<SecretsManifest>>,
    /// The control socket: where it is, who may do what, what is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlManifest>,
    /// What probes and scrapers read. Default: nothing listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthManifest>,
    /// The dashboard of a run: where it listens, or `off`. Default: `127.0.0.1:9900`, or the next port that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<DashboardManifest>,
    /// How the root supervisor looks after its children.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<SupervisorManifest>,
    /// The children of the root supervisor, in order.
    pub children: Vec<ChildManifest>,
}

/// The default of a variable of a stack file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a text, a number, `true` or `false`, or `null`")]
pub enum VariableDefault {
    /// `true` or `false`.
    Truth(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// There is none: the value has to be given.
    Nothing(()),
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for VariableDefault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VariableDefault".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"const": null}],
            "description": "The default of a variable; `null`: there is none, and the value has to be given."
        })
    }
}

impl StackManifest {
    /// How many children there are, at any depth.
    pub fn count(&self) -> usize {
        let mut due: Vec<&[ChildManifest]> = vec![&self.children];
        let mut count = 0;
        while let Some(children) = due.pop() {
            count += children.len();
            due.extend(children.iter().filter_map(|child| child.children.as_deref()));
        }
        count
    }
}

/// How a supervisor looks after its children.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SupervisorManifest {
    /// The set of defaults the tree starts from. Default: `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Who is restarted when a child has to be. Default: `one_for_one`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How many restarts of its children are allowed in how long a time. Default: 5 in 60 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetManifest>,
    /// In which order children start. Default in a file: `dependencies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<StartOrder>,
    /// How children are stopped. Default: `sequential`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopOrder>,
    /// What a failed first start leads to. Default in a file: `retry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_start_failure: Option<OnStartFailure>,
    /// When the stack ends by itself. Default: `all_done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown: Option<AutoShutdown>,
    /// Children are added while it runs, and stopped all at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<DynamicManifest>,
    /// How the whole stack is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<RootShutdownManifest>,
    /// What the children, and theirs, take when they do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<DefaultsManifest>,
    /// It stands in a stack file, whose defaults hold for what it does not say. Whoever reads the file says so; it is no
    /// key.
    #[serde(skip)]
    pub in_file: bool,
}

/// How the whole stack is stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RootShutdownManifest {
    /// How long the whole stop may take, in milliseconds, or `infinity`. Then every grace that is
    /// left becomes 0, as at a second signal. Default: `infinity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graceful_timeout_ms: Option<StopWithin>,
}

/// How long the whole stop may take: milliseconds or `infinity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a whole number of milliseconds, or `infinity`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StopWithin {
    /// A time.
    Millis(Millis),
    /// `infinity`: as long as the children's graces add up to.
    Word(Infinity),
}

impl StopWithin {
    /// The time, or `None` for `infinity`.
    pub const fn duration(self) -> Option<std::time::Duration> {
        match self {
            Self::Millis(millis) => Some(millis.duration()),
            Self::Word(_) => None,
        }
    }
}
