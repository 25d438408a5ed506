//! Random trees: every strategy, role, restart type, dependency, budget, grace and mode.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use supervisor_api::ChildId;
use supervisor_api::policy::*;
use supervisor_core::{
    Body, ChildDecl, ChildSettings, Limit, Resolved, SupervisorDecl, SupervisorSettings, resolve,
};

use super::knobs::{Knobs, script};
use super::schedule::Script;
use crate::{Random, ms, secs};

/// Names of children, made once.
static NAMES: LazyLock<Vec<ChildId>> =
    LazyLock::new(|| (0..256).filter_map(|n| ChildId::new(format!("c{n}")).ok()).collect());

/// What children settle with, when nothing is said.
static UNSAID: LazyLock<Arc<ChildSettings>> = LazyLock::new(Arc::default);

/// The name with this number.
pub(super) fn name(number: usize) -> ChildId {
    NAMES[number % NAMES.len()].clone()
}

/// What the children of a supervisor have to keep to.
#[derive(Clone, Copy)]
struct House {
    auto_shutdown: AutoShutdown,
    otp: bool,
    dynamic: bool,
    budget: Option<Budget>,
}

/// A sibling that was grown before.
struct Elder {
    id: ChildId,
    dependable: bool,
    sidecar: bool,
}

/// Makes random trees.
pub(super) struct Grower<'a> {
    random: &'a mut Random,
    knobs: &'a Knobs,
    scripts: &'a mut Vec<Script>,
    /// Every child ends some day: a stack of jobs.
    finite: bool,
}

impl<'a> Grower<'a> {
    pub(super) fn new(random: &'a mut Random, knobs: &'a Knobs, scripts: &'a mut Vec<Script>) -> Self {
        Self { random, knobs, scripts, finite: false }
    }

    /// A tree without mistakes, and what it means. It does not end at its launch, as one does that ends when all is done
    /// and has nothing to do.
    pub(super) fn sound_tree(&mut self) -> (SupervisorDecl, Resolved) {
        loop {
            self.scripts.clear();
            let tree = self.supervisor(self.knobs.children, self.knobs.depth, true, false);
            let idle = self.scripts.is_empty() && tree.settings.auto_shutdown == Some(AutoShutdown::AllDone);
            match resolve(&tree) {
                Ok(resolved) if !idle => return (tree, resolved),
                _ => {}
            }
        }
    }

    /// A tree without mistakes, whose children run something that no other tree has.
    pub(super) fn other_tree(&mut self) -> SupervisorDecl {
        loop {
            let tree = self.supervisor(self.knobs.children, self.knobs.depth, true, false);
            if resolve(&tree).is_ok() {
                return tree;
            }
        }
    }

    fn supervisor(&mut self, mut left: u32, depth: u32, root: bool, otp_above: bool) -> SupervisorDecl {
        let settings = self.supervisor_settings(root);
        let otp = settings.profile.map_or(otp_above, |profile| profile == Profile::Otp);
        let house = House {
            auto_shutdown: settings.auto_shutdown.unwrap_or(AutoShutdown::Never),
            otp,
            dynamic: settings.dynamic.is_some(),
            budget: settings.budget,
        };
        if root {
            self.finite = house.auto_shutdown == AutoShutdown::AllDone && self.random.percent(60);
        }
        let mut children: Vec<ChildDecl> = Vec::new();
        if house.dynamic {
            return SupervisorDecl { settings, children };
        }
        let mut elders: Vec<Elder> = Vec::new();
        while left > 0 && children.len() < 200 {
            left -= 1;
            let id = name(children.len());
            let below = (depth > 1 && self.random.percent(self.knobs.nested))
                .then(|| self.random.below(u64::from(left / 2 + 1)) as u32);
            let (child, dependable) = match below {
                Some(below) => {
                    left -= below;
                    self.node(id, below, depth - 1, house, &elders)
                }
                None => self.leaf(id, house, &elders),
            };
            let sidecar = child.primary.is_some();
            elders.push(Elder { id: child.id.clone(), dependable, sidecar });
            children.push(child);
        }
        self.set_conditions(&mut children, otp);
        if let Some(mut random) = self.schedules() {
            children.iter_mut().for_each(|child| set_schedule(child, otp, &mut random));
        }
        if self.random.percent(20) {
            self.shuffle(&mut children);
        }
        SupervisorDecl { settings, children }
    }

