//! Who makes a turn: the driver, the task of a child whose run is over, whoever gives a command. And what each does once
//! the brain is let go.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use supervisor_api::Severity;

use super::apply::KEPT;
use super::{After, Ask, Brain, Following, More};
use crate::contain::{drop_quietly, panic_message};
use crate::journal::Names;
use crate::slot::RunEnd;
use crate::spans::{self, TARGET};
use crate::sync::atomic::fence;
use crate::sync::is_inside;
use crate::tree::{Held, Left, Tree};

thread_local! {
    /// An emptied list of what is put off, so that a turn allocates nothing.
    static EMPTIED: Cell<Vec<After>> = const { Cell::new(Vec::new()) };
}

impl Tree {
    /// Declares every child and begins the initial start.
    pub(crate) fn launch(self: &Arc<Self>) {
        self.locked(|brain, now| {
            brain.look_at_the_wall_clock(now);
            brain.launch(self, now);
            More::Now
        });
    }

    /// One turn of the driver.
    pub(crate) fn turn(self: &Arc<Self>) -> More {
        self.driver_comes();
        let more = self.locked(|brain, now| {
            self.stint.over();
            brain.turn(self, now)
        });
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.plane.mark_alive();
        more
    }

    /// The run of a child is over. Where nobody is at the tree and nothing else waits, the child's own task makes the turn
    /// that decides what follows: a restart then costs no way to the driver and back. The child's code is gone by now, so
    /// no lock of a user can be held here. Whoever finds somebody at the tree, or that somebody else has a stint, leaves the
    /// end to him. The child storms if it has restarted again and again just now.
    pub(crate) fn report_end(self: &Arc<Self>, index: u32, end: RunEnd, storms: bool) -> Following {
        let goes_on = self.stint.is_of(index);
        let brain = if goes_on {
            self.free_brain()
        } else if self.stint.is_anothers(index) {
            None
        } else {
            self.idle_brain()
        };
        let Some(brain) = brain else {
            self.stint.end(index);
            self.leave_end(index, end);
            return Following::Later;
        };
        let act = |brain: &mut Brain, now| brain.short_turn(self, now, index, end, goes_on);
        self.with(brain, By::Child { index, storms }, act).1
    }

    /// The poll of a child is over that may have had a stint.
    pub(crate) fn end_stint(self: &Arc<Self>, index: u32) {
        self.stint.end(index);
        if !self.queue.is_empty() {
            self.take_what_was_left();
        }
    }

    /// Leaves the end of a run to whoever is at the tree; where nobody is any more it is taken here.
    pub(crate) fn leave_end(self: &Arc<Self>, index: u32, end: RunEnd) {
        let is_first = self.queue.leave(index, end);
        // Either this finds the brain let go, or whoever lets go of it finds what was left: each side has a fence between
        // its two steps. So it is with the end of a stint.
        fence(Ordering::SeqCst);
        let is_seen_to = !self.is_driver_wanted() && self.stint.sees_to_what_was_left();
        if !is_seen_to && is_first {
            self.take_what_was_left();
        }
    }

    /// Takes what was left, if nobody is at the tree and nothing else waits: the way to the driver and back costs more.
    fn take_what_was_left(self: &Arc<Self>) {
        if let Some(brain) = self.free_brain() {
            self.with(brain, By::Driver, |brain, now| brain.turn_for_others(self, now));
        }
    }

    /// A command to a child that is at work. Where nobody is at the tree and nothing else waits, whoever gives it makes the
    /// turn that carries it out; it is given back where the driver has to. Only inside the tree's runtime, whose time the
    /// machine follows. Other commands are the driver's, so that whoever was told to begin has begun before the next
    /// command finds it.
    pub(crate) fn take_command(self: &Arc<Self>, ask: Ask) -> Result<(), Box<Ask>> {
        let ask = Box::new(ask);
        if !is_inside(&self.runtime) {
            return Err(ask);
        }
        let Some(brain) = self.idle_brain() else { return Err(ask) };
        if brain.done || brain.has_other_work(self) || !brain.is_to_one_at_work(self, &ask.command) {
            return Err(ask);
        }
        self.with(brain, By::Caller, |brain, now| {
            brain.follow_the_wall_clock(now);
            brain.ask(self, now, *ask);
            brain.leave_the_rest(self);
            More::Now
        });
        Ok(())
    }

