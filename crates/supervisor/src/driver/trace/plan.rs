//! Random trees, what their children do, and what is asked of them. The same seed gives the same plan.

use std::time::Duration;

use supervisor_testkit::Random;

use crate::spec::Name;
use crate::{
    Backoff, ChildSpec, Grace, OnExhausted, OnStartFailure, ReadinessMode, RestartType, Role, StartOrder,
    StopOrder, Strategy, SupervisorSpec,
};

/// One story to be played.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) root: Group,
    /// What is asked, and how many milliseconds after what was asked before.
    pub(super) asks: Vec<(u64, Asked)>,
    pub(super) ending: Ending,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) strategy: Strategy,
    pub(super) budget: Option<(u32, u64)>,
    pub(super) on_exhausted: Option<OnExhausted>,
    pub(super) by_dependencies: bool,
    pub(super) concurrent: bool,
    pub(super) retries_start: bool,
    pub(super) dynamic: bool,
    /// As a child of the supervisor above.
    pub(super) backoff: Backoff,
    pub(super) children: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Group(Group),
}

/// A child that runs something.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) restart: Option<RestartType>,
    /// It reports ready, within so many milliseconds.
    pub(super) explicit: Option<u64>,
    pub(super) backoff: Backoff,
    pub(super) grace: Grace,
    pub(super) abort_wait: u64,
    pub(super) managed: bool,
    pub(super) needs: Vec<String>,
    pub(super) primary: Option<String>,
    /// Interval, timeout and retries of a promise to report life.
    pub(super) heartbeat: Option<(u64, u64, u32)>,
    pub(super) optional: bool,
    /// What its first runs do. Later ones run for ever and obey.
    pub(super) deeds: Vec<Deed>,
}

/// What one run does. Times are milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    pub(super) start: Start,
    pub(super) end: Option<(u64, End)>,
    pub(super) on_stop: Option<(u64, End)>,
    /// For managed runs: how long it takes to be gone after it was killed.
    pub(super) on_kill: u64,
    /// How often it reports life, and until when.
    pub(super) beats: Option<(u64, u64)>,
    /// How long a task that it spawned lives after it was told to stop, and whether that task panics at once.
    pub(super) crew: Option<(u64, bool)>,
    pub(super) drop_panics: bool,
    pub(super) factory_panics: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Ready(u64),
    Never,
    Declines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Well,
    Badly,
    Panic,
}

#[derive(Debug, Clone)]
pub(super) enum Asked {
    Restart(String),
    Pause(String),
    Resume(String),
    Quarantine(String),
    Remove(String),
    Terminate(String),
    StartAgain(String),
    Delete(String),
    Add(String, Leaf),
    StartChild(String, Leaf),
    /// A new root, with the rest as it was.
    Apply(Group),
    SkipGraces,
}

/// How a story ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Shutdown,
    /// And so many milliseconds later every grace is cut.
    Hurried(u64),
    /// The owner goes away.
    Dropped,
}

impl Default for Deed {
    fn default() -> Self {
        Self {
            start: Start::Ready(0),
            end: None,
            on_stop: Some((0, End::Well)),
            on_kill: 0,
            beats: None,
            crew: None,
            drop_panics: false,
            factory_panics: false,
        }
    }
}

impl Leaf {
    /// What the run with this generation does.
    pub(super) fn deed(&self, generation: u64) -> Deed {
        let beats = self.heartbeat.map(|(interval, _, _)| (interval, u64::MAX));
        let usual = || Deed { beats, ..Deed::default() };
        self.deeds.get(generation as usize - 1).cloned().unwrap_or_else(usual)
    }
}

impl Plan {
    /// Everything that a child can do to its driver.
    pub(super) fn wild(seed: u64) -> Self {
        Self::drawn(seed, true)
    }

    /// What the bench of the test kit can play too, at times that do not meet.
    pub(super) fn plain(seed: u64) -> Self {
        Self::drawn(seed, false)
    }

    fn drawn(seed: u64, wild: bool) -> Self {
        let mut draw =
            Draw { random: Random::new(seed), wild, names: 0, leaves: Vec::new(), groups: Vec::new() };
        let root = draw.group(String::new(), "", 0);
        let asks = (0..draw.random.below(14)).map(|_| (draw.span(4_000), draw.ask(&root))).collect();
        let ending = match draw.random.below(6) {
            0 if wild => Ending::Dropped,
            1 if wild => Ending::Hurried(draw.span(2_000)),
            _ => Ending::Shutdown,
        };
        Self { seed, root, asks, ending }
    }
}

/// Draws a plan.
struct Draw {
    random: Random,
    wild: bool,
    names: u32,
    /// The paths of all children that run something.
    leaves: Vec<String>,
    /// The paths of all supervisors, the root's left out.
    groups: Vec<String>,
}

impl Draw {
    /// A time below `limit` milliseconds, often short.
    fn span(&mut self, limit: u64) -> u64 {
        let limit = if self.random.percent(50) { limit } else { limit / 8 + 1 };
        1 + self.random.below(limit)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("c{}", self.names)
    }