    /// Some wait for something else than that a sibling is ready; for the end of one only if there can be one.
    fn set_conditions(&self, children: &mut [ChildDecl], otp: bool) {
        if self.knobs.conditions == 0 {
            return;
        }
        let mut random = Random::new(self.knobs.conditions.wrapping_add(self.scripts.len() as u64));
        let ends: HashMap<ChildId, bool> =
            children.iter().map(|child| (child.id.clone(), ends(&child.settings, otp))).collect();
        for child in children.iter_mut().filter(|child| !child.depends_on.is_empty()) {
            let mut conditions = Vec::new();
            for on in &child.depends_on {
                let most = if ends.get(on) == Some(&true) { 4 } else { 2 };
                let until = Condition::ALL[random.below(most) as usize];
                conditions.push((on.clone(), until));
            }
            Arc::make_mut(&mut child.settings).conditions = conditions;
        }
    }

    /// Decides who has a time to start, where somebody does.
    fn schedules(&self) -> Option<Random> {
        let seed = self.knobs.schedules;
        (seed != 0).then(|| Random::new(seed.wrapping_add(self.scripts.len() as u64)))
    }

    /// The effective order is not the declared one then.
    fn shuffle(&mut self, children: &mut [ChildDecl]) {
        for at in (1..children.len()).rev() {
            children.swap(at, self.random.below(at as u64 + 1) as usize);
        }
    }

    fn supervisor_settings(&mut self, root: bool) -> SupervisorSettings {
        let random = &mut *self.random;
        let mut settings = SupervisorSettings::default();
        if random.percent(if root { 15 } else { 5 }) {
            settings.profile = Some(if random.percent(70) { Profile::Otp } else { Profile::Default });
        }
        settings.budget = match random.below(10) {
            _ if self.knobs.brittle => Some(budget(random, self.knobs)),
            0 | 1 => Some(Budget::unlimited()),
            2 => None,
            _ => Some(budget(random, self.knobs)),
        };
        if random.percent(15) {
            settings.on_exhausted = random.pick(OnExhausted::ALL).copied();
        }
        if random.percent(60) {
            settings.on_start_failure = Some(OnStartFailure::Retry);
        }
        if !root && random.percent(self.knobs.dynamic) {
            settings.dynamic = Some(random.below(5) as u32);
            return settings;
        }
        settings.strategy = random.pick(Strategy::ALL).copied();
        if random.percent(45) {
            settings.order = Some(StartOrder::Dependencies);
        }
        if random.percent(25) {
            settings.stop = Some(StopOrder::Concurrent);
        }
        settings.auto_shutdown = match random.below(12) {
            0 => Some(AutoShutdown::AnySignificant),
            1 => Some(AutoShutdown::AllSignificant),
            2 if root => Some(AutoShutdown::AllDone),
            _ => None,
        };
        if random.percent(10) {
            let defaults = ChildSettings {
                grace: Some(grace(random)),
                backoff: Some(backoff(random)),
                abort_wait: Some(ms(random.below(80))),
                readiness: random.percent(30).then_some(ReadinessMode::Explicit),
                ..ChildSettings::default()
            };
            settings.defaults = Some(Arc::new(defaults));
        }
        settings
    }

    /// A nested supervisor; also says whether it can be depended on.
    fn node(
        &mut self,
        id: ChildId,
        below: u32,
        depth: u32,
        house: House,
        elders: &[Elder],
    ) -> (ChildDecl, bool) {
        let below = self.supervisor(below, depth, false, house.otp);
        let linked = has_links(&below);
        let body = Body::Supervisor(Box::new(below));
        let random = &mut *self.random;
        let restart = match random.below(10) {
            0 | 1 => Some(RestartType::Transient),
            2 => Some(RestartType::Temporary),
            _ => None,
        };
        let mut settings = ChildSettings { restart, ..ChildSettings::default() };
        if random.percent(70) {
            settings.backoff = Some(backoff(random));
        }
        if random.percent(10) {
            settings.grace = Some(grace(random));
        }
        // What waits for a sibling for ever would fail for ever.
        if !linked && random.percent(15) {
            settings.ready_within = Some(Limit::After(ms(500 + random.below(2_000))));
        }
        say_about_any(random, self.knobs.said, &mut settings);
        let ends = settings.restart.is_some();
        settings.significant = significant(random, ends, house);
        let dependable = settings.restart != Some(RestartType::Temporary);
        let depends_on = self.needs(house, elders);
        (ChildDecl { id, settings: Arc::new(settings), depends_on, primary: None, body }, dependable)
    }

