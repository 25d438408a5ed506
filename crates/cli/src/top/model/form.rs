//! The question before a command: step by step, what is needed and nothing else.

use std::rc::Rc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use supervisor_api::SupervisorPath;
use supervisor_api::manifest::{SignalWord, StopSignal};

use super::verbs::{Grade, Verb};
use crate::steer::order::{Order, Texts};

/// The longest text that can be typed.
const LONGEST: usize = 512;

/// A line that is typed.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) text: String,
}

impl Input {
    /// Takes a key; says whether it was one for typing.
    pub(crate) fn key(&mut self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => self.text.clear(),
            KeyCode::Char('w') if control => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                self.text.truncate(kept);
            }
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                if self.text.chars().count() < LONGEST && !c.is_control() {
                    self.text.push(c);
                }
            }
            KeyCode::Backspace => drop(self.text.pop()),
            _ => return false,
        }
        true
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    File,
    Signal,
    Reason,
    /// The name of the child, or of the target.
    Name,
    Yes,
}

/// Whom it will affect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Foreseen {
    /// It is not asked: nobody else is affected.
    NotAsked,
    /// It is asked when the file is named.
    Due,
    Asking,
    Said(String),
    Refused(String),
}

/// What comes of a key.
#[derive(Clone)]
pub(crate) enum Outcome {
    Stays,
    Closed,
    /// Asks the target what it will affect; with a file, reads that first.
    Foresee,
    Send,
}

pub(crate) struct Form {
    /// Tells an answer for this form from one for an earlier form.
    pub(crate) id: u64,
    pub(crate) verb: Verb,
    pub(crate) path: SupervisorPath,
    /// What has to be typed again.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) at: usize,
    pub(crate) file: Input,
    signal: usize,
    pub(crate) reason: Input,
    pub(crate) typed: Input,
    pub(crate) foreseen: Foreseen,
    pub(crate) texts: Rc<Texts>,
    /// What is missing.
    pub(crate) missing: Option<String>,
}

impl Form {
    /// `below`: how many are below the child; `name`: what is typed before something that cannot be undone.
    pub(crate) fn new(id: u64, verb: Verb, path: SupervisorPath, name: String, below: usize) -> Self {
        let grade = verb.grade(below);
        let mut steps = Vec::new();
        if verb.needs_file() {
            steps.push(Step::File);
        }
        if verb.command == supervisor_api::wire::Command::SignalChild {
            steps.push(Step::Signal);
        }
        steps.push(Step::Reason);
        match grade {
            Grade::Typed => steps.push(Step::Name),
            Grade::Yes => steps.push(Step::Yes),
            Grade::Nothing | Grade::Reason => {}
        }
        let foreseen = match grade {
            Grade::Nothing | Grade::Reason => Foreseen::NotAsked,
            _ if verb.needs_file() => Foreseen::Due,
            _ => Foreseen::Asking,
        };
        Self {
            id,
            verb,
            path,
            name,
            steps,
            at: 0,
            file: Input::default(),
            signal: 0,
            reason: Input::default(),
            typed: Input::default(),
            foreseen,
            texts: Rc::default(),
            missing: None,
        }
    }

    pub(crate) fn step(&self) -> Step {
        self.steps[self.at]
    }

    pub(crate) fn signal(&self) -> SignalWord {
        signals()[self.signal]
    }

    /// What is sent.
    pub(crate) fn order(&self) -> Order {
        let is_signal = self.steps.contains(&Step::Signal);
        Order {
            command: self.verb.command,
            path: self.path.clone(),
            signal: is_signal.then(|| self.signal()),
            texts: self.texts.clone(),
            reason: self.reason.text.trim().to_owned(),
        }
    }

    pub(crate) fn key(&mut self, key: &KeyEvent) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Closed;
        }
        let step = self.step();
        self.missing = None;
        match (step, key.code) {
            (_, KeyCode::BackTab | KeyCode::Up) if step != Step::Signal || key.code == KeyCode::BackTab => {
                self.at = self.at.saturating_sub(1);
            }
            (Step::Signal, KeyCode::Left | KeyCode::Up) => {
                self.signal = (self.signal + signals().len() - 1) % signals().len();
            }
            (Step::Signal, KeyCode::Right | KeyCode::Down) => {
                self.signal = (self.signal + 1) % signals().len();
            }
            (Step::Yes, KeyCode::Char('y' | 'Y')) => return self.sent(),
            (Step::Yes, KeyCode::Char(_) | KeyCode::Enter) => return Outcome::Closed,
            (_, KeyCode::Enter | KeyCode::Tab | KeyCode::Down) => return self.go_on(),
            (Step::File, _) => {
                if self.file.key(key) {
                    // What was read is not what is named now.
                    self.foreseen = Foreseen::Due;
                }
            }
            (Step::Reason, _) => drop(self.reason.key(key)),
            (Step::Name, _) => drop(self.typed.key(key)),
            (Step::Signal | Step::Yes, _) => {}
        }
        Outcome::Stays
    }

    /// The next step, if this one is done.
    fn go_on(&mut self) -> Outcome {
        let missing = match self.step() {
            Step::File if self.file.text.trim().is_empty() => Some("Name a file first.".to_owned()),
            Step::Reason if self.reason.text.trim().is_empty() => Some("Say why first.".to_owned()),
            Step::Name if self.typed.text != self.name => Some(format!("Type {} first.", self.name)),
            _ => None,
        };
        if missing.is_some() {
            self.missing = missing;
            return Outcome::Stays;
        }
        let was = self.step();
        if self.at + 1 < self.steps.len() {
            self.at += 1;
        } else {
            return self.sent();
        }
        if was == Step::File && self.foreseen == Foreseen::Due {
            self.foreseen = Foreseen::Asking;
            return Outcome::Foresee;
        }
        Outcome::Stays
    }

    /// Sends it, unless it is not known yet what that does, or it would be refused.
    fn sent(&mut self) -> Outcome {
        match &self.foreseen {
            Foreseen::NotAsked | Foreseen::Said(_) => return Outcome::Send,
            Foreseen::Refused(_) => self.missing = Some("It would be refused; nothing is sent.".to_owned()),
            Foreseen::Due | Foreseen::Asking => {
                self.missing = Some("The target is being asked whom it affects; wait for that.".to_owned());
            }
        }
        Outcome::Stays
    }
}

/// The signals that can be sent, the program's own first.
fn signals() -> Vec<SignalWord> {
    let words = StopSignal::ALL.iter().copied().map(SignalWord::Signal);
    std::iter::once(SignalWord::Reload).chain(words).collect()
}
