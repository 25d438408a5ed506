//! From a child of a real tree to a browser's session.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use supervisor_api::wire::{DashboardState, ServerMessage, TreeView};
use supervisor_client::{Follower, Happening, Settings};
use supervisor_control::{Config as ControlConfig, Control, RegistrationConfig};
use supervisor_relay::{Config, Principal, Relay, Role, Session};
use supervisor_socket::Bind;
use tokio::time::timeout;
use tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorHandle, SupervisorSpec};

const LONG: Duration = Duration::from_secs(60);

struct Place {
    relay: Relay,
    tree: SupervisorHandle,
    control: Control,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let root = std::fs::canonicalize(std::env::temp_dir()).unwrap();
        let folder = tempfile::Builder::new().prefix("walk-").tempdir_in(root).unwrap();
        let relay = Self::relay(&folder).await;
        let spec = SupervisorSpec::root([ChildSpec::service("db", idle), ChildSpec::service("web", idle)]);
        let tree = Supervisor::start(spec).await.unwrap();
        let mut config =
            ControlConfig::new("shop", "0123456789abcdef", Bind::at(folder.path().join("shop.sock")));
        config.registration = Some(RegistrationConfig::new(folder.path().join("relay.sock")));
        let control = Control::serve(tree.clone(), config).await.unwrap();
        Self { relay, tree, control, folder }
    }

    async fn relay(folder: &tempfile::TempDir) -> Relay {
        let mut config = Config::new(folder.path().join("relay.sock"), folder.path().join("audit"));
        config.socket_directories = vec![folder.path().to_owned()];
        Relay::start(config).await.unwrap()
    }

    fn session(&self, resume: &Value) -> Session {
        let mut session = self.relay.session(Principal::new("ann").with("*", Role::Viewer));
        let hello = json!({"type": "client_hello", "client_store_id": "b", "resume_cursor": resume});
        session.heard(hello.to_string().as_bytes()).unwrap();
        session
    }
}

async fn idle(ctx: ChildContext) {
    ctx.stopping().await;
}

/// The line in which the target itself tells this event.
async fn written(place: &Place, sequence: u64) -> String {
    let path = place.folder.path().join("shop.sock");
    let mut follower = Follower::new(path, Settings::default()).events_from(sequence);
    loop {
        let happening = timeout(LONG, follower.next()).await.unwrap();
        if matches!(happening, Happening::Event(event) if event.sequence == sequence) {
            return follower.line().unwrap().to_owned();
        }
    }
}

/// The next frame that is of this type.
async fn of(session: &mut Session, kind: &str) -> (String, Value) {
    let mut bell = session.bell();
    let find = async {
        loop {
            bell.borrow_and_update();
            while let Some(frame) = session.next() {
                let value: Value = serde_json::from_str(&frame).unwrap();
                if value["type"] == kind {
                    return (frame.to_string(), value);
                }
            }
            bell.changed().await.unwrap();
        }
    };
    timeout(LONG, find).await.unwrap_or_else(|_| panic!("no {kind} came"))
}

#[tokio::test]
async fn walk_c_an_event_goes_from_a_child_to_a_browser_and_folds_to_what_the_target_says() {
    let place = Place::new().await;
    let mut session = place.session(&json!({}));
    let (_, first) = of(&mut session, "state").await;
    assert_eq!(first["state"]["target"]["connection_state"], "connected");
    assert!(first["state"]["health"]["started_at_unix_nanos"].is_u64(), "its life has a name");
    let state: DashboardState = serde_json::from_value(first["state"].clone()).unwrap();
    let mut view = TreeView::new(state);
    place.tree.restart_child("/db", "test", "for the walk").await.unwrap();
    loop {
        let (text, event) = of(&mut session, "event").await;
        let ServerMessage::Event { event: record, .. } = serde_json::from_str(&text).unwrap() else {
            panic!()
        };
        assert_eq!(text, written(&place, record.sequence).await, "what the target wrote, byte for byte");
        view.apply_event(*record);
        if event["event"]["target_path"] == "/db" && event["event"]["payload"]["state"] == "running" {
            break;
        }
    }
    let row = view.row(&"/db".parse().unwrap()).unwrap();
    assert_eq!((row.generation, row.lifecycle_state.as_str()), (2, "running"));
    place.control.close().await;
}

#[tokio::test]
async fn after_a_restart_of_the_relay_a_browser_goes_on_where_it_was() {
    let mut place = Place::new().await;
    let mut session = place.session(&json!({}));
    let (_, state) = of(&mut session, "state").await;
    place.tree.restart_child("/db", "test", "before").await.unwrap();
    let (_, event) = of(&mut session, "event").await;
    let seen = event["event"]["sequence"].as_u64().unwrap();
    drop(session);

    let Place { relay, tree, control, folder } = place;
    relay.close().await;
    tree.restart_child("/web", "test", "meanwhile").await.unwrap();
    place = Place { relay: Place::relay(&folder).await, tree, control, folder };
    let cursor = json!({"targets": {"shop": {"stream_epoch": state["stream_epoch"], "events": seen}}});
    let mut session = place.session(&cursor);
    let (_, again) = of(&mut session, "state").await;
    assert_eq!(again["stream_epoch"], state["stream_epoch"], "the same life");
    // The end of one restart and both ends of the other.
    for next in seen + 1..=seen + 3 {
        let (_, event) = of(&mut session, "event").await;
        assert_eq!(event["event"]["sequence"], next, "nothing twice, nothing missing");
    }
    place.control.close().await;
}
