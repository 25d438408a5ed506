//! What is asked about the child that is chosen: why it is as it is, how it is looked after, and what happened to it.

use std::collections::VecDeque;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{EventRecord, WhyAnswer};

use super::Stage;
use crate::steer::safe;

/// How many of its events are held.
const MOST: usize = 200;
/// The keys of a policy that are shown, in this order, with our words for them.
const SHOWN: &[(&str, &str)] = &[
    ("restart_policy", "restart"),
    ("backoff", "back-off"),
    ("budget", "budget allows"),
    ("readiness", "counts as started"),
    ("shutdown.graceful_timeout_ms", "time to stop"),
    ("health_check", "heartbeat"),
    ("command_permissions", "commands allowed"),
    ("strategy", "restart strategy"),
];

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    sequence: u64,
    pub(crate) at_unix_nanos: u64,
    pub(crate) is_end: bool,
    pub(crate) text: String,
}

#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) of: Option<SupervisorPath>,
    pub(crate) stage: Stage,
    /// The sentence of `supervisor why`.
    pub(crate) sentence: String,
    /// How it is looked after: names and values.
    pub(crate) policy: Vec<(&'static str, String)>,
    /// What happened to it, the oldest first.
    pub(crate) past: VecDeque<Past>,
    /// Something has happened since it was asked.
    pub(crate) is_old: bool,
    pub(crate) scroll: usize,
}

impl About {
    pub(crate) fn begin(&mut self, of: SupervisorPath) {
        *self = Self { of: Some(of), stage: Stage::Asking, ..Self::default() };
    }

    /// What the target said. What came meanwhile is newer.
    pub(crate) fn answered(&mut self, why: &WhyAnswer, events: &[EventRecord]) {
        self.sentence = safe(&why.sentence);
        let policy = why.policy.iter().flat_map(|policy| policy.child.iter().chain(&policy.supervisor));
        let rules: Vec<_> = policy.collect();
        let known = SHOWN.iter().filter_map(|(key, name)| {
            let rule = rules.iter().find(|rule| rule.key == *key)?;
            Some((*name, safe(&rule.value)))
        });
        self.policy = known.collect();
        let newest = events.last().map_or(0, |event| event.sequence);
        let came = std::mem::take(&mut self.past);
        events.iter().for_each(|event| self.push(event));
        self.past.extend(came.into_iter().filter(|past| past.sequence > newest));
        self.stage = Stage::Here;
    }

    /// Something happened to somebody.
    pub(crate) fn came(&mut self, event: &EventRecord) {
        if self.of.as_ref() == Some(&event.target_path) {
            self.push(event);
            self.is_old = true;
        }
    }

    fn push(&mut self, event: &EventRecord) {
        let text = event.to_string();
        let text = text.strip_prefix(event.target_path.as_str()).unwrap_or(&text).trim_start();
        self.past.push_back(Past {
            sequence: event.sequence,
            at_unix_nanos: event.occurred_at_unix_nanos.0,
            is_end: event.payload.get("exit").is_some_and(|exit| !exit.is_null()),
            text: safe(text),
        });
        if self.past.len() > MOST {
            self.past.pop_front();
        }
    }

    /// How its last runs ended, the newest first.
    pub(crate) fn ends(&self) -> impl Iterator<Item = &Past> {
        self.past.iter().rev().filter(|past| past.is_end)
    }
}
