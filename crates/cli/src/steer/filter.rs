//! `--filter KEY=VALUE`.

use supervisor_api::wire::{EventRecord, FilterConditions, Word};
use supervisor_api::{EventKind, Lifecycle, Severity, SupervisorPath, Vocabulary, nearest};

use super::fault::Fault;

const KEYS: [&str; 6] = ["path", "under", "type", "state", "severity", "command"];

/// Which events are wanted: the wire's conditions, and whole branches of the tree.
#[derive(Debug, Default)]
pub(super) struct Filter {
    conditions: FilterConditions,
    under: Vec<SupervisorPath>,
}

impl Filter {
    pub(super) fn parse(given: &[String]) -> Result<Self, Fault> {
        let mut filter = Self::default();
        for condition in given {
            let Some((key, value)) = condition.split_once('=') else {
                return Err(Fault::usage(format!(
                    "--filter {condition} is not KEY=VALUE, such as severity=error"
                )));
            };
            filter
                .add(key, value)
                .map_err(|problem| Fault::usage(format!("--filter {condition}: {problem}")))?;
        }
        Ok(filter)
    }

    fn add(&mut self, key: &str, value: &str) -> Result<(), String> {
        let conditions = &mut self.conditions;
        match key {
            "path" => conditions.child_paths.push(path(value)?),
            "under" => self.under.push(path(value)?),
            "type" => conditions.event_types.push(word(value, EventKind::ALL)?),
            "state" => conditions.lifecycle_states.push(word(value, Lifecycle::ALL)?),
            "severity" => conditions.severities.push(word(value, Severity::ALL)?),
            "command" if conditions.correlation_id.is_some() => {
                return Err("only one command can be asked for".to_owned());
            }
            "command" => conditions.correlation_id = Some(value.to_owned()),
            _ => {
                let like = nearest(key, KEYS);
                let like = if like.is_empty() { &KEYS.map(str::to_owned)[..] } else { &like[..] };
                return Err(format!("there is no key `{key}`; there is {}", like.join(", ")));
            }
        }
        Ok(())
    }

    pub(super) fn wants(&self, event: &EventRecord) -> bool {
        let inside = self.under.is_empty() || self.under.iter().any(|path| path.contains(&event.target_path));
        inside && self.conditions.wants_event(event)
    }
}

fn path(text: &str) -> Result<SupervisorPath, String> {
    SupervisorPath::parse(text).map_err(|error| error.to_string())
}

/// A word of the set. Others are mistakes more often than words of a later version.
fn word<T: Vocabulary>(text: &str, all: &[T]) -> Result<Word<T>, String> {
    if let Some(word) = T::find(text) {
        return Ok(Word::Known(word));
    }
    let all: Vec<&str> = all.iter().map(|word| word.text()).collect();
    let like = nearest(text, all.iter().copied());
    Err(match like.is_empty() {
        true => format!("there is no `{text}`; there is {}", all.join(", ")),
        false => format!("there is no `{text}`; did you mean {}?", like.join(" or ")),
    })
}
