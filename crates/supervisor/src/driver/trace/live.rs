//! A plan, played by the real driver with real tasks under paused time.

use std::future::pending;
use std::panic::panic_any;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use supervisor_core::{Address, Command, Effect, Reply, Requester};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::{Ask, Msg, Seat};
use super::plan::{Asked, Deed, End, Ending, Leaf, Plan, Start};
use super::record::Record;
use crate::spec::{Bodies, lower_child, lower_root};
use crate::sync::atomic::AtomicU32;
use crate::tree::Tree;
use crate::{
    ChildContext, ChildKey, ChildSpec, ControlVerb, EventItem, Exit, OtpVerb, RuntimeExitReport,
    StampedEvent, Supervisor, SupervisorError, SupervisorPath,
};

/// Everything that can be known of a story after its end.
pub(super) struct Story {
    pub(super) record: Record,
    /// What the runs noted, in order.
    pub(super) notes: Vec<Note>,
    /// What a reader of the events was given, from the first on.
    pub(super) events: Vec<StampedEvent>,
    /// What was asked, in order, and what was answered; `None` when nobody was there to answer.
    pub(super) answers: Vec<Option<Result<Reply, SupervisorError>>>,
    /// When it was asked.
    pub(super) asked_at: Vec<u64>,
    pub(super) started: Result<(), SupervisorError>,
    pub(super) report: RuntimeExitReport,
    /// For each place in the tree: the epoch of who is there, and whether it is in the tree.
    pub(super) seats: Vec<(u32, bool)>,
    /// Whether anything that a user gave is still held, and how many tasks are left.
    pub(super) leaked: (usize, usize),
}

/// Something that a run noted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Note {
    pub(super) at: u64,
    pub(super) key: ChildKey,
    pub(super) generation: u64,
    pub(super) what: Noted,
    /// The run does something that can end it otherwise, or later, than by its own future: it has spawned a task, or
    /// panics in its factory or while it is dropped.
    pub(super) odd: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Noted {
    Built,
    Ready,
    Beat,
    /// It was asked to stop.
    Asked,
    /// It was told, as a managed run is, that its grace is over.
    Killed,
    /// It is about to return this; `None` is a panic.
    Ends(Option<Exit>),
    /// It declines to start.
    Declines,
    /// A time of its script has come.
    Woken,
    /// Its future is dropped.
    Gone,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    fn add(&self, run: &Who, what: Noted) {
        let at = run.ctx.handle().tree.clock.now();
        let note = Note { at, key: run.key, generation: run.ctx.generation(), what, odd: run.odd };
        self.0.lock().unwrap().push(note);
    }
}

/// A run, as it notes things.
struct Who {
    ctx: ChildContext,
    key: ChildKey,
    notes: Notes,
    panics: bool,
    odd: bool,
}

impl Who {
    fn note(&self, what: Noted) {
        self.notes.add(self, what);
    }
}

impl Drop for Who {
    fn drop(&mut self) {
        self.note(Noted::Gone);
        if self.panics && !std::thread::panicking() {
            panic_any("a panic in drop".to_owned());
        }
    }
}

/// Plays a plan to its end, until no task is left.
pub(super) fn play(plan: &Plan) -> Story {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let notes = Notes::default();
    let mut story = runtime.block_on(story(plan, &notes));
    story.leaked = (Arc::strong_count(&notes.0) - 1, runtime.metrics().num_alive_tasks());
    story.notes = std::mem::take(&mut *notes.0.lock().unwrap());
    story
}

