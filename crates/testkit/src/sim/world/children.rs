//! The children: their runs do what their scripts say, and report it as a driver would.

use std::sync::Arc;

use supervisor_api::policy::{ReadinessMode, RestartType, Role};
use supervisor_api::{ChildKey, Exit, Lifecycle};
use supervisor_core::{ChildPolicy, Input};

use super::{Kid, Live, Step, World};
use crate::sim::marks::{Mark, sometimes};
use crate::sim::queue::{Happening, Move};
use crate::sim::schedule::{Ending, MS, Run, Start, Word};

impl World<'_> {
    pub(super) fn run(&self, key: ChildKey) -> Option<Live> {
        let kid = self.room.kids.get(key.index as usize)?;
        kid.run.filter(|_| kid.epoch == key.epoch)
    }

    pub(super) fn run_mut(&mut self, key: ChildKey) -> Option<&mut Live> {
        let kid = self.room.kids.get_mut(key.index as usize)?;
        kid.run.as_mut().filter(|_| kid.epoch == key.epoch)
    }

    pub(super) fn run_moves(&mut self, key: ChildKey, generation: u64, step: Move) -> Step {
        let Some(live) = self.run(key).filter(|live| live.generation == generation) else { return Ok(()) };
        match step {
            Move::Ready => {
                if let Some(live) = self.run_mut(key) {
                    live.ready = true;
                }
                self.echo(key, &live, step);
                self.feed(Input::Ready { key, generation })
            }
            Move::Beat => {
                if let Some(live) = self.run_mut(key) {
                    live.beating = false;
                    live.beats = live.beats.saturating_sub(1);
                }
                self.feed(Input::Beat { key, generation })?;
                self.give_beats(key.index as usize, false);
                Ok(())
            }
            Move::Decline => {
                self.echo(key, &live, step);
                self.leave(key);
                let input = self.said(key, generation, Word::Declined);
                self.feed(input)
            }
            Move::End(ending) | Move::Obey(ending) => {
                self.echo(key, &live, step);
                self.end_run(key, generation, ending)
            }
        }
    }

    fn echo(&mut self, key: ChildKey, live: &Live, step: Move) {
        if live.run.twice && !self.calm {
            let at = self.now + self.random.below(2) * self.random.below(100) * MS;
            self.plan(at, Happening::Echo(key, live.generation, step));
        }
    }

    /// A run is gone, and its end is reported.
    pub(super) fn end_run(&mut self, key: ChildKey, generation: u64, ending: Ending) -> Step {
        let Some(live) = self.run(key) else { return Ok(()) };
        let exit = self.exit(ending, live.asked, live.killed);
        self.leave(key);
        let stuck = self.room.kids[key.index as usize].life == Some(Lifecycle::Unresponsive);
        sometimes!(self.room.marks, Mark::UnresponsiveThenGone, stuck && !self.ended);
        self.feed(Input::Exited { key, generation, exit })
    }

    pub(super) fn leave(&mut self, key: ChildKey) {
        if let Some(kid) = self.room.kids.get_mut(key.index as usize) {
            kid.run = None;
        }
    }

    /// An end in the words of a driver (D22).
    fn exit(&self, ending: Ending, asked: bool, killed: bool) -> Exit {
        let words = &self.room.words;
        match ending {
            Ending::Ok if asked || killed => Exit::Stopped,
            Ending::Ok => Exit::Completed,
            Ending::OkWith => Exit::StoppedWith { value: Arc::clone(&words.value) },
            Ending::Error => Exit::Failed { error: Arc::clone(&words.error) },
            Ending::Panic => Exit::Panicked { message: Arc::clone(&words.panic), location: None },
            Ending::Killed => Exit::Killed { signal: 9, by_us: killed },
            Ending::Cancelled if killed => Exit::Aborted,
            Ending::Aborted => Exit::Aborted,
            Ending::Cancelled => Exit::Failed { error: Arc::clone(&words.cancelled) },
        }
    }

    pub(super) fn said(&self, key: ChildKey, generation: u64, word: Word) -> Input {
        match word {
            Word::Ready => Input::Ready { key, generation },
            Word::Beat => Input::Beat { key, generation },
            Word::Missed => Input::Missed { key, generation, why: Arc::clone(&self.room.words.probe) },
            Word::Unwell => Input::Unwell { key, generation, why: Arc::clone(&self.room.words.probe) },
            Word::Declined => {
                Input::Declined { key, generation, reason: Arc::clone(&self.room.words.reason) }
            }
            Word::Ended(ending) => Input::Exited { key, generation, exit: self.exit(ending, false, false) },
        }
    }

    pub(super) fn begin_run(&mut self, key: ChildKey, generation: u64) {
        let Some(kid) = self.room.kids.get(key.index as usize) else { return };
        let script = kid.body.and_then(|body| self.schedule.scripts.get(body as usize));
        let place = (generation.saturating_sub(1) % 3) as usize;
        let run = script.filter(|_| !self.calm).map_or(Run::GOOD, |script| script[place]);
        let (explicit, gets_done) = (is_explicit(kid), self.calm && is_job(kid));
        let mut plan = |after: u64, step: Move| {
            self.plan(self.now.saturating_add(after), Happening::Run(key, generation, step));
        };
        match run.start {
            Start::Ready(after) if explicit => plan(after, Move::Ready),
            Start::Declines(after) if explicit => plan(after, Move::Decline),
            _ => {}
        }
        match run.end {
            Some((after, ending)) => plan(after, Move::End(ending)),
            None if gets_done => plan(3 * MS, Move::Obey(Ending::Ok)),
            None => {}
        }
        let live = Live {
            generation,
            run,
            ready: !explicit,
            asked: false,
            grace: Some(0),
            killed: false,
            beats: run.beats.unwrap_or(u32::MAX),
            beating: false,
        };
        let at = key.index as usize;
        self.room.kids[at].run = Some(live);
        self.give_beats(at, false);
    }

    /// The next heartbeat, for who has promised some.
    pub(super) fn give_beats(&mut self, at: usize, for_ever: bool) {
        let kid = &mut self.room.kids[at];
        let key = kid.key(at);
        let promised = kid.policy.as_ref().and_then(|policy| policy.heartbeat);
        let (Some(heartbeat), Some(live)) = (promised, kid.run.as_mut()) else { return };
        if for_ever {
            live.beats = u32::MAX;
        }
        if live.beats == 0 || live.beating {
            return;
        }
        live.beating = true;
        let generation = live.generation;
        let interval = heartbeat.interval.as_nanos() as u64;
        let late = live.run.faint && !self.calm && self.random.percent(50);
        let after = if late {
            interval + heartbeat.timeout.as_nanos() as u64 + self.random.below(interval)
        } else {
            interval / 2 + self.random.below(interval / 2 + 1)
        };
        self.plan(self.now + after, Happening::Run(key, generation, Move::Beat));
    }

    pub(super) fn ask_run(&mut self, key: ChildKey, grace: Option<u64>) {
        let calm = self.calm;
        let Some(live) = self.run_mut(key) else { return };
        (live.asked, live.grace) = (true, grace);
        let (generation, answer) = (live.generation, live.run.on_stop);
        let answer = if calm { Run::GOOD.on_stop } else { answer };
        if let Some((after, ending)) = answer {
            self.plan(self.now + after, Happening::Run(key, generation, Move::Obey(ending)));
        }
    }

    pub(super) fn kill_run(&mut self, key: ChildKey) {
        let calm = self.calm;
        let Some(live) = self.run_mut(key) else { return };
        live.killed = true;
        let (generation, after) = (live.generation, live.run.on_kill);
        if let Some(after) = if calm { Run::GOOD.on_kill } else { after } {
            let ending = if self.random.percent(50) { Ending::Cancelled } else { Ending::Killed };
            self.plan(self.now + after, Happening::Run(key, generation, Move::Obey(ending)));
        }
    }
}

/// Well-behaved jobs get done, unless that would end their supervisor, which may come back for ever.
pub(super) fn is_job(kid: &Kid) -> bool {
    let once = |policy: &Arc<ChildPolicy>| {
        policy.role == Role::Job && policy.restart != RestartType::Permanent && !policy.significant
    };
    kid.policy.as_ref().is_some_and(once)
}

pub(super) fn is_explicit(kid: &Kid) -> bool {
    kid.policy.as_ref().is_some_and(|policy| policy.readiness == ReadinessMode::Explicit)
}
