//! A relay within its target: the same sessions, and neither registration nor lease nor audit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use place::target::{Target, World, folder};
use place::{Browser, TOKEN, bearer, mapping};
use serde_json::{Value, json};
use supervisor_api::wire::{AuditRecord, Registration, SupportedCommand};
use supervisor_relay::{Door, Embedded, Identities, Names, Way, Web};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::timeout;

struct Scene {
    relay: Embedded,
    web: Web,
    target: Target,
    denied: Arc<Mutex<Vec<AuditRecord>>>,
    /// How many connections were made.
    made: Arc<Mutex<u32>>,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("shop.sock");
        let target = Target::start(&path, World::shop()).await;
        let listed = Registration {
            target_id: "shop".to_owned(),
            display_name: "The shop".to_owned(),
            ipc_path: String::new(),
            lease_seconds: 30,
            supported_commands: SupportedCommand::contract(),
        };
        let made = Arc::<Mutex<u32>>::default();
        let counted = Arc::clone(&made);
        let way = Way::within("shop", move || {
            *counted.lock().unwrap() += 1;
            let stream = std::os::unix::net::UnixStream::connect(&path)?;
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream)
        });
        let denied = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&denied);
        let relay = Embedded::start(&listed, way, move |denial| kept.lock().unwrap().push(denial));
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let names = Names::of(port.local_addr().unwrap());
        let identities = Identities::new();
        identities.replace(mapping());
        let web = relay.serve(port, Door::new(names, identities)).unwrap();
        Self { relay, web, target, denied, made, _folder: folder }
    }

    async fn browser(&self) -> Browser {
        self.browser_called("b").await
    }

    async fn browser_called(&self, store: &str) -> Browser {
        let headers = [("authorization", &*bearer(TOKEN))];
        let (mut browser, _) = Browser::open(self.web.address(), &headers).await.unwrap();
        let hello = browser.next().await;
        assert_eq!(hello["type"], "server_hello");
        let offered: Vec<&str> =
            hello["capabilities"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(!offered.is_empty() && !offered.contains(&"audit"), "it has none of its own: {offered:?}");
        browser.hello(store).await;
        browser
    }
}

fn restart(target: &str) -> serde_json::Value {
    json!({
        "type": "command", "command_id": format!("c-{target}"), "target_id": target,
        "command": "restart_child", "target": {"child_path": "/api"}, "reason": "stuck", "confirmed": false,
    })
}

#[tokio::test]
async fn its_one_target_is_there_without_a_registration_and_does_what_is_asked() {
    let scene = Scene::new().await;
    let mut browser = scene.browser().await;
    browser.of("state").await;
    browser.says(restart("shop")).await;
    let result = browser.of("command_result").await;
    assert_eq!(
        (&result["result"]["status"], &result["result"]["requested_by"]),
        (&json!("completed"), &json!("ann"))
    );
    assert_eq!(*scene.made.lock().unwrap(), 2, "one is followed, and the command has one of its own");
    scene.target.world(|world| assert_eq!(world.commands[0].requested_by, "ann"));
}

#[tokio::test]
async fn a_connection_that_is_lost_is_made_anew() {
    let scene = Scene::new().await;
    let mut browser = scene.browser().await;
    browser.of("state").await;
    let path = scene.target.path().to_owned();
    let world = scene.target.die().await;
    browser.until(|frame| frame["state"] == "reconnecting").await;
    let _again = Target::start(&path, world).await;
    browser.until(|frame| frame["state"] == "connected").await;
}

#[tokio::test]
async fn what_it_refuses_by_itself_is_handed_over() {
    let scene = Scene::new().await;
    let mut browser = scene.browser().await;
    browser.of("state").await;
    browser.says(restart("bank")).await;
    assert_eq!(browser.of("error").await["error"]["code"], "target_not_registered");
    let handed = async {
        while scene.denied.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(place::LONG, handed).await.unwrap();
    let denied = scene.denied.lock().unwrap();
    assert_eq!((denied.len(), denied[0].command_id.as_deref()), (1, Some("c-bank")));
    assert_eq!(denied[0].actor.proved, "ann");
}

#[tokio::test]
async fn who_asks_for_the_audit_is_told_where_it_is() {
    let scene = Scene::new().await;
    let mut browser = scene.browser().await;
    browser.says(json!({"type": "audit_query", "query_id": "q", "limit": 5})).await;
    let frame = browser.of("error").await;
    let error = &frame["error"];
    assert_eq!((&error["code"], &frame["command_id"]), (&json!("unsupported_message_type"), &json!("q")));
    assert!(error["message"].as_str().unwrap().contains("supervisor audit show"), "{error}");
}

#[tokio::test]
async fn a_browser_asks_why_a_child_is_as_it_is_and_by_which_policy() {
    let scene = Scene::new().await;
    let why = json!({
        "child_path": "/api", "sentence": "/api is running.", "chain": [], "next": "nothing",
        "policy": {
            "child": [{"key": "restart_policy", "value": "permanent", "source": "role", "from": "service"}],
            "supervisor": [],
        },
    });
    let mut browser = scene.browser().await;
    let ask = |id: &str, target: &str| json!({"type": "why_query", "query_id": id, "target_id": target, "child_path": "/api"});
    browser.says(ask("q-1", "shop")).await;
    let refused = browser.of("error").await;
    assert_eq!(
        (&refused["error"]["code"], &refused["command_id"]),
        (&json!("unsupported_method"), &json!("q-1"))
    );
    scene.target.world(|world| {
        world.capabilities = vec!["why".to_owned()];
        world.why = Some(serde_json::from_value(why.clone()).unwrap());
    });
    browser.says(ask("q-2", "shop")).await;
    let answer = browser.of("why_answer").await;
    assert_eq!(
        (&answer["query_id"], &answer["target_id"], &answer["why"]),
        (&json!("q-2"), &json!("shop"), &why)
    );
    browser
        .says(json!({"type": "why_query", "query_id": "", "target_id": "shop", "child_path": "/api"}))
        .await;
    assert_eq!(browser.of("error").await["error"]["code"], "invalid_message_schema");
    browser.says(ask("q-3", "bank")).await;
    let refused = browser.of("error").await;
    assert_eq!(
        (&refused["error"]["code"], &refused["command_id"]),
        (&json!("target_not_registered"), &json!("q-3"))
    );
}

#[tokio::test]
async fn a_port_that_is_closed_lets_a_browser_have_what_there_is_and_says_1001() {
    let scene = Scene::new().await;
    let (mut reads, mut comes_late) = (scene.browser().await, scene.browser_called("late").await);
    reads.of("state").await;
    let Scene { relay, web, target, .. } = scene;
    target.world(|world| world.fails("/api", "the last"));
    reads.until(|frame| frame.to_string().contains("the last")).await;
    target.die().await;
    timeout(place::LONG, relay.ended()).await.unwrap();
    timeout(place::LONG, web.close()).await.unwrap();
    comes_late.until(|frame| frame.to_string().contains("the last")).await;
    assert_eq!((reads.closed().await, comes_late.closed().await), (1001, 1001));
}
