//! The bench of the test kit plays the same tree.
//!
//! Compared are time, kind, child, row, cause, what happens next, and the numbers of every event, in order. Left out
//! are the words of an event: a real panic has a source location, and the two ask in different names. Plain plans
//! leave out what the bench cannot play: tasks that a run spawns, heartbeats, panics in factories and drops, `apply`,
//! and an owner that goes away; and a grace of zero, in which a real task is killed before it can answer and the bench
//! lets it answer first. Delays have no jitter, because Tokio's timers fire at whole milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use supervisor_core::{Effect, Input};
use supervisor_testkit::{self as kit, Bench, Child, Run, Tree};

use super::live::{Noted, Story, play, simple};
use super::plan::{Asked, Deed, End, Ending, Group, Leaf, Node, Plan, Start};
use super::record::What;
use crate::{ChildKey, Event, Exit, Grace, OnExhausted, Strategy};

/// Plays the plan twice and says how many events were the same, and of how many.
pub(super) fn same(plan: &Plan) -> Result<(usize, usize), String> {
    let story = play(plan);
    let until = first_meeting(&story);
    let simulated = simulate(plan);
    let real = story.events.iter().map(|event| bare(event.at, &event.event, until));
    let mut simulated = simulated.iter().map(|(at, event)| bare(*at, event, until));
    let mut same = 0;
    for real in real.map_while(|told| told) {
        match simulated.next().flatten() {
            Some(simulated) if simulated == real => same += 1,
            other => return Err(format!("event {same}: the driver told\n{real}\nand the bench\n{other:?}")),
        }
    }
    match simulated.next().flatten() {
        None => Ok((same, story.events.len())),
        Some(more) => Err(format!("the bench alone told {more}")),
    }
}

/// The first instant at which two things come that know nothing of each other: times of two scripts, a command, a
/// deadline; or at which two children have reported before a deadline that is due at once, such as a restart without
/// delay: the driver hears all who wait before it looks at deadlines, the bench looks after each; or at which a child is
/// restarted at once while others have still to begin: its task goes on by itself, and may overtake them. Which comes first
/// is nobody's promise, and what follows can depend on it. And the first run that was told to stop before its first
/// poll: the real one ends at once, since it never did anything, and the simulated one answers by its script.
fn first_meeting(story: &Story) -> u64 {
    let mut came: BTreeMap<u64, BTreeSet<Option<ChildKey>>> = BTreeMap::new();
    let woken = story.notes.iter().filter(|note| note.what == Noted::Woken);
    for (at, who) in
        woken.map(|note| (note.at, Some(note.key))).chain(story.asked_at.iter().map(|at| (*at, None)))
    {
        came.entry(at).or_default().insert(who);
    }
    let (mut instant, mut reported, mut meeting) = (0, BTreeSet::new(), u64::MAX);
    let mut begun = BTreeSet::new();
    for call in &story.record.calls {
        if call.now > instant {
            (instant, reported, begun) = (call.now, BTreeSet::new(), BTreeSet::new());
        }
        let ordered = call.effects.iter().filter_map(|effect| match effect {
            Effect::Spawn { key, .. } => Some(*key),
            _ => None,
        });
        let ordered: BTreeSet<_> = ordered.collect();
        if let What::Handle(Input::Exited { key, .. } | Input::Declined { key, .. }) = &call.what
            && ordered.contains(key)
            && ordered.len() == 1
            && begun.iter().any(|other| other != key)
        {
            meeting = meeting.min(call.now);
        }
        begun.extend(ordered);
        match &call.what {
            What::Handle(Input::Tick) if !call.effects.is_empty() => {
                came.entry(call.now).or_default().insert(Some(ChildKey::ROOT));
                meeting = if reported.len() > 1 { meeting.min(call.now) } else { meeting };
            }
            What::Handle(
                Input::Exited { key, .. } | Input::Ready { key, .. } | Input::Declined { key, .. },
            ) => {
                reported.insert(*key);
            }
            _ => {}
        }
    }
    let built: BTreeSet<_> = story
        .notes
        .iter()
        .filter(|note| note.what == Noted::Built)
        .map(|note| (note.key, note.generation))
        .collect();
    let never_built = story.record.effects().find_map(|(at, effect)| match effect {
        Effect::Spawn { key, generation, .. } if !built.contains(&(*key, *generation)) => Some(at),
        _ => None,
    });
    let met = |(at, who): (u64, BTreeSet<_>)| (who.len() > 1).then_some(at);
    came.into_iter().find_map(met).unwrap_or(u64::MAX).min(meeting).min(never_built.unwrap_or(u64::MAX))
}

