//! How wild a schedule is, drawn per seed: some are calm, some are storms.

use std::sync::Arc;

use supervisor_core::{Resolved, SupervisorDecl};

use super::acts;
use super::grow::Grower;
use super::schedule::{Act, Deed, Finish, Habits, MS, Run, Schedule, Script, Start};
use crate::Random;

/// Which kind of schedule a seed makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Size {
    /// 1 to 200 children, up to five levels deep.
    #[default]
    Full,
    /// At most eight children in at most two levels.
    Small,
    /// A tree of up to 40 children that is at rest, gets another spec, and then its own again.
    Changes,
}

impl Size {
    /// What makes schedules of this size on the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Small => " --small",
            Self::Changes => " --changes",
        }
    }
}

/// Trees that have not ended have so many inputs at least in every schedule, small or full.
pub const LEAST_INPUTS: u32 = 50;

/// A full comparison of checker and machine comes after so many steps, and at the end.
const SWEEP: u32 = 64;

/// How wild a schedule is. Chances are in a hundred.
#[derive(Debug, Clone)]
pub(super) struct Knobs {
    pub(super) size: Size,
    pub(super) children: u32,
    pub(super) depth: u32,
    /// A run does something it should not.
    pub(super) odd: u64,
    /// A run is bad at stopping.
    pub(super) deaf: u64,
    /// A child reports ready itself.
    pub(super) explicit: u64,
    /// A child depends on a sibling.
    pub(super) linked: u64,
    /// Not 0: what a child waits for may be something else than that the other one is ready. A seed of its own, so that
    /// the other seeds go on meaning what they did.
    pub(super) conditions: u64,
    /// Not 0: some jobs have a time to start. A seed of its own, for the same reason.
    pub(super) schedules: u64,
    pub(super) sidecars: u64,
    pub(super) nested: u64,
    pub(super) dynamic: u64,
    /// Something is said about a child, and not left to defaults.
    pub(super) said: u64,
    /// Budgets are small.
    pub(super) tight: u64,
    /// Next to nothing is forgiven at any level, so that failures climb.
    pub(super) brittle: bool,
    pub(super) acts: u32,
    /// Nanoseconds between acts, in the mean.
    pub(super) pause: u64,
    /// An act comes at the instant of the one before.
    pub(super) burst: u64,
    /// An act is a command.
    pub(super) commands: u64,
}

impl Knobs {
    fn draw(random: &mut Random, size: Size) -> Self {
        let (children, depth) = match size {
            Size::Small => (1 + random.below(8), 1 + random.below(2)),
            Size::Full => (crowd(random), 1 + random.below(5)),
            Size::Changes => {
                let most = if random.percent(70) { 10 } else { 40 };
                (1 + random.below(most), 1 + random.below(4))
            }
        };
        let acts = match size {
            Size::Small => 36 + random.below(24),
            Size::Full => 50 + random.below(150),
            Size::Changes => 0,
        };
        let mut apart = Random::new(random.clone().next() ^ 0x005e_ed0f_c0d1_7105);
        let conditions = if apart.percent(25) { apart.next() | 1 } else { 0 };
        let schedules = if apart.percent(25) { apart.next() | 1 } else { 0 };
        let brittle = size == Size::Full && random.percent(5);
        Self {
            size,
            children: children as u32,
            depth: if brittle { 5 } else { depth as u32 },
            brittle,
            odd: level(random, &[0, 10, 25, 50]),
            deaf: level(random, &[0, 5, 15, 40]),
            explicit: level(random, &[0, 30, 60, 100]),
            linked: level(random, &[0, 0, 20, 50]),
            conditions,
            schedules,
            sidecars: level(random, &[0, 0, 5, 15]),
            nested: if brittle { 60 } else { level(random, &[5, 15, 30, 60]) },
            dynamic: level(random, &[0, 10, 30]),
            said: level(random, &[0, 10, 30]),
            tight: level(random, &[0, 30, 80]),
            acts: acts as u32,
            pause: level(random, &[MS, 20 * MS, 80 * MS, 400 * MS]),
            burst: level(random, &[0, 15, 50]),
            commands: level(random, &[5, 40, 60, 80]),
        }
    }
}

/// Mostly a few, sometimes a crowd.
fn crowd(random: &mut Random) -> u64 {
    match random.below(20) {
        0 => 100 + random.below(101),
        1..=4 => 25 + random.below(40),
        _ => 1 + random.below(20),
    }
}

fn level(random: &mut Random, levels: &[u64]) -> u64 {
    random.pick(levels).copied().unwrap_or_default()
}

/// The schedule of a seed, and what its tree means.
pub(super) fn schedule(seed: u64, size: Size) -> (Schedule, Resolved) {
    let mut random = Random::new(seed.wrapping_mul(2).wrapping_add(u64::from(size == Size::Small)));
    random.next();
    let knobs = Knobs::draw(&mut random, size);
    let mut scripts = Vec::new();
    let (tree, resolved) = Grower::new(&mut random, &knobs, &mut scripts).sound_tree();
    if size == Size::Changes {
        return (change_and_back(seed, tree, scripts, &mut random, &knobs), resolved);
    }
    (finish_schedule(seed, tree, scripts, random, &knobs), resolved)
}

