//! What a target answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TARGET_PROTOCOL;
use super::command::{ControlCommandResult, Happening};
use super::error::WireError;
use super::method::Stream;
use super::record::EventRecord;
use super::register::Registration;
use super::state::DashboardState;
use super::word::{Word, or_default};
use crate::command::{Affected, Plan};
use crate::{Rule, RuleSource, Rules, SupervisorPath};

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Response {
    /// The id of the request, or `invalid-request` when that could not be read. Never empty.
    pub request_id: String,
    /// Whether `result` stands here. False: `error` does.
    pub ok: bool,
    /// The answer. Absent when `ok` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultBody>,
    /// What went wrong. Absent when `ok` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
}

impl Response {
    /// An answer.
    pub fn answered(request_id: impl Into<String>, result: ResultBody) -> Self {
        Self { request_id: request_id.into(), ok: true, result: Some(result), error: None }
    }

    /// A refusal.
    pub fn refused(request_id: impl Into<String>, error: WireError) -> Self {
        Self { request_id: request_id.into(), ok: false, result: None, error: Some(error) }
    }

    /// The answer or the refusal; `None` when the line has neither, which no target writes.
    pub fn into_result(self) -> Option<Result<ResultBody, WireError>> {
        if self.ok { self.result.map(Ok) } else { self.error.map(Err) }
    }
}

/// The answer, by what was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResultBody {
    /// To `hello`.
    Hello {
        /// The protocol that the target speaks: `dashboard-ipc.v1`. Never empty.
        protocol_version: String,
        /// What the target tells a relay, or would tell one.
        registration: Registration,
        /// Methods beyond those of the contract. Empty: none.
        #[serde(default, deserialize_with = "or_default")]
        capabilities: Vec<String>,
        /// What the peer may do: `viewer`, `operator`, `admin`. Absent when the target does not say. Never
        /// empty.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
    },
    /// To `state`.
    State {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// Its state.
        state: Box<DashboardState>,
    },
    /// To `events.subscribe` and `logs.tail`.
    Subscription {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// What is pushed from now on.
        subscription: Word<Stream>,
        /// The first sequence that is pushed. Absent when the target does not say. Never 0: the first of a
        /// target is 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_sequence: Option<u64>,
        /// The last sequence that is pushed, where `kept` was asked for. Absent: it goes on. 0: nothing is pushed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_sequence: Option<u64>,
    },
    /// To a command.
    CommandResult {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// How it went.
        result: Box<ControlCommandResult>,
    },
    /// To `why`.
    Why {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// The answer.
        why: WhyAnswer,
    },
    /// To `what_if`.
    WhatIf {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// The answer.
        what_if: WhatIfAnswer,
    },
    /// To `plan`.
    Plan {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// The answer.
        plan: Plan,
        /// What of it is not to be seen in the paths.
        #[serde(default)]
        details: PlanDetails,
    },
    /// An answer of a later version; never written.
    #[serde(other, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl ResultBody {
    /// The answer to `hello`.
    pub fn hello(registration: Registration, capabilities: Vec<String>, role: Option<String>) -> Self {
        Self::Hello { protocol_version: TARGET_PROTOCOL.to_owned(), registration, capabilities, role }
    }
}

/// Why a child is as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyAnswer {
    /// The child.
    pub child_path: SupervisorPath,
    /// What happened, what led to it and what happens next, as a sentence. Never empty.
    pub sentence: String,
    /// The events that led to it, the first cause first. Empty when none of them is kept any more.
    pub chain: Vec<EventRecord>,
    /// What happens next, as the word of an event's `next`. Never empty: `nothing` says that nothing is
    /// known.
    pub next: String,
    /// How long until then, in milliseconds. Absent when that has no time. 0: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_in_ms: Option<u64>,
    /// What decides what happens to it. Absent when the target does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyAnswer>,
}

/// The policy of a child in effect, value by value, with who said each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyAnswer {
    /// How it is looked after. Empty for the root, which nobody looks after.
    #[serde(default, deserialize_with = "or_default")]
    pub child: Vec<PolicyRule>,
    /// How it looks after its own children. Empty when it is no supervisor.
    #[serde(default, deserialize_with = "or_default")]
    pub supervisor: Vec<PolicyRule>,
}

/// One value of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyRule {
    /// What it is about: the key under which a stack file says it, such as `shutdown.abort_wait_ms`. Never empty.
    pub key: String,
    /// The value, in words. Never empty.
    pub value: String,
    /// Who said it.
    pub source: Word<RuleSource>,
    /// Which one that is: the path of a supervisor, a role, a criticality or a profile. With the source `child` the
    /// supervisor whose `defaults` said the parts that its own spec leaves out. Absent when the source says all. Never
    /// empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl From<Rule> for PolicyRule {
    fn from(rule: Rule) -> Self {
        let Rule { key, value, source, from } = rule;
        Self { key: key.to_owned(), value, source: source.into(), from }
    }
}

impl From<Rules> for PolicyAnswer {
    fn from(rules: Rules) -> Self {
        let on_wire = |rules: Vec<Rule>| rules.into_iter().map(PolicyRule::from).collect();
        Self { child: on_wire(rules.child), supervisor: on_wire(rules.supervisor) }
    }
}

/// What a stack text would change, beside the paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanDetails {
    /// Which keys of the file say something else, for each child that is restarted or updated and in the file of now.
    /// A child whose own keys are as before follows others, such as the defaults of its supervisor. Empty: none.
    #[serde(default)]
    pub changed: Vec<ChangedKeys>,
    /// Who is the same under another name: the old one is stopped first, then the new one is started. Both are in the
    /// plan, too. Empty: nobody.
    #[serde(default)]
    pub renamed: Vec<Renamed>,
}

/// Which keys of one child a stack text says otherwise. Not what they say, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangedKeys {
    /// The child. `/`: the keys under `supervisor`.
    pub child_path: SupervisorPath,
    /// The keys, sorted. Never empty.
    pub keys: Vec<String>,
}

/// A child that has another name in a stack text, and is the same otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Renamed {
    /// What it is called now.
    pub from: SupervisorPath,
    /// What it would be called.
    pub to: SupervisorPath,
}

/// What a command, or a failure, would affect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhatIfAnswer {
    /// What would happen.
    pub command: Word<Happening>,
    /// Who would be affected, in the order in which it would happen. Empty: nobody, because nothing has to be
    /// done or it would be refused.
    pub affected: Vec<Affected>,
    /// Why it would be refused, or cannot happen. Null when it would not.
    pub refusal: Option<WireError>,
}