    /// The brain, if nobody is at it and nobody would be overtaken.
    fn idle_brain(&self) -> Option<Held<'_>> {
        if self.queue.is_empty() { self.free_brain() } else { None }
    }

    /// Does something with the brain, then, without it, everything that was put off.
    fn locked(self: &Arc<Self>, act: impl FnOnce(&mut Brain, u64) -> More) -> More {
        self.with(self.brain(), By::Driver, act).0
    }

    /// Does something with the brain, then, without it, everything that was put off. A panic in the machine
    /// breaks the tree, and nothing else.
    fn with(
        self: &Arc<Self>,
        mut brain: Held<'_>,
        by: By,
        act: impl FnOnce(&mut Brain, u64) -> More,
    ) -> (More, Following) {
        let traced = tracing::enabled!(target: TARGET, tracing::Level::ERROR);
        let head = self.journal.head();
        let now = self.clock.now();
        if brain.after.capacity() == 0 {
            brain.after = EMPTIED.take();
        }
        let result = catch_unwind(AssertUnwindSafe(|| act(&mut brain, now)));
        if result.is_err() {
            self.journal.mend();
        }
        let (left, following) = if self.goes_on(by, &brain.after) {
            brain.after.clear();
            (self.let_go_on(by, brain), Following::Now)
        } else {
            self.do_the_rest(by, brain)
        };
        let now_at = self.journal.head();
        if now_at != head {
            if self.journal.tell() {
                self.want_driver();
                self.journal.call();
            }
            if traced {
                self.trace(head, now_at);
            }
        }
        if left.is_some() && matches!(by, By::Child { .. }) {
            self.take_what_was_left();
        }
        drop(left);
        let more = result.unwrap_or_else(|payload| {
            self.broken(payload);
            More::Never
        });
        (more, following)
    }

    /// Whether nothing was put off but that whose task this is goes on with its next run, as after most failures.
    fn goes_on(&self, by: By, after: &[After]) -> bool {
        matches!(after, [After::Ring(index)] if by.is_child(*index) && self.is_to_run(*index))
    }

    /// Lets go of the brain for the next run of the child. One that storms has a stint from now on, and sees to what was
    /// left when it begins that, but not with each turn in it. While the driver is wanted nobody has one, because it is the
    /// driver that ends those that last.
    fn let_go_on<'a>(&self, by: By, brain: Held<'a>) -> Option<Left<'a>> {
        match by {
            By::Child { index, .. } if self.is_driver_wanted() => self.stint.end(index),
            By::Child { index, storms: true } if !self.stint.begin(index) => {
                brain.go_on();
                return None;
            }
            _ => {}
        }
        brain.let_go()
    }

    /// Lets go of the brain, and does what was put off or leaves it to the driver.
    fn do_the_rest<'a>(&'a self, by: By, mut brain: Held<'a>) -> (Option<Left<'a>>, Following) {
        let mut after = std::mem::take(&mut brain.after);
        let does = by.does(&after);
        if !does {
            std::mem::swap(&mut brain.after, &mut after);
        }
        let left = brain.let_go();
        if !does {
            self.ring();
        }
        let mut following = Following::Later;
        for task in after.drain(..) {
            match task {
                After::Ring(index) if by.is_child(index) && self.is_to_run(index) => {
                    following = Following::Now;
                }
                task => self.perform(task),
            }
        }
        after.shrink_to(KEPT);
        EMPTIED.with(|emptied| emptied.set(after));
        (left, following)
    }

    fn is_to_run(&self, index: u32) -> bool {
        self.table.slot(index).order().is_to_run()
    }

    fn perform(&self, task: After) {
        match task {
            After::Launch(run, seat) => run.host(seat),
            After::Ring(index) => self.table.slot(index).ring(),
            After::Wake(waker) => waker.wake(),
            After::Reply(reply, result) => {
                // Whoever asked may have gone; the command is carried out all the same.
                let _ = reply.send(result);
            }
            After::DropBody(body) => drop_quietly(body),
            After::Drop(value) => drop_quietly(value),
            After::KeepTime(times, schedule) => self.keep_time(times, schedule),
            After::Started(how) => {
                self.plane.mark_alive();
                self.plane.started(how);
            }
            After::Ending(event, detail) => self.plane.ending(spans::shutdown(event, detail.as_deref())),
            After::Ended(report) => self.ended(report),
        }
    }

    fn broken(&self, payload: Box<dyn Any + Send>) {
        let reason = format!("the supervising loop panicked: {}", panic_message(payload.as_ref()));
        drop_quietly(payload);
        self.abandon(crate::driver::ending::panicked(reason));
    }

    /// Events for whoever listens through `tracing`.
    fn trace(&self, from: u64, to: u64) {
        let mut names = Names::new(self);
        for sequence in from + 1..=to {
            let Some((record, detail)) = self.journal.read(sequence) else { continue };
            let event = names.stamp(sequence, &record, detail);
            let path = event.path.as_str();
            match record.kind.severity() {
                Severity::Error => tracing::error!(target: TARGET, path, sequence, "{event}"),
                Severity::Warning => tracing::warn!(target: TARGET, path, sequence, "{event}"),
                Severity::Info => tracing::info!(target: TARGET, path, sequence, "{event}"),
                Severity::Debug => tracing::debug!(target: TARGET, path, sequence, "{event}"),
                Severity::Trace => tracing::trace!(target: TARGET, path, sequence, "{event}"),
            }
        }
    }
}

