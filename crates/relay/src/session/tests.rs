//! The session machine, with targets whose tasks are played by hand.

use serde_json::{Value, json};
use supervisor_api::wire::{CommandStatus, LogRecord};
use tokio::time::advance;

use super::*;
use crate::bench::{Shop, registration};

const ADMIN: Role = Role::Admin;

/// Targets in a hub, each with what its task would write.
struct World {
    hub: Arc<Hub>,
    shops: Vec<Shop>,
}

impl World {
    fn of(ids: &[&str]) -> Self {
        let mut world = Self { hub: Arc::default(), shops: Vec::new() };
        ids.iter().for_each(|id| world.add(id));
        world
    }

    fn add(&mut self, id: &str) {
        let target = self.target(id);
        self.shops.push(Shop::of(target));
    }

    /// A target that has registered and says nothing.
    fn target(&self, id: &str) -> Arc<Target> {
        let target = Target::new(&registration(id), 64 << 10, Arc::clone(self.hub.bell()));
        let target = Arc::new(target);
        self.hub.put(Arc::clone(&target));
        target
    }

    fn session(&self, role: Role) -> Session {
        Session::new(Arc::clone(&self.hub), Principal::new("ann").with("*", role))
    }

    /// A session that has said hello and read what there is.
    fn live(&self, role: Role) -> Session {
        let mut session = self.session(role);
        say(&mut session, &hello());
        self.all(&mut session);
        session
    }

    fn next(&self, session: &mut Session) -> Option<Value> {
        let frame = session.next().or_else(|| {
            self.shops.iter().for_each(Shop::render);
            session.next()
        })?;
        // What a relay says is what its types say.
        serde_json::from_str::<ServerMessage>(&frame).unwrap();
        Some(serde_json::from_str(&frame).unwrap())
    }

    fn all(&self, session: &mut Session) -> Vec<Value> {
        std::iter::from_fn(|| self.next(session)).collect()
    }
}

fn hello() -> Value {
    json!({"type": "client_hello", "client_store_id": "b7", "resume_cursor": {}})
}

fn say(session: &mut Session, message: &Value) -> Option<Order> {
    session.heard(message.to_string().as_bytes()).unwrap()
}

fn command(command: &str, more: Value) -> Value {
    let mut message = json!({
        "type": "command", "command_id": "c-1", "target_id": "shop", "command": command,
        "target": {"child_path": "/db"}, "reason": "stuck", "confirmed": true,
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_server_speaks_first_and_the_list_comes_at_once_after_hello() {
    let world = World::of(&[]);
    world.target("hung");
    let mut session = world.session(ADMIN);
    let first = session.next().unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["type"], &first["client_identity"]), (&json!("server_hello"), &json!("ann")));
    assert_eq!(first["log_event_filter_mode"], "server");
    assert!(session.next().is_none() && !session.is_established());

    say(&mut session, &hello());
    let list: Value = serde_json::from_str(&session.next().unwrap()).unwrap();
    assert_eq!(list["type"], "target_list");
    let hung = &list["targets"][0];
    assert_eq!((&hung["target_id"], &hung["connection_state"]), (&json!("hung"), &json!("registered")));
    assert_eq!(hung["supported_commands"].as_array().unwrap().len(), 7);
    assert!(session.next().is_none(), "its state is not waited for");
}

#[tokio::test]
async fn each_target_has_its_state_and_then_what_happens() {
    let mut world = World::of(&["bank", "shop"]);
    let mut session = world.session(ADMIN);
    say(&mut session, &hello());
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["server_hello", "target_list", "state", "state"]);
    let mut ids = [&told[2], &told[3]].map(|told| told["target_id"].as_str().unwrap());
    ids.sort_unstable();
    assert_eq!(ids, ["bank", "shop"]);
    assert_eq!(told[2]["state"]["target"]["connection_state"], "connected");
    assert!(told[2]["state"]["recent_events"].is_array() && told[2]["state"]["recent_logs"].is_array());
    world.shops[1].event(3);
    world.shops[0].log(3);
    world.shops[1].delta();
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["log", "event", "state_delta"]);
    assert!(told[1]["event"]["payload"].is_object() && told[0]["log"]["fields"].is_object());
}

#[tokio::test]
async fn the_list_comes_again_whenever_it_changes() {
    let mut world = World::of(&["shop"]);
    let mut session = world.live(ADMIN);
    world.add("bank");
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["target_list", "state"]);
    assert_eq!(told[0]["targets"].as_array().unwrap().len(), 2);
    world.shops[0].target.expire();
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["target_list", "connection_state", "state"]);
    assert_eq!(told[0]["targets"][1]["registration_state"], "expired");
    assert_eq!(told[2]["state"]["target"]["connection_state"], "expired", "never shown as live");
    world.hub.remove("shop");
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["target_list"]);
    world.shops[0].event(1);
    assert!(world.all(&mut session).is_empty());
}