/// An event before `until` without its words.
fn bare(at: u64, event: &Event, until: u64) -> Option<String> {
    let Event { kind, child, row, cause, next, numbers, detail: _ } = event;
    (at < until).then(|| format!("{at} {kind} {child:?} {row:?} {cause:?} {next:?} {numbers:?}"))
}

fn simulate(plan: &Plan) -> Vec<(u64, Event)> {
    let mut bench = Bench::begin(tree(&plan.root), plan.seed);
    bench.settle();
    for (after, asked) in &plan.asks {
        bench.pass(Duration::from_millis(*after));
        match asked {
            // After the end the driver itself answers.
            _ if bench.ended().is_some() => continue,
            Asked::Add(under, leaf) => bench.add(under, child(leaf)),
            Asked::StartChild(under, leaf) => bench.start_child(under, child(leaf)),
            other => bench.ask(simple(other)),
        };
    }
    bench.pass(Duration::from_secs(10));
    if bench.ended().is_none() {
        bench.shutdown();
    }
    if let Ending::Hurried(after) = plan.ending {
        bench.pass(Duration::from_millis(after));
        if bench.ended().is_none() {
            bench.skip_graces();
        }
    }
    bench.pass(Duration::from_secs(200));
    let heard = bench.heard().iter();
    heard.map(|heard| (heard.at, heard.event.clone())).collect()
}

fn tree(group: &Group) -> Tree {
    let children = group.children.iter().map(|node| match node {
        Node::Leaf(leaf) => child(leaf),
        Node::Group(below) => kit::sup(&below.name, tree(below)).backoff(below.backoff),
    });
    let mut tree = match group.strategy {
        _ if group.dynamic => kit::dynamic(4),
        Strategy::OneForOne => kit::one_for_one(children),
        Strategy::OneForAll => kit::one_for_all(children),
        Strategy::RestForOne => kit::rest_for_one(children),
    };
    tree = match group.budget {
        Some((restarts, window)) => tree.budget(restarts, Duration::from_millis(window)),
        None => tree.unlimited(),
    };
    tree = group.on_exhausted.map_or(tree.clone(), |action: OnExhausted| tree.on_exhausted(action));
    tree = if group.by_dependencies { tree.by_dependencies() } else { tree };
    tree = if group.concurrent { tree.concurrent() } else { tree };
    if group.retries_start { tree.retries_start() } else { tree }
}

fn child(leaf: &Leaf) -> Child {
    let name = &leaf.name;
    let mut child = kit::child(name).role(leaf.role).backoff(leaf.backoff);
    child = child.abort_wait(Duration::from_millis(leaf.abort_wait));
    child = child.after(leaf.needs.iter().map(String::as_str));
    child = leaf.restart.map_or(child.clone(), |restart| child.restart(restart));
    child = leaf.primary.as_ref().map_or(child.clone(), |primary| child.primary(primary));
    if let Some(limit) = leaf.explicit {
        child = child.explicit().within(Duration::from_millis(limit));
    }
    child = if leaf.optional { child.optional() } else { child };
    child = match leaf.grace {
        Grace::Brutal => child.brutal(),
        Grace::Infinity => child.infinite(),
        Grace::Timeout(grace) => child.grace(grace),
    };
    for (generation, deed) in (1u64..).zip(&leaf.deeds) {
        child = child.run(generation, run(leaf, deed));
    }
    child
}

fn run(leaf: &Leaf, deed: &Deed) -> Run {
    let mut run = match deed.start {
        Start::Ready(after) => Run::ready_after(Duration::from_millis(after)),
        Start::Never => Run::never_ready(),
        Start::Declines => Run::declines(),
    };
    if let Some((after, end)) = deed.end {
        run = run.ends_after(Duration::from_millis(after), exit(end));
    }
    run = match deed.on_stop {
        Some((after, end)) => run.stops_after(Duration::from_millis(after)).stops_with(exit(end)),
        None => run.ignores_stop(),
    };
    if leaf.managed { run.dies_after(Duration::from_millis(deed.on_kill)) } else { run }
}

fn exit(end: End) -> Exit {
    match end {
        End::Well => Exit::Completed,
        End::Badly => Exit::failed("boom"),
        End::Panic => Exit::Panicked { message: "boom".into(), location: None },
    }
}