    /// A child that runs something; also says whether it can be depended on.
    fn leaf(&mut self, id: ChildId, house: House, elders: &[Elder]) -> (ChildDecl, bool) {
        let body = self.scripts.len() as u32;
        self.scripts.push(script(self.random, self.knobs));
        let body = if self.random.percent(3) { Body::Unbound(body) } else { Body::Run(body) };
        let primary = self.primary(house, elders);
        let (settings, dependable) = self.leaf_settings(house, primary.is_some());
        let depends_on = if primary.is_some() { Vec::new() } else { self.needs(house, elders) };
        (ChildDecl { id, settings, depends_on, primary, body }, dependable)
    }

    fn leaf_settings(&mut self, house: House, sidecar: bool) -> (Arc<ChildSettings>, bool) {
        let random = &mut *self.random;
        if !sidecar && !self.finite && random.percent(10) {
            return (Arc::clone(&UNSAID), true);
        }
        let role = match random.below(12) {
            _ if sidecar => Some(Role::Sidecar),
            _ if self.finite => Some(Role::Job),
            0 => Some(Role::Service),
            1 => Some(Role::Worker),
            2 | 3 => Some(Role::Job),
            _ => None,
        };
        let mut settings = ChildSettings { role, ..ChildSettings::default() };
        match settings.role {
            Some(Role::Job) if house.otp || random.percent(30) => {
                let types = [RestartType::Transient, RestartType::Temporary];
                settings.restart = random.pick(&types).copied();
            }
            Some(Role::Job) => settings.retry = random.percent(50).then_some(true),
            _ if random.percent(50) => settings.restart = random.pick(RestartType::ALL).copied(),
            _ => {}
        }
        if random.percent(self.knobs.explicit) {
            settings.readiness = Some(ReadinessMode::Explicit);
            if random.percent(70) {
                settings.ready_within = Some(Limit::After(ms(5 + random.below(300))));
            }
        }
        if random.percent(75) {
            settings.backoff = Some(backoff(random));
        }
        if random.percent(80) {
            settings.grace = Some(grace(random));
            settings.abort_wait = Some(ms(random.below(80)));
        }
        if random.percent(7) {
            let heartbeat = Heartbeat {
                interval: ms(40 + random.below(200)),
                timeout: ms(random.below(40)),
                max_retries: 1 + random.below(3) as u32,
            };
            settings.heartbeat = Some(heartbeat);
            if random.percent(30) {
                settings.start_period = Some(ms(random.below(400)));
            }
        }
        if random.percent(8) {
            settings.budget = Some(budget(random, self.knobs));
            // Charged to both, and alike, so that both can be exhausted at once.
            if random.percent(50) {
                settings.on_exhausted = Some(OnExhausted::Escalate);
                settings.budget = house.budget.or(settings.budget);
            }
        }
        say_about_any(random, self.knobs.said, &mut settings);
        settings.significant = significant(random, ends(&settings, house.otp), house);
        let job = settings.role == Some(Role::Job) && !house.otp;
        let dependable = job || settings.restart != Some(RestartType::Temporary);
        (Arc::new(settings), dependable)
    }

    /// Whom a child depends on.
    fn needs(&mut self, house: House, elders: &[Elder]) -> Vec<ChildId> {
        let mut needs = Vec::new();
        while !house.dynamic && needs.len() < 3 && self.random.percent(self.knobs.linked) {
            match self.random.pick(elders) {
                Some(elder) if elder.dependable && !needs.contains(&elder.id) => needs.push(elder.id.clone()),
                _ => break,
            }
        }
        needs
    }

    fn primary(&mut self, house: House, elders: &[Elder]) -> Option<ChildId> {
        if house.dynamic || !self.random.percent(self.knobs.sidecars) {
            return None;
        }
        self.random.pick(elders).filter(|elder| !elder.sidecar).map(|elder| elder.id.clone())
    }

    /// A child to be added to a running supervisor, about which nothing is known.
    pub(super) fn newcomer(&mut self, number: u64) -> ChildDecl {
        let house = House {
            auto_shutdown: AutoShutdown::Never,
            otp: false,
            dynamic: !self.random.percent(self.knobs.linked),
            budget: None,
        };
        let known = |number| Elder { id: name(number), dependable: true, sidecar: false };
        let elders = [known(0), known(1), known(2)];
        let id = name(number as usize);
        if self.random.percent(15) {
            return self.node(id, 2, 1, house, &elders).0;
        }
        let mut child = self.leaf(id, house, &elders).0;
        if let Some(mut random) = self.schedules() {
            set_schedule(&mut child, false, &mut random);
        }
        child
    }