#[tokio::test]
async fn another_target_under_the_same_id_begins_anew() {
    let mut world = World::of(&["shop"]);
    world.shops[0].event(1);
    let mut session = world.live(ADMIN);
    world.add("shop");
    world.shops[1].event(1);
    assert_eq!(kinds(&world.all(&mut session)), ["target_list", "state"]);
    world.shops[1].event(1);
    assert_eq!(kinds(&world.all(&mut session)), ["event"]);
}

#[tokio::test]
async fn a_flood_of_one_target_does_not_delay_another() {
    let mut world = World::of(&["flood", "shop"]);
    let mut session = world.live(ADMIN);
    (0..90).for_each(|_| world.shops[0].event(1));
    assert_eq!(world.next(&mut session).unwrap()["target_id"], "flood");
    world.shops[1].event(1);
    let told = world.all(&mut session);
    assert_eq!(told.len(), 90);
    let before = told.iter().position(|told| told["target_id"] == "shop").unwrap();
    assert_eq!(before, BURST as usize - 1);
}

#[tokio::test]
async fn a_filter_holds_from_its_confirmation_on_and_its_version_names_it() {
    let mut world = World::of(&["shop"]);
    let mut session = world.session(ADMIN);
    let first: Value = serde_json::from_str(&session.next().unwrap()).unwrap();
    say(&mut session, &hello());
    world.all(&mut session);

    let filter = json!({"type": "log_event_filter_conditions", "child_paths": ["/api"]});
    say(&mut session, &filter);
    let shop = &mut world.shops[0];
    shop.event_of("/db", 1);
    shop.event_of("/api", 1);
    shop.log(1);
    shop.delta();
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["filter_applied", "event", "state_delta"], "a view needs its deltas");
    assert_eq!(told[1]["event"]["target_path"], "/api");
    assert_eq!(told[0]["log_event_filter_conditions"]["child_paths"], json!(["/api"]));
    assert_ne!(told[0]["filter_config_version"], first["filter_config_version"]);

    say(&mut session, &json!({"type": "log_event_filter_conditions"}));
    let told = world.all(&mut session);
    assert_eq!(told[0]["filter_config_version"], first["filter_config_version"], "the same conditions");
    say(&mut session, &json!({"type": "log_event_filter_conditions", "target_ids": ["bank"]}));
    world.shops[0].event(1);
    world.shops[0].log(1);
    assert_eq!(kinds(&world.all(&mut session)), ["filter_applied"]);
}

#[tokio::test]
async fn a_gap_is_followed_by_the_sum_of_all_losses() {
    let mut world = World::of(&["shop"]);
    let mut session = world.live(ADMIN);
    world.shops[0].lose(3);
    world.shops[0].event(1);
    world.shops[0].lose(2);
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["gap", "dropped_count", "event", "gap", "dropped_count"]);
    assert_eq!((&told[0]["from"], &told[0]["to"]), (&json!(1), &json!(3)));
    assert_eq!((&told[1]["dropped_event_count"], &told[4]["dropped_event_count"]), (&json!(3), &json!(5)));
}

#[tokio::test]
async fn s21_what_somebody_may_not_see_is_not_there() {
    let mut world = World::of(&["bank", "shop"]);
    let who = Principal::new("bob").with("shop", Role::Operator);
    let mut session = Session::new(Arc::clone(&world.hub), who);
    say(&mut session, &hello());
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["server_hello", "target_list", "state"]);
    assert_eq!(told[1]["targets"][0]["target_id"], "shop");
    assert_eq!(told[1]["targets"][0]["role"], "operator");
    world.shops[0].event(1);
    world.shops[0].target.expire();
    assert_eq!(kinds(&world.all(&mut session)), ["target_list"]);
    assert_eq!(say(&mut session, &command("restart_child", json!({"target_id": "bank"}))), None);
    assert_eq!(world.all(&mut session)[0]["error"]["code"], "target_not_bound");
    let why = json!({"type": "why_query", "query_id": "q", "target_id": "bank", "child_path": "/db"});
    say(&mut session, &why);
    assert_eq!(world.all(&mut session)[0]["error"]["code"], "target_not_bound");
    assert_eq!(session.question(), None);
}