async fn story(plan: &Plan, notes: &Notes) -> Story {
    let run = |leaf: &Leaf| body(leaf, notes);
    let spec = plan.root.spec(&run).seed(plan.seed);
    let scoped = Supervisor::scoped(spec).unwrap_or_else(|error| panic!("{error}\n{:#?}", plan.root));
    let handle = scoped.handle();
    let tree = Arc::clone(&handle.tree);
    let mut stream = handle.events_after(0);
    let reader = tokio::spawn(async move {
        let mut events = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                EventItem::Event(event) => events.push(*event),
                EventItem::Gap(gap) => panic!("a reader that is always awake lost {gap}"),
            }
        }
        events
    });
    let (mut answers, mut asked_at) = (Vec::new(), Vec::new());
    for (after, asked) in &plan.asks {
        sleep(Duration::from_millis(*after)).await;
        asked_at.push(tree.clock.now());
        answers.push(ask(&tree, answers.len(), asked, &run));
    }
    sleep(Duration::from_secs(10)).await;
    asked_at.push(tree.clock.now());
    match plan.ending {
        Ending::Dropped => drop(scoped),
        Ending::Shutdown => answers.push(send(&tree, answers.len(), Command::Shutdown, Bodies::default())),
        Ending::Hurried(after) => {
            answers.push(send(&tree, answers.len(), Command::Shutdown, Bodies::default()));
            sleep(Duration::from_millis(after)).await;
            asked_at.push(tree.clock.now());
            answers.push(send(&tree, answers.len(), Command::SkipGraces, Bodies::default()));
        }
    }
    let report = handle.join().await;
    let started = handle.started().await;
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap());
    }
    let mut events = reader.await.unwrap();
    // Runs that nobody waits for end some time later; the driver stays until then.
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..1_000 {
        if metrics.num_alive_tasks() == 0 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    // What such an end leads to is told after the end of the tree, to whoever asks then.
    let mut late = handle.events_after(events.len() as u64);
    while let Some(EventItem::Event(event)) = late.try_next() {
        events.push(*event);
    }
    let mut brain = tree.brain();
    let record = brain.machine.take_record();
    let seats = brain.seats.iter().map(|Seat { epoch, present, .. }| (*epoch, *present)).collect();
    drop(brain);
    Story {
        record,
        notes: Vec::new(),
        events,
        answers: told,
        asked_at,
        started,
        report,
        seats,
        leaked: (0, 0),
    }
}

// What is asked.

type Answer = tokio::task::JoinHandle<Option<Result<Reply, SupervisorError>>>;

/// The words by which a command is found again: its number.
pub(super) fn reason(number: usize) -> Arc<str> {
    format!("command {number}").into()
}

fn ask(tree: &Arc<Tree>, number: usize, asked: &Asked, run: &impl Fn(&Leaf) -> ChildSpec) -> Answer {
    let add = |under: &str, leaf: &Leaf| {
        let parent = SupervisorPath::parse(under).unwrap();
        lower_child(leaf.spec(run), &parent, &tree.bodies).unwrap()
    };
    let (command, bodies) = match asked {
        Asked::Add(under, leaf) => {
            let (child, bodies) = add(under, leaf);
            (Command::Add { under: address(under), child: Box::new(child) }, bodies)
        }
        Asked::StartChild(under, leaf) => {
            let (child, bodies) = add(under, leaf);
            (Command::StartChild { under: address(under), child: Box::new(child) }, bodies)
        }
        Asked::Apply(root) => {
            let lowered = lower_root(root.spec(run), &AtomicU32::new(0)).unwrap();
            (Command::Apply(Box::new(lowered.decl)), lowered.bodies)
        }
        other => (simple(other), Bodies::default()),
    };
    send(tree, number, command, bodies)
}

/// The command of everything that brings no child.
pub(super) fn simple(asked: &Asked) -> Command {
    let control = |verb, whom: &str| Command::Control(verb, address(whom));
    let otp = |verb, whom: &str| Command::Otp(verb, address(whom));
    match asked {
        Asked::Restart(whom) => control(ControlVerb::Restart, whom),
        Asked::Pause(whom) => control(ControlVerb::Pause, whom),
        Asked::Resume(whom) => control(ControlVerb::Resume, whom),
        Asked::Quarantine(whom) => control(ControlVerb::Quarantine, whom),
        Asked::Remove(whom) => control(ControlVerb::Remove, whom),
        Asked::Terminate(whom) => otp(OtpVerb::Terminate, whom),
        Asked::StartAgain(whom) => otp(OtpVerb::StartAgain, whom),
        Asked::Delete(whom) => otp(OtpVerb::Delete, whom),
        Asked::SkipGraces => Command::SkipGraces,
        Asked::Add(..) | Asked::StartChild(..) | Asked::Apply(_) => panic!("{asked:?} brings children"),
    }
}

fn address(path: &str) -> Address {
    Address::Text(path.into())
}

/// Sends a command as a handle does.
fn send(tree: &Arc<Tree>, number: usize, command: Command, bodies: Bodies) -> Answer {
    let (reply, answer) = oneshot::channel();
    let requester =
        Requester { by: Some("test".into()), reason: Some(reason(number)), ..Requester::default() };
    let ask = Msg::Ask(Box::new(Ask { command, requester, bodies, reply }));
    let tree = Arc::clone(tree);
    tokio::spawn(async move {
        if tree.commands.send(ask).await.is_ok() {
            tree.ring();
        }
        answer.await.ok()
    })
}

