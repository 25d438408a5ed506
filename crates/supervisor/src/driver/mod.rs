//! The driver: it owns the machine, hands it what happened, and carries out what it decides.
//!
//! A *turn* is one pass under the brain's lock: one look at the clock, commands, due deadlines, plans that
//! were cut, reports of children. Effects are applied in their order: rows and events in a window of the
//! journal, everything that runs other people's code (wakers, replies, drops) noted and done after the
//! lock is released. The task around it owns the one timer and goes round again while there is more to do. It also wakes
//! the readers of events when they are many, without a turn.
//!
//! The end of a run is decided by the child's own task in a *short turn*, when nobody holds the lock and nothing else
//! waits; so most restarts need nobody to be woken. Whoever finds somebody at it leaves the end to him, who takes what was
//! left in a turn for others before he goes on. All else is the driver's, and so is an end that wakes others beside its own
//! child: they begin in the order in which the machine wants them. In the same way a command to a child that is at work is
//! carried out by whoever gives it.

mod access;
mod apply;
mod ending;
mod inbox;
mod respec;
mod shelf;
mod stint;
mod told;
#[cfg(test)]
mod trace;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;

use supervisor_api::{ChildKey, Detail, SupervisorError, SupervisorPath};
use supervisor_core::{Effect, Reply, Ticket};
use tokio::sync::{mpsc, oneshot};

use crate::clock::nanos;
use crate::queue::Report;
use crate::schedule::{Schedule, Times};
use crate::spec::{Bodies, Body, Extras};
use crate::tree::Tree;

use shelf::Shelf;

pub(crate) use apply::fold;
pub(crate) use inbox::{Ask, Msg, Signalled};
pub(crate) use stint::Stint;

#[cfg(not(test))]
pub(crate) use supervisor_core::Machine;
/// In tests the machine keeps a record of what it was handed and what it decided.
#[cfg(test)]
pub(crate) use trace::Machine;
#[cfg(all(test, shuttle))]
pub(crate) use trace::What;

/// Everything that only a turn may touch.
pub(crate) struct Brain {
    pub(crate) machine: Machine,
    inbox: mpsc::Receiver<Msg>,
    /// The bodies that the tree was launched with, by number. They stay as long as its spec names them, because a
    /// restarted supervisor has its static children again (R48).
    launched: Vec<Option<Body>>,
    /// Bodies that came later.
    added: Shelf,
    /// What belongs to supervisors, by path.
    supervisors: HashMap<SupervisorPath, Arc<Extras>>,
    /// What the driver knows of each child, by index.
    seats: Vec<Seat>,
    /// What belongs to a child that was added, and goes with it, unless it is its own body alone.
    batches: HashMap<ChildKey, Batch>,
    waiting: HashMap<Ticket, Waiter>,
    /// The spec that the machine is being handed.
    respec: Option<respec::Respec>,
    /// The child that the command at hand adds, and the command.
    adding: Option<(SupervisorPath, Ticket)>,
    tickets: Ticket,
    /// Runs that are on.
    live: u64,
    /// The run whose end an event told last: its child's place, and its number.
    told_end: Option<(u32, u64)>,
    /// Children whose late body the machine has to be told of again.
    rebind: Vec<ChildKey>,
    /// Children with limits that nothing holds them to, which are to be told of.
    unenforced: Vec<ChildKey>,
    /// Reports taken from the queue.
    reports: VecDeque<Report>,
    effects: Vec<Effect>,
    after: Vec<After>,
    /// The wall clock of this turn, in Unix nanoseconds; as it was when the driver last looked, and the tree's time then.
    wall: u64,
    wall_then: u64,
    looked_at: u64,
    /// Until when the driver sleeps.
    armed: u64,
    /// The machine is done.
    done: bool,
    /// The tasks of the children know it.
    dismissed: bool,
    /// The last event before the end began.
    ending_from: u64,
    /// The command that the machine is being handed; 0 is none.
    at_hand: Ticket,
    /// Counts, once somebody has asked for it.
    #[cfg(feature = "metrics")]
    pub(crate) meter: Option<crate::metrics::Meter>,
    /// How the tree ended.
    end: Option<supervisor_api::report::RuntimeExitReport>,
}

/// What the driver knows of a child.
#[derive(Clone, Copy, Default)]
struct Seat {
    epoch: u32,
    /// The number of its body, plus one; 0 for a supervisor.
    body: u32,
    /// The body its task was made for, plus one; 0 when there is no task.
    hosted: u32,
    present: bool,
    /// A request to stop its last run is left in its cell.
    was_asked: bool,
    /// Its body goes with it: it was added, and the spec does not name it.
    owns_body: bool,
}

/// What came with a child that was added.
#[derive(Default)]
struct Batch {
    /// The child, once it is in the tree.
    key: Option<ChildKey>,
    numbers: Vec<u32>,
    supervisors: Vec<SupervisorPath>,
}

/// Who waits for the answer to a command.
struct Waiter {
    reply: oneshot::Sender<Result<Reply, SupervisorError>>,
    batch: Option<Batch>,
    told: Option<Box<told::Told>>,
    #[cfg(feature = "metrics")]
    word: &'static str,
}

