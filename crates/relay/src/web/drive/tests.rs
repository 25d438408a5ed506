use std::sync::Mutex;

use serde_json::{Value, json};
use supervisor_api::wire::{AuditPage, ServerMessage};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::bench::{Shop, registration};
use crate::hub::Hub;
use crate::rights::{Principal, Role};
use crate::target::Target;

const SECOND: Duration = Duration::from_secs(1);

/// What was written, and when.
#[derive(Debug, Default)]
struct Written {
    frames: Vec<(Instant, Value)>,
    pings: usize,
    closed: Option<Close>,
    /// Nothing is taken any more.
    stalled: bool,
}

struct Line {
    said: mpsc::UnboundedReceiver<Heard>,
    written: Arc<Mutex<Written>>,
}

impl Line {
    async fn open(&self) {
        if self.written.lock().unwrap().stalled {
            std::future::pending().await
        }
    }
}

impl Carrier for Line {
    async fn hear(&mut self) -> Heard {
        self.said.recv().await.unwrap_or(Heard::Gone)
    }

    async fn say(&mut self, frame: Arc<str>) -> Result<(), Gone> {
        self.open().await;
        let frame = serde_json::from_str(&frame).unwrap();
        self.written.lock().unwrap().frames.push((Instant::now(), frame));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        self.open().await;
        self.written.lock().unwrap().pings += 1;
        Ok(())
    }

    async fn close(&mut self, why: Close) {
        self.open().await;
        self.written.lock().unwrap().closed = Some(why);
    }
}

/// Answers after a second; a command with the reason `panic` panics.
struct Slow;

impl Commands for Slow {
    async fn carry_out(self: Arc<Self>, order: Order) -> Answer {
        sleep(SECOND).await;
        assert_ne!(order.command.reason, "panic");
        Err(WireError::new(ErrorCode::TargetUnavailable, "it is gone").on(order.command.target_id))
    }

    async fn look_up(self: Arc<Self>, question: Question) -> Found {
        sleep(SECOND).await;
        let query_id = question.id().to_owned();
        Ok(ServerMessage::AuditPage(AuditPage { query_id, records: Vec::new(), more: false }))
    }
}

struct Browser {
    shop: Shop,
    say: mpsc::UnboundedSender<Heard>,
    written: Arc<Mutex<Written>>,
    closing: watch::Sender<bool>,
    ended: Option<oneshot::Sender<Close>>,
    task: JoinHandle<End>,
    began: Instant,
}

impl Browser {
    fn new() -> Self {
        let hub = Arc::<Hub>::default();
        let target = Target::new(&registration("shop"), 1 << 20, Arc::clone(hub.bell()));
        let target = Arc::new(target);
        hub.put(Arc::clone(&target));
        let shop = Shop::of(target);
        let session = Session::new(hub, Principal::new("ann").with("*", Role::Admin));
        let (say, said) = mpsc::unbounded_channel();
        let written = Arc::<Mutex<Written>>::default();
        let line = Line { said, written: Arc::clone(&written) };
        let (closing, closed) = watch::channel(false);
        let (ended, end) = oneshot::channel();
        let end = async { end.await.unwrap() };
        let task = tokio::spawn(drive(session, line, Arc::new(Slow), closed, Arc::default(), end));
        Self { shop, say, written, closing, ended: Some(ended), task, began: Instant::now() }
    }

    async fn live() -> Self {
        let browser = Self::new();
        browser.says(&json!({"type": "client_hello", "client_store_id": "b", "resume_cursor": {}}));
        sleep(Duration::from_millis(1)).await;
        browser.shop.render();
        sleep(2 * PACE).await;
        browser
    }

    fn says(&self, message: &Value) {
        self.say.send(Heard::Text(message.to_string())).unwrap();
    }

    fn command(&self, id: &str, reason: &str) {
        self.says(&json!({
            "type": "command", "command_id": id, "target_id": "shop", "command": "restart_child",
            "target": {"child_path": "/db"}, "reason": reason, "confirmed": false,
        }));
    }

    fn kinds(&self) -> Vec<String> {
        let written = self.written.lock().unwrap();
        written.frames.iter().map(|(_, frame)| frame["type"].as_str().unwrap().to_owned()).collect()
    }

    async fn end(self) -> (End, u64, Option<Close>) {
        let end = self.task.await.unwrap();
        let closed = self.written.lock().unwrap().closed;
        (end, self.began.elapsed().as_secs(), closed)
    }
}

