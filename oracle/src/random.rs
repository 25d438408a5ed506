//! Random scenarios from a seed.
//!
//! A scenario grows step by step beside our machine, so that every step makes sense: who ends runs, who is called is
//! up. What is unfair (`fair.rs`) is not taken.

use supervisor_api::policy::{AutoShutdown, RestartType};
use supervisor_testkit::Random;

use crate::fair::{PASS_GRACE, PASS_WINDOW, SHORT_GRACE, Traits, has_short_window, has_time};
use crate::model::{
    Action, Call, Child, Reason, Scenario, Shutdown, Start, Step, Stop, Strategy, Tree, join, split,
};
use crate::ours::Ours;

/// Fewer inputs than this are no scenario; the launch and the final shutdown are none.
const MIN_INPUTS: usize = 6;

/// After so many the tree is shut down.
const MAX_INPUTS: u64 = 14;

/// Trees that end too early are thrown away, at most so many.
const TRIES: u64 = 200;

/// The scenario of this seed: at least 3 children and 6 inputs.
pub fn scenario(seed: u64) -> Scenario {
    let tries = (0..TRIES).filter_map(|attempt| {
        let mut random = Random::new(seed.wrapping_mul(TRIES).wrapping_add(attempt));
        Growth::grow(&mut random, seed)
    });
    let mut tries = tries;
    tries.next().unwrap_or_else(|| panic!("the seed {seed} gives no scenario in {TRIES} tries"))
}

struct Growth<'a> {
    random: &'a mut Random,
    scenario: Scenario,
    ours: Ours,
    traits: Traits,
    added: usize,
}

impl<'a> Growth<'a> {
    fn grow(random: &'a mut Random, seed: u64) -> Option<Scenario> {
        let tree = root(random);
        let scenario = Scenario {
            name: format!("random {seed}"),
            rules: Vec::new(),
            decided: None,
            tree: tree.clone(),
            steps: Vec::new(),
        };
        let mut growth =
            Self { random, scenario, ours: Ours::new(&tree), traits: Traits::of(&tree), added: 0 };
        growth.take(vec![Action::Launch])?;
        if tree.strategy == Strategy::Dynamic {
            growth.add_three()?;
        }
        let inputs = MIN_INPUTS as u64 + growth.random.below(MAX_INPUTS - MIN_INPUTS as u64);
        let mut taken = 0;
        // Most steps that are thought of can be taken; a tree in which none can is thrown away.
        for _ in 0..10 * MAX_INPUTS {
            if taken >= inputs || growth.ours.is_over() {
                break;
            }
            let before = growth.scenario.steps.len();
            growth.one_step()?;
            taken +=
                growth.scenario.steps[before..].iter().map(|step| step.actions.len() as u64).sum::<u64>();
        }
        growth.finish()?;
        (taken >= MIN_INPUTS as u64).then_some(growth.scenario)
    }

    /// The tree is dynamic: it is given as many children as others have.
    fn add_three(&mut self) -> Option<()> {
        for _ in 0..3 {
            let child = Child { starts: vec![Start::Ok], ..self.new_child("", true) };
            self.take(vec![Action::Call(String::new(), Call::StartChild(child))])?;
        }
        (self.ours.children("").len() >= 3).then_some(())
    }

    /// Ends the tree, unless it has ended.
    fn finish(&mut self) -> Option<()> {
        let mut asked = false;
        for _ in 0..40 {
            if self.ours.is_over() {
                return Some(());
            }
            if self.is_blocked() {
                self.unblock()?;
            } else if !asked {
                asked = true;
                self.take(vec![Action::Shutdown])?;
            }
        }
        None
    }

    fn is_blocked(&self) -> bool {
        !self.ours.held().is_empty() || !self.ours.hanging().is_empty()
    }

    /// Takes a step, or nothing when it would not be fair; when it turns out that it was not, all is spoiled.
    fn take(&mut self, actions: Vec<Action>) -> Option<()> {
        let any_order = self.is_loose();
        let step = Step { actions, any_order, trace: Vec::new() };
        let mut traits = self.traits.clone();
        traits.learn(&step);
        if traits.check(&self.ours, &step).is_err() {
            return Some(());
        }
        traits.take(&mut self.ours, &step).ok()?;
        self.traits = traits;
        self.scenario.steps.push(step);
        Some(())
    }