/// What is done after the lock is released, in this order.
enum After {
    /// Start the task of a child.
    Launch(Arc<dyn crate::run::Run>, crate::run::Seat),
    /// Wake the task of a child, and cancel its tokens.
    Ring(u32),
    /// Wake a task whose place is another child's now.
    Wake(Waker),
    /// Answer a command.
    Reply(oneshot::Sender<Result<Reply, SupervisorError>>, Result<Reply, SupervisorError>),
    /// Drop a body, which is a user's.
    DropBody(Body),
    /// Drop what may be a user's.
    Drop(Box<dyn std::any::Any + Send>),
    /// Wait for the times of a child, or no longer.
    KeepTime(Times, Option<Schedule>),
    /// The tree begins to end: the sequence of the event that says so, and its text.
    Ending(u64, Option<Arc<Detail>>),
    /// The tree has ended.
    Ended(supervisor_api::report::RuntimeExitReport),
    /// The initial start is over.
    Started(Result<(), SupervisorError>),
}

impl Brain {
    pub(crate) fn new(machine: Machine, inbox: mpsc::Receiver<Msg>, bodies: Bodies) -> Self {
        // The list is made of the other in place.
        let mut launched: Vec<_> = bodies.numbered.into_iter().map(|(_, body)| Some(body)).collect();
        launched.shrink_to_fit();
        let children = launched.len() + bodies.supervisors.len() + 1;
        Self {
            machine,
            inbox,
            launched,
            added: Shelf::default(),
            supervisors: bodies.supervisors.into_iter().collect(),
            seats: Vec::with_capacity(children),
            batches: HashMap::new(),
            waiting: HashMap::new(),
            respec: None,
            adding: None,
            tickets: 0,
            live: 0,
            told_end: None,
            rebind: Vec::new(),
            unenforced: Vec::new(),
            reports: VecDeque::new(),
            effects: Vec::new(),
            after: Vec::new(),
            wall: 0,
            wall_then: 0,
            looked_at: 0,
            armed: 0,
            done: false,
            dismissed: false,
            ending_from: u64::MAX,
            at_hand: 0,
            #[cfg(feature = "metrics")]
            meter: None,
            end: None,
        }
    }

    /// The name of the factory that a child waits for, if it does.
    pub(crate) fn unbound(&self, key: ChildKey) -> Option<Arc<str>> {
        let seat = self.seat(key)?;
        match &self.body(seat.body.checked_sub(1)?)?.run {
            crate::spec::Bound::No(wanted) => Some(Arc::clone(&wanted.factory)),
            _ => None,
        }
    }

    /// What a number stands for.
    fn body(&self, number: u32) -> Option<&Body> {
        self.launched.get(number as usize).and_then(Option::as_ref).or_else(|| self.added.get(number))
    }

    fn body_mut(&mut self, number: u32) -> Option<&mut Body> {
        let launched = self.launched.get_mut(number as usize).and_then(Option::as_mut);
        launched.or_else(|| self.added.get_mut(number))
    }

    fn seat(&self, key: ChildKey) -> Option<&Seat> {
        self.seats.get(key.index as usize).filter(|seat| seat.present && seat.epoch == key.epoch)
    }
}

/// What a child's task does that has told the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Following {
    /// It looks at its order.
    Now,
    /// It is woken when there is one.
    Later,
}

/// What the task does after a turn.
pub(crate) enum More {
    /// Another turn, after others had theirs.
    Now,
    /// A turn when something happens, or at this time.
    At(Option<u64>),
    /// Nothing: the tree has ended and every run is gone.
    Never,
}

/// The task that drives a tree until it has ended and every run is gone. A runtime may drop it before its
/// first poll, and everybody who waits is told then too (D16).
pub(crate) fn drive(tree: Arc<Tree>) -> impl Future<Output = ()> + Send {
    let guard = ending::Guard::new(Arc::clone(&tree));
    async move {
        turns(&tree).await;
        guard.disarm();
    }
}

async fn turns(tree: &Arc<Tree>) {
    let mut timer = pin!(tokio::time::sleep_until(tree.clock.instant(u64::MAX)));
    let mut armed = u64::MAX;
    loop {
        tree.journal.cry();
        match tree.turn() {
            More::Now => tokio::task::yield_now().await,
            More::At(due) => {
                let due = due.unwrap_or(u64::MAX);
                if due != armed {
                    timer.as_mut().reset(tree.clock.instant(due));
                    armed = due;
                }
                loop {
                    tokio::select! {
                        biased;
                        () = tree.rung() => break,
                        () = timer.as_mut(), if armed != u64::MAX => {
                            armed = u64::MAX;
                            break;
                        }
                        () = tree.stint.called() => {
                            let soon = tree.clock.now().saturating_add(nanos(stint::PATIENCE));
                            if soon < armed {
                                timer.as_mut().reset(tree.clock.instant(soon));
                                armed = soon;
                            }
                        }
                        () = tree.journal.called() => {
                            tree.driver_comes();
                            tree.journal.cry();
                        }
                    }
                }
            }
            More::Never => return,
        }
    }
}
