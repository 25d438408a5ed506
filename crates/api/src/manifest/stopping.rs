//! What is sent to a program that does not end, or that is to read its configuration again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ChildManifest, Millis, StopSignal};
use crate::policy::Grace;

/// A signal for a program that has not ended, and when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EscalationStep {
    /// The signal, to the whole group. Not `SIGKILL`: that comes when the grace is over.
    pub signal: StopSignal,
    /// How long after the signal before it, in milliseconds. The first one counts from the stop signal.
    pub after_ms: Millis,
}

/// What is wrong with the escalation of a program that has this grace, as a sentence: a signal that could not be sent.
pub fn escalation_problem(steps: &[EscalationStep], grace: Grace) -> Option<String> {
    if steps.iter().any(|step| step.signal == StopSignal::Kill) {
        return Some(
            "`SIGKILL` comes when the grace is over, not before; remove it here, and shorten \
             `shutdown.graceful_timeout_ms` if it is to come earlier"
                .to_owned(),
        );
    }
    let last: Duration = steps.iter().map(|step| step.after_ms.duration()).sum();
    let within = match grace {
        _ if steps.is_empty() => return None,
        Grace::Infinity => return None,
        Grace::Brutal => Duration::ZERO,
        Grace::Timeout(time) => time,
    };
    (last >= within).then(|| {
        let (last, within) = (last.as_millis(), within.as_millis());
        format!(
            "the last signal would be sent after {last} ms, and the grace is {within} ms: then the program is killed; \
             raise `shutdown.graceful_timeout_ms`, or send earlier"
        )
    })
}

/// What of this is wrong in a manifest: the key, and a sentence. A grace that is not said may come from the defaults of a
/// supervisor, and is not looked at here.
pub(super) fn problems(child: &ChildManifest) -> Vec<(&'static str, String)> {
    let deaf = (child.reload_signal == Some(StopSignal::Kill)).then(|| {
        (
            "reload_signal",
            "no program hears `SIGKILL`; write the signal at which it reads its configuration again"
                .to_owned(),
        )
    });
    let said = child.shutdown.and_then(|shutdown| shutdown.graceful_timeout_ms);
    let grace = said.map_or(Grace::Infinity, Into::into);
    let escalation = escalation_problem(&child.escalation, grace).map(|message| ("escalation", message));
    deaf.into_iter().chain(escalation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_of_an_escalation_can_be_sent_before_the_grace_is_over() {
        let step = |signal, millis| EscalationStep { signal, after_ms: Millis::new(millis).unwrap() };
        let two = [step(StopSignal::Int, 300), step(StopSignal::Quit, 700)];
        let grace = |millis| Grace::Timeout(Duration::from_millis(millis));
        for (grace, words) in [
            (grace(1_001), None),
            (Grace::Infinity, None),
            (grace(1_000), Some("after 1000 ms, and the grace is 1000 ms")),
            (Grace::Brutal, Some("the grace is 0 ms")),
        ] {
            let said = escalation_problem(&two, grace);
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(words.unwrap_or_default()));
        }
        assert_eq!(escalation_problem(&[], Grace::Brutal), None);
        let kill = escalation_problem(&[step(StopSignal::Kill, 1)], Grace::Infinity).unwrap();
        assert!(kill.contains("shorten `shutdown.graceful_timeout_ms`"), "{kill}");
    }
}
