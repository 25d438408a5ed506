//! Turns: what children do at once, and one inbox for everything else.

use supervisor_api::{ChildKey, Exit};
use supervisor_core::{Effect, Input, Machine};

use super::{Ours, Post, Reaction, Run};
use crate::model::{Start, Stop, join};

/// So many turns without coming to rest mean that it never will.
const RESTLESS: usize = 100_000;

impl Ours {
    pub(super) fn settle(&mut self) {
        for _ in 0..RESTLESS {
            if !self.turn() {
                return;
            }
        }
        self.lines.push("no rest".to_owned());
        self.inbox.clear();
        self.ended = true;
    }

    fn turn(&mut self) -> bool {
        if self.machine.as_ref().is_some_and(Machine::has_open_plan) {
            self.call_machine(|machine, now, out| machine.go_on(now, out));
            return true;
        }
        if let Some(reaction) = self.reactions.pop_front() {
            self.react(reaction);
            return true;
        }
        if !self.tick_waits && self.deadline().is_some_and(|due| due <= self.now) {
            self.tick_waits = true;
            self.inbox.push_back(Post::Tick);
        }
        match self.inbox.pop_front() {
            Some(Post::Tick) => {
                self.tick_waits = false;
                self.say(Input::Tick);
            }
            Some(Post::Input(input)) => self.say(input),
            Some(Post::Start(sup, child, input)) => {
                if self.find(&join(&sup, &child.name)).is_none() {
                    self.learn_child(&sup, &child);
                }
                self.say(input);
            }
            Some(Post::Read(sup, call)) => {
                let answer = self.read(&sup, &call);
                self.replies.push(format!("= {answer}"));
            }
            Some(Post::Ends(key, generation, exit)) => self.say(Input::Exited { key, generation, exit }),
            None => return false,
        }
        true
    }

    pub(super) fn say(&mut self, input: Input) {
        self.call_machine(|machine, now, out| machine.handle(now, input, out));
    }

    pub(super) fn call_machine(&mut self, act: impl FnOnce(&mut Machine, u64, &mut Vec<Effect>)) {
        let Some(machine) = &mut self.machine else { return };
        let mut out = Vec::new();
        act(machine, self.now, &mut out);
        self.carry_out(out);
    }

    fn react(&mut self, reaction: Reaction) {
        let (Reaction::Starts(key, of, _) | Reaction::IsAsked(key, of) | Reaction::Dies(key, of)) = reaction;
        let Some(run) = self.kids.get(&key).and_then(|kid| kid.run).filter(|run| run.generation == of) else {
            return;
        };
        match reaction {
            Reaction::Starts(_, _, start) => self.start(key, run, start),
            Reaction::IsAsked(..) if run.killed => {}
            Reaction::IsAsked(..) => self.is_asked(key, run),
            Reaction::Dies(..) => {
                self.note("killed", key);
                self.over(key, run, Exit::Aborted);
            }
        }
    }

    fn start(&mut self, key: ChildKey, run: Run, start: Start) {
        let generation = run.generation;
        self.change_run(key, |run| run.hangs = start == Start::Hang);
        let failed = matches!(start, Start::Fail | Start::Crash | Start::Throw | Start::Nonsense);
        self.failed_starts += usize::from(failed);
        match start {
            Start::Ok => {
                self.lives(key, generation);
                self.say(Input::Ready { key, generation });
            }
            Start::Hang => {}
            Start::Ignore => {
                self.forget_run(key);
                self.say(Input::Declined { key, generation, reason: "ignore".into() });
            }
            Start::Fail | Start::Throw | Start::Nonsense => self.over(key, run, Exit::failed("failed")),
            Start::Crash => self.over(key, run, Exit::Panicked { message: "crashed".into(), location: None }),
        }
    }

    /// Another life, unless its number was there before.
    pub(super) fn lives(&mut self, key: ChildKey, generation: u64) {
        let lives = self.lives.entry(self.kids[&key].path.clone()).or_default();
        if !lives.contains(&(key, generation)) {
            lives.push((key, generation));
        }
    }

    fn is_asked(&mut self, key: ChildKey, run: Run) {
        self.change_run(key, |run| run.asked = true);
        self.note("stop", key);
        let path = self.kids[&key].path.clone();
        let stops = self.scripts.get(&path).map_or(Stop::Obey, |script| script.1);
        let exit = match stops {
            Stop::Ignore => return,
            Stop::Obey | Stop::Normal => Exit::Stopped,
            Stop::ShutdownWith => Exit::StoppedWith { value: "x".into() },
            Stop::Error => Exit::failed("error"),
        };
        self.lines.push(match stops {
            Stop::Obey => format!("down {path}"),
            _ => format!("down {path} {}", stops.word()),
        });
        self.over(key, run, exit);
    }

    fn over(&mut self, key: ChildKey, run: Run, exit: Exit) {
        self.forget_run(key);
        self.say(Input::Exited { key, generation: run.generation, exit });
    }

    pub(super) fn change_run(&mut self, key: ChildKey, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.kids.get_mut(&key).and_then(|kid| kid.run.as_mut()) {
            change(run);
        }
    }

    pub(super) fn forget_run(&mut self, key: ChildKey) {
        if let Some(kid) = self.kids.get_mut(&key) {
            kid.run = None;
        }
    }

    pub(super) fn note(&mut self, word: &str, key: ChildKey) {
        let line = format!("{word} {}", self.kids[&key].path);
        self.lines.push(line);
    }
}
