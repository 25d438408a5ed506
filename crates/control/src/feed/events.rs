//! Events as they happen, and between them what they changed.

use std::sync::Arc;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{Stream, SubscribeParams};
use supervisor_socket::FrameWriter;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_supervisor::{EventItem, EventStream};

use super::delta::Changes;
use super::usage::Usages;
use super::{Begin, EventLines, Line, Pushed, gap};
use crate::specs::KnownVersion;
use crate::target::{Standing, Target};

/// The events of a child and of what lies below it.
#[derive(Debug)]
pub(crate) struct EventFeed {
    target: Arc<Target>,
    under: SupervisorPath,
    /// `None` when the tree has ended and everything is told.
    stream: Option<EventStream>,
    changes: Changes,
    usages: Usages,
    standing: watch::Receiver<Standing>,
    version: KnownVersion,
}

impl EventFeed {
    pub(super) fn open(target: Arc<Target>, params: &SubscribeParams) -> (Self, u64) {
        let begin = Begin::at(params.from_sequence, target.generation());
        let mut changes = Changes::new();
        if let Begin::Afresh(_) = begin {
            changes.everything();
        }
        let first = begin.first();
        let stream = Some(target.handle.events_after(first - 1));
        let standing = target.standing.subscribe();
        let under = params.under.clone().unwrap_or_else(SupervisorPath::root);
        (
            Self {
                target,
                under,
                stream,
                changes,
                usages: Usages::new(),
                standing,
                version: KnownVersion::default(),
            },
            first,
        )
    }

    /// The next line. Cancel safe.
    pub(super) async fn next(&mut self) -> Pushed {
        loop {
            if let Some(line) = self.try_next() {
                return line;
            }
            let due = self.changes.due().map_or(self.usages.due(), |due| due.min(self.usages.due()));
            tokio::select! {
                item = next_of(&mut self.stream) => match item {
                    Some(item) => {
                        if let Some(line) = self.told(item) {
                            return line.into();
                        }
                    }
                    None => self.stream = None,
                },
                // It is said once more that it is new, to be looked at with the events.
                Ok(()) = self.standing.changed() => self.standing.mark_changed(),
                () = sleep_until(due) => {}
            }
        }
    }

    /// The next line that is there already: events, then what they changed.
    pub(super) fn try_next(&mut self) -> Option<Pushed> {
        // The target has the sender.
        if self.standing.has_changed().unwrap_or(false) {
            self.standing.mark_unchanged();
            self.changes.connection();
        }
        self.changes.rows(self.usages.take(&self.target, &self.under));
        if self.changes.is_overdue() {
            return self.delta();
        }
        while let Some(item) = self.stream.as_mut().and_then(EventStream::try_next) {
            if let Some(line) = self.told(item) {
                return Some(line.into());
            }
        }
        self.changes.due().filter(|due| *due <= Instant::now()).and_then(|_| self.delta())
    }

    /// Queues the events that are there already, until so many bytes are queued.
    pub(super) fn gather<W: AsyncWrite + Unpin>(&mut self, writer: &mut FrameWriter<W>, enough: usize) {
        let head = self.target.generation();
        while writer.queued() < enough
            && let Some(item) = self.stream.as_mut().and_then(EventStream::try_next)
        {
            match item {
                EventItem::Event(event) if head - event.sequence.min(head) >= EventLines::KEPT => {
                    if self.under.contains(&event.path) {
                        self.changes.note(&event);
                        // Whoever catches up is far from the others: it is not rendered for them, too.
                        let version = self.target.specs.version_at(&event, &mut self.version);
                        writer.queue_part(|out| EventLines::put(out, &self.target, &event, version));
                        writer.end_frame();
                    }
                }
                item => self.told(item).into_iter().for_each(|line| writer.queue(&line)),
            }
        }
    }

    /// What changed since the last delta, whether it is time for the next one or not.
    pub(super) fn delta(&mut self) -> Option<Pushed> {
        self.changes.take(&self.target, &self.under)
    }

    /// The line of an item, if it is for this reader.
    fn told(&mut self, item: EventItem) -> Option<Line> {
        match item {
            EventItem::Event(event) if self.under.contains(&event.path) => {
                self.changes.note(&event);
                Some(self.target.lines.of(&self.target, &event))
            }
            EventItem::Event(_) => None,
            EventItem::Gap(lost) => {
                self.changes.everything();
                Some(gap(&self.target, Stream::Events, lost))
            }
        }
    }
}