/// Who makes a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The driver.
    Driver,
    /// The task of a child whose run is over, and which need not be woken.
    Child { index: u32, storms: bool },
    /// Whoever gives a command.
    Caller,
}

impl By {
    fn is_child(self, child: u32) -> bool {
        matches!(self, Self::Child { index, .. } if index == child)
    }

    /// Whether it does itself what was put off. Else the driver does: then all who are woken together with a child begin
    /// in the order in which they are wanted, and what is told of the tree as a whole is told in its order.
    fn does(self, after: &[After]) -> bool {
        match self {
            Self::Driver => true,
            Self::Child { .. } => {
                let is_own = |task: &After| matches!(task, After::Ring(index) if self.is_child(*index));
                let wakes = |task: &&After| matches!(task, After::Ring(_) | After::Launch(..));
                !after.iter().any(is_own) || after.iter().filter(wakes).count() == 1
            }
            Self::Caller => after.iter().all(|task| {
                matches!(
                    task,
                    After::Ring(_)
                        | After::Launch(..)
                        | After::Reply(..)
                        | After::DropBody(_)
                        | After::Drop(_)
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32};
    use std::sync::{Condvar, Mutex, OnceLock};
    use std::time::Duration;

    use super::*;
    use crate::registry::Registry;
    use crate::supervisor::prepare;
    use crate::tree::Bounds;
    use crate::{
        Backoff, ChildSpec, EventKind, Lifecycle, RuntimeControlPlaneState, Supervisor, SupervisorError,
        SupervisorHandle, SupervisorSpec,
    };

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_the_loop_ends_the_tree_as_failed_and_nobody_else() {
        let child = ChildSpec::service("a", |ctx| async move {
            ctx.stopping().await;
            std::future::pending::<()>().await;
        });
        let handle = Supervisor::start(SupervisorSpec::root([child])).await.unwrap();
        let mut events = handle.subscribe_events();
        let (before, waits) = (handle.snapshot(), handle.clone());
        let waiting = tokio::spawn(async move { waits.pause_child("a", "test", "waits").await });
        while handle.child("a").unwrap().state.lifecycle_state != Lifecycle::Stopping {
            tokio::task::yield_now().await;
        }
        let tree = Arc::clone(&handle.tree);
        let more = tree.locked(|_, _| {
            tree.journal.open_window();
            panic!("a mistake in the machine")
        });
        assert!(matches!(more, More::Never));

        let report = handle.join().await;
        assert_eq!((report.state, report.phase.as_ref()), (RuntimeControlPlaneState::Failed, "loop"));
        assert!(report.panic && !report.recoverable && report.reason.contains("a mistake in the machine"));
        assert!(handle.health().failure.unwrap().panic);
        let answer = waiting.await.unwrap();
        assert!(matches!(answer, Err(SupervisorError::Ended { .. })), "{answer:?}");
        assert!(matches!(handle.resume_child("a", "test", "late").await, Err(SupervisorError::Ended { .. })));
        assert_eq!(handle.shutdown("test", "late").await.unwrap(), report);
        assert_eq!(handle.snapshot().len(), before.len(), "reads still answer");
        while events.next().await.is_some() {}
        // The child was stopped hard: its run is over although its grace is not.
        let slot = tree.table.slot(handle.find("a").unwrap().index);
        while !slot.order().has(crate::slot::OVER) {
            tokio::task::yield_now().await;
        }
    }

    /// A tree of one child that fails so often and then waits; how often it was started.
    fn failing(times: u32) -> (Arc<Tree>, Arc<AtomicU32>) {
        let runs = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&runs);
        let child = ChildSpec::service("a", move |ctx| {
            let earlier = count.fetch_add(1, Ordering::Relaxed);
            async move {
                if earlier < times {
                    return Err("again");
                }
                ctx.stopping().await;
                Ok(())
            }
        });
        let spec = SupervisorSpec::root([child.backoff(Backoff::none())]).unlimited();
        let (tree, _) = prepare(spec, Registry::new(), &Bounds::default()).unwrap();
        (tree, runs)
    }

    async fn until(done: impl Fn() -> bool) {
        for _ in 0..10_000 {
            if done() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never comes to that");
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_restarts_at_once_needs_no_turn_of_the_driver() {
        let (tree, runs) = failing(1_000);
        tree.launch();
        // Nobody drives the tree.
        until(|| runs.load(Ordering::Relaxed) == 1_001).await;
        assert_eq!(tree.turns.load(Ordering::Relaxed), 0);
        let events: Vec<_> =
            (1..=tree.journal.head()).map(|at| tree.journal.read(at).unwrap().0.kind).collect();
        let failed = events.iter().filter(|kind| **kind == EventKind::ChildFailed).count();
        assert_eq!(failed, 1_000, "each failure is told");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_to_a_child_that_is_at_work_needs_no_turn_of_the_driver() {
        let (tree, runs) = failing(0);
        tree.launch();
        until(|| runs.load(Ordering::Relaxed) == 1).await;
        // Nobody drives the tree.
        let handle = SupervisorHandle::new(Arc::clone(&tree));
        for again in 2..10 {
            handle.restart_child("a", "test", "again").await.unwrap();
            until(|| runs.load(Ordering::Relaxed) == again).await;
        }
        handle.pause_child("a", "test", "enough").await.unwrap();
        assert_eq!(handle.child("a").unwrap().state.lifecycle_state, Lifecycle::Paused);
        assert_eq!(tree.turns.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_to_a_child_that_has_not_begun_is_left_to_the_driver() {
        let (tree, runs) = failing(0);
        tree.launch();
        let handle = SupervisorHandle::new(Arc::clone(&tree));
        let call = handle.restart_child("a", "test", "at once");
        assert!(tokio::time::timeout(Duration::ZERO, call).await.is_err());
        assert_eq!(tree.commands.max_capacity() - tree.commands.capacity(), 1, "it waits for the driver");
        until(|| runs.load(Ordering::Relaxed) == 1).await;
        tokio::spawn(crate::driver::drive(Arc::clone(&tree)));
        until(|| runs.load(Ordering::Relaxed) == 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_heard_although_somebody_has_panicked_while_at_the_tree() {
        let (runs, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Notify::new()));
        let (count, waits) = (Arc::clone(&runs), Arc::clone(&gate));
        let child = ChildSpec::service("a", move |ctx| {
            let (earlier, waits) = (count.fetch_add(1, Ordering::Relaxed), Arc::clone(&waits));
            async move {
                if earlier == 0 {
                    waits.notified().await;
                    return Err("again");
                }
                ctx.stopping().await;
                Ok(())
            }
        });
        let spec = SupervisorSpec::root([child.backoff(Backoff::none())]);
        let (tree, _) = prepare(spec, Registry::new(), &Bounds::default()).unwrap();
        tree.launch();
        tokio::spawn(crate::driver::drive(Arc::clone(&tree)));
        until(|| runs.load(Ordering::Relaxed) == 1).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        // The driver sleeps.
        let at = Arc::clone(&tree);
        let reader = std::thread::spawn(move || {
            let _held = at.brain();
            panic!("a mistake of a reader")
        });
        assert!(reader.join().is_err());
        gate.notify_one();
        until(|| runs.load(Ordering::Relaxed) == 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_left_to_the_driver_while_somebody_is_at_the_tree() {
        let (tree, runs) = failing(1);
        tree.launch();
        let held = tree.brain();
        until(|| runs.load(Ordering::Relaxed) == 1).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        drop(held);
        assert!(!tree.queue.is_empty(), "it waits in the queue");
        tokio::spawn(crate::driver::drive(Arc::clone(&tree)));
        until(|| runs.load(Ordering::Relaxed) == 2).await;
    }

    /// `busy` fails until it has a stint, then its run keeps the worker until `other` has been restarted twice.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_fails_while_a_stint_does_not_end_is_restarted_all_the_same() {
        // The driver comes by of itself every few seconds, which is not what is meant.
        const IN_TIME: Duration = Duration::from_secs(2);
        #[derive(Default)]
        struct Both {
            tree: OnceLock<Arc<Tree>>,
            has_a_stint: AtomicBool,
            gate: tokio::sync::Notify,
            runs_of_other: AtomicU32,
            came_back: (Mutex<bool>, Condvar),
        }
        let both = Arc::new(Both::default());
        let shared = Arc::clone(&both);
        let busy = ChildSpec::service("busy", move |ctx| {
            let both = Arc::clone(&shared);
            async move {
                let Some(tree) = both.tree.get() else {
                    tokio::task::yield_now().await;
                    return Err("too early");
                };
                // It has the first place after the root.
                if !tree.stint.is_of(1) {
                    return Err("again");
                }
                both.has_a_stint.store(true, Ordering::Release);
                let waits = |is_back: &mut bool| !*is_back;
                let (is_back, told) = &both.came_back;
                drop(told.wait_timeout_while(is_back.lock().unwrap(), IN_TIME * 2, waits).unwrap());
                ctx.stopping().await;
                Ok(())
            }
        });
        let shared = Arc::clone(&both);
        let other = ChildSpec::service("other", move |ctx| {
            let both = Arc::clone(&shared);
            async move {
                match both.runs_of_other.fetch_add(1, Ordering::Relaxed) {
                    0 => both.gate.notified().await,
                    1 => {}
                    _ => {
                        *both.came_back.0.lock().unwrap() = true;
                        both.came_back.1.notify_one();
                        ctx.stopping().await;
                        return Ok(());
                    }
                }
                Err("too")
            }
        });
        let spec = SupervisorSpec::root([busy, other].map(|child| child.backoff(Backoff::none())));
        let handle = Supervisor::start(spec.unlimited()).await.unwrap();
        assert!(both.tree.set(Arc::clone(&handle.tree)).is_ok());
        while !both.has_a_stint.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        // From here, which is no worker's thread: what a worker wakes, it keeps.
        both.gate.notify_one();
        let comes_back = async {
            while both.runs_of_other.load(Ordering::Relaxed) < 3 {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(IN_TIME, comes_back).await;
        assert!(in_time.is_ok(), "it waits for one who keeps his worker");
        handle.shutdown("test", "enough").await.unwrap();
    }
}