    /// OTP leaves the order open where a dynamic supervisor has several children, and where a supervisor can be killed.
    fn is_loose(&self) -> bool {
        let mut sups = vec![String::new()];
        sups.extend(self.ours.supervisors());
        let dynamic = sups.iter().any(|sup| {
            self.ours.strategy(sup) == Some(Strategy::Dynamic) && self.ours.children(sup).len() > 1
        });
        dynamic || has_finite_supervisor(&self.scenario.tree)
    }

    fn one_step(&mut self) -> Option<()> {
        if self.is_blocked() {
            return self.unblock();
        }
        let actions = match self.random.below(100) {
            0..45 => self.end().map(|end| vec![end]),
            45..60 => self.ends_at_once(),
            60..68 => self.end_and_call(),
            68..92 => self.call().map(|call| vec![call]),
            92..95 => self.sup().map(|sup| vec![Action::Stray(sup)]),
            95..99 => has_short_window(&self.scenario.tree).then(|| vec![Action::Pass(PASS_WINDOW)]),
            _ => Some(vec![Action::Shutdown]),
        };
        if let Some(actions) = actions {
            self.take(actions)?;
        }
        Some(())
    }

    /// Lets a supervisor that waits go on.
    fn unblock(&mut self) -> Option<()> {
        if let Some(path) = self.ours.hanging().first().cloned() {
            let start = self.one_of(&[Start::Ok, Start::Ok, Start::Fail, Start::Ignore]);
            self.take(vec![Action::Release(path, start)])?;
            return Some(());
        }
        let held = self.ours.held();
        let path = self.random.pick(&held)?.clone();
        if !has_time(&self.ours) {
            self.take(vec![Action::Pass(PASS_GRACE)])?;
            return Some(());
        }
        let reason = self.reason();
        self.take(vec![Action::End(path, reason)])?;
        Some(())
    }

    fn end(&mut self) -> Option<Action> {
        let running = self.ours.running();
        let path = self.random.pick(&running)?.clone();
        let reason = self.reason();
        Some(Action::End(path, reason))
    }

    fn ends_at_once(&mut self) -> Option<Vec<Action>> {
        let running = self.ours.running();
        let one = self.random.pick(&running)?.clone();
        let siblings: Vec<String> =
            running.into_iter().filter(|path| *path != one && split(path).0 == split(&one).0).collect();
        let other = self.random.pick(&siblings)?.clone();
        Some(vec![Action::End(one, self.reason()), Action::End(other, self.reason())])
    }

    fn end_and_call(&mut self) -> Option<Vec<Action>> {
        let end = self.end()?;
        let Action::End(path, _) = &end else { return None };
        let sup = split(path).0.to_owned();
        let call = self.call_to(&sup)?;
        let handle =
            matches!(&call, Action::Call(_, Call::TerminateHandle(name)) if join(&sup, name) == *path);
        Some(if handle { vec![end] } else { vec![end, call] })
    }

    fn reason(&mut self) -> Reason {
        use Reason::{Error, Kill, Normal, Shutdown, ShutdownWith};
        self.one_of(&[Error, Error, Error, Error, Kill, Kill, Normal, Normal, Shutdown, ShutdownWith])
    }

    fn sup(&mut self) -> Option<String> {
        let sups = self.ours.supervisors();
        self.random.pick(&sups).cloned()
    }

    fn call(&mut self) -> Option<Action> {
        let sup = self.sup()?;
        self.call_to(&sup)
    }

    fn call_to(&mut self, sup: &str) -> Option<Action> {
        let dynamic = self.ours.strategy(sup)? == Strategy::Dynamic;
        let name = if dynamic {
            let children = self.ours.children(sup);
            self.random.pick(&children).map_or(String::new(), |path| split(path).1.to_owned())
        } else {
            self.known_name(sup)
        };
        let call = match self.random.below(100) {
            20..77 if name.is_empty() => Call::Which,
            0..20 => Call::StartChild(self.new_child(sup, dynamic)),
            20..40 if dynamic => self.handle(sup)?,
            20..45 => Call::Terminate(name),
            45..65 => Call::Restart(name),
            65..77 => Call::Delete(name),
            77..82 if !dynamic => Call::Spec(name),
            82..84 if !dynamic => self.handle(sup)?,
            84..88 => Call::Count,
            88..94 => Call::Lives,
            _ => Call::Which,
        };
        Some(Action::Call(sup.to_owned(), call))
    }

