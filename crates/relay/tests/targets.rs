//! Targets that register with a relay over its socket, and what a session is told of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../client/tests/target/mod.rs"]
mod target;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_api::wire::{EventRecord, Push};
use supervisor_client::Settings;
use supervisor_relay::{Config, Principal, Relay, Role, Session};
use target::{Pushes, Target, World, folder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

struct Place {
    relay: Relay,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = folder();
        let config = Self::config(&folder);
        Self { relay: Relay::start(config).await.unwrap(), folder }
    }

    fn config(folder: &tempfile::TempDir) -> Config {
        let mut config = Config::new(folder.path().join("relay.sock"), folder.path().join("audit"));
        config.socket_directories = vec![folder.path().to_owned()];
        config.client = Settings::default();
        config
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.sock"))
    }

    async fn target(&self, world: World) -> Target {
        let target = Target::start(&self.socket("shop"), world).await;
        assert_eq!(self.register("shop", target.path(), 30).await["ok"], true);
        target
    }

    async fn register(&self, id: &str, socket: &Path, lease: u64) -> Value {
        let line = json!({
            "target_id": id, "display_name": "The shop", "ipc_path": socket, "lease_seconds": lease,
            "supported_commands": [{"name": "restart_child", "idempotent": true, "timeout_seconds": 30}],
        });
        let answer = self.says(format!("{line}\n").as_bytes()).await;
        serde_json::from_str(&answer).unwrap()
    }

    /// What the relay answers on the registration socket, until it closes.
    async fn says(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.relay.registration_socket()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Bytes that nobody has read make the connection end as a reset, after the answer.
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(answer).unwrap()
    }

    fn browser(&self) -> Browser {
        let mut session = self.relay.session(Principal::new("ann").with("*", Role::Viewer));
        let bell = session.bell();
        let hello = json!({"type": "client_hello", "client_store_id": "b", "resume_cursor": {}});
        session.heard(hello.to_string().as_bytes()).unwrap();
        Browser { session, bell }
    }
}

struct Browser {
    session: Session,
    bell: watch::Receiver<()>,
}

impl Browser {
    async fn frame(&mut self) -> String {
        loop {
            self.bell.borrow_and_update();
            if let Some(frame) = self.session.next() {
                return frame.to_string();
            }
            self.bell.changed().await.unwrap();
        }
    }

    /// The next frame for which this holds.
    async fn find(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        let find = async {
            loop {
                let frame: Value = serde_json::from_str(&self.frame().await).unwrap();
                if is(&frame) {
                    return frame;
                }
            }
        };
        timeout(600 * SECOND, find).await.expect("what was waited for never came")
    }

    async fn of(&mut self, kind: &str) -> Value {
        self.find(|frame| frame["type"] == kind).await
    }

    /// Until the list says that the target is so.
    async fn until(&mut self, state: &str) -> Value {
        self.find(|frame| {
            let targets = frame["targets"].as_array();
            targets.is_some_and(|targets| targets.iter().any(|target| target["connection_state"] == state))
        })
        .await
    }
}

#[tokio::test]
async fn a_target_that_registers_is_listed_followed_and_told_byte_for_byte() {
    let place = Place::new().await;
    let mut browser = place.browser();
    let target = place.target(World::shop()).await;
    let list = browser.until("connected").await;
    assert_eq!(list["targets"][0]["display_name"], "The shop");
    assert_eq!(list["targets"][0]["registration_state"], "active");
    let state = browser.of("state").await;
    assert_eq!(state["state"]["runtime_state"].as_array().unwrap().len(), 6);
    assert_eq!(state["state"]["target"]["connection_state"], "connected");

    target.world(|world| world.fails("/api", "boom"));
    let frame = browser.frame().await;
    let event: EventRecord = target.world(|world| world.events[0].clone());
    let line = Push::Event { target_id: "shop".into(), event: Box::new(event) };
    assert_eq!(frame, serde_json::to_string(&line).unwrap());
    target.world(|world| world.log("/db", "<img src=x onerror=alert(1)>"));
    assert_eq!(browser.of("log").await["log"]["message"], "<img src=x onerror=alert(1)>");
}

#[tokio::test(start_paused = true)]
async fn s25_a_lease_that_ends_is_told_to_the_second_and_never_shown_as_live() {
    let place = Place::new().await;
    let mut browser = place.browser();
    let _target = place.target(World::shop()).await;
    let began = Instant::now();
    browser.until("connected").await;
    sleep(20 * SECOND).await;
    place.register("shop", &place.socket("shop"), 30).await;
    browser.until("expired").await;
    assert_eq!(began.elapsed().as_secs(), 50);
    let state = browser.of("state").await;
    assert_eq!(state["state"]["target"]["registration_state"], "expired");

    // Who comes now sees what was known last, and that it is old.
    let mut late = place.browser();
    late.until("expired").await;
    assert_eq!(late.of("state").await["state"]["target"]["connection_state"], "expired");

    place.register("shop", &place.socket("shop"), 30).await;
    browser.until("connected").await;
    assert_eq!(browser.of("state").await["state"]["target"]["connection_state"], "connected");
}