/// A schedule in which a tree gets one or two other specs, one after the other, and then its own again. Mostly they are
/// much like it, sometimes they have nothing in common with it but names.
fn change_and_back(
    seed: u64,
    tree: SupervisorDecl,
    mut scripts: Vec<Script>,
    random: &mut Random,
    knobs: &Knobs,
) -> Schedule {
    let mut specs: Vec<SupervisorDecl> = Vec::new();
    for _ in 0..1 + random.below(2) {
        let like = random.percent(80);
        let mut grower = Grower::new(random, knobs, &mut scripts);
        let before = specs.last().unwrap_or(&tree);
        let next = if like { grower.changed(before) } else { grower.other_tree() };
        specs.push(next);
    }
    specs.push(tree.clone());
    let acts = specs.into_iter().map(|spec| Act { after: 0, deed: Deed::Apply(Arc::new(spec)) }).collect();
    scripts.fill([Run::GOOD; 3]);
    let habits =
        Habits { late: 0, cut_in: 0, shuffle: false, readers: 0, sweep: SWEEP, limit: 0, lives: 1, least: 0 };
    Schedule { seed, tree, scripts, names: Vec::new(), acts, habits, finish: Finish::Rest }
}

/// A schedule for a tree of the user's: the tree is theirs, children and acts are drawn.
pub(super) fn schedule_for(tree: &SupervisorDecl, bodies: u32, seed: u64) -> Schedule {
    let mut random = Random::new(seed.wrapping_mul(2));
    random.next();
    let knobs = Knobs::draw(&mut random, Size::Full);
    let scripts = (0..bodies).map(|_| script(&mut random, &knobs)).collect();
    finish_schedule(seed, tree.clone(), scripts, random, &knobs)
}

fn finish_schedule(
    seed: u64,
    tree: SupervisorDecl,
    mut scripts: Vec<Script>,
    mut random: Random,
    knobs: &Knobs,
) -> Schedule {
    let (names, acts) = acts::draw(&mut random, knobs, &tree, &mut scripts);
    let small = knobs.size == Size::Small;
    let finish = match random.below(10) {
        0 => Finish::Storm,
        1 => Finish::Impatient(random.below(300) * MS),
        2 if random.percent(50) => Finish::Hard,
        _ => Finish::Calm,
    };
    let habits = Habits {
        late: if random.percent(50) { 0 } else { random.below(40) * MS },
        cut_in: random.below(3) * 40,
        shuffle: random.percent(70),
        readers: if random.percent(if small { 20 } else { 50 }) { 1 + random.below(3) as u32 } else { 0 },
        sweep: SWEEP,
        limit: if small { 64 } else { 900 },
        lives: 20,
        least: LEAST_INPUTS,
    };
    Schedule { seed, tree, scripts, names, acts, habits, finish }
}

/// What the runs of a child do.
pub(super) fn script(random: &mut Random, knobs: &Knobs) -> Script {
    [run(random, knobs), run(random, knobs), run(random, knobs)]
}

fn run(random: &mut Random, knobs: &Knobs) -> Run {
    let mut run = Run::GOOD;
    run.start = Start::Ready(random.below(4) * random.below(20) * MS);
    if random.percent(knobs.odd) {
        match random.below(10) {
            0 => run.start = Start::Never,
            1 => run.start = Start::Declines(random.below(30) * MS),
            2 if random.percent(50) => run.faint = true,
            2 => run.beats = Some(random.below(4) as u32),
            3 => run.twice = true,
            4 => {
                // Ends while it starts, or cannot even be spawned.
                run.start = Start::Never;
                run.end = Some((random.below(2) * random.below(80) * MS, acts::ending(random)));
            }
            _ => run.end = Some((1 + random.below(300) * MS, acts::ending(random))),
        }
    }
    if random.percent(knobs.deaf) {
        match random.below(8) {
            0 | 1 => run.on_stop = None,
            2 => (run.on_stop, run.on_kill) = (None, Some(random.below(400) * MS)),
            3 => (run.on_stop, run.on_kill) = (None, None),
            4 => run.on_stop = Some((random.below(30) * MS, acts::ending(random))),
            5 => run.on_kill = None,
            _ => run.on_stop = Some((random.below(300) * MS, super::schedule::Ending::Ok)),
        }
    }
    run
}

/// A tree with one mistake in it.
pub(super) fn spoiled_tree(seed: u64, size: Size) -> SupervisorDecl {
    let mut random = Random::new(!seed);
    let knobs = Knobs::draw(&mut random, size);
    let mut scripts = Vec::new();
    let mut grower = Grower::new(&mut random, &knobs, &mut scripts);
    let (tree, _) = grower.sound_tree();
    grower.spoiled(&tree)
}
