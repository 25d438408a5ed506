//! What the machine wants done, and what is seen of it.

use supervisor_api::{ChildKey, Event, EventKind, Exit, Lifecycle, Next};
use supervisor_core::{Effect, End};

use super::calls::answer;
use super::{Kid, Ours, Reaction, Run};

impl Ours {
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.carry_out_one(effect);
        }
    }

    fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::Declared { key, parent, path, policy, .. } => {
                let path = path.as_str().trim_start_matches('/').to_owned();
                self.kids
                    .insert(key, Kid { path, parent, policy, is_up: false, is_stopping: false, run: None });
            }
            Effect::Changed { key, policy, .. } => {
                if let Some(kid) = self.kids.get_mut(&key) {
                    kid.policy = policy;
                }
            }
            Effect::Spawn { key, generation, .. } => {
                self.note("start", key);
                let path = self.kids[&key].path.clone();
                let times = self.started.entry(path.clone()).or_default();
                *times += 1;
                let starts = &self.scripts[&path].0;
                let start = starts[(*times).min(starts.len()) - 1];
                if let Some(kid) = self.kids.get_mut(&key) {
                    kid.run = Some(Run { generation, hangs: false, asked: false, killed: false });
                }
                self.reactions.push_back(Reaction::Starts(key, generation, start));
            }
            Effect::Stop { key, .. } => {
                if let Some(run) = self.kids.get(&key).and_then(|kid| kid.run) {
                    self.reactions.push_back(Reaction::IsAsked(key, run.generation));
                }
            }
            Effect::Kill { key } => {
                if let Some(run) = self.kids.get(&key).and_then(|kid| kid.run) {
                    self.change_run(key, |run| run.killed = true);
                    self.reactions.push_back(Reaction::Dies(key, run.generation));
                }
            }
            Effect::Emit(event) => self.hear(&event),
            Effect::Reply { ticket, result } => {
                if let Some(call) = self.asked.remove(&ticket) {
                    self.replies.push(format!("= {}", answer(&call, result)));
                }
            }
            Effect::Forget { .. } => {}
            Effect::Started => self.lines.push("started".to_owned()),
            Effect::Done(end) => {
                self.tell_errors(ChildKey::ROOT);
                self.ended = true;
                self.lines.push(match end {
                    End::StartFailed { path, exit } => {
                        format!(
                            "end start failed {}",
                            first_failed(path.as_str(), &exit).trim_start_matches('/')
                        )
                    }
                    End::Dropped => "end killed".to_owned(),
                    _ => "end shutdown".to_owned(),
                });
            }
        }
    }

    /// Starts and ends of supervisors, and what OTP reports to its log.
    fn hear(&mut self, event: &Event) {
        if self.ended {
            // Nobody is left to report to.
            return;
        }
        let key = event.child;
        let Some(kid) = self.kids.get(&key) else { return };
        let (path, parent, is_supervisor) =
            (kid.path.clone(), kid.parent, self.is_supervisor(kid) || key == ChildKey::ROOT);
        if is_supervisor {
            let exit = event.detail.as_ref().and_then(|detail| detail.exit.as_ref());
            let killed = exit == Some(&Exit::Aborted);
            let lives = matches!(
                event.row.lifecycle,
                Lifecycle::Starting | Lifecycle::Running | Lifecycle::Stopping | Lifecycle::Unresponsive
            );
            let (was_up, is_up) = (kid.is_up, lives && !killed);
            if let Some(kid) = self.kids.get_mut(&key) {
                kid.is_up = is_up;
                kid.is_stopping = event.row.lifecycle == Lifecycle::Stopping;
            }
            if was_up && !is_up {
                self.tell_errors(key);
            }
            if key != ChildKey::ROOT && was_up && !is_up {
                self.lines.push(format!("{} {path}", if killed { "killed" } else { "down" }));
            }
            if key != ChildKey::ROOT
                && matches!(event.kind, EventKind::ChildStarting | EventKind::ChildRestarting)
            {
                self.lives(key, event.row.generation);
                self.lines.push(format!("start {path}"));
                *self.started.entry(path.clone()).or_default() += 1;
                // It has its declared children again, with what they did at first (R48).
                if let Some(below) = self.below.get(&path).cloned() {
                    self.learn(&path, &below);
                }
            }
        }
        let is_report = match event.kind {
            // That a supervisor gave up and nobody restarts it is told by us (D9), not by OTP (R47).
            EventKind::ChildFailed | EventKind::ChildPanicked if is_supervisor => event.next != Next::Nothing,
            EventKind::ChildFailed | EventKind::ChildPanicked | EventKind::ChildStopError => true,
            _ => false,
        };
        if is_report {
            // A dynamic supervisor adds up what goes wrong when it stops its children, and names none.
            let stopping = self.kids.get(&parent).is_some_and(|kid| kid.is_stopping);
            if !self.is_dynamic(parent) || (event.kind != EventKind::ChildStopError && !stopping) {
                self.lines.push(format!("report {path}"));
            } else {
                self.erring.insert(parent);
                if !stopping {
                    self.tell_errors(parent);
                }
            }
        }
        if event.kind == EventKind::BudgetExhausted {
            self.lines.push(format!("limit {path}"));
        }
    }

    /// What a dynamic supervisor has added up.
    fn tell_errors(&mut self, sup: ChildKey) {
        if self.erring.remove(&sup) {
            let path = self.kids[&sup].path.as_str();
            let line = format!("errors {}", if path.is_empty() { "root" } else { path });
            self.lines.push(line);
        }
    }
}

/// Whose start failed first: a nested supervisor's error names its child.
fn first_failed<'a>(path: &'a str, exit: &'a Exit) -> &'a str {
    let Exit::Failed { error } = exit else { return path };
    let below = error.strip_prefix("failed to start child ").and_then(|rest| rest.split(": ").next());
    below.unwrap_or(path)
}
