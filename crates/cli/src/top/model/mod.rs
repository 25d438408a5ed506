//! Everything that is shown, but for the tree itself, and what a key makes of it. No clock, no terminal, no connection.
//!
//! | file | subject |
//! |---|---|
//! | `outline`, `problems` | the tree as lines, what those below add up to, who needs somebody |
//! | `log`, `about` | the pane below the tree |
//! | `verbs`, `form` | the commands, and the question before each |
//! | `keys` | what each key does |
//! | `heard` | what becomes of it when something happens |

pub(crate) mod about;
pub(crate) mod form;
mod heard;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod outline;
pub(crate) mod problems;
#[cfg(test)]
mod tests;
pub(crate) mod verbs;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{TreeView, UnixNanos};

use self::about::About;
use self::form::{Form, Input};
use self::log::Log;
use self::outline::Outline;
use self::verbs::{Asking, Verb, Who};
use crate::steer::order::Order;

/// How many commands that were sent are remembered.
const SENT: usize = 50;

/// How far an answer is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Asking,
    Here,
    Failed(String),
}

/// Whether what is shown is how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// There was no connection yet.
    Connecting,
    Live,
    /// It may be old: the target is silent, or something was lost on the way.
    Doubtful {
        since: UnixNanos,
        why: &'static str,
    },
    /// It is old.
    Lost {
        since: UnixNanos,
        why: String,
        retry_at: UnixNanos,
    },
}

/// What the keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    Tree,
    Pane,
}

/// What stands below the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pane {
    Details,
    Log,
    Hidden,
}

/// What lies over everything.
pub(crate) enum Over {
    Nothing,
    Help {
        scroll: usize,
    },
    /// The commands, with which of them is chosen.
    Menu {
        at: usize,
    },
    Form(Box<Form>),
    /// A text to look for, in the tree or in the log.
    Find(Input),
    /// The commands that were sent.
    Sent,
}

/// How far a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// What was heard of it last.
    Going(String),
    Done(String),
    /// It was refused or failed, or it is not known how it went; in the words of the command line.
    Bad(String),
}

/// A command that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: u64,
    /// The command and whom it is about.
    pub(crate) what: String,
    pub(crate) at: UnixNanos,
    pub(crate) progress: Progress,
}

/// What has to be done outside.
pub(crate) enum Action {
    Quit,
    /// Gives the terminal back until the program is continued.
    Suspend,
    /// Draws everything anew.
    Redraw,
    /// Asks what a command will affect, for the form with this id. With a file that is read first.
    Foresee {
        form: u64,
        order: Order,
        file: Option<String>,
    },
    Send {
        id: u64,
        order: Order,
    },
}

/// What is known of the target, and when it is looked at.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) tree: Option<&'a TreeView>,
    pub(crate) now: UnixNanos,
}

/// How many lines there are for what can be scrolled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) tree: usize,
    pub(crate) pane: usize,
}

pub(crate) struct Model {
    /// How the target is reached.
    pub(crate) place: String,
    pub(crate) who: Who,
    pub(crate) link: Link,
    pub(crate) outline: Outline,
    /// The outline is of an older topology.
    is_other: bool,
    /// The child that is chosen, and where it stood among those that are shown.
    pub(crate) chosen: SupervisorPath,
    pub(crate) cursor: usize,
    /// The first line of the tree that is shown.
    pub(crate) first: usize,
    pub(crate) only_problems: bool,
    pub(crate) problems: Vec<usize>,
    pub(crate) all_problems: usize,
    pub(crate) focus: Focus,
    pub(crate) pane: Pane,
    pub(crate) over: Over,
    pub(crate) log: Log,
    pub(crate) about: About,
    pub(crate) sent: Vec<Sent>,
    /// It was said that a command is not over; the next `q` quits all the same.
    is_warned: bool,
    /// What is said about the last key.
    pub(crate) note: String,
    /// What is looked for in the tree, in lower case.
    sought: String,
    pub(crate) room: Room,
    /// Of the next form, or command.
    next_id: u64,
}

/// How many problems stand above the tree.
pub(crate) const NEEDS_YOU: usize = 3;

impl Model {
    pub(crate) fn new(place: String, who: Who) -> Self {
        Self {
            place,
            who,
            link: Link::Connecting,
            outline: Outline::default(),
            is_other: true,
            chosen: SupervisorPath::root(),
            cursor: 0,
            first: 0,
            only_problems: false,
            problems: Vec::new(),
            all_problems: 0,
            focus: Focus::Tree,
            pane: Pane::Details,
            over: Over::Nothing,
            log: Log::default(),
            about: About::default(),
            sent: Vec::new(),
            is_warned: false,
            note: String::new(),
            sought: String::new(),
            room: Room::default(),
            next_id: 1,
        }
    }