    fn handle(&mut self, sup: &str) -> Option<Call> {
        let mut running = self.ours.running();
        running.retain(|path| split(path).0 == sup);
        Some(Call::TerminateHandle(split(self.random.pick(&running)?).1.to_owned()))
    }

    /// The name of a child there is, of one there was, or of nobody.
    fn known_name(&mut self, sup: &str) -> String {
        let mut names: Vec<String> =
            self.ours.children(sup).iter().map(|path| split(path).1.to_owned()).collect();
        if self.random.percent(15) || names.is_empty() {
            let declared =
                self.scenario.tree.at(sup).map(|tree| tree.children.as_slice()).unwrap_or_default();
            names = declared.iter().map(|child| child.name.clone()).filter(|name| name != "each").collect();
            names.push("nobody".to_owned());
        }
        self.random.pick(&names).cloned().unwrap_or_default()
    }

    fn new_child(&mut self, sup: &str, dynamic: bool) -> Child {
        self.added += 1;
        let fresh = format!("n{}", self.added);
        if dynamic {
            let (starts, stops) = (starts(self.random), stops(self.random, true));
            return Child { starts, stops, ..Child::named(&fresh) };
        }
        let auto = self.scenario.tree.at(sup).and_then(|tree| tree.auto);
        let name = if self.random.percent(30) { self.known_name(sup) } else { fresh };
        child(self.random, &name, auto)
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len() as u64) as usize]
    }
}

/// Whether a supervisor can be killed by the one above it.
fn has_finite_supervisor(tree: &Tree) -> bool {
    let finite = |child: &Child| !matches!(child.shutdown, None | Some(Shutdown::Infinity));
    let nested = tree.children.iter().filter_map(|child| Some((child, child.below.as_ref()?)));
    nested.into_iter().any(|(child, below)| finite(child) || has_finite_supervisor(below))
}

fn root(random: &mut Random) -> Tree {
    let nested = random.percent(45);
    let mut tree = flags(random, !nested);
    let count = 3 + random.below(3);
    if tree.strategy == Strategy::Dynamic {
        tree.children.push(template(random));
        return tree;
    }
    let place = random.below(count);
    for at in 0..count {
        let name = letter(b'a', at);
        let mut one = child(random, &name, tree.auto);
        if nested && at == place {
            one.below = Some(below(random, 1, b'p'));
            one.stops = Stop::Obey;
            one.starts = vec![Start::Ok];
        }
        let flat =
            one.below.as_ref().is_some_and(|below| below.children.iter().all(|child| child.below.is_none()));
        if one.below.is_some() && one.shutdown.is_some_and(|shutdown| shutdown != Shutdown::Infinity) {
            one.shutdown = (flat && random.percent(15)).then_some(Shutdown::After(SHORT_GRACE));
        }
        tree.children.push(one);
    }
    tree
}

fn below(random: &mut Random, depth: u64, first: u8) -> Tree {
    let mut tree = flags(random, true);
    if tree.strategy == Strategy::Dynamic {
        tree.children.push(template(random));
        return tree;
    }
    for at in 0..1 + random.below(3) {
        let mut one = child(random, &letter(first, at), tree.auto);
        if depth < 2 && random.percent(15) {
            one.below = Some(below(random, depth + 1, b'u'));
            (one.stops, one.starts, one.shutdown) = (Stop::Obey, vec![Start::Ok], None);
        }
        tree.children.push(one);
    }
    tree
}

fn letter(first: u8, at: u64) -> String {
    char::from(first + at as u8).to_string()
}

