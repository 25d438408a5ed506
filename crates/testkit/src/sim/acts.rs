//! Random acts: what operators, the runs themselves and late messages do to a tree.

use std::sync::Arc;

use supervisor_api::command::{ControlVerb, OtpVerb};
use supervisor_core::{Body, SupervisorDecl};

use super::grow::Grower;
use super::knobs::Knobs;
use super::schedule::{Act, Deed, Ending, MS, Script, Stray, Target, Word};
use crate::Random;

/// Names that acts can use: those of the tree, and those that added children will have.
struct Names {
    all: Vec<Arc<str>>,
    supervisors: Vec<u16>,
}

/// How a run ends by itself.
pub(super) fn ending(random: &mut Random) -> Ending {
    match random.below(10) {
        0..=2 => Ending::Ok,
        3 => Ending::OkWith,
        4 => Ending::Panic,
        5 => Ending::Killed,
        6 if random.percent(50) => Ending::Cancelled,
        6 => Ending::Aborted,
        _ => Ending::Error,
    }
}

/// The acts of a schedule, and the names they use.
pub(super) fn draw(
    random: &mut Random,
    knobs: &Knobs,
    tree: &SupervisorDecl,
    scripts: &mut Vec<Script>,
) -> (Vec<Arc<str>>, Vec<Act>) {
    let mut names = Names { all: vec!["/".into()], supervisors: Vec::new() };
    name_all(tree, &mut String::new(), 0, &mut names);
    for _ in 0..3 {
        let under = random.pick(&names.supervisors).copied().unwrap_or(0);
        let above = names.all[usize::from(under)].trim_end_matches('/').to_owned();
        names.all.push(format!("{above}/c{}", random.below(30)).into());
    }
    let mut acts = Vec::with_capacity(knobs.acts as usize);
    let mut newest: Option<Arc<SupervisorDecl>> = None;
    let mut applies = 0;
    for _ in 0..knobs.acts {
        // Somebody clicks twice.
        if random.percent(2)
            && let Some(Act { deed, .. }) = acts.last()
        {
            let deed = Deed::clone(deed);
            acts.push(Act { after: 0, deed });
            continue;
        }
        let after = if random.percent(knobs.burst) { 0 } else { random.below(2 * knobs.pause) };
        let target = target(random, names.all.len());
        let deed = if random.percent(knobs.commands) {
            command(random, knobs, target, &names, scripts)
        } else {
            report(random, target)
        };
        let deed = if applies < 3 && random.percent(1) {
            applies += 1;
            let mut grower = Grower::new(random, knobs, scripts);
            let before = newest.as_deref().unwrap_or(tree);
            let next = Arc::new(grower.changed(before));
            let spoiled = (applies > 1).then(|| Arc::new(grower.spoiled(before)));
            newest = Some(Arc::clone(&next));
            Deed::Apply(spoiled.unwrap_or(next))
        } else {
            deed
        };
        acts.push(Act { after, deed });
    }
    if knobs.schedules != 0 {
        acts = with_times(acts, knobs, names.all.len());
    }
    (names.all, acts)
}

/// Between acts the times of scheduled children come.
fn with_times(acts: Vec<Act>, knobs: &Knobs, names: usize) -> Vec<Act> {
    let mut random = Random::new(knobs.schedules.rotate_left(17));
    let mut all = Vec::with_capacity(acts.len() + acts.len() / 3);
    for act in acts {
        if random.percent(40) {
            let after = if random.percent(50) { 0 } else { random.below(knobs.pause) };
            all.push(Act { after, deed: Deed::Due(Target::Path(random.below(names as u64) as u16)) });
        }
        all.push(act);
    }
    all
}

fn name_all(tree: &SupervisorDecl, path: &mut String, at: usize, names: &mut Names) {
    names.supervisors.push(at as u16);
    for child in &tree.children {
        let before = path.len();
        path.push('/');
        path.push_str(child.id.as_str());
        names.all.push(path.as_str().into());
        if let Body::Supervisor(below) = &child.body {
            let at = names.all.len() - 1;
            name_all(below, path, at, names);
        }
        path.truncate(before);
    }
}

fn target(random: &mut Random, names: usize) -> Target {
    let at = random.below(names as u64) as u16;
    match random.below(40) {
        0 => Target::Nobody,
        1 | 2 => Target::Id(at),
        3 => Target::FormerKey(at),
        4..=9 => Target::Key(at),
        _ => Target::Path(at),
    }
}

fn command(
    random: &mut Random,
    knobs: &Knobs,
    target: Target,
    names: &Names,
    scripts: &mut Vec<Script>,
) -> Deed {
    match random.below(200) {
        0 => Deed::Shutdown,
        1 => Deed::SkipGraces,
        2..=39 => Deed::Otp(random.pick(OtpVerb::ALL).copied().unwrap_or(OtpVerb::Terminate), target),
        40..=74 => {
            let under = match random.pick(&names.supervisors) {
                Some(&at) if random.percent(85) => Target::Path(at),
                _ => target,
            };
            let number = random.below(30);
            let mut child = Grower::new(random, knobs, scripts).newcomer(number);
            if random.percent(3) {
                child.depends_on.push(child.id.clone());
            }
            Deed::Add { under, child: Arc::new(child), otp: random.percent(50) }
        }
        75..=84 => Deed::Bound(target),
        _ => Deed::Control(random.pick(ControlVerb::ALL).copied().unwrap_or(ControlVerb::Restart), target),
    }
}

fn report(random: &mut Random, target: Target) -> Deed {
    match random.below(40) {
        0 => Deed::JournalFails(1 + random.below(20) as u32),
        1..=4 => Deed::Say(target, word(random)),
        5..=8 => {
            let stray = [Stray::Older, Stray::Newer, Stray::OtherChild];
            Deed::Stray(target, word(random), random.pick(&stray).copied().unwrap_or(Stray::Older))
        }
        _ => Deed::End(target, ending(random)),
    }
}

fn word(random: &mut Random) -> Word {
    match random.below(7) {
        0 | 1 => Word::Ready,
        2 => Word::Beat,
        3 => Word::Missed,
        4 => Word::Declined,
        5 => Word::Unwell,
        _ => Word::Ended(ending(random)),
    }
}

/// So long after the last act the faults end.
pub(super) const TAIL: u64 = 200 * MS;
