//! Makes a scenario on which the two sides differ as short as it gets.

use crate::fair;
use crate::model::{Child, Scenario, Start, Stop, Tree};
use crate::otp::Otp;
use crate::verdict::{self, Verdict};

/// Rounds of making it smaller; each takes the first smaller one that still differs.
const ROUNDS: usize = 60;

/// The shortest scenario found on which the two sides still differ.
pub fn shrink(otp: &mut Otp, scenario: Scenario) -> Scenario {
    let mut best = scenario;
    for _ in 0..ROUNDS {
        let smaller: Vec<(Scenario, _)> = smaller(&best)
            .into_iter()
            .filter_map(|candidate| fair::play(&candidate).ok().map(|ours| (candidate, ours)))
            .collect();
        let played: Vec<Scenario> = smaller.iter().map(|(candidate, _)| candidate.clone()).collect();
        let seen = otp.play(&played, || {});
        let still = smaller.into_iter().zip(seen).find(|((candidate, ours), otp)| {
            otp.is_ok() && matches!(verdict::of_random(candidate, otp, ours), Verdict::Differ(_))
        });
        match still {
            Some(((candidate, _), _)) => best = candidate,
            None => break,
        }
    }
    best
}

/// Scenarios that are a little smaller, the much smaller ones first.
fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    for end in (1..scenario.steps.len()).rev() {
        let mut less = scenario.clone();
        less.steps.truncate(end);
        all.push(less);
    }
    all.reverse();
    for at in 1..scenario.steps.len() {
        let mut less = scenario.clone();
        less.steps.remove(at);
        all.push(less);
        for action in 0..scenario.steps[at].actions.len() {
            if scenario.steps[at].actions.len() > 1 {
                let mut less = scenario.clone();
                less.steps[at].actions.remove(action);
                all.push(less);
            }
        }
    }
    for tree in smaller_trees(&scenario.tree) {
        all.push(Scenario { tree, ..scenario.clone() });
    }
    all
}

fn smaller_trees(tree: &Tree) -> Vec<Tree> {
    let mut all = Vec::new();
    for at in 0..tree.children.len() {
        let mut less = tree.clone();
        less.children.remove(at);
        all.push(less);
        for child in plainer(&tree.children[at]) {
            let mut less = tree.clone();
            less.children[at] = child;
            all.push(less);
        }
    }
    if tree.auto.is_some() {
        all.push(Tree { auto: None, ..tree.clone() });
    }
    all
}

fn plainer(child: &Child) -> Vec<Child> {
    let mut all = Vec::new();
    let mut offer = |plain: Child| {
        if plain != *child {
            all.push(plain);
        }
    };
    offer(Child { shutdown: None, ..child.clone() });
    offer(Child { stops: Stop::Obey, ..child.clone() });
    offer(Child { starts: vec![Start::Ok], ..child.clone() });
    offer(Child { significant: false, ..child.clone() });
    offer(Child { restart: None, ..child.clone() });
    for at in 0..child.starts.len().saturating_sub(1) {
        let mut plain = child.clone();
        plain.starts.remove(at);
        offer(plain);
    }
    for below in child.below.iter().flat_map(smaller_trees) {
        offer(Child { below: Some(below), ..child.clone() });
    }
    all
}
