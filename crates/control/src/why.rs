//! Why a child is as it is: the events that led to it, from the first cause to the last word.
//!
//! Every event names its cause (D9). From the last event of the child the chain goes back: to the child that is named
//! as the cause, or else to the event of the same child before, until there is one that has no cause in the tree: a
//! run that ended, an operator, the start.

use supervisor_api::wire::{ErrorCode, PolicyAnswer, WhyAnswer, WireError};
use supervisor_api::{Cause, EventKind, StampedEvent, SupervisorPath};
use tokio_supervisor::EventItem;

use crate::target::Target;

/// The most events of a chain. More would be no answer.
const LONGEST: usize = 16;

/// Answers for a path, or for an id that only one child has.
///
/// # Errors
///
/// When no child, or more than one, is called so.
pub(crate) fn answer(target: &Target, child: &str) -> Result<WhyAnswer, WireError> {
    let view = target.handle.child(child);
    let state =
        view.map_err(|error| WireError::new(ErrorCode::InvalidCommandParams, error.to_string()))?.state;
    let chain = chain(&kept(target), &state.child_path);
    let last = chain.last();
    let now = target.now().0;
    // The row tells when the child is started also when no event about it is kept any more.
    let start = state.next_start_at_unix_nanos.filter(|_| last.is_none());
    let left =
        last.and_then(|last| left_ms(last, now)).or(start.map(|at| at.saturating_sub(now) / 1_000_000));
    let unkept = if start.is_some() { "start_at" } else { "nothing" };
    Ok(WhyAnswer {
        sentence: sentence(&state.child_path, state.lifecycle_state.as_str(), &chain, left),
        child_path: state.child_path,
        next: last.map_or(unkept, |last| last.event.next.word()).to_owned(),
        next_in_ms: left,
        chain: chain.iter().map(|event| target.event_record(event)).collect(),
        policy: target.handle.rules(child).ok().map(PolicyAnswer::from),
    })
}

/// Every event that is still kept, oldest first.
fn kept(target: &Target) -> Vec<StampedEvent> {
    let mut stream = target.handle.events_after(0);
    let mut events = Vec::new();
    while let Some(item) = stream.try_next() {
        if let EventItem::Event(event) = item {
            events.push(*event);
        }
    }
    events
}

/// What led to the state of a child, the first cause first.
fn chain(events: &[StampedEvent], path: &SupervisorPath) -> Vec<StampedEvent> {
    let mut chain = Vec::new();
    let mut wanted = Some((events.len(), path.clone()));
    while let Some((before, path)) = wanted
        && chain.len() < LONGEST
        && let Some(at) =
            events[..before].iter().rposition(|event| event.path == path && tells_a_state(event))
    {
        let event = &events[at];
        wanted =
            if is_a_beginning(event) { None } else { Some((at, event.cause_path.clone().unwrap_or(path))) };
        chain.push(event.clone());
    }
    chain.reverse();
    chain
}

/// Whether an event says something about the child, and not about who asked or who listens.
fn tells_a_state(event: &StampedEvent) -> bool {
    !matches!(
        event.event.kind,
        EventKind::CommandAccepted
            | EventKind::CommandCompleted
            | EventKind::ChildControlOperationChanged
            | EventKind::ChildSignalled
            | EventKind::SubscriberLagged
            | EventKind::TargetRegistered
            | EventKind::TargetUnregistered
    )
}

/// Whether nothing in the tree caused it.
fn is_a_beginning(event: &StampedEvent) -> bool {
    event.event.kind.tells_failure() && event.cause_path.is_none()
        || matches!(event.event.cause, Cause::Start | Cause::Operator | Cause::Shutdown | Cause::Reload)
}

/// How long until what happens next, by the wall clock.
fn left_ms(event: &StampedEvent, now: u64) -> Option<u64> {
    let due = event.occurred_at_unix_nanos.saturating_add(event.next_in_nanos()?);
    Some(due.saturating_sub(now) / 1_000_000)
}