#[tokio::test]
async fn s21_a_command_is_given_out_only_with_its_role() {
    let world = World::of(&["shop"]);
    for (role, word, good) in [
        (Role::Viewer, "restart_child", false),
        (Role::Operator, "restart_child", true),
        (Role::Operator, "remove_child", false),
        (Role::Admin, "remove_child", true),
        (Role::Admin, "shutdown_tree", true),
    ] {
        let mut session = world.live(role);
        let order = say(&mut session, &command(word, json!({})));
        let told = world.all(&mut session);
        assert_eq!(order.is_some(), good, "{role} {word}");
        if good {
            let order = order.unwrap();
            assert_eq!((order.identity.as_str(), order.command.command.as_str()), ("ann", word));
            assert!(told.is_empty());
        } else {
            assert_eq!(told.len(), 1);
            let error = &told[0]["error"];
            assert_eq!((&error["code"], &error["stage"]), (&json!("authz_denied"), &json!("authorization")));
            assert_eq!((&told[0]["command_id"], &error["target_id"]), (&json!("c-1"), &json!("shop")));
        }
    }
}

#[tokio::test]
async fn whatever_is_refused_is_refused_once_with_its_code_and_the_session_goes_on() {
    let world = World::of(&["shop"]);
    let mut odd = registration("odd");
    odd.supported_commands.clear();
    world.target("odd").registered(&odd);
    world.target("gone").expire();
    let mut session = world.live(ADMIN);
    let long = "x".repeat(129);
    for (message, code, id) in [
        (json!(7), "invalid_message_json", None),
        (json!({}), "invalid_message_schema", None),
        (json!({"type": "dance"}), "unsupported_message_type", None),
        (hello(), "protocol_error", None),
        (json!({"type": "log_event_filter_conditions", "colour": 1}), "unsupported_field", None),
        (json!({"type": "log_event_filter_conditions", "child_paths": "/"}), "invalid_message_schema", None),
        (command("fly", json!({})), "unsupported_command", Some("c-1")),
        (command("restart_child", json!({"reason": " "})), "empty_reason", Some("c-1")),
        (command("restart_child", json!({"requested_by": "eve"})), "requested_by_override", Some("c-1")),
        (command("remove_child", json!({"confirmed": false})), "confirmation_required", Some("c-1")),
        (command("restart_child", json!({"command_id": long})), "invalid_message_schema", None),
        (command("restart_child", json!({"target_id": "none"})), "target_not_registered", Some("c-1")),
        (command("restart_child", json!({"target_id": "gone"})), "target_not_registered", Some("c-1")),
        (command("restart_child", json!({"target_id": "odd"})), "unsupported_command", Some("c-1")),
    ] {
        assert_eq!(say(&mut session, &message), None, "{message}");
        let told = world.all(&mut session);
        assert_eq!(kinds(&told), ["error"], "{message}");
        assert_eq!(told[0]["error"]["code"], code, "{message}");
        assert_eq!(told[0]["command_id"].as_str(), id, "{message}");
    }
    assert!(say(&mut session, &command("restart_child", json!({}))).is_some());
}

#[tokio::test]
async fn before_hello_nothing_else_is_heard() {
    let world = World::of(&["shop"]);
    let mut session = world.session(ADMIN);
    say(&mut session, &command("restart_child", json!({})));
    say(&mut session, &json!({"type": "log_event_filter_conditions"}));
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["server_hello", "error", "error"]);
    assert!(told[1..].iter().all(|told| told["error"]["code"] == "session_not_established"));
    assert_eq!(told[1]["command_id"], "c-1");
    say(&mut session, &hello());
    assert_eq!(kinds(&world.all(&mut session)), ["target_list", "state"]);
}

#[tokio::test]
async fn an_outcome_goes_to_who_asked() {
    let world = World::of(&["shop"]);
    let mut session = world.live(ADMIN);
    let result = BrowserCommandResult {
        command_id: "c-1".to_owned(),
        correlation_id: None,
        target_id: "shop".into(),
        accepted: true,
        status: CommandStatus::Completed.into(),
        requested_by: "ann".to_owned(),
        completed_at: None,
        completed_at_unix_nanos: None,
        error: None,
        state_delta: None,
    };
    session.answered(result).unwrap();
    session.refused("c-2", WireError::new(ErrorCode::TargetUnavailable, "it is gone")).unwrap();
    let told = world.all(&mut session);
    assert_eq!(kinds(&told), ["command_result", "error", "state"]);
    assert_eq!(told[1]["command_id"], "c-2");
}

