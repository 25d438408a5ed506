//! One target: it listens, answers and pushes as a real one does, and its tree is a [`Story`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use supervisor_api::wire::{
    Call, DashboardState, ErrorCode, INVALID_REQUEST, Push, Registration, Request, Response, ResultBody,
    Stream, TreeView, UnixNanos, WireError,
};
use supervisor_socket::{Connection, Peer, ReadError, Refusal, Service, Standing, WriteError};
use tokio::sync::watch;

use crate::clock;
use crate::story::Story;

/// How many events are kept, as in the journal of a real tree.
pub(crate) const KEPT: u64 = 4_096;
/// How many bytes are gathered before they are written, as by a real target.
const PORTION: usize = 64 * 1024;

/// A target.
pub(crate) struct Target {
    story: Story,
    registration: Registration,
    /// It takes what is said and never answers.
    hangs: bool,
    world: Mutex<World>,
    /// The sequence of the newest event.
    head: watch::Sender<u64>,
}

/// What it knows.
struct World {
    view: TreeView,
    /// The sequence of the oldest event that is kept.
    first: u64,
    /// When the events that are kept occurred.
    kept: VecDeque<u64>,
}

/// A connection is over.
struct Over;

impl From<ReadError> for Over {
    fn from(_: ReadError) -> Self {
        Self
    }
}

impl From<WriteError> for Over {
    fn from(_: WriteError) -> Self {
        Self
    }
}

impl Target {
    /// A target with a past: its journal is full.
    pub(crate) fn new(story: Story, registration: Registration, hangs: bool) -> Result<Self, String> {
        let mut world = World { view: TreeView::new(story.state()?), first: 1, kept: VecDeque::new() };
        let now = clock::now();
        for sequence in 1..=KEPT {
            world.view.apply_event(story.event(sequence, now));
            world.kept.push_back(now);
        }
        let (head, _) = watch::channel(KEPT);
        Ok(Self { story, registration, hangs, world: Mutex::new(world), head })
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The sequence of the newest event.
    pub(crate) fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// The next event happens, and is pushed.
    pub(crate) fn happen(&self) {
        let sequence = self.head() + 1;
        let now = clock::now();
        {
            let mut world = self.world();
            world.view.apply_event(self.story.event(sequence, now));
            world.kept.push_back(now);
            if world.kept.len() as u64 > KEPT {
                world.kept.pop_front();
                world.first += 1;
            }
        }
        self.head.send_replace(sequence);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> DashboardState {
        let world = self.world();
        let mut state = world.view.state().clone();
        state.state_generation = state.recent_events.last().map_or(0, |event| event.sequence);
        state.generated_at_unix_nanos = UnixNanos(clock::now());
        state
    }

    /// The event that was asked for or, if that is kept no more, the oldest with the gap before it; and its sequence.
    fn push(&self, asked: u64) -> (Option<Push>, Push, u64) {
        let (first, at) = {
            let world = self.world();
            let at = world.kept[(asked.max(world.first) - world.first) as usize];
            (world.first, at)
        };
        let sequence = asked.max(first);
        let target_id = Arc::clone(&self.story.id);
        let gap = (asked < first).then(|| Push::Gap {
            target_id: Arc::clone(&target_id),
            stream: Stream::Events.into(),
            from: asked,
            to: first - 1,
        });
        (gap, Push::Event { target_id, event: Box::new(self.story.event(sequence, at)) }, sequence)
    }

    /// Answers a request; `next`: the event that is pushed next, once there is a subscription.
    fn answer(&self, call: Call, next: &mut Option<u64>) -> Result<ResultBody, WireError> {
        let target_id = Arc::clone(&self.story.id);
        match call {
            Call::Hello => {
                // Who tells capabilities pushes, and is not polled.
                let capabilities = vec!["events.subscribe".to_owned()];
                Ok(ResultBody::hello(self.registration.clone(), capabilities, Some("operator".to_owned())))
            }
            Call::State(_) => Ok(ResultBody::State { target_id, state: Box::new(self.state()) }),
            Call::Subscribe(stream, params) => {
                let from = match stream {
                    Stream::Events => {
                        let head = self.head();
                        let from = params.from_sequence.unwrap_or(head + 1).clamp(1, head + 1);
                        *next = Some(from);
                        from
                    }
                    // Nobody here logs anything.
                    Stream::Logs => 1,
                };
                Ok(ResultBody::Subscription {
                    target_id,
                    subscription: stream.into(),
                    from_sequence: Some(from),
                    to_sequence: None,
                })
            }
            _ => Err(WireError::new(ErrorCode::UnsupportedMethod, "this target can only be looked at")),
        }
    }

    fn respond(&self, frame: &str, next: &mut Option<u64>) -> Response {
        let request = match Request::read(frame.as_bytes()) {
            Ok(request) => request,
            Err(refusal) => return refusal.response(),
        };
        match self.answer(request.call, next) {
            Ok(body) => Response::answered(request.request_id, body),
            Err(error) => Response::refused(request.request_id, error),
        }
    }

    /// Requests are answered in order; between them is pushed what there is.
    async fn serve(&self, connection: &mut Connection) -> Result<(), Over> {
        let mut head = self.head.subscribe();
        let mut next: Option<u64> = None;
        loop {
            let newest = *head.borrow_and_update();
            let is_behind = next.is_some_and(|next| next <= newest);
            tokio::select! {
                frame = connection.reader.next() => {
                    let Some(frame) = frame? else { return Ok(()) };
                    if self.hangs {
                        continue;
                    }
                    let answer = self.respond(&frame, &mut next);
                    connection.writer.send(&rendered(&answer)).await?;
                    if next.is_some() {
                        connection.reader.set_idle(None);
                    }
                }
                () = std::future::ready(()), if is_behind => {
                    while let Some(at) = next.filter(|at| *at <= newest)
                        && connection.writer.queued() < PORTION
                    {
                        let (gap, event, sequence) = self.push(at);
                        for push in gap.iter().chain([&event]) {
                            connection.writer.queue(&rendered(push));
                        }
                        next = Some(sequence + 1);
                    }
                    connection.writer.flush().await?;
                }
                _ = head.changed(), if next.is_some() && !is_behind => {}
            }
        }
    }
}

fn rendered(line: &impl serde::Serialize) -> Vec<u8> {
    // Only a map with keys that are no texts could fail; there is none.
    serde_json::to_vec(line).unwrap_or_default()
}

impl Service for Target {
    fn standing(&self, _: &Peer) -> Standing {
        Standing::Ordinary
    }

    fn refused(&self, _: Option<&Peer>, refusal: Refusal) -> Option<Vec<u8>> {
        let error = WireError::new(ErrorCode::PeerCredUidMismatch, refusal.to_string());
        Some(rendered(&Response::refused(INVALID_REQUEST, error)))
    }

    async fn session(self: Arc<Self>, _: u64, mut connection: Connection) {
        // The relay sees a connection that ends, and connects again.
        let _ = self.serve(&mut connection).await;
    }
}
