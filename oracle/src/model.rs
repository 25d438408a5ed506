//! What a scenario is: a tree, steps, and the trace that belongs to each step.

use supervisor_api::policy::{AutoShutdown, RestartType};

/// Makes an enum of words: the text of a variant is the same in a table and for OTP.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of this word.
            pub fn from_word(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == text)
            }
        }
    };
}

words! {
    /// What a supervisor does when a child has to be restarted; `dynamic` is OTP's `simple_one_for_one`.
    Strategy {
        /// The failed child only.
        OneForOne = "one_for_one",
        /// All children.
        OneForAll = "one_for_all",
        /// The failed child and those after it.
        RestForOne = "rest_for_one",
        /// Children are added while it runs, all from one template.
        Dynamic = "dynamic",
    }
}

words! {
    /// How a run of a child ends by itself.
    Reason {
        /// OTP `normal`: it returned `Ok`.
        Normal = "normal",
        /// OTP `shutdown`.
        Shutdown = "shutdown",
        /// OTP `{shutdown, x}`.
        ShutdownWith = "shutdown:x",
        /// Any other reason: an error.
        Error = "error",
        /// Killed from outside.
        Kill = "kill",
    }
}

words! {
    /// What the start of a child does.
    Start {
        /// It starts.
        Ok = "ok",
        /// It fails with an error.
        Fail = "fail",
        /// It panics.
        Crash = "crash",
        /// It throws.
        Throw = "throw",
        /// It returns something that is no answer.
        Nonsense = "nonsense",
        /// It declines.
        Ignore = "ignore",
        /// It does nothing until a step releases it.
        Hang = "hang",
    }
}

words! {
    /// What a child does when it is asked to stop.
    Stop {
        /// It ends as asked.
        Obey = "obey",
        /// Nothing.
        Ignore = "ignore",
        /// It ends with `normal`.
        Normal = "normal",
        /// It ends with `{shutdown, x}`.
        ShutdownWith = "shutdown:x",
        /// It ends with an error.
        Error = "error",
    }
}

/// How long a child is waited for when it is stopped. `None` in a [`Child`] is OTP's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Killed without being asked.
    Brutal,
    /// Waited for for ever.
    Infinity,
    /// Waited for this many milliseconds.
    After(u32),
}

/// A supervisor: its flags and children.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tree {
    /// Who is restarted with whom.
    pub strategy: Strategy,
    /// Restarts allowed, and in how many seconds; `None` is OTP's default.
    pub budget: Option<(u32, u32)>,
    /// When it ends by itself; `None` is OTP's default.
    pub auto: Option<AutoShutdown>,
    /// Its children; of a dynamic supervisor the template, called `each`.
    pub children: Vec<Child>,
}

/// A child and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Child {
    /// Its name among its siblings.
    pub name: String,
    /// When it is restarted; `None` is OTP's default.
    pub restart: Option<RestartType>,
    /// How long it is waited for; `None` is OTP's default.
    pub shutdown: Option<Shutdown>,
    /// Whether its end can end its supervisor.
    pub significant: bool,
    /// What its starts do, one after the other; the last stands for all that follow. Never empty.
    pub starts: Vec<Start>,
    /// What it does when it is asked to stop.
    pub stops: Stop,
    /// For a supervisor: what is below it.
    pub below: Option<Tree>,
}

/// A path below the root, such as `s/x`; the root is empty.
pub type Path = String;

/// One thing that happens to a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// The tree is started.
    Launch,
    /// A run ends by itself.
    End(Path, Reason),
    /// So many milliseconds pass.
    Pass(u32),
    /// OTP's clock comes to the beginning of a whole second (R45); for us nothing happens.
    WholeSecond,
    /// A start that hangs does this now.
    Release(Path, Start),
    /// The root is asked to end.
    Shutdown,
    /// A supervisor is killed from outside.
    Kill(Path),
    /// A supervisor hears of the exit of a stranger, and gets a message it does not know.
    Stray(Path),
    /// A call to a supervisor.
    Call(Path, Call),
    /// A supervisor gets new flags and specs (OTP's code change).
    Reload(Path, Tree),
}