// What runs do.

/// What a leaf runs: its deeds, noted.
fn body(leaf: &Leaf, notes: &Notes) -> ChildSpec {
    let (leaf, notes) = (Arc::new(leaf.clone()), notes.clone());
    let (name, managed) = (leaf.name.clone(), leaf.managed);
    let factory = move |ctx: ChildContext| {
        let deed = leaf.deed(ctx.generation());
        let odd = deed.crew.is_some() || deed.drop_panics || deed.factory_panics;
        // A live run's child is in the tree, and nobody else has its path.
        let key = ctx.handle().find(ctx.path()).unwrap();
        let who = Who { key, ctx, notes: notes.clone(), panics: deed.drop_panics, odd };
        who.note(Noted::Built);
        assert!(!deed.factory_panics, "a panic in the factory");
        live(who, Arc::clone(&leaf), deed)
    };
    if managed { ChildSpec::managed(name, factory) } else { ChildSpec::service(name, factory) }
}

async fn live(who: Who, leaf: Arc<Leaf>, deed: Deed) -> Exit {
    let ctx = &who.ctx;
    if let Some((lives_on, panics)) = deed.crew {
        let inner = ctx.clone();
        ctx.spawn(async move {
            assert!(!panics, "a panic in a spawned task");
            inner.stopping().await;
            sleep(Duration::from_millis(lives_on)).await;
        });
    }
    if leaf.explicit.is_some() && deed.start == Start::Declines {
        who.note(Noted::Declines);
        ctx.decline("not today");
        return Exit::Completed;
    }
    let begun = Instant::now();
    let after = |millis: u64| begun.checked_add(Duration::from_millis(millis));
    let mut ready = match deed.start {
        Start::Ready(millis) if leaf.explicit.is_some() => after(millis),
        _ => None,
    };
    let mut beat = deed.beats.map(|_| begun);
    let end = deed.end.and_then(|(millis, end)| Some((after(millis)?, end)));
    let (mut stopped, mut killed): (Option<(Instant, End)>, Option<Instant>) = (None, None);
    let (mut asked, mut told) = (false, false);
    loop {
        let now = Instant::now();
        if ready.is_some_and(|at| at <= now) {
            ready = None;
            who.note(Noted::Ready);
            ctx.ready();
        }
        if let (Some((every, until)), true) = (deed.beats, beat.is_some_and(|at| at <= now)) {
            who.note(Noted::Beat);
            ctx.heartbeat();
            let next = now + Duration::from_millis(every);
            beat = Some(next).filter(|next| next.duration_since(begun).as_millis() < u128::from(until));
        }
        for (at, end) in end.iter().chain(&stopped) {
            if *at <= now {
                return ends(&who, *end);
            }
        }
        if killed.is_some_and(|at| at <= now) {
            who.note(Noted::Ends(Some(Exit::Aborted)));
            return Exit::Aborted;
        }
        let times = [ready, beat, killed, end.map(|(at, _)| at), stopped.map(|(at, _)| at)];
        let next = times.into_iter().flatten().min();
        tokio::select! {
            biased;
            () = ctx.killed(), if leaf.managed && !told => {
                told = true;
                who.note(Noted::Killed);
                killed = Some(Instant::now() + Duration::from_millis(deed.on_kill));
            }
            _ = ctx.stopping(), if !asked && !told => {
                asked = true;
                who.note(Noted::Asked);
                stopped = deed.on_stop.map(|(millis, end)| (Instant::now() + Duration::from_millis(millis), end));
            }
            () = until(next) => who.note(Noted::Woken),
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn ends(who: &Who, end: End) -> Exit {
    let exit = match end {
        End::Well => Some(Exit::Completed),
        End::Badly => Some(Exit::failed("boom")),
        End::Panic => None,
    };
    who.note(Noted::Ends(exit.clone()));
    exit.unwrap_or_else(|| panic!("boom"))
}

impl Story {
    /// The events that were decided, with their times.
    pub(super) fn decided(&self) -> impl Iterator<Item = (u64, &supervisor_api::Event)> {
        self.record.effects().filter_map(|(now, effect)| match effect {
            Effect::Emit(event) => Some((now, event)),
            _ => None,
        })
    }
}