fn flags(random: &mut Random, may_be_dynamic: bool) -> Tree {
    let strategy = match random.below(100) {
        0..10 if may_be_dynamic => Strategy::Dynamic,
        0..40 => Strategy::OneForOne,
        40..70 => Strategy::OneForAll,
        _ => Strategy::RestForOne,
    };
    let auto = match random.below(100) {
        _ if strategy == Strategy::Dynamic => None,
        0..18 => Some(AutoShutdown::AnySignificant),
        18..35 => Some(AutoShutdown::AllSignificant),
        _ => None,
    };
    let seconds = if random.percent(5) { 1 } else { 3600 };
    Tree { strategy, budget: Some((random.below(6) as u32, seconds)), auto, children: Vec::new() }
}

fn restart(random: &mut Random) -> RestartType {
    match random.below(100) {
        0..50 => RestartType::Permanent,
        50..80 => RestartType::Transient,
        _ => RestartType::Temporary,
    }
}

fn shutdown(random: &mut Random) -> Option<Shutdown> {
    match random.below(100) {
        0..50 => None,
        50..65 => Some(Shutdown::Brutal),
        65..80 => Some(Shutdown::Infinity),
        80..90 => Some(Shutdown::After(SHORT_GRACE)),
        _ => Some(Shutdown::After(60_000)),
    }
}

fn starts(random: &mut Random) -> Vec<Start> {
    if random.percent(60) {
        return vec![Start::Ok];
    }
    let mut all: Vec<Start> = (0..1 + random.below(3)).map(|_| start(random)).collect();
    if random.percent(90) {
        all[0] = Start::Ok;
    }
    if random.percent(80) {
        all.push(Start::Ok);
    }
    all
}

fn start(random: &mut Random) -> Start {
    match random.below(100) {
        0..30 => Start::Ok,
        30..70 => Start::Fail,
        70..85 => Start::Ignore,
        85..95 => Start::Crash,
        _ => Start::Hang,
    }
}

fn stops(random: &mut Random, permanent: bool) -> Stop {
    match random.below(100) {
        0..15 => Stop::Ignore,
        15..22 if !permanent => Stop::Normal,
        22..30 => Stop::ShutdownWith,
        30..42 => Stop::Error,
        _ => Stop::Obey,
    }
}

fn child(random: &mut Random, name: &str, auto: Option<AutoShutdown>) -> Child {
    let restart = restart(random);
    let permanent = restart == RestartType::Permanent;
    let significant = auto.is_some() && !permanent && random.percent(50);
    Child {
        name: name.to_owned(),
        restart: Some(restart),
        shutdown: shutdown(random),
        significant,
        starts: starts(random),
        stops: stops(random, permanent),
        below: None,
    }
}

fn template(random: &mut Random) -> Child {
    let mut each = Child::named("each");
    (each.restart, each.shutdown) = (Some(restart(random)), shutdown(random));
    each
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canon, fair, text};

    #[test]
    fn a_seed_gives_the_same_scenario_again_and_it_can_be_read_back() {
        for seed in 0..200 {
            let one = scenario(seed);
            assert_eq!(one, scenario(seed));
            let mut named = one.clone();
            named.rules.push("R1".to_owned());
            assert_eq!(text::read(&text::write(&named)), Ok(vec![named]));
        }
    }

    #[test]
    fn random_scenarios_are_fair_and_large_enough() {
        let (mut nested, mut stories) = (0, std::collections::BTreeSet::new());
        for seed in 0..600 {
            let one = scenario(seed);
            assert!(fair::play(&one).is_ok(), "{}", text::write(&one));
            let inputs: Vec<&Action> = one.steps.iter().flat_map(|step| &step.actions).collect();
            let added = inputs.iter().filter(|action| matches!(action, Action::Call(_, Call::StartChild(_))));
            let dynamic = one.tree.strategy == Strategy::Dynamic;
            assert!(one.tree.children.len() >= 3 || dynamic && added.count() >= 3, "{}", text::write(&one));
            assert!(inputs.len() > MIN_INPUTS, "{}", text::write(&one));
            nested += usize::from(one.tree.children.iter().any(|child| child.below.is_some()));
            stories.insert(canon::canonical(&one));
        }
        assert!(nested >= 200, "a nested supervisor in a third of them, but it is in {nested} of 600");
        assert!(stories.len() >= 590, "{} different stories of 600", stories.len());
    }
}