#[tokio::test(start_paused = true)]
async fn s22_a_target_that_hangs_or_is_not_there_delays_nobody() {
    let place = Place::new().await;
    let mut silent = World::shop();
    silent.silent = true;
    let hung = Target::start(&place.socket("hung"), silent).await;
    assert_eq!(place.register("hung", hung.path(), 30).await["ok"], true);
    let _target = place.target(World::shop()).await;
    let mut browser = place.browser();
    let list = browser.of("target_list").await;
    assert_eq!(list["targets"].as_array().unwrap().len(), 2);
    assert_eq!(browser.of("state").await["target_id"], "shop");
    let unavailable = browser
        .find(|frame| {
            frame["type"] == "connection_state"
                && frame["target_id"] == "hung"
                && frame["state"] == "unavailable"
        })
        .await;
    assert_eq!(unavailable["target_id"], "hung");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_dies_and_comes_back_is_gone_on_with() {
    let place = Place::new().await;
    let mut browser = place.browser();
    let target = place.target(World::shop()).await;
    target.world(|world| world.fails("/api", "1"));
    browser.until("connected").await;
    let mut world = target.die().await;
    // Reconnecting, or unavailable already.
    browser.find(|frame| frame["type"] == "connection_state" && frame["state"] != "connected").await;
    world.fails("/api", "2");
    let _target = Target::start(&place.socket("shop"), world).await;
    browser.find(|frame| frame["state"] == "connected").await;
    assert_eq!(browser.of("event").await["event"]["sequence"], 2, "and the first is not told again");
}

#[tokio::test(start_paused = true)]
async fn another_life_of_a_target_is_told_as_one() {
    let place = Place::new().await;
    let mut browser = place.browser();
    let target = place.target(World::shop()).await;
    target.world(|world| (world.fails("/api", "1"), world.fails("/api", "2")));
    let first = browser.of("state").await["stream_epoch"].clone();
    target.die().await;
    let mut world = World::shop();
    world.fails("/db", "new");
    let _target = Target::start(&place.socket("shop"), world).await;
    let began = browser.of("stream_began").await;
    assert_ne!(began["stream_epoch"], first);
    assert_eq!(browser.of("state").await["stream_epoch"], began["stream_epoch"]);
    let event = browser.of("event").await;
    assert_eq!((&event["event"]["sequence"], &event["event"]["target_path"]), (&json!(1), &json!("/db")));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_only_answers_is_polled() {
    for pushes in [Pushes::Never, Pushes::Refused] {
        let place = Place::new().await;
        let mut browser = place.browser();
        let mut world = World::shop();
        world.pushes = pushes;
        let target = place.target(world).await;
        browser.until("connected").await;
        browser.of("state").await;
        let since = Instant::now();
        target.world(|world| world.fails("/api", "boom"));
        assert_eq!(browser.of("event").await["event"]["sequence"], 1, "{pushes:?}");
        let state = browser.of("state").await;
        assert_eq!(state["state"]["recent_events"].as_array().unwrap().len(), 1);
        assert!(since.elapsed() <= 2 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn s24_one_that_speaks_under_another_name_than_it_registered_is_not_shown() {
    let place = Place::new().await;
    let target = Target::start(&place.socket("shop"), World::shop()).await;
    assert_eq!(place.register("bank", target.path(), 30).await["ok"], true);
    let mut browser = place.browser();
    browser.until("unavailable").await;
    target.world(|world| world.fails("/api", "boom"));
    sleep(5 * SECOND).await;
    while let Some(frame) = browser.session.next() {
        assert!(!frame.contains("\"event\"") && !frame.contains("runtime_state"), "{frame}");
    }
}

#[tokio::test]
async fn s24_the_registration_socket_survives_anything_and_says_what_is_wrong() {
    let place = Place::new().await;
    let target = Target::start(&place.socket("shop"), World::shop()).await;
    let shop = target.path().to_str().unwrap();
    let line = |id: &str, path: &str, lease: i64, commands: &str| {
        format!(
            "{{\"target_id\":{},\"display_name\":\"\",\"ipc_path\":{},\"lease_seconds\":{lease},\"supported_commands\":{commands}}}\n",
            json!(id),
            json!(path)
        )
    };
    let extra = line("a", shop, 30, "[]").replace("\"display_name\"", "\"x\":1,\"display_name\"");
    let twice = line("a", shop, 30, "[]")
        .replace("\"display_name\":\"\"", "\"display_name\":\"\",\"display_name\":\"b\"");
    let nothing = place.folder.path().join("none.sock");
    let long = format!("{{\"target_id\":\"{}\"}}\n", "x".repeat(70_000));
    let deep = format!("{}\n", "[".repeat(60_000));
    for (said, code) in [
        ("\n", "invalid_json"),
        ("   \n", "invalid_json"),
        ("null\n", "invalid_json"),
        ("[]\n", "invalid_json"),
        ("{}\n", "validation_failed"),
        ("{\"target_id\":1e400}\n", "invalid_json"),
        ("{\"a\":1}{\"b\":2}\n", "invalid_json"),
        ("\u{feff}{}\n", "invalid_json"),
        (&deep, "invalid_json"),
        (&long, "frame_too_large"),
        (&extra, "validation_failed"),
        (&twice, "invalid_json"),
        (&line("", shop, 30, "[]"), "empty_target_id"),
        (&line("a\u{0}", shop, 30, "[]"), "validation_failed"),
        (&line(&"x".repeat(257), shop, 30, "[]"), "validation_failed"),
        (&line("a", "shop.sock", 30, "[]"), "relative_ipc_path"),
        (&line("a", "/etc/passwd", 30, "[]"), "ipc_path_not_allowed"),
        (
            &line("a", &format!("{}/../../etc/passwd", place.folder.path().display()), 30, "[]"),
            "ipc_path_not_allowed",
        ),
        (&line("a", nothing.to_str().unwrap(), 30, "[]"), "invalid_ipc_path"),
        (&line("a", place.folder.path().to_str().unwrap(), 30, "[]"), "ipc_path_not_allowed"),
        (&line("a", shop, 0, "[]"), "invalid_lease_seconds"),
        (&line("a", shop, -1, "[]"), "validation_failed"),
        (&line("a", shop, i64::MAX, "[]"), "invalid_lease_seconds"),
        (
            &line("a", shop, 30, "[{\"name\":\"\",\"idempotent\":true,\"timeout_seconds\":1}]"),
            "unsupported_command_schema",
        ),
    ] {
        let answer: Value = serde_json::from_str(&place.says(said.as_bytes()).await).unwrap();
        let shown: String = said.chars().take(80).collect();
        assert_eq!(answer["ok"], false, "{shown}");
        assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.len() > 10));
    }
    let answer: Value = serde_json::from_str(&place.says(b"\xff\xfe{}\n").await).unwrap();
    assert_eq!(answer["error"]["code"], "invalid_utf8");
    // Half a line, nothing at all, and one that is gone before the answer.
    for bytes in [&b"{\"target_id\""[..], b""] {
        let mut stream = UnixStream::connect(place.relay.registration_socket()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
    }
    let mut gone = UnixStream::connect(place.relay.registration_socket()).await.unwrap();
    gone.write_all(line("gone", shop, 30, "[]").as_bytes()).await.unwrap();
    drop(gone);
    let good = place.says(line("gone", shop, 30, "[]").as_bytes()).await;
    assert!(good.contains("\"registered\""), "{good}");
}

#[tokio::test(start_paused = true)]
async fn s22_half_a_line_is_answered_after_ten_seconds_and_holds_nobody_up() {
    let place = Place::new().await;
    let mut slow = UnixStream::connect(place.relay.registration_socket()).await.unwrap();
    slow.write_all(b"{\"target_id\":").await.unwrap();
    let began = Instant::now();
    let _target = place.target(World::shop()).await;
    assert!(began.elapsed() < SECOND);
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("incomplete_frame"), "{answer}");
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn s24_who_is_not_named_may_not_register() {
    let folder = folder();
    let us = std::fs::metadata(folder.path()).unwrap().uid();
    let mut config = Place::config(&folder);
    config.users = vec![us + 1];
    let place = Place { relay: Relay::start(config).await.unwrap(), folder };
    let answer = place.says(b"{}\n").await;
    assert!(answer.contains("peer_cred_uid_mismatch"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_moves_is_followed_to_its_new_socket() {
    let place = Place::new().await;
    let mut browser = place.browser();
    let target = place.target(World::shop()).await;
    browser.until("connected").await;
    let world = target.die().await;
    let target = Target::start(&place.socket("moved"), world).await;
    assert_eq!(place.register("shop", target.path(), 30).await["ok"], true);
    browser.until("connected").await;
    target.world(|world| world.fails("/api", "boom"));
    browser.of("event").await;
}

#[tokio::test]
async fn a_relay_that_is_dropped_leaves_every_target() {
    let place = Place::new().await;
    let target = place.target(World::shop()).await;
    place.browser().until("connected").await;
    assert_eq!(target.open(), 1);
    place.relay.close().await;
    timeout(10 * SECOND, async {
        while target.open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

/// A relay that keeps its state, and a target of it that was registered and is on the disk.
async fn remembering() -> (Place, Target) {
    let folder = folder();
    let config = Place::remembering(&folder);
    let place = Place { relay: Relay::start(config).await.unwrap(), folder };
    let target = place.target(World::shop()).await;
    place.browser().until("connected").await;
    timeout(600 * SECOND, async {
        while !place.state().contains("\"shop\"") {
            sleep(SECOND / 10).await;
        }
    })
    .await
    .expect("it was never kept");
    (place, target)
}

impl Place {
    fn remembering(folder: &tempfile::TempDir) -> Config {
        let mut config = Self::config(folder);
        config.state = Some(folder.path().join("state"));
        config
    }

    fn state_file(&self) -> PathBuf {
        self.folder.path().join("state/targets.json")
    }

    fn state(&self) -> String {
        std::fs::read_to_string(self.state_file()).unwrap_or_default()
    }

    /// As after `kill -9`: nothing more is written, and a new relay begins with what is on the disk.
    async fn killed_and_started(self, change: impl FnOnce(&Path, &mut Config)) -> Self {
        let file = self.state_file();
        let Self { relay, folder } = self;
        drop(relay);
        let mut config = Self::remembering(&folder);
        change(&file, &mut config);
        let started = timeout(600 * SECOND, async {
            loop {
                // What the one before held is let go of by its tasks.
                match Relay::start(config.clone()).await {
                    Ok(relay) => return relay,
                    Err(_) => sleep(SECOND / 10).await,
                }
            }
        });
        Self { relay: started.await.unwrap(), folder }
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_was_killed_follows_its_targets_again_before_they_renew() {
    let (place, target) = remembering().await;
    let place = place.killed_and_started(|_, _| {}).await;
    let began = Instant::now();
    let mut browser = place.browser();
    browser.until("connected").await;
    target.world(|world| world.fails("/api", "boom"));
    browser.of("event").await;
    assert!(began.elapsed() <= 5 * SECOND, "{:?}", began.elapsed());
    // And its lease is the one that it had.
    browser.until("expired").await;
    assert!(began.elapsed() <= 30 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn s25_a_target_whose_lease_ended_while_the_relay_was_down_is_shown_as_expired() {
    let (place, target) = remembering().await;
    let place = place
        .killed_and_started(|file, _| {
            let mut state: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            let until = &mut state["targets"][0]["until_unix_nanos"];
            *until = json!(until.as_u64().unwrap() - 60_000_000_000);
            std::fs::write(file, state.to_string()).unwrap();
        })
        .await;
    let mut browser = place.browser();
    let listed = browser.of("target_list").await["targets"][0].clone();
    assert_eq!((&listed["target_id"], &listed["registration_state"]), (&json!("shop"), &json!("expired")));
    assert_eq!(listed["display_name"], "The shop");
    sleep(5 * SECOND).await;
    assert_eq!(target.open(), 0, "nobody follows it");
    assert_eq!(place.register("shop", target.path(), 30).await["ok"], true);
    browser.until("connected").await;
}

#[tokio::test(start_paused = true)]
async fn s24_what_was_kept_is_looked_at_as_a_registration_is() {
    let elsewhere = folder();
    let socket = elsewhere.path().join("shop.sock");
    let foreign = Target::start(&socket, World::shop()).await;
    let (place, target) = remembering().await;
    let place = place
        .killed_and_started(|file, _| {
            let text = std::fs::read_to_string(file).unwrap();
            let ours = target.path().to_str().unwrap();
            std::fs::write(file, text.replace(ours, socket.to_str().unwrap())).unwrap();
        })
        .await;
    let listed = place.browser().of("target_list").await["targets"][0].clone();
    assert_eq!(listed["registration_state"], "expired");
    sleep(5 * SECOND).await;
    assert_eq!(foreign.open(), 0, "it is not in an allowed directory");

    let us = std::fs::metadata(elsewhere.path()).unwrap().uid();
    let place = place.killed_and_started(|_, config| config.users = vec![us + 1]).await;
    assert_eq!(place.browser().of("target_list").await["targets"], json!([]), "its user may not register");
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_damaged_costs_the_wait_for_a_heartbeat_and_nothing_else() {
    let (place, target) = remembering().await;
    let place = place
        .killed_and_started(|file, _| {
            let text = std::fs::read_to_string(file).unwrap();
            std::fs::write(file, &text[..text.len() / 2]).unwrap();
        })
        .await;
    let mut browser = place.browser();
    assert_eq!(browser.of("target_list").await["targets"], json!([]));
    assert_eq!(place.register("shop", target.path(), 30).await["ok"], true);
    browser.until("connected").await;
}
