//! Calls to supervisors, and their answers in OTP's words.

use supervisor_api::command::OtpVerb;
use supervisor_api::policy::Grace;
use supervisor_api::{ChildKey, Lifecycle, SupervisorError};
use supervisor_core::{Address, ChildPolicy, Command, Input, Reply, Requester, Ticket};

use super::{Kid, Ours, Post, template};
use crate::declare;
use crate::model::{Call, Child, join, split};

/// Nobody has it.
const NO_KEY: ChildKey = ChildKey { index: u32::MAX, epoch: 0 };

impl Ours {
    pub(super) fn call(&mut self, sup: &str, call: &Call) {
        if self.ended || self.machine.is_none() {
            // A handle of a tree that is over says so itself.
            self.replies.push("= error gone".to_owned());
            return;
        }
        let otp = |verb, name: &str| Command::Otp(verb, address(&join(sup, name)));
        let command = match call {
            Call::StartChild(child) => {
                let mut child = child.clone();
                if let Some(template) = self.tree.at(sup).and_then(template) {
                    child = Child {
                        name: child.name,
                        starts: child.starts,
                        stops: child.stops,
                        ..template.clone()
                    };
                }
                let ticket = self.ticket(call.clone());
                let added = Box::new(declare::child(&child));
                let command = Command::StartChild { under: address(sup), child: added };
                let input = Input::Command { ticket, requester: Requester::default(), command };
                self.inbox.push_back(Post::Start(sup.to_owned(), child, input));
                return;
            }
            Call::Terminate(name) => otp(OtpVerb::Terminate, name),
            // A key names no supervisor.
            Call::TerminateHandle(_) if self.up(sup).is_none() => {
                self.replies.push("= error gone".to_owned());
                return;
            }
            Call::TerminateHandle(name) => {
                let key = self.key_of(&join(sup, name));
                Command::Otp(OtpVerb::Terminate, Address::Key(key))
            }
            Call::Stop => Command::Shutdown,
            Call::Restart(name) => otp(OtpVerb::StartAgain, name),
            Call::Delete(name) => otp(OtpVerb::Delete, name),
            Call::Spec(_) | Call::Which | Call::Count | Call::Lives => {
                self.inbox.push_back(Post::Read(sup.to_owned(), call.clone()));
                return;
            }
        };
        let ticket = self.ticket(call.clone());
        self.command(command, ticket);
    }

    /// A child's key, also when it is no longer in the tree.
    pub(super) fn key_of(&self, path: &str) -> ChildKey {
        let last = self.kids.iter().filter(|(_, kid)| kid.path == path).map(|(key, _)| *key).next_back();
        last.unwrap_or(NO_KEY)
    }

    pub(super) fn ticket(&mut self, call: Call) -> Ticket {
        self.tickets += 1;
        self.asked.insert(self.tickets, call);
        self.tickets
    }

    pub(super) fn command(&mut self, command: Command, ticket: Ticket) {
        let requester = Requester::default();
        self.inbox.push_back(Post::Input(Input::Command { ticket, requester, command }));
    }

    pub(super) fn find(&self, path: &str) -> Option<ChildKey> {
        self.machine.as_ref()?.find(&format!("/{path}"))
    }

    /// A supervisor that is up.
    fn up(&self, sup: &str) -> Option<ChildKey> {
        self.find(sup).filter(|key| !self.ended && self.kids.get(key).is_some_and(|kid| kid.is_up))
    }

    pub(super) fn read(&self, sup: &str, call: &Call) -> String {
        let (Some(machine), Some(key)) = (&self.machine, self.up(sup)) else {
            return "error gone".to_owned();
        };
        match call {
            Call::Spec(name) => match self.find(&join(sup, name)).and_then(|key| self.kids.get(&key)) {
                Some(kid) => spec_line(&kid.policy, self.is_supervisor(kid)),
                None => "error not_found".to_owned(),
            },
            Call::Count => {
                let counts = machine.count_children(key).unwrap_or_default();
                // A dynamic supervisor counts its children as specs, as Elixir's does; OTP counts its template (R73).
                let specs = if self.is_dynamic(key) { 1 } else { counts.specs };
                let (active, sups, workers) = (counts.active, counts.supervisors, counts.workers);
                format!("specs={specs} active={active} supervisors={sups} workers={workers}")
            }
            Call::Lives => self.listed("lives", key, |key| self.life_of(key)),
            _ => self.listed("children", key, |key| self.child_line(key)),
        }
    }