    /// Looks at the tree: what is to be drawn, and which child is chosen if the one that was is gone.
    pub(crate) fn look(&mut self, world: World<'_>) {
        self.add_up(world);
        self.place();
    }

    /// Looks at every row: what all add up to, and who is shown. Thousands of them are looked at once for a picture.
    pub(crate) fn add_up(&mut self, world: World<'_>) {
        let Some(tree) = world.tree else { return };
        if std::mem::take(&mut self.is_other) {
            self.outline.take(&tree.state().topology);
        }
        self.outline.look(tree, self.only_problems);
        let (problems, all) = problems::problems(&self.outline, tree, world.now, NEEDS_YOU);
        (self.problems, self.all_problems) = (problems, all);
    }

    /// Finds the line of the child that is chosen, and makes it seen.
    pub(crate) fn place(&mut self) {
        match self.outline.shown_at(&self.chosen) {
            Some(at) => self.cursor = at,
            None => self.choose(self.cursor),
        }
        let room = self.room.tree.max(1);
        let last = self.outline.shown.len().saturating_sub(room);
        self.first = self.first.min(self.cursor).max((self.cursor + 1).saturating_sub(room)).min(last);
        self.attend();
    }

    /// The pane is about the child that is chosen.
    fn attend(&mut self) {
        match self.pane {
            Pane::Log if self.log.of.as_ref() != Some(&self.chosen) => self.log.begin(self.chosen.clone()),
            Pane::Details if self.about.of.as_ref() != Some(&self.chosen) => {
                self.about.begin(self.chosen.clone());
            }
            _ => {}
        }
    }

    /// Chooses a line of those that are shown, or the nearest.
    fn choose(&mut self, at: usize) {
        self.cursor = at.min(self.outline.shown.len().saturating_sub(1));
        if let Some(entry) = self.outline.shown.get(self.cursor) {
            self.chosen = self.outline.entries[*entry].path.clone();
        }
    }

    /// Whose log is to be asked for.
    pub(crate) fn wanted_log(&self) -> Option<&SupervisorPath> {
        let wanted = self.pane == Pane::Log && self.link == Link::Live && self.log.stage == Stage::Asking;
        self.log.of.as_ref().filter(|_| wanted)
    }

    /// About whom is to be asked.
    pub(crate) fn wanted_about(&self) -> Option<&SupervisorPath> {
        let is_due = self.about.stage == Stage::Asking || self.about.is_old;
        let wanted = self.pane == Pane::Details && self.link == Link::Live && is_due;
        self.about.of.as_ref().filter(|_| wanted)
    }

    /// About whom a command would be: the chosen child, the supervisor to add under, or the root.
    fn subject(&self, verb: Verb, world: World<'_>) -> SupervisorPath {
        if verb.is_of_tree() {
            return SupervisorPath::root();
        }
        let place = self.outline.place(&self.chosen);
        let adds = verb.needs_file();
        match place.map(|at| &self.outline.entries[at]) {
            Some(entry) if adds && !entry.is_supervisor && world.tree.is_some() => {
                self.chosen.parent().unwrap_or_else(SupervisorPath::root)
            }
            _ => self.chosen.clone(),
        }
    }

    /// Why a command cannot be given now.
    pub(crate) fn refusal(&self, verb: Verb, world: World<'_>) -> Option<String> {
        self.refused(verb, &self.subject(verb, world), world)
    }

    /// Why a command about this path cannot be given now.
    pub(crate) fn refused(&self, verb: Verb, path: &SupervisorPath, world: World<'_>) -> Option<String> {
        let live = self.link == Link::Live;
        let (row, node) = world.tree.map_or((None, None), |tree| (tree.row(path), tree.node(path)));
        verb.refusal(&Asking { live, who: &self.who, row, node })
    }

    /// How many are below a path.
    fn below(&self, path: &SupervisorPath) -> usize {
        self.outline.place(path).map_or(0, |at| self.outline.sums[at].total)
    }

    /// How the target stands, in one line.
    pub(crate) fn standing(&self) -> String {
        let Some(all) = self.outline.sums.first() else { return "no state yet".to_owned() };
        let running = all.total - all.down - all.completed;
        match (all.down, running, all.completed) {
            (0, running, 0) => format!("all {running} running"),
            (0, 0, completed) => format!("all {completed} completed"),
            (0, running, completed) => format!("{running} running, {completed} completed"),
            (down, ..) => format!("{down}/{} not running", all.total),
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}