/// The next item; waits for ever when there is no stream.
async fn next_of(stream: &mut Option<EventStream>) -> Option<EventItem> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;
    use tokio_supervisor::{SupervisorHandle, SupervisorSpec};

    use super::*;
    use crate::scene::{bytes, restart, serve, service};

    const MS: Duration = Duration::from_millis(1);

    async fn feed(from: Option<u64>) -> (SupervisorHandle, EventFeed) {
        let (handle, dispatcher) = serve(SupervisorSpec::root(["a", "b", "c"].map(service))).await;
        let params =
            SubscribeParams { session_established: true, from_sequence: from, ..SubscribeParams::default() };
        let (feed, _) = EventFeed::open(dispatcher.shared.target.clone(), &params);
        (handle, feed)
    }

    /// The types of the lines that are there.
    fn there(feed: &mut EventFeed) -> Vec<String> {
        let mut kinds = Vec::new();
        while let Some(line) = feed.try_next().map(bytes) {
            let line: Value = serde_json::from_slice(&line).unwrap();
            kinds.push(line["type"].as_str().unwrap().to_owned());
        }
        kinds
    }

    fn rows(line: &[u8]) -> Vec<String> {
        let line: Value = serde_json::from_slice(line).unwrap();
        let rows = line["delta"]["runtime_state"].as_array().unwrap();
        rows.iter().map(|row| row["child_path"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_first_and_one_delta_after_all_of_them() {
        let (handle, mut feed) = feed(None).await;
        restart(&handle, "a").await;
        restart(&handle, "b").await;
        let kinds = there(&mut feed);
        assert!(kinds.len() > 2);
        assert_eq!(kinds.iter().position(|kind| kind == "state_delta"), Some(kinds.len() - 1));
    }

    #[tokio::test(start_paused = true)]
    async fn deltas_are_gathered_and_events_are_not() {
        let (handle, mut feed) = feed(None).await;
        restart(&handle, "a").await;
        assert_eq!(there(&mut feed).last().unwrap(), "state_delta", "after a quiet time at once");
        for child in ["b", "c", "b"] {
            restart(&handle, child).await;
            let kinds = there(&mut feed);
            assert!(!kinds.is_empty() && kinds.iter().all(|kind| kind == "event"), "{kinds:?}");
            tokio::time::advance(MS).await;
        }
        let began = Instant::now();
        let delta = bytes(feed.next().await);
        assert_eq!(rows(&delta), ["/b", "/c"]);
        assert!((45 * MS..52 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert_eq!(there(&mut feed), [] as [&str; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_events_does_not_put_deltas_off_for_ever() {
        let (handle, mut feed) = feed(None).await;
        restart(&handle, "a").await;
        there(&mut feed);
        let began = Instant::now();
        loop {
            restart(&handle, "b").await;
            tokio::time::advance(MS).await;
            let line: Value = serde_json::from_slice(&bytes(feed.next().await)).unwrap();
            if line["type"] == "state_delta" {
                break;
            }
            assert!(began.elapsed() < 200 * MS);
        }
        assert!(feed.try_next().is_some(), "there were events still");
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_rendered_once_for_all_readers() {
        let (handle, mut one) = feed(None).await;
        let params =
            SubscribeParams { session_established: true, from_sequence: None, ..SubscribeParams::default() };
        let (mut other, _) = EventFeed::open(one.target.clone(), &params);
        restart(&handle, "a").await;
        assert!(Arc::ptr_eq(&bytes(one.try_next().unwrap()), &bytes(other.try_next().unwrap())));
    }

    /// It is about the target, and so told to whoever follows a part of it, too.
    #[tokio::test(start_paused = true)]
    async fn how_the_target_stands_with_a_relay_is_told_when_it_changes() {
        use supervisor_api::wire::{ConnectionState, RegistrationState};

        let (handle, mut feed) = feed(None).await;
        feed.under = "/b".parse().unwrap();
        for (connection, word) in
            [(ConnectionState::Reconnecting, "reconnecting"), (ConnectionState::Expired, "expired")]
        {
            feed.target.standing.send_replace((RegistrationState::Expired, connection));
            restart(&handle, "a").await;
            let line: Value = serde_json::from_slice(&bytes(feed.next().await)).unwrap();
            assert_eq!(line["type"], "state_delta", "nothing else happened in this part");
            assert_eq!(line["delta"], serde_json::json!({"connection_state": word}));
        }
        let waits = tokio::time::timeout(Duration::from_secs(3600), feed.next());
        assert!(waits.await.is_err(), "it is told once");
        // One who knows nothing is told with everything else.
        let params = SubscribeParams {
            session_established: true,
            from_sequence: Some(9_999),
            ..SubscribeParams::default()
        };
        let (mut afresh, _) = EventFeed::open(feed.target.clone(), &params);
        let line: Value = serde_json::from_slice(&bytes(afresh.next().await)).unwrap();
        assert_eq!(line["delta"]["connection_state"], "expired");
        assert!(line["delta"].get("topology").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_end_nothing_comes_and_nothing_spins() {
        let (handle, mut feed) = feed(Some(1)).await;
        handle.shutdown("test", "over").await.unwrap();
        assert_eq!(there(&mut feed).last().unwrap(), "state_delta");
        assert!(tokio::time::timeout(Duration::from_secs(3600), feed.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_program_uses_is_told_though_no_event_tells_it() {
        let uses = |cpu_percent| tokio_supervisor::api::ProgramUsage { cpu_percent, ..Default::default() };
        let program = tokio_supervisor::ChildSpec::service(
            "p",
            move |ctx: tokio_supervisor::ChildContext| async move {
                for percent in [1, 1, 7] {
                    ctx.uses(uses(percent));
                    tokio::time::sleep(Duration::from_secs(6)).await;
                }
                ctx.stopping().await;
            },
        );
        let (handle, dispatcher) = serve(SupervisorSpec::root([service("a"), program])).await;
        handle.started().await.unwrap();
        let params =
            SubscribeParams { session_established: true, from_sequence: None, ..SubscribeParams::default() };
        let (mut feed, _) = EventFeed::open(dispatcher.shared.target.clone(), &params);
        for percent in [1, 7] {
            let line = bytes(feed.next().await);
            assert_eq!(rows(&line), ["/p"]);
            let line: Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(line["delta"]["runtime_state"][0]["usage"]["cpu_percent"], percent);
        }
        assert!(tokio::time::timeout(Duration::from_secs(60), feed.next()).await.is_err(), "nothing is new");
        handle.pause_child("p", "test", "x").await.unwrap();
        assert!(handle.programs().is_empty());
    }
}