/// A call to a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Call {
    /// Add a child.
    StartChild(Child),
    /// Stop a child by its name.
    Terminate(String),
    /// Stop a child by its handle.
    TerminateHandle(String),
    /// Start a stopped child again.
    Restart(String),
    /// Delete the spec of a stopped child.
    Delete(String),
    /// The spec of a child.
    Spec(String),
    /// All children.
    Which,
    /// How many children.
    Count,
    /// Which life of its place each child is in: 1 for the first process there, 2 for the second.
    Lives,
    /// Stop the supervisor, and wait for its end.
    Stop,
}

/// What happens at once, and what is seen then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What happens, in the order in which the supervisor learns of it.
    pub actions: Vec<Action>,
    /// OTP leaves the order of these lines open (R54).
    pub any_order: bool,
    /// What is seen.
    pub trace: Vec<Line>,
}

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// On which side it is seen.
    pub side: Side,
    /// What is seen.
    pub text: String,
}

/// On which side a line is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On both.
    Both,
    /// In OTP only.
    Otp,
    /// In our machine only.
    Ours,
}

/// A story and what has to come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The rules that a wrong implementation would break here.
    pub rules: Vec<String>,
    /// The decision for which our trace differs, and why.
    pub decided: Option<String>,
    /// The tree.
    pub tree: Tree,
    /// What happens to it.
    pub steps: Vec<Step>,
}

/// What was seen, step by step.
pub type Trace = Vec<Vec<String>>;

impl Scenario {
    /// What has to be seen on this side.
    pub fn expected(&self, side: Side) -> Trace {
        let of_side = |step: &Step| {
            let lines = step.trace.iter().filter(|line| line.side == side || line.side == Side::Both);
            lines.map(|line| line.text.clone()).collect()
        };
        self.steps.iter().map(of_side).collect()
    }

    /// Whether a supervisor stands below the root when the tree is launched.
    pub fn is_nested(&self) -> bool {
        self.tree.children.iter().any(|child| child.below.is_some())
    }

    /// Whether the supervisor at this path is a dynamic one.
    pub fn is_dynamic(&self, path: &str) -> bool {
        self.tree.at(path).is_some_and(|tree| tree.strategy == Strategy::Dynamic)
    }

    /// The steps whose traces differ: sorted first where the order is open.
    pub fn differing(&self, one: &Trace, other: &Trace) -> Vec<usize> {
        let differs = |at: &usize| {
            let lines = |trace: &Trace| {
                let mut lines = trace.get(*at).cloned();
                if let Some(lines) = lines.as_mut().filter(|_| self.steps[*at].any_order) {
                    lines.sort();
                }
                lines
            };
            lines(one) != lines(other)
        };
        (0..self.steps.len()).filter(differs).collect()
    }
}

impl Child {
    /// A child about which nothing is said.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            restart: None,
            shutdown: None,
            significant: false,
            starts: vec![Start::Ok],
            stops: Stop::Obey,
            below: None,
        }
    }
}

impl Tree {
    /// A supervisor about which nothing is said but its strategy.
    pub fn new(strategy: Strategy) -> Self {
        Self { strategy, budget: None, auto: None, children: Vec::new() }
    }

    /// The supervisor at this path.
    pub fn at(&self, path: &str) -> Option<&Self> {
        if path.is_empty() {
            return Some(self);
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let child = self.children.iter().find(|child| child.name == first)?;
        child.below.as_ref()?.at(rest)
    }
}

/// The path of a child below a supervisor.
pub fn join(sup: &str, name: &str) -> Path {
    if sup.is_empty() { name.to_owned() } else { format!("{sup}/{name}") }
}

/// The supervisor a child stands under, and the child's name there.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