    fn backoff(&mut self) -> Backoff {
        let jitter_ratio = if self.wild && self.random.percent(50) { 0.2 } else { 0.0 };
        let initial = Duration::from_millis(1 + self.random.below(700));
        Backoff { jitter_ratio, ..Backoff::exponential(initial, Duration::from_secs(5)) }
    }

    fn group(&mut self, name: String, path: &str, depth: u32) -> Group {
        let backoff = self.backoff();
        let random = &mut self.random;
        let strategies =
            [Strategy::OneForOne, Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
        let actions = [None, None, Some(OnExhausted::Quarantine), Some(OnExhausted::ShutdownTree)];
        let mut group = Group {
            name,
            strategy: strategies[random.below(4) as usize],
            budget: random.percent(70).then(|| (random.below(7) as u32, 1_000 + random.below(20_000))),
            on_exhausted: actions[random.below(4) as usize],
            by_dependencies: random.percent(40),
            concurrent: random.percent(30),
            retries_start: random.percent(60),
            dynamic: depth > 0 && random.percent(20),
            backoff,
            children: Vec::new(),
        };
        if group.dynamic {
            group.strategy = Strategy::OneForOne;
            return group;
        }
        let count = 1 + random.below(if depth == 0 { 6 } else { 4 });
        for _ in 0..count {
            let name = self.name();
            let here = format!("{path}/{name}");
            if depth < 3 && self.random.percent(25) {
                self.groups.push(here.clone());
                let below = self.group(name, &here, depth + 1);
                group.children.push(Node::Group(below));
            } else {
                self.leaves.push(here);
                let leaf = self.leaf(name, &group.children);
                group.children.push(Node::Leaf(leaf));
            }
        }
        group
    }

    fn leaf(&mut self, name: String, before: &[Node]) -> Leaf {
        let (wild, backoff) = (self.wild, self.backoff());
        let random = &mut self.random;
        let (role, restart) = match random.below(8) {
            0 => (Role::Job, None),
            1 | 2 => (Role::Worker, None),
            3 => (Role::Worker, Some(RestartType::Temporary)),
            _ => (Role::Service, None),
        };
        // A temporary child that is no job cannot be depended on, and a sidecar not have another for its primary.
        let lasting = before.iter().filter_map(|node| match node {
            Node::Leaf(leaf) if leaf.restart == Some(RestartType::Temporary) || leaf.primary.is_some() => {
                None
            }
            Node::Leaf(leaf) => Some(leaf.name.clone()),
            Node::Group(group) => Some(group.name.clone()),
        });
        let lasting: Vec<String> = lasting.collect();
        let sibling = random.pick(&lasting).cloned();
        let sidecar = sibling.is_some() && restart.is_none() && random.percent(8);
        let needs =
            if !sidecar && random.percent(25) { sibling.clone().into_iter().collect() } else { Vec::new() };
        let managed = random.percent(25);
        let mut leaf = Leaf {
            name,
            role: if sidecar { Role::Sidecar } else { role },
            restart,
            explicit: random.percent(40).then(|| 500 + random.below(3_000)),
            backoff,
            grace: Grace::Timeout(Duration::from_millis(1 + random.below(3_000))),
            abort_wait: 1 + random.below(1_500),
            managed,
            needs,
            primary: sibling.filter(|_| sidecar),
            heartbeat: (wild && random.percent(20))
                .then(|| (200 + random.below(500), 100 + random.below(200), 1 + random.below(3) as u32)),
            optional: random.percent(10),
            deeds: Vec::new(),
        };
        match random.below(10) {
            0 => leaf.grace = Grace::Brutal,
            1 if wild => leaf.grace = Grace::Timeout(Duration::ZERO),
            _ => {}
        }
        leaf.deeds = (0..self.random.below(7)).map(|_| self.deed(&leaf)).collect();
        leaf
    }

    fn deed(&mut self, leaf: &Leaf) -> Deed {
        let start = match self.random.below(10) {
            0 => Start::Never,
            1 => Start::Declines,
            2..6 => Start::Ready(self.span(1_500)),
            _ => Start::Ready(0),
        };
        let end = self.random.percent(60).then(|| (self.span(9_000), self.end()));
        let at_once = self.random.percent(6).then(|| (0, self.end()));
        let on_stop = match self.random.below(10) {
            0 => None,
            1..5 => Some((self.span(4_000), self.end())),
            _ => Some((0, End::Well)),
        };
        let beats = leaf.heartbeat.map(|(interval, _, _)| {
            let until = if self.random.percent(50) { u64::MAX } else { self.span(4_000) };
            (1 + interval / (1 + self.random.below(2)), until)
        });
        let on_kill = if self.random.percent(60) { 0 } else { self.span(4_000) };
        let mut deed = Deed { start, end: at_once.or(end), on_stop, on_kill, beats, ..Deed::default() };
        if self.wild {
            deed.crew = self.random.percent(15).then(|| (self.span(3_000), self.random.percent(20)));
            deed.drop_panics = self.random.percent(4);
            deed.factory_panics = self.random.percent(4);
        }
        deed
    }

    fn end(&mut self) -> End {
        match self.random.below(10) {
            0..3 => End::Well,
            3..8 => End::Badly,
            _ => End::Panic,
        }
    }

    fn ask(&mut self, root: &Group) -> Asked {
        let somebody = match self.random.below(10) {
            0 => self.random.pick(&self.groups).cloned(),
            1 => Some("/nobody".to_owned()),
            _ => self.random.pick(&self.leaves).cloned(),
        };
        let somebody = somebody.unwrap_or_else(|| "/nobody".to_owned());
        match self.random.below(20) {
            0..3 => Asked::Restart(somebody),
            3..5 => Asked::Pause(somebody),
            5..8 => Asked::Resume(somebody),
            8 => Asked::Quarantine(somebody),
            9 => Asked::Remove(somebody),
            10 => Asked::Terminate(somebody),
            11 => Asked::StartAgain(somebody),
            12 => Asked::Delete(somebody),
            13 if self.wild && self.random.percent(30) => Asked::SkipGraces,
            14 if self.wild => Asked::Apply(self.changed(root)),
            _ => self.added(),
        }
    }

    fn added(&mut self) -> Asked {
        let under = if self.random.percent(40) { None } else { self.random.pick(&self.groups).cloned() };
        let under = under.unwrap_or_default();
        let name = self.name();
        self.leaves.push(format!("{under}/{name}"));
        let leaf = self.leaf(name, &[]);
        let under = if under.is_empty() { "/".to_owned() } else { under };
        if self.random.percent(50) { Asked::Add(under, leaf) } else { Asked::StartChild(under, leaf) }
    }

    /// The root with one child more, at most one less, and another budget.
    fn changed(&mut self, root: &Group) -> Group {
        let mut group = root.clone();
        group.budget = Some((3 + self.random.below(5) as u32, 10_000));
        let name = self.name();
        self.leaves.push(format!("/{name}"));
        let leaf = self.leaf(name, &[]);
        if self.random.percent(50) {
            let needed = |name: &str| {
                let needs = |leaf: &Leaf| leaf.needs.iter().chain(&leaf.primary).any(|need| need == name);
                root.children.iter().any(|node| matches!(node, Node::Leaf(leaf) if needs(leaf)))
            };
            if group.children.last().is_some_and(|last| !needed(last.name())) {
                group.children.pop();
            }
        }
        group.children.push(Node::Leaf(leaf));
        group
    }
}

impl Node {
    fn name(&self) -> &str {
        match self {
            Self::Leaf(leaf) => &leaf.name,
            Self::Group(group) => &group.name,
        }
    }
}

impl Group {
    /// As the library's users say it; `run` makes what a leaf runs.
    pub(super) fn spec(&self, run: &impl Fn(&Leaf) -> ChildSpec) -> SupervisorSpec {
        let mut spec = SupervisorSpec::new(&self.name).strategy(self.strategy);
        spec = match self.budget {
            Some((restarts, window)) => spec.budget(restarts, Duration::from_millis(window)),
            None => spec.unlimited(),
        };
        if let Some(action) = self.on_exhausted {
            spec = spec.on_exhausted(action);
        }
        if self.by_dependencies {
            spec = spec.order(StartOrder::Dependencies);
        }
        if self.concurrent {
            spec = spec.stop(StopOrder::Concurrent);
        }
        if self.retries_start {
            spec = spec.on_start_failure(OnStartFailure::Retry);
        }
        if self.dynamic {
            spec = spec.dynamic(4);
        }
        spec.children(self.children.iter().map(|node| match node {
            Node::Leaf(leaf) => leaf.spec(run),
            Node::Group(group) => ChildSpec::supervisor(group.spec(run)).backoff(group.backoff),
        }))
    }
}

impl Leaf {
    /// As the library's users say it.
    pub(super) fn spec(&self, run: &impl Fn(&Leaf) -> ChildSpec) -> ChildSpec {
        let mut spec = run(self).role(self.role).backoff(self.backoff);
        if let Some(primary) = &self.primary {
            spec.more().primary = Some(Name::new(primary));
        }
        if let Some(restart) = self.restart {
            spec = spec.restart(restart);
        }
        if let Some(limit) = self.explicit {
            spec = spec.readiness(ReadinessMode::Explicit).ready_within(Duration::from_millis(limit));
        }
        if let Some((interval, timeout, retries)) = self.heartbeat {
            spec = spec.heartbeat(Duration::from_millis(interval), Duration::from_millis(timeout), retries);
        }
        if self.optional {
            spec = spec.criticality(crate::Criticality::Optional);
        }
        spec = match self.grace {
            Grace::Brutal => spec.brutal(),
            Grace::Infinity => spec.grace_infinity(),
            Grace::Timeout(grace) => spec.grace(grace),
        };
        spec.abort_wait(Duration::from_millis(self.abort_wait)).depends_on(&self.needs)
    }
}