fn sentence(path: &SupervisorPath, state: &str, chain: &[StampedEvent], left: Option<u64>) -> String {
    let mut sentence = format!("{path} is {state}");
    match chain {
        [] => sentence.push_str("; what led to it is no longer kept"),
        [only] => sentence.push_str(&format!(": {only}")),
        [first, .., last] => sentence.push_str(&format!(". First: {first}. Then: {last}")),
    }
    if let Some(left) = left {
        sentence.push_str(&format!(". That is {left} ms from now"));
    }
    sentence.push('.');
    sentence
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use supervisor_api::wire::{EventRecord, Request};
    use tokio_supervisor::{Backoff, ChildContext, ChildSpec, SupervisorSpec};

    use super::*;
    use crate::scene::{admin, launch, restart, service};

    async fn why(
        spec: SupervisorSpec,
        act: impl AsyncFnOnce(&tokio_supervisor::SupervisorHandle),
        child: &str,
    ) -> WhyAnswer {
        let (handle, dispatcher) = launch(spec).await;
        act(&handle).await;
        let line = format!(r#"{{"request_id":"1","method":"why","params":{{"child_path":"{child}"}}}}"#);
        let answer = dispatcher.answer(&admin(), Request::read(line.as_bytes()).unwrap()).await;
        let response: supervisor_api::wire::Response = serde_json::from_slice(&answer.into_line()).unwrap();
        match response.into_result().unwrap().unwrap() {
            supervisor_api::wire::ResultBody::Why { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    fn told(chain: &[EventRecord]) -> Vec<String> {
        chain.iter().map(|event| format!("{} {}", event.target_path, event.event_type)).collect()
    }

    async fn wait(_: &tokio_supervisor::SupervisorHandle) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    fn failing(name: &str) -> ChildSpec {
        let backoff = Backoff {
            jitter_ratio: 0.0,
            ..Backoff::exponential(Duration::from_secs(1), Duration::from_secs(8))
        };
        ChildSpec::service(name, |_: ChildContext| async { Err::<(), _>("the disk is full") })
            .backoff(backoff)
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_in_backoff_says_how_it_ended_and_when_it_starts() {
        let why = why(SupervisorSpec::root([failing("db")]), wait, "db").await;
        assert_eq!(told(&why.chain), ["/db ChildFailed", "/db BackoffScheduled"]);
        assert_eq!(why.next, "start_at");
        assert!(why.next_in_ms.is_some_and(|ms| ms <= 1_000), "{why:?}");
        let begins = "/db is backoff. First: /db ended: failed: the disk is full";
        assert!(why.sentence.starts_with(begins), "{}", why.sentence);
        assert!(why.sentence.ends_with("ms from now."), "{}", why.sentence);
        let policy = why.policy.unwrap();
        let rule = policy.child.iter().find(|rule| rule.key == "restart_policy").unwrap();
        assert_eq!((rule.value.as_str(), rule.from.as_deref()), ("permanent", Some("service")));
        assert!(rule.source.is(supervisor_api::RuleSource::Role) && policy.supervisor.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_waits_leads_to_the_one_that_failed() {
        let spec =
            SupervisorSpec::root([failing("db").ready_eventually(), service("web").depends_on(["db"])]);
        let spec = spec.on_start_failure(tokio_supervisor::OnStartFailure::Retry).unlimited();
        let why = why(spec.order(tokio_supervisor::StartOrder::Dependencies), wait, "/web").await;
        assert_eq!(why.chain.last().unwrap().target_path.as_str(), "/web");
        assert_eq!(why.chain[0].target_path.as_str(), "/db", "{:?}", told(&why.chain));
        assert_eq!(why.next, "waits_for");
    }

    #[tokio::test(start_paused = true)]
    async fn an_operator_is_a_beginning() {
        let act = async |handle: &tokio_supervisor::SupervisorHandle| {
            handle.started().await.unwrap();
            restart(handle, "db").await;
            handle.pause_child("db", "ann", "looking into it").await.unwrap();
        };
        let why = why(SupervisorSpec::root([service("db")]), act, "/db").await;
        assert_eq!(told(&why.chain), ["/db Paused"]);
        assert!(why.sentence.contains("by ann (looking into it)"), "{}", why.sentence);
        assert_eq!((why.next.as_str(), why.next_in_ms), ("until_operator", None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_longer_kept_is_said() {
        let act = async |handle: &tokio_supervisor::SupervisorHandle| {
            handle.started().await.unwrap();
            for _ in 0..2_500 {
                restart(handle, "db").await;
            }
        };
        let why = why(SupervisorSpec::root([service("db"), service("web")]), act, "/web").await;
        assert_eq!(why.sentence, "/web is running; what led to it is no longer kept.");
        assert_eq!((why.chain.len(), why.next.as_str()), (0, "nothing"));
    }
}
