//! Commands from the order to the answer, with a target that is played and a real audit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_api::wire::*;
use supervisor_ledger::Reader;
use tokio::time::{Instant, sleep};

use super::*;
use crate::played::{Target, World, folder};
use crate::rights::{Principal, Role};
use crate::{Config, Relay};

const CANARY: &str = "canary-8f21";

struct Place {
    relay: Relay,
    target: Target,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = folder();
        let relay = Self::relay(folder.path()).await;
        let target = Target::start(&folder.path().join("shop.sock"), World::shop()).await;
        let place = Self { relay, target, folder };
        place.register("shop");
        place
    }

    async fn relay(folder: &Path) -> Relay {
        let mut config = Config::new(folder.join("relay.sock"), folder.join("audit"));
        config.socket_directories = vec![folder.to_owned()];
        Relay::start(config).await.unwrap()
    }

    fn register(&self, id: &str) {
        let Places::Registered(registry) = &self.relay.orders.places else {
            panic!("it takes registrations")
        };
        registry.register(&crate::bench::registration(id), &self.socket(), us()).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("shop.sock")
    }

    /// The relay ends and another one begins, with the same audit.
    async fn restarted(self) -> Self {
        let Self { relay, target, folder } = self;
        relay.close().await;
        // The directory is free when the last task that writes has ended.
        let relay = loop {
            let config = Config::new(folder.path().join("relay.sock"), folder.path().join("audit"));
            match Relay::start(config).await {
                Ok(relay) => break relay,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let place = Self { relay, target, folder };
        place.register("shop");
        place
    }

    async fn asks(&self, who: &str, id: &str, path: &str) -> Result<Word<CommandStatus>, String> {
        let answer = self.relay.carry_out(order(who, id, path)).await;
        answer.map(|result| result.status).map_err(|error| error.code.to_string())
    }

    fn commands(&self) -> usize {
        self.target.world(|world| world.commands.len())
    }

    /// Entry, id and result of each record.
    fn records(&self) -> Vec<String> {
        let shown = |record: AuditRecord| {
            let result = record.outcome.map_or("-".to_owned(), |outcome| outcome.result.to_string());
            format!("{} {} {result}", record.entry, record.command_id.unwrap_or_default())
        };
        let mut reader = Reader::open(self.folder.path().join("audit")).unwrap();
        reader.entries().map(|entry| shown(entry.unwrap().body)).collect()
    }

    async fn until(&self, last: &str) {
        let came = async {
            while self.records().last().is_none_or(|record| record != last) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), came).await.expect("it was never recorded");
    }
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn order(who: &str, id: &str, path: &str) -> Order {
    let command = BrowserCommand {
        command_id: id.into(),
        correlation_id: Some("k".to_owned()),
        target_id: "shop".into(),
        command: Command::RestartChild,
        target: BrowserTarget { child_path: Some(path.to_owned()), child_manifest: None },
        reason: "stuck".to_owned(),
        confirmed: false,
    };
    Order { identity: who.to_owned(), role: Some(Role::Operator), session: 7, frame_bytes: 100, command }
}

fn done() -> Result<Word<CommandStatus>, String> {
    Ok(CommandStatus::Completed.into())
}

#[tokio::test]
async fn s12_intent_and_outcome_are_on_the_disk_before_the_answer_and_name_who_asked() {
    let place = Place::new().await;
    let answer = place.relay.carry_out(order("ann", "c-1", "/api")).await.unwrap();
    assert_eq!(place.records(), ["intent c-1 -", "outcome c-1 completed"]);
    assert_eq!((answer.requested_by.as_str(), answer.correlation_id.as_deref()), ("ann", Some("k")));
    let mut reader = Reader::open(place.folder.path().join("audit")).unwrap();
    let intent: AuditRecord = reader.entries().next().unwrap().unwrap().body;
    assert_eq!((intent.actor.proved.as_str(), intent.actor.role.as_deref()), ("ann", Some("operator")));
    assert_eq!((intent.connection_id, intent.frame_bytes), (7, 100));
    assert_eq!((intent.reason.as_deref(), intent.target.as_deref()), (Some("stuck"), Some("/api")));
    assert_eq!(
        supervisor_ledger::verify(place.folder.path().join("audit")).unwrap().to_string().lines().count(),
        1
    );
}

#[tokio::test]
async fn s11_the_same_again_gets_the_same_outcome_and_is_not_carried_out_again() {
    let place = Place::new().await;
    assert_eq!(place.asks("ann", "c-1", "/api").await, done());
    assert_eq!(place.asks("ann", "c-1", "/api").await, done());
    assert_eq!(place.commands(), 1);
    let place = place.restarted().await;
    assert_eq!(place.asks("ann", "c-1", "/api").await, done(), "also of another run of the relay");
    assert_eq!(place.commands(), 1);
}

#[tokio::test]
async fn s11_an_id_is_nobody_elses_and_stands_for_one_command() {
    let mut place = Place::new().await;
    place.asks("ann", "c-1", "/api").await.unwrap();
    for _ in 0..2 {
        assert_eq!(place.asks("bob", "c-1", "/api").await, Err("command_id_conflict".to_owned()));
        assert_eq!(place.asks("ann", "c-1", "/db").await, Err("command_id_conflict".to_owned()));
        assert_eq!(place.commands(), 1);
        place = place.restarted().await;
    }
    assert_eq!(place.asks("bob", "c-2", "/api").await, done());
}

#[tokio::test]
async fn s12_without_its_intent_on_the_disk_no_command_reaches_a_target() {
    let place = Place::new().await;
    let disk = crate::audit::tests::Place::new().await;
    disk.full(true);
    let Orders { hub, ids, settings, .. } = &*place.relay.orders;
    let orders = Arc::new(Orders {
        hub: Arc::clone(hub),
        places: Places::Here(place.socket().into()),
        records: Records::Ours(Arc::new(disk.audit)),
        ids: Arc::clone(ids),
        settings: settings.clone(),
        ending: Ending::default(),
    });
    let refused = orders.carry_out(order("ann", "c-1", "/api")).await.unwrap_err();
    assert!(refused.code.is(ErrorCode::AuditWriteFailed), "{refused}");
    assert_eq!(place.commands(), 0);
    assert_eq!(place.asks("ann", "c-1", "/api").await, done(), "the id is as good as new");
}

#[tokio::test]
async fn a_command_outlives_who_asked() {
    let place = Place::new().await;
    let mut asking = Box::pin(place.relay.carry_out(order("ann", "c-1", "/api")));
    // Begun, and left at once.
    tokio::select! {
        biased;
        _ = &mut asking => panic!("there is no answer yet"),
        () = std::future::ready(()) => {}
    }
    drop(asking);
    place.until("outcome c-1 completed").await;
    assert_eq!(place.commands(), 1);
}

#[tokio::test]
async fn who_asks_for_what_runs_waits_for_the_same_outcome() {
    let place = Place::new().await;
    let ask = || place.asks("ann", "c-1", "/api");
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert_eq!((first, second, third), (done(), done(), done()));
    assert_eq!(place.commands(), 1);
}

#[tokio::test(start_paused = true)]
async fn s11_a_command_whose_outcome_is_lost_is_not_carried_out_again() {
    let mut place = Place::new().await;
    place.target.world(|world| world.silent = true);
    let began = Instant::now();
    // Hello was not answered, so nothing was sent.
    assert_eq!(place.asks("ann", "c-1", "/api").await, Err("target_unavailable".to_owned()));
    assert_eq!(began.elapsed().as_secs(), 10);

    place.target.world(|world| {
        world.silent = false;
        world.obey = Arc::new(|world, asked| {
            world.silent = true;
            ControlCommandResult::completed(asked, UnixNanos(1))
        });
    });
    assert_eq!(place.asks("ann", "c-2", "/api").await, Err("command_timeout".to_owned()));
    assert_eq!(began.elapsed().as_secs(), 50);
    for _ in 0..2 {
        place.target.world(|world| world.silent = false);
        assert_eq!(place.asks("ann", "c-2", "/api").await, Err("replay_detected".to_owned()));
        place = place.restarted().await;
    }
    assert_eq!(place.commands(), 1);
    assert!(place.records().contains(&"outcome c-2 unknown".to_owned()));
}

#[tokio::test]
async fn s11_of_an_intent_without_an_outcome_the_next_run_says_that_nobody_knows() {
    let place = Place::new().await;
    let intent = Intent::new(&order("ann", "c-1", "/api"), {
        let order = order("ann", "c-1", "/api");
        digest("ann", &asked(&order))
    });
    place.relay.orders.records.intend(&intent).await.unwrap();
    let place = place.restarted().await;
    assert_eq!(place.asks("ann", "c-1", "/api").await, Err("replay_detected".to_owned()));
    assert_eq!(place.asks("ann", "c-2", "/api").await, done());
    assert_eq!(
        place.records()[..4],
        ["intent c-1 -", "outcome c-1 unknown", "intent c-2 -", "outcome c-2 completed"]
    );
    assert_eq!(place.commands(), 1);
}

#[tokio::test]
async fn a_target_that_cannot_be_asked_leaves_the_id_free() {
    let Place { relay, target, folder } = Place::new().await;
    let world = target.die().await;
    let refused = relay.carry_out(order("ann", "c-1", "/api")).await.unwrap_err();
    assert!(refused.code.is(ErrorCode::TargetUnavailable) && refused.retryable, "{refused}");
    assert_eq!(refused.target_id.as_deref(), Some("shop"));
    let target = Target::start(&folder.path().join("shop.sock"), world).await;
    let place = Place { relay, target, folder };
    assert_eq!(place.asks("ann", "c-1", "/api").await, done());
    let place = place.restarted().await;
    assert_eq!(place.asks("ann", "c-1", "/api").await, done());
    assert_eq!(place.commands(), 1);
}

#[tokio::test]
async fn s24_a_command_is_sent_to_the_user_and_the_target_that_registered_and_to_nobody_else() {
    let place = Place::new().await;
    let settings = Settings::default();
    let asked = asked(&order("ann", "c-1", "/api"));
    let other = ControlCommandRequest { target_id: "bank".into(), ..asked.clone() };
    for (uid, asked) in [(us() + 1, asked), (us(), other)] {
        let went = dispatch(place.socket().into(), uid, &settings, asked).await;
        assert!(
            matches!(&went, Went::Never(error) if error.code.is(ErrorCode::TargetUnavailable)),
            "{went:?}"
        );
    }
    assert_eq!(place.commands(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ended_between_order_and_command_is_no_target() {
    let place = Place::new().await;
    sleep(Duration::from_secs(31)).await;
    assert_eq!(place.asks("ann", "c-1", "/api").await, Err("target_unavailable".to_owned()));
    assert_eq!(place.commands(), 0);
}

#[tokio::test]
async fn what_the_target_refuses_is_answered_with_its_reason_and_recorded_as_rejected() {
    let place = Place::new().await;
    let answer = place.relay.carry_out(order("ann", "c-1", "/none")).await.unwrap();
    assert!(answer.status.is(CommandStatus::Rejected) && !answer.accepted);
    assert!(answer.error.unwrap().message.contains("/none"));
    assert_eq!(place.records(), ["intent c-1 -", "outcome c-1 rejected"]);
}

#[tokio::test]
async fn s17_no_value_of_an_environment_reaches_the_audit() {
    let place = Place::new().await;
    place.target.world(|world| {
        world.obey = Arc::new(|_, asked| {
            let error = WireError::new(ErrorCode::ValidationFailed, format!("'{CANARY}' is no number"));
            ControlCommandResult::rejected(asked, error, UnixNanos(1))
        });
    });
    let manifest =
        json!({"name": "x", "kind": "process", "environment": [{"name": "TOKEN", "value": CANARY}]});
    for (id, manifest) in [("c-1", manifest.clone()), ("c-2", Value::String(manifest.to_string()))] {
        let mut order = order("ann", id, "/");
        order.command.command = Command::AddChild;
        order.command.confirmed = true;
        order.command.target.child_manifest = Some(manifest);
        assert!(!format!("{order:?}").contains(CANARY));
        let answer = place.relay.carry_out(order).await.unwrap();
        assert!(answer.error.unwrap().message.contains(CANARY), "who sent it may read it");
    }
    assert_eq!(place.records().len(), 4);
    for file in std::fs::read_dir(place.folder.path().join("audit")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[tokio::test]
async fn s12_what_is_denied_is_recorded_and_told() {
    let place = Place::new().await;
    let mut session = place.relay.session(Principal::new("eve").with("*", Role::Viewer));
    let says = |session: &mut crate::Session, message: Value| session.heard(message.to_string().as_bytes());
    says(&mut session, json!({"type": "client_hello", "client_store_id": "b", "resume_cursor": {}})).unwrap();
    let mut bell = session.bell();
    let command = json!({
        "type": "command", "command_id": "c-1", "target_id": "shop", "command": "restart_child",
        "target": {"child_path": "/api"}, "reason": "curious", "confirmed": false,
    });
    let mut seen = Vec::new();
    let mut next = async |session: &mut crate::Session, kind: &str| loop {
        bell.borrow_and_update();
        while let Some(frame) = session.next() {
            let frame: Value = serde_json::from_str(&frame).unwrap();
            seen.push(frame["type"].as_str().unwrap().to_owned());
            if frame["type"] == kind {
                return frame;
            }
        }
        bell.changed().await.unwrap();
    };
    next(&mut session, "state").await;
    assert_eq!(says(&mut session, command).unwrap(), None);
    assert_eq!(next(&mut session, "error").await["error"]["code"], "authz_denied");
    let told = next(&mut session, "audit_event").await["audit"].take();
    assert_eq!((&told["identity"], &told["result"]), (&json!("eve"), &json!("rejected")));
    assert_eq!(place.records(), ["denial c-1 rejected"]);
    assert_eq!(place.commands(), 0);
}

impl Place {
    /// The target has this command and answers it never.
    async fn hangs(&self, who: &'static str, id: &'static str) -> tokio::task::JoinHandle<Answer> {
        self.target.world(|world| {
            world.obey = Arc::new(|world, asked| {
                world.silent = true;
                ControlCommandResult::completed(asked, UnixNanos(1))
            });
        });
        let orders = Arc::clone(&self.relay.orders);
        let asked = tokio::spawn(orders.carry_out(order(who, id, "/api")));
        while self.commands() == 0 {
            tokio::task::yield_now().await;
        }
        asked
    }

    fn question(&self, who: Principal, query: Value) -> Question {
        let mut asked = json!({"type": "audit_query", "query_id": "q", "limit": 200});
        asked.as_object_mut().unwrap().extend(query.as_object().unwrap().clone());
        let ClientMessage::AuditQuery(query) = ClientMessage::read(asked.to_string().as_bytes()).unwrap()
        else {
            panic!("a question")
        };
        Question::Audit { who, query }
    }

    async fn audit(&self, who: Principal, query: Value) -> AuditPage {
        match self.relay.look_up(self.question(who, query)).await.unwrap() {
            ServerMessage::AuditPage(page) => page,
            other => panic!("{other:?}"),
        }
    }

    /// Entry, target, who and result of each row of a page, and whether there are more.
    async fn page(&self, who: Principal, query: Value) -> (Vec<String>, bool) {
        let page = self.audit(who, query).await;
        let shown = |row: &AuditRow| {
            let id = row.command_id.as_deref().unwrap_or_default();
            format!("{} {} {id} {} {}", row.entry, row.target_id, row.identity, row.result)
        };
        (page.records.iter().map(shown).collect(), page.more)
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_ends_waits_for_the_commands_that_run_and_takes_no_more() {
    let place = Place::new().await;
    let asked = place.hangs("ann", "c-1").await;
    let orders = Arc::clone(&place.relay.orders);
    let Place { relay, target, folder } = place;
    let began = Instant::now();
    let closing = tokio::spawn(relay.close());
    while !orders.is_closing() {
        tokio::task::yield_now().await;
    }
    let late = Arc::clone(&orders).carry_out(order("ann", "c-2", "/api")).await.unwrap_err();
    assert!(late.code.is(ErrorCode::TargetUnavailable) && late.message.contains("the relay ends"), "{late}");
    assert!(!closing.is_finished());
    closing.await.unwrap();
    assert!((10..12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let answer = asked.await.unwrap().unwrap_err();
    assert!(answer.message.contains("the relay ended before the target answered"), "{answer}");
    let reader = Reader::open(folder.path().join("audit")).unwrap().entries::<AuditRecord>().last();
    let last = reader.unwrap().unwrap().body;
    assert!(last.outcome.unwrap().result.is(AuditResult::Unknown));
    assert_eq!(last.command_id.as_deref(), Some("c-1"));
    drop(target);
}

#[tokio::test]
async fn a_relay_with_nothing_to_do_ends_at_once() {
    let place = Place::new().await;
    place.asks("ann", "c-1", "/api").await.unwrap();
    let began = Instant::now();
    place.relay.close().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

fn all() -> Principal {
    Principal::new("eve").with("*", Role::Viewer)
}

#[tokio::test]
async fn s16_the_audit_is_looked_up_by_target_and_text_the_newest_first_and_page_by_page() {
    let place = Place::new().await;
    for id in ["c-1", "c-2", "c-3"] {
        place.asks("ann", id, "/api").await.unwrap();
    }
    place.asks("bob", "d-1", "/db").await.unwrap();
    assert_eq!(place.asks("eve", "d-1", "/db").await, Err("command_id_conflict".to_owned()));
    // A denial is recorded when nobody waits for it.
    while place.page(all(), json!({})).await.0.len() < 5 {
        sleep(Duration::from_millis(10)).await;
    }
    let every = [
        "denial shop d-1 eve rejected",
        "outcome shop d-1 bob completed",
        "outcome shop c-3 ann completed",
        "outcome shop c-2 ann completed",
        "outcome shop c-1 ann completed",
    ];
    let expected = |rows: &[&str], more| (rows.iter().map(ToString::to_string).collect::<Vec<_>>(), more);
    assert_eq!(place.page(all(), json!({})).await, expected(&every, false));
    assert_eq!(place.page(all(), json!({"limit": 2})).await, expected(&every[..2], true));
    let page = place.audit(all(), json!({"limit": 2})).await;
    let last = page.records.last().unwrap().audit_id.clone();
    assert_eq!(place.page(all(), json!({"before": last, "limit": 3})).await, expected(&every[2..], false));
    assert_eq!(place.page(all(), json!({"text": "BOB"})).await, expected(&every[1..2], false));
    assert_eq!(place.page(all(), json!({"text": "/DB"})).await, expected(&every[..2], false));
    assert_eq!(place.page(all(), json!({"text": "%"})).await, expected(&[], false));
    assert_eq!(place.page(all(), json!({"target_id": "shop"})).await, expected(&every, false));
    assert_eq!(place.page(all(), json!({"target_id": "bank"})).await, expected(&[], false));
}

#[tokio::test]
async fn s16_the_audit_is_looked_up_by_who_what_how_it_went_and_when() {
    let place = Place::new().await;
    place.asks("ann", "c-1", "/api").await.unwrap();
    place.asks("bob", "d-1", "/db").await.unwrap();
    place.asks("eve", "d-1", "/db").await.unwrap_err();
    // A denial is recorded when nobody waits for it.
    while place.page(all(), json!({})).await.0.len() < 3 {
        sleep(Duration::from_millis(10)).await;
    }
    let rows = place.audit(all(), json!({})).await.records;
    let bob = rows[1].occurred_at_unix_nanos.0;
    for (query, whose) in [
        (json!({"identity": "bob"}), "bob"),
        (json!({"identity": "bo"}), ""),
        (json!({"command": "restart_child"}), "eve bob ann"),
        (json!({"command": "pause_child"}), ""),
        (json!({"result": "completed"}), "bob ann"),
        (json!({"result": "rejected"}), "eve"),
        (json!({"result": "of a later version"}), ""),
        (json!({"since_unix_nanos": bob}), "eve bob"),
        (json!({"until_unix_nanos": bob.to_string()}), "ann"),
        (json!({"since_unix_nanos": bob, "until_unix_nanos": bob + 1, "identity": "bob"}), "bob"),
    ] {
        let page = place.audit(all(), query.clone()).await;
        let who: Vec<_> = page.records.iter().map(|row| row.identity.as_str()).collect();
        assert_eq!(who.join(" "), whose, "{query}");
    }
}

#[tokio::test]
async fn s21_nobody_reads_the_audit_of_a_target_that_it_may_not_see() {
    let place = Place::new().await;
    place.asks("ann", "c-1", "/api").await.unwrap();
    let bank = || Principal::new("bob").with("bank*", Role::Admin);
    for query in
        [json!({}), json!({"target_id": "shop"}), json!({"text": "ann"}), json!({"target_id": "bank"})]
    {
        assert_eq!(place.page(bank(), query.clone()).await, (Vec::new(), false), "{query}");
    }
    assert_eq!(place.page(bank().with("sh*", Role::Viewer), json!({})).await.0.len(), 1);
}

#[tokio::test]
async fn what_was_recorded_before_is_looked_up_also_when_the_index_was_lost_or_is_anothers() {
    let mut place = Place::new().await;
    place.asks("ann", "c-1", "/api").await.unwrap();
    let index = place.folder.path().join("audit/index.sqlite");
    let rows = ["outcome shop c-1 ann completed".to_owned()];
    assert_eq!(place.page(all(), json!({})).await.0, rows);
    let open = |index: &Path| rusqlite::Connection::open(index).unwrap();
    let changes: [&dyn Fn(&Path); 5] = [
        &|_| {},
        &|index| std::fs::remove_file(index).unwrap(),
        &|index| std::fs::write(index, "no database").unwrap(),
        &|index| open(index).execute_batch("UPDATE mark SET recorded_at = 7; DELETE FROM rows;").unwrap(),
        &|index| open(index).pragma_update(None, "user_version", 99).unwrap(),
    ];
    for change in changes {
        let Place { relay, target, folder } = place;
        relay.close().await;
        // It is nobody's when the last task that reads has ended.
        while supervisor_ledger::Folder::for_writing(folder.path().join("audit")).is_err() {
            tokio::task::yield_now().await;
        }
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", index.display()));
        }
        change(&index);
        let config = || Config::new(folder.path().join("relay.sock"), folder.path().join("audit"));
        let relay = Relay::start(config()).await.unwrap();
        place = Place { relay, target, folder };
        assert_eq!(place.page(all(), json!({})).await.0, rows);
    }
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    for (change, words) in [
        (json!({"limit": 0}), "1 to 200"),
        (json!({"limit": 201}), "1 to 200"),
        (json!({"before": "x"}), "audit_id"),
        (json!({"text": "x".repeat(257)}), "256 bytes"),
        (json!({"identity": "x".repeat(257)}), "256 bytes"),
        (json!({"since_unix_nanos": "yesterday"}), "Unix nanoseconds"),
        (json!({"query_id": ""}), "128 printable"),
        (json!({"who": "ann"}), "no key 'who'"),
    ] {
        let mut asked = json!({"type": "audit_query", "query_id": "q", "limit": 5});
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = ClientMessage::read(asked.to_string().as_bytes()).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}
