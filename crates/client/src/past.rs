//! Whether a target is still the one it was.
//!
//! A target that was started again counts its events from 1 again, and nothing on the wire numbers its lives. What
//! tells them apart is looked at on every new connection; each sign alone is enough:
//!
//! | sign | seen |
//! |---|---|
//! | another target id | in the answer to `hello` |
//! | another process listens | by the kernel, unless either process is not in our pid namespace |
//! | a smaller `state_generation` | in the first state: it never shrinks within a life |
//! | less was told than we have seen | the subscription begins, or an event comes, before what was asked for; or the newest recent event is older |
//! | another event under the same sequence | the last event that was seen is asked for once more, and looked for in the state |
//!
//! If none shows, everything the two lives have in common is also what we would compare them by, but for one case:
//! the same process number, a generation that has grown beyond the old one, and the last seen event no longer kept.
//! Then events were lost in any case: the gap is told and the view is read anew, so nothing old is shown as current.

use supervisor_api::wire::{DashboardState, EventRecord, Gap};

/// What was seen of a life.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) target_id: String,
    /// The process that listened.
    pub(crate) pid: Option<u32>,
    pub(crate) generation: u64,
    pub(crate) events: Cursor,
    pub(crate) logs: Cursor,
}

/// How far a stream was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursor {
    /// The next sequence; `None` before anything was seen or said.
    pub(crate) next: Option<u64>,
    /// The last event itself.
    pub(crate) last: Option<Box<EventRecord>>,
}

impl Cursor {
    /// The event before the next one, if it is among those that a state holds, is as good as one that was pushed.
    pub(crate) fn recall(&mut self, recent: &[EventRecord]) {
        let before = self.next.and_then(|next| next.checked_sub(1)).filter(|_| self.last.is_none());
        let known = recent.iter().rev().find(|event| Some(event.sequence) == before);
        self.last = self.last.take().or_else(|| known.map(|event| Box::new(event.clone())));
    }

    /// What is missing if this sequence comes now.
    pub(crate) fn hole_before(&self, sequence: u64) -> Option<Gap> {
        let from = self.next.filter(|next| *next < sequence)?;
        Some(Gap { from, to: sequence - 1 })
    }

    /// Where to go on: at the last event that was seen, so that it can be compared, else after it.
    pub(crate) fn resume(&self) -> Option<u64> {
        self.last.as_ref().map(|last| last.sequence).or(self.next)
    }
}

impl Past {
    /// Whether who listens now is another one.
    pub(crate) fn is_other(&self, target_id: &str, pid: Option<u32>) -> bool {
        self.target_id != target_id || matches!((self.pid, pid), (Some(was), Some(is)) if was != is)
    }

    /// Whether the subscription to events or the first state after it shows another life.
    pub(crate) fn contradicts(&self, from: Option<u64>, state: &DashboardState) -> bool {
        let told_before = matches!((from, self.events.resume()), (Some(from), Some(asked)) if from < asked);
        told_before || state.state_generation < self.generation || self.disagrees(&state.recent_events)
    }

    fn disagrees(&self, recent: &[EventRecord]) -> bool {
        let Some(last) = &self.events.last else { return false };
        let is_older = recent.last().is_some_and(|newest| newest.sequence < last.sequence);
        is_older || recent.iter().any(|event| event.sequence == last.sequence && event != &**last)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(sequence: u64, at: u64) -> Value {
        json!({
            "target_id": "shop", "sequence": sequence, "correlation_id": null, "event_type": "ChildReady",
            "severity": "info", "target_path": "/db", "child_id": "db", "occurred_at_unix_nanos": at,
            "config_version": "x", "payload": {},
        })
    }

    fn state(generation: u64, recent: &[Value]) -> DashboardState {
        let state = json!({
            "target": {
                "target_id": "shop", "display_name": "shop", "registration_state": "active",
                "connection_state": "connected",
            },
            "topology": {"root": "/", "nodes": [], "edges": [], "declaration_order": []},
            "runtime_state": [], "recent_events": recent, "config_version": "x",
            "generated_at_unix_nanos": 1, "state_generation": generation,
        });
        serde_json::from_value(state).unwrap()
    }

    /// Event 7 was seen, at generation 20.
    fn past() -> Past {
        let last = Some(serde_json::from_value(event(7, 700)).unwrap());
        let events = Cursor { next: Some(8), last };
        Past { target_id: "shop".into(), pid: Some(41), generation: 20, events, logs: Cursor::default() }
    }

    #[test]
    fn each_sign_alone_shows_another_life() {
        let past = past();
        assert!(past.is_other("bank", Some(41)) && past.is_other("shop", Some(42)));
        let same = [event(7, 700), event(8, 800)];
        assert!(past.contradicts(Some(7), &state(19, &same)), "a smaller generation");
        assert!(past.contradicts(Some(6), &state(20, &same)), "told before what was asked for");
        assert!(past.contradicts(Some(7), &state(20, &[event(6, 600)])), "less was told");
        assert!(past.contradicts(Some(7), &state(20, &[event(7, 701)])), "another event");
    }

    #[test]
    fn without_a_sign_it_is_the_same_life() {
        let past = past();
        assert!(!past.is_other("shop", Some(41)));
        assert!(!past.is_other("shop", None), "a process of another namespace has no number");
        for recent in
            [&[][..], &[event(7, 700)], &[event(6, 600), event(7, 700), event(8, 800)], &[event(9, 1)]]
        {
            for from in [None, Some(7), Some(12)] {
                assert!(
                    !past.contradicts(from, &state(20, recent))
                        && !past.contradicts(from, &state(99, recent))
                );
            }
        }
    }

    #[test]
    fn the_last_event_is_asked_for_again_and_may_be_recalled_from_a_state() {
        assert_eq!(past().events.resume(), Some(7));
        let mut cursor = Cursor { next: Some(8), last: None };
        assert_eq!(cursor.resume(), Some(8));
        cursor.recall(&state(20, &[event(6, 600)]).recent_events);
        assert_eq!(cursor.resume(), Some(8), "the event before the next one is not among them");
        cursor.recall(&state(20, &[event(7, 700), event(8, 800)]).recent_events);
        assert_eq!(cursor.resume(), Some(7));
        assert_eq!(Cursor::default().resume(), None);
    }
}