#[tokio::test(start_paused = true)]
async fn hello_list_and_state_go_out_and_then_what_happens_within_the_pace() {
    let mut browser = Browser::live().await;
    assert_eq!(browser.kinds(), ["server_hello", "target_list", "state"]);
    sleep(SECOND).await;
    let at = Instant::now();
    browser.shop.event(1);
    sleep(SECOND).await;
    assert_eq!(browser.kinds().last().unwrap(), "event");
    let told = browser.written.lock().unwrap().frames.last().unwrap().0;
    assert!(told - at <= PACE, "{:?}", told - at);
}

#[tokio::test(start_paused = true)]
async fn many_events_are_gathered_into_a_hundred_looks_a_second() {
    let mut browser = Browser::live().await;
    for _ in 0..1_000 {
        browser.shop.event(1);
        sleep(Duration::from_millis(1)).await;
    }
    sleep(SECOND).await;
    let written = browser.written.lock().unwrap();
    let mut looks: Vec<_> = written.frames.iter().skip(3).map(|(at, _)| *at).collect();
    assert_eq!(looks.len(), 1_000);
    looks.dedup();
    assert!((90..=110).contains(&looks.len()), "{}", looks.len());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_hello_is_closed_after_ten_seconds() {
    assert_eq!(Browser::new().end().await, (Ok(Close::HelloTimeout), 10, Some(Close::HelloTimeout)));
    let talks = Browser::new();
    talks.says(&json!({"type": "dance"}));
    assert_eq!(talks.end().await.0, Ok(Close::HelloTimeout));
}

#[tokio::test(start_paused = true)]
async fn s22_who_does_not_read_for_ten_seconds_is_closed() {
    let mut browser = Browser::live().await;
    browser.written.lock().unwrap().stalled = true;
    browser.shop.event(1);
    // Not even the close can be written; it is not waited for.
    assert_eq!(browser.end().await, (Ok(Close::TooSlow), 11, None));
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_asked_and_left_after_three_questions() {
    let browser = Browser::live().await;
    let written = Arc::clone(&browser.written);
    assert_eq!(browser.end().await, (Ok(Close::TooSlow), 45, Some(Close::TooSlow)));
    assert_eq!(written.lock().unwrap().pings, 2);

    let browser = Browser::live().await;
    for _ in 0..20 {
        sleep(PING).await;
        browser.say.send(Heard::Pong).unwrap();
    }
    assert!(!browser.task.is_finished(), "who answers is kept");
}

#[tokio::test(start_paused = true)]
async fn who_sees_nothing_happen_hears_at_least_every_five_seconds_that_the_relay_is_there() {
    let browser = Browser::live().await;
    for _ in 0..20 {
        sleep(SECOND).await;
        browser.say.send(Heard::Pong).unwrap();
    }
    let written = browser.written.lock().unwrap();
    let mut before = browser.began;
    for (at, frame) in &written.frames[3..] {
        assert_eq!(frame["type"], "heartbeat");
        assert!(frame["at_unix_nanos"].as_u64().unwrap() > 1_700_000_000_000_000_000);
        assert!(*at - before <= 5 * SECOND);
        before = *at;
    }
    assert!(written.frames.len() >= 3 + 4);
}

#[tokio::test(start_paused = true)]
async fn each_way_to_end_has_its_code() {
    let browser = Browser::live().await;
    browser.say.send(Heard::Bad).unwrap();
    assert_eq!(browser.end().await.2.map(Close::code), Some(4400));

    let browser = Browser::live().await;
    browser.closing.send_replace(true);
    assert_eq!(browser.end().await.2.map(Close::code), Some(1001));

    let browser = Browser::live().await;
    (0..300).for_each(|_| browser.says(&json!({})));
    assert_eq!(browser.end().await.2.map(Close::code), Some(4429));

    let browser = Browser::live().await;
    browser.say.send(Heard::Gone).unwrap();
    let (end, _, closed) = browser.end().await;
    assert_eq!((end, closed), (Err(Gone), None));
}

#[tokio::test(start_paused = true)]
async fn before_the_relay_ends_it_is_told_what_happened_and_what_came_of_commands() {
    let mut browser = Browser::live().await;
    browser.command("c-1", "stuck");
    sleep(2 * PACE).await;
    let written = Arc::clone(&browser.written);
    browser.shop.event(1);
    browser.closing.send_replace(true);
    assert_eq!(browser.end().await, (Ok(Close::GoingAway), 1, Some(Close::GoingAway)));
    let frames: Vec<_> = written.lock().unwrap().frames.iter().map(|(_, frame)| frame.clone()).collect();
    let last: Vec<_> = frames[3..].iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(last, ["event", "error"]);
    assert_eq!(frames[4]["command_id"], "c-1");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_does_not_hold_up_the_end() {
    let mut browser = Browser::live().await;
    browser.written.lock().unwrap().stalled = true;
    browser.shop.event(1);
    browser.closing.send_replace(true);
    assert_eq!(browser.end().await, (Ok(Close::GoingAway), 3, None));
}

#[tokio::test(start_paused = true)]
async fn s21_who_is_nobody_any_more_is_not_listened_to() {
    for why in [Close::NoIdentity, Close::Forbidden] {
        let mut browser = Browser::live().await;
        browser.command("c-1", "too late");
        browser.ended.take().unwrap().send(why).unwrap();
        let written = Arc::clone(&browser.written);
        let (end, _, closed) = browser.end().await;
        assert_eq!((end, closed), (Ok(why), Some(why)));
        assert_eq!(written.lock().unwrap().frames.len(), 3, "the command was not taken");
    }
}

#[tokio::test(start_paused = true)]
async fn each_command_has_one_answer_and_none_holds_up_what_happens() {
    let mut browser = Browser::live().await;
    browser.command("c-1", "stuck");
    browser.command("c-2", "panic");
    (0..COMMANDS).for_each(|n| browser.command(&format!("d-{n}"), "more"));
    sleep(SECOND / 2).await;
    browser.shop.event(1);
    sleep(SECOND / 4).await;
    assert_eq!(browser.kinds().last().unwrap(), "event", "while the commands go on");
    sleep(SECOND).await;
    let written = browser.written.lock().unwrap();
    let answers = written.frames.iter().map(|(_, frame)| frame).filter(|frame| frame["type"] == "error");
    let mut codes: Vec<_> =
        answers.map(|frame| format!("{} {}", frame["command_id"], frame["error"]["code"])).collect();
    codes.sort();
    assert_eq!(codes.len(), COMMANDS + 2);
    let of =
        |id: &str| codes.iter().filter(|code| code.starts_with(&format!("\"{id}\""))).collect::<Vec<_>>();
    assert_eq!(of("c-1"), ["\"c-1\" \"target_unavailable\""]);
    assert_eq!(of("c-2"), ["\"c-2\" \"command_failed\""]);
    let refused = codes.iter().filter(|code| code.ends_with("\"rate_limit_exceeded\"")).count();
    assert_eq!(refused, 2, "one is over the bound for each that is there already");
}

#[tokio::test(start_paused = true)]
async fn a_question_about_the_audit_has_one_answer_and_waits_for_the_one_before() {
    let browser = Browser::live().await;
    let ask = |id: &str| browser.says(&json!({"type": "audit_query", "query_id": id, "limit": 5}));
    ask("q-1");
    sleep(SECOND / 2).await;
    ask("q-2");
    sleep(SECOND).await;
    ask("q-3");
    sleep(2 * SECOND).await;
    let written = browser.written.lock().unwrap();
    let answers = written.frames.iter().map(|(_, frame)| frame);
    let mut answers: Vec<_> = answers
        .filter_map(|frame| match frame["type"].as_str().unwrap() {
            "audit_page" => Some(format!("{} page", frame["query_id"])),
            "error" => Some(format!("{} {}", frame["command_id"], frame["error"]["code"])),
            _ => None,
        })
        .collect();
    answers.sort();
    assert_eq!(answers, ["\"q-1\" page", "\"q-2\" \"rate_limit_exceeded\"", "\"q-3\" page"]);
}

#[test]
fn the_page_of_the_protocol_says_how_long_a_browser_may_take() {
    const PAGE: &str = include_str!("../../../../../docs/browser-protocol.md");
    for row in [
        format!("| time to say `client_hello` | {} seconds |", HELLO.as_secs()),
        format!("| length of a message of a browser | {} MiB |", super::super::socket::LARGEST >> 20),
        format!("| commands of one browser at a time | {COMMANDS} |"),
        format!("| time to take one frame | {} seconds |", STALL.as_secs()),
        format!("| silence of a browser, which answers pings | {} seconds |", SILENCE.as_secs()),
    ] {
        assert!(PAGE.contains(&row), "{row}");
    }
    assert!(PAGE.contains("at least every 5 seconds") && BEAT < Duration::from_secs(5));
}