    /// A changed copy of a tree, as a new spec has it.
    pub(super) fn changed(&mut self, tree: &SupervisorDecl) -> SupervisorDecl {
        for _ in 0..4 {
            let mut copy = tree.clone();
            for _ in 0..1 + self.random.below(4) {
                self.change(&mut copy, self.knobs.depth, true);
            }
            if let Some(mut random) = self.schedules() {
                set_schedules_anew(&mut copy, false, &mut random);
            }
            if resolve(&copy).is_ok() {
                return copy;
            }
        }
        tree.clone()
    }

    fn change(&mut self, tree: &mut SupervisorDecl, depth: u32, root: bool) {
        let count = tree.children.len();
        let at = self.random.below(count as u64) as usize;
        let otp = tree.settings.profile == Some(Profile::Otp);
        let house = House {
            auto_shutdown: tree.settings.auto_shutdown.unwrap_or(AutoShutdown::Never),
            otp,
            dynamic: tree.settings.dynamic.is_some(),
            budget: tree.settings.budget,
        };
        let deeper = self.random.percent(60);
        match tree.children.get_mut(at).map(|child| &mut child.body) {
            Some(Body::Supervisor(below)) if deeper => {
                return self.change(below, depth.saturating_sub(1), false);
            }
            _ => {}
        }
        match self.random.below(12) {
            0 | 1 => {
                let mut settings = self.supervisor_settings(root);
                settings.auto_shutdown = tree.settings.auto_shutdown;
                settings.dynamic = tree.settings.dynamic;
                if house.dynamic {
                    settings.strategy = None;
                }
                settings.profile = tree.settings.profile;
                tree.settings = settings;
            }
            2 | 3 if !house.dynamic => {
                let number = 20 + self.random.below(20);
                let mut child = self.newcomer(number);
                child.depends_on.clear();
                if child.primary.take().is_some() {
                    child.settings = Arc::clone(&UNSAID);
                }
                tree.children.insert(at, child);
            }
            4 | 5 if count > 1 => drop_child(tree, at),
            6 if count > 1 => {
                let other = self.random.below(count as u64) as usize;
                tree.children.swap(at, other);
            }
            kind if count > 0 => self.change_child(&mut tree.children[at], kind, house),
            _ => {}
        }
    }

    fn change_child(&mut self, child: &mut ChildDecl, kind: u64, house: House) {
        let leaf = !matches!(child.body, Body::Supervisor(_));
        match kind {
            7 | 8 if leaf => {
                let body = self.scripts.len() as u32;
                self.scripts.push(script(self.random, self.knobs));
                child.body = if self.random.percent(15) { Body::Unbound(body) } else { Body::Run(body) };
            }
            9 if leaf => child.depends_on.clear(),
            _ if leaf => {
                let sidecar = child.primary.is_some();
                child.settings = self.leaf_settings(house, sidecar).0;
            }
            _ => {
                let mut settings = ChildSettings::clone(&child.settings);
                settings.grace = Some(grace(self.random));
                child.settings = Arc::new(settings);
            }
        }
    }

    /// A copy of a tree with one mistake in it.
    pub(super) fn spoiled(&mut self, tree: &SupervisorDecl) -> SupervisorDecl {
        let mut copy = tree.clone();
        spoil(self.random, &mut copy);
        copy
    }
}

/// Whether a child may end for good.
fn ends(settings: &ChildSettings, otp: bool) -> bool {
    match (settings.restart, settings.role) {
        (Some(restart), _) => restart != RestartType::Permanent,
        (None, role) => !otp && matches!(role, Some(Role::Worker | Role::Job)),
    }
}

/// Whether somebody in this tree waits for a sibling.
fn has_links(tree: &SupervisorDecl) -> bool {
    tree.children.iter().any(|child| {
        let below = matches!(&child.body, Body::Supervisor(below) if has_links(below));
        below || child.primary.is_some() || !child.depends_on.is_empty()
    })
}

/// Takes a child out of a supervisor, and out of what its siblings say.
pub(super) fn drop_child(tree: &mut SupervisorDecl, at: usize) {
    let gone = tree.children.remove(at).id;
    for child in &mut tree.children {
        child.depends_on.retain(|id| *id != gone);
        if child.primary.as_ref() == Some(&gone) {
            child.primary = None;
            child.settings = Arc::clone(&UNSAID);
        }
    }
}

