//! The page of events names every key and every word of an event.

use std::sync::Arc;

use supervisor_api::{
    Cause, ChildKey, Detail, Event, EventKind, Exit, Next, Row, StampedEvent, SupervisorPath,
};

const PAGE: &str = include_str!("../../../docs/events.md");

/// An event of this kind that says everything an event can say.
fn talkative(kind: EventKind) -> StampedEvent {
    let path = SupervisorPath::root;
    let text: Arc<str> = "x".into();
    StampedEvent {
        sequence: 1,
        occurred_at_unix_nanos: 1,
        at: 0,
        path: path(),
        cause_path: Some(path()),
        next_path: Some(path()),
        event: Event {
            kind,
            child: ChildKey::ROOT,
            row: Row::DECLARED,
            cause: Cause::Group(1),
            next: Next::StartAt(1),
            numbers: [1; 4],
            detail: Some(Arc::new(Detail {
                exit: Some(Exit::Completed),
                requested_by: Some(text.clone()),
                reason: Some(text.clone()),
                text: Some(text.clone()),
                chain: vec![text],
                command: Some(1),
                correlation_id: Some("c".into()),
            })),
        },
    }
}

#[test]
fn every_key_of_every_event_is_on_the_page() {
    for &kind in EventKind::ALL {
        let json = serde_json::to_value(talkative(kind)).unwrap();
        assert!(PAGE.contains(&format!("`{kind}`")), "{kind}");
        for key in json.as_object().unwrap().keys().chain(json["payload"].as_object().unwrap().keys()) {
            assert!(PAGE.contains(&format!("`{key}`")), "{kind}: {key}");
        }
    }
}