    fn listed(&self, word: &str, sup: ChildKey, say: impl Fn(ChildKey) -> Option<String>) -> String {
        let children = self.machine.iter().flat_map(|machine| machine.children(sup));
        let mut all: Vec<String> = children.filter_map(say).collect();
        if self.is_dynamic(sup) {
            all.sort();
        }
        all.insert(0, word.to_owned());
        all.join(" ")
    }

    /// Which of the lives of its place a child is in, if it lives.
    fn life_of(&self, key: ChildKey) -> Option<String> {
        let kid = self.kids.get(&key)?;
        let row = self.machine.as_ref()?.row(key)?;
        let lives = row.lifecycle.is_live().then(|| self.lives.get(&kid.path))??;
        let number = lives.iter().position(|life| *life == (key, row.generation))? + 1;
        Some(format!("{}:{number}", split(&kid.path).1))
    }

    fn child_line(&self, key: ChildKey) -> Option<String> {
        let kid = self.kids.get(&key)?;
        let row = self.machine.as_ref()?.row(key)?;
        let state = match row.lifecycle {
            Lifecycle::Starting | Lifecycle::Running | Lifecycle::Stopping => "running",
            Lifecycle::Backoff => "restarting",
            _ => "none",
        };
        // OTP has no name for a child of a dynamic supervisor that does not run.
        let nameless = state != "running" && self.is_dynamic(kid.parent);
        let name = if nameless { "-" } else { split(&kid.path).1 };
        let kind = if self.is_supervisor(kid) { "supervisor" } else { "worker" };
        Some(format!("{name}:{kind}:{state}"))
    }

    pub(super) fn is_supervisor(&self, kid: &Kid) -> bool {
        kid.policy.role == supervisor_api::policy::Role::Supervisor
    }

    pub(super) fn is_dynamic(&self, key: ChildKey) -> bool {
        self.kids.get(&key).and_then(|kid| self.tree.at(&kid.path)).and_then(template).is_some()
    }
}

fn address(path: &str) -> Address {
    Address::Text(format!("/{path}").into())
}

fn spec_line(policy: &ChildPolicy, is_supervisor: bool) -> String {
    let shutdown = match policy.grace {
        Grace::Brutal => "brutal_kill".to_owned(),
        Grace::Infinity => "infinity".to_owned(),
        Grace::Timeout(limit) => limit.as_millis().to_string(),
    };
    let kind = if is_supervisor { "supervisor" } else { "worker" };
    format!("{} shutdown={shutdown} {kind} significant={}", policy.restart, policy.significant)
}

/// The answer to a call, in OTP's words.
pub(super) fn answer(call: &Call, result: Result<Reply, SupervisorError>) -> String {
    let starts = matches!(call, Call::StartChild(_) | Call::Restart(_));
    match result {
        Ok(Reply::Added { state, .. }) if state != Lifecycle::Running => "ok none".to_owned(),
        Ok(Reply::Control(outcome)) if starts && outcome.state_after != Lifecycle::Running => {
            "ok none".to_owned()
        }
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("error {}", refusal(call, &error)),
    }
}

fn refusal(call: &Call, error: &SupervisorError) -> String {
    match error {
        SupervisorError::InvalidSpec(findings) => format!("refused {}", declare::refusal(findings)),
        SupervisorError::StartFailed { .. } => "start_failed".to_owned(),
        SupervisorError::ChildNotFound { .. } => "not_found".to_owned(),
        SupervisorError::AlreadyStarted { .. } if matches!(call, Call::Restart(_)) => "running".to_owned(),
        SupervisorError::AlreadyStarted { .. } => "already_started".to_owned(),
        SupervisorError::AlreadyPresent { .. } => "already_present".to_owned(),
        SupervisorError::NoSuchSupervisor { .. } | SupervisorError::Ended { .. } => "gone".to_owned(),
        SupervisorError::InvalidTransition { message } if message.contains("is running;") => {
            "running".to_owned()
        }
        SupervisorError::InvalidTransition { message } if message.contains("is restarting;") => {
            "restarting".to_owned()
        }
        SupervisorError::InvalidTransition { .. } => "invalid".to_owned(),
        other => format!("unreadable {other}"),
    }
}