/// Makes one mistake in a tree that has at least one child.
fn spoil(random: &mut Random, tree: &mut SupervisorDecl) {
    let Some(first) = tree.children.first_mut() else {
        tree.settings.budget = Some(Budget::new(1, Duration::ZERO));
        return;
    };
    let settings = |change: fn(&mut ChildSettings), child: &mut ChildDecl| {
        let mut settings = ChildSettings::clone(&child.settings);
        change(&mut settings);
        child.settings = Arc::new(settings);
    };
    match random.below(9) {
        0 => {
            let twin = first.clone();
            tree.children.push(twin);
        }
        1 => first.depends_on.push(name(250)),
        2 => first.depends_on.push(first.id.clone()),
        3 => settings(
            |settings| {
                settings.significant = Some(true);
                settings.restart = Some(RestartType::Permanent);
            },
            first,
        ),
        4 => settings(|settings| settings.backoff = Some(Backoff::exponential(secs(2), secs(1))), first),
        5 => settings(|settings| settings.ready_within = Some(Limit::After(Duration::ZERO)), first),
        6 => settings(|settings| (settings.retry, settings.role) = (Some(true), Some(Role::Service)), first),
        7 => tree.settings.dynamic = Some(3),
        _ => tree.settings.budget = Some(Budget::new(1, Duration::ZERO)),
    }
}

fn significant(random: &mut Random, ends: bool, house: House) -> Option<bool> {
    let fires = matches!(house.auto_shutdown, AutoShutdown::AnySignificant | AutoShutdown::AllSignificant);
    (ends && fires && random.percent(50)).then_some(true)
}

fn say_about_any(random: &mut Random, said: u64, settings: &mut ChildSettings) {
    if !random.percent(said) {
        return;
    }
    match random.below(5) {
        0 | 1 => settings.criticality = random.pick(Criticality::ALL).copied(),
        2 => settings.on_exhausted = random.pick(OnExhausted::ALL).copied(),
        3 => settings.restart_dependants = Some(true),
        _ => {
            let permissions = Permissions {
                allow_shutdown: random.percent(50),
                allow_restart: random.percent(50),
                ..Permissions::default()
            };
            settings.permissions = Some(permissions);
        }
    }
}

fn budget(random: &mut Random, knobs: &Knobs) -> Budget {
    if knobs.brittle {
        return Budget::new(random.below(2) as u32, secs(60));
    }
    let window = [ms(50), ms(200), secs(1), secs(5), secs(60)];
    let window = random.pick(&window).copied().unwrap_or(secs(1));
    let most = if random.percent(knobs.tight) { 3 } else { 12 };
    Budget::new(random.below(most) as u32, window)
}

fn backoff(random: &mut Random) -> Backoff {
    if random.percent(25) {
        return Backoff::none();
    }
    let initial = ms(random.below(60));
    Backoff {
        initial,
        max: initial + ms(random.below(400)),
        jitter_ratio: if random.percent(50) { 0.0 } else { 0.2 },
        reset_after: if random.percent(60) { ms(1 + random.below(300)) } else { secs(60) },
    }
}

fn grace(random: &mut Random) -> Grace {
    match random.below(10) {
        0 => Grace::Brutal,
        1 => Grace::Infinity,
        2 => Grace::Timeout(Duration::ZERO),
        _ => Grace::Timeout(ms(random.below(200))),
    }
}

/// Some jobs have a time to start. Under OTP's profile nobody is a job.
fn set_schedule(child: &mut ChildDecl, otp: bool, random: &mut Random) {
    if !otp && child.settings.role == Some(Role::Job) && random.percent(70) {
        Arc::make_mut(&mut child.settings).scheduled = true;
    }
}

/// A new spec takes schedules away, and gives some.
fn set_schedules_anew(tree: &mut SupervisorDecl, otp: bool, random: &mut Random) {
    let otp = tree.settings.profile.map_or(otp, |profile| profile == Profile::Otp);
    for child in &mut tree.children {
        if child.settings.scheduled && random.percent(25) {
            Arc::make_mut(&mut child.settings).scheduled = false;
        } else if random.percent(25) {
            set_schedule(child, otp, random);
        }
        if let Body::Supervisor(below) = &mut child.body {
            set_schedules_anew(below, otp, random);
        }
    }
}