#[tokio::test(start_paused = true)]
async fn who_talks_too_fast_is_closed_and_who_talks_does_not_have_to_wait() {
    let world = World::of(&["shop"]);
    let mut session = world.live(ADMIN);
    for _ in 0..500 {
        advance(Duration::from_millis(20)).await;
        session.heard(b"{}").unwrap();
        world.all(&mut session);
    }
    let refused = (0..300).find_map(|_| session.heard(b"{}").err());
    assert_eq!(refused, Some(Close::TooFast));
}

#[tokio::test(start_paused = true)]
async fn s22_who_does_not_read_its_answers_is_closed_and_costs_no_more_than_a_megabyte() {
    let mut world = World::of(&["shop"]);
    let mut session = world.live(ADMIN);
    (0..1_000).for_each(|_| world.shops[0].event(1_000));
    assert!(session.outbox.is_empty(), "what a target tells is not queued");
    let mut heard = 0;
    let closed = loop {
        advance(Duration::from_millis(20)).await;
        heard += 1;
        if let Err(close) = session.heard(b"{\"type\":\"dance\"}") {
            break close;
        }
    };
    assert_eq!(closed, Close::TooSlow);
    assert!(heard > 1_000 && session.outbox_bytes < OUTBOX + 1_000);
}

#[tokio::test]
async fn the_bell_rings_for_who_waits() {
    let mut world = World::of(&["shop"]);
    let mut session = world.live(ADMIN);
    let mut bell = session.bell();
    assert!(!bell.has_changed().unwrap());
    world.shops[0].event(1);
    tokio::time::timeout(Duration::from_secs(5), bell.changed()).await.unwrap().unwrap();
    assert_eq!(kinds(&world.all(&mut session)), ["event"]);
}

#[tokio::test]
async fn what_is_written_as_we_write_it_goes_on_byte_for_byte_and_nothing_else_does() {
    let world = World::of(&["shop"]);
    let mut session = world.live(ADMIN);
    let fixtures = |name: &str| {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../api/fixtures/{name}.jsonl"));
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let target = &world.shops[0].target;
    let push = |line: &str| {
        let read: Value = serde_json::from_str(line).unwrap();
        if read["type"] == "event" {
            target.event(&serde_json::from_value(read["event"].clone()).unwrap(), Some(line));
        } else {
            target.log(&serde_json::from_value::<LogRecord>(read["log"].clone()).unwrap(), Some(line));
        }
    };
    // With white space, so that writing it anew would show.
    let ours = fixtures("pushes")[0].replacen(':', " : ", 1).replacen("21", "1", 1);
    let log = fixtures("pushes")[2].replacen(':', " : ", 1).replacen('6', "1", 1);
    push(&ours);
    push(&log);
    assert_eq!(session.next().as_deref(), Some(&*ours));
    assert_eq!(session.next().as_deref(), Some(&*log));

    // Another dialect, and a record that says it is of another target.
    let seen = fixtures("pushes.seen")[0].replacen("10", "2", 1);
    let foreign =
        fixtures("pushes")[1].replace("22", "3").replace("\"shop\",\"sequence", "\"bank\",\"sequence");
    assert!(foreign.contains("bank"));
    push(&seen);
    push(&foreign);
    let told = world.all(&mut session);
    assert_eq!(told[0]["event"]["occurred_at_unix_nanos"], json!(1_763_750_000_000_000_000_u64));
    assert!(told[0]["event"]["payload"].is_object());
    assert!(told.iter().all(|told| told["event"]["target_id"] == "shop" && told["target_id"] == "shop"));
    assert_eq!(told.len(), 2);
}

#[test]
fn the_page_of_the_protocol_says_the_codes_and_limits_that_hold() {
    const PAGE: &str = include_str!("../../../../docs/browser-protocol.md");
    use Close::*;
    let all = [GoingAway, TooSlow, BadMessage, NoIdentity, Forbidden, HelloTimeout, Replaced, TooFast];
    for close in all {
        let row = format!("| {} | {close} |", close.code());
        assert!(PAGE.contains(&row), "{row}");
    }
    let rate =
        |rate: Rate| format!("{} per second, {} at once |", 1_000 / rate.every.as_millis(), rate.burst);
    for row in [
        format!("| messages of a browser | {}", rate(TALK)),
        format!("| questions | {}", rate(QUESTIONS)),
        format!("| answers that wait for a browser that does not read | {} MiB |", OUTBOX >> 20),
    ] {
        assert!(PAGE.contains(&row), "{row}");
    }
    assert!(CAPABILITIES.iter().all(|name| PAGE.contains(&format!("\"{name}\""))));
}
