//! What was decided and what was seen are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use supervisor_api::ChildKey;
use supervisor_core::{Effect, End, Input};

use super::live::{Note, Noted, Story, reason};
use super::record::{Call, What};
use crate::{Exit, RuntimeControlPlaneState, SupervisorError};

/// How much of the driver the seeds have reached.
#[derive(Debug, Default)]
pub(super) struct Seen {
    runs: usize,
    stops: usize,
    kills: usize,
    beats: usize,
    answers: usize,
    unasked_ends: usize,
    forgotten: usize,
    never_built: usize,
}

impl Seen {
    pub(super) fn is_rich(&self) -> bool {
        let all =
            [self.runs, self.stops, self.kills, self.beats, self.answers, self.unasked_ends, self.forgotten];
        all.iter().all(|count| *count > 100) && self.never_built > 0
    }
}

type Check = Result<(), String>;

/// One run: its child and its number.
type RunId = (ChildKey, u64);

/// Refuses with a sentence unless the condition holds.
macro_rules! must {
    ($condition:expr, $($text:tt)+) => {
        if !$condition { return Err(format!($($text)+)); }
    };
}

pub(super) fn all(story: &Story, seen: &mut Seen) -> Check {
    events(story)?;
    answers(story, seen)?;
    ends(story)?;
    seats(story, seen)?;
    starts(story, seen)?;
    orders(story, seen)?;
    reports(story, seen)
}

/// Every event reached a reader, once, in order, at its time.
fn events(story: &Story) -> Check {
    let mut read = story.events.iter();
    for (number, (at, event)) in (1u64..).zip(story.decided()) {
        let Some(stamped) = read.next() else {
            return Err(format!("event {number} was never read: {event:?}"));
        };
        must!(stamped.sequence == number, "event {number} was read as {}", stamped.sequence);
        must!(stamped.at == at && stamped.event == *event, "decided at {at}: {event:?}\nread: {stamped:?}");
    }
    must!(read.next().is_none(), "more events were read than decided");
    Ok(())
}

/// Every command reached the machine, in the order of asking; its answer reached whoever asked.
fn answers(story: &Story, seen: &mut Seen) -> Check {
    let mut replies = HashMap::new();
    for (_, effect) in story.record.effects() {
        if let Effect::Reply { ticket, result } = effect {
            must!(replies.insert(*ticket, result).is_none(), "two replies to ticket {ticket}");
        }
    }
    let commands = story.record.inputs().filter_map(|(_, input)| match input {
        Input::Command { ticket, requester, .. } => Some((*ticket, requester.reason.clone())),
        _ => None,
    });
    let mut number = 0;
    for (ticket, said) in commands {
        must!(said == Some(reason(number)), "command {number} was to come, but {said:?} did");
        let answer = story.answers[number].as_ref();
        must!(answer == replies.remove(&ticket), "command {number} was answered by {answer:?}");
        must!(answer.is_some(), "command {number} was never answered");
        number += 1;
        seen.answers += 1;
    }
    must!(replies.is_empty(), "nobody asked for {replies:?}");
    for (number, answer) in story.answers.iter().enumerate().skip(number) {
        let after_the_end = match answer {
            None | Some(Ok(supervisor_core::Reply::Shutdown)) => true,
            Some(answer) => matches!(answer, Err(SupervisorError::Ended { .. })),
        };
        must!(story.record.ends() && after_the_end, "command {number} was never handed over: {answer:?}");
    }
    Ok(())
}

/// The beginning and the end were told as decided, and nothing is left.
fn ends(story: &Story) -> Check {
    let done: Vec<&End> = story
        .record
        .effects()
        .filter_map(|(_, effect)| if let Effect::Done(end) = effect { Some(end) } else { None })
        .collect();
    let [end] = done.as_slice() else { return Err(format!("it ended like this: {done:?}")) };
    let (state, phase) = (story.report.state, story.report.phase.as_ref());
    let good = match end {
        End::Shutdown { .. } => phase == "shutdown",
        End::AllDone { .. } => phase == "all_done",
        End::AutoShutdown { .. } => phase == "auto_shutdown",
        End::StartFailed { .. } => phase == "start",
        End::GaveUp { .. } => phase == "escalation",
        End::Dropped => phase == "dropped",
    };
    let bad_end = matches!(end, End::StartFailed { .. } | End::GaveUp { .. });
    must!(
        good && (state == RuntimeControlPlaneState::Failed) == bad_end,
        "{end:?} was reported as {state}, {phase}"
    );
    let started = story.record.effects().filter(|(_, effect)| matches!(effect, Effect::Started)).count();
    let told = story.started.is_ok();
    must!(started == usize::from(told), "started {started} times, and told {:?}", story.started);
    must!(story.leaked == (0, 0), "left: {} notes of users and {} tasks", story.leaked.0, story.leaked.1);
    Ok(())
}

/// Who was declared and not forgotten has its place, and nobody else.
fn seats(story: &Story, seen: &mut Seen) -> Check {
    let mut expected = BTreeMap::new();
    for (_, effect) in story.record.effects() {
        match effect {
            Effect::Declared { key, .. } => drop(expected.insert(key.index, (key.epoch, true))),
            Effect::Forget { key } => {
                must!(
                    expected.get(&key.index) == Some(&(key.epoch, true)),
                    "{key:?} is forgotten undeclared"
                );
                expected.insert(key.index, (key.epoch, false));
                seen.forgotten += 1;
            }
            _ => {}
        }
    }
    let seats: BTreeMap<_, _> = (0u32..).zip(story.seats.iter().copied()).collect();
    must!(seats == expected, "places {seats:?}\nbut declared were {expected:?}");
    Ok(())
}

/// Every run that was ordered was built, once, at that instant, in the order of the orders, and its end came once. A
/// run that was told to stop before its first poll is not built. A child that spawns tasks may be built before its
/// turn: the last end of its tasks has woken it already.
fn starts(story: &Story, seen: &mut Seen) -> Check {
    let mut built_at = HashMap::new();
    for note in noted(story, |what| *what == Noted::Built) {
        must!(built_at.insert(run_of(note), note.at).is_none(), "{:?} was built twice", run_of(note));
    }
    let mut over: HashMap<RunId, &Input> = HashMap::new();
    for (_, input) in story.record.inputs() {
        if let Input::Exited { key, generation, .. } | Input::Declined { key, generation, .. } = input {
            let run = (*key, *generation);
            must!(over.insert(run, input).is_none(), "{run:?} is over twice");
        }
    }
    let mut ordered = Vec::new();
    for (at, effect) in story.record.effects() {
        let Effect::Spawn { key, generation, .. } = effect else { continue };
        let run = (*key, *generation);
        let Some(end) = over.remove(&run) else { return Err(format!("the end of {run:?} was never told")) };
        if let Some(built_at) = built_at.get(&run) {
            must!(*built_at == at, "{run:?} was ordered at {at} and built at {built_at}");
            ordered.push(run);
            seen.runs += 1;
        } else {
            let early = matches!(end, Input::Exited { exit: Exit::Stopped | Exit::Aborted, .. });
            must!(early, "{run:?} was never built and {end:?}");
            seen.never_built += 1;
        }
    }
    must!(over.is_empty(), "nobody ordered the runs that ended: {over:?}");
    let mut built: Vec<RunId> = noted(story, |what| *what == Noted::Built).map(run_of).collect();
    let spawns: BTreeSet<ChildKey> =
        story.notes.iter().filter(|note| note.odd).map(|note| note.key).collect();
    let at_once: BTreeSet<RunId> = story.record.calls.iter().filter_map(restarts_at_once).collect();
    for runs in [&mut ordered, &mut built] {
        runs.retain(|run| !spawns.contains(&run.0) && !at_once.contains(run));
    }
    must!(ordered == built, "ordered {ordered:?}\nbut built {built:?}");
    Ok(())
}

/// The run with which a child goes on when the machine is told of the end of the run before, and starts nobody else: it may
/// begin before others who were wanted earlier.
fn restarts_at_once(call: &Call) -> Option<RunId> {
    let What::Handle(Input::Exited { key: ended, .. } | Input::Declined { key: ended, .. }) = &call.what
    else {
        return None;
    };
    let mut runs = call.effects.iter().filter_map(|effect| match effect {
        Effect::Spawn { key, generation, .. } => Some((*key, *generation)),
        _ => None,
    });
    runs.next().filter(|(key, _)| key == ended && runs.next().is_none())
}

/// Who is to stop is asked at that instant, and who is to die dies or is told; nobody else is.
fn orders(story: &Story, seen: &mut Seen) -> Check {
    let mut asked = times(story, |what| *what == Noted::Asked);
    let mut killed = times(story, |what| *what == Noted::Killed);
    let (gone, dead) = (times(story, |what| *what == Noted::Gone), killed.clone());
    let built = times(story, |what| *what == Noted::Built);
    let mut live: HashMap<ChildKey, u64> = HashMap::new();
    for (at, effect) in story.record.effects() {
        let (key, stop) = match effect {
            Effect::Spawn { key, generation, .. } => {
                live.insert(*key, *generation);
                continue;
            }
            Effect::Stop { key, .. } => (key, true),
            Effect::Kill { key } => (key, false),
            _ => continue,
        };
        let run = (*key, live[key]);
        let (order, told) = if stop { ("stop", &mut asked) } else { ("kill", &mut killed) };
        *(if stop { &mut seen.stops } else { &mut seen.kills }) += 1;
        // Who is killed at once is not asked before.
        let told = told.remove(&run) == Some(at) || stop && dead.get(&run) == Some(&at);
        // Its future was gone, or went at this instant: nobody is there to be told.
        let nobody = gone.get(&run).is_none_or(|gone| *gone <= at)
            && (gone.contains_key(&run) || !built.contains_key(&run));
        must!(told || nobody, "{order} of {run:?} at {at} was not seen");
    }
    // A run whose own end is at hand is asked by its tasks' end, not by an order.
    must!(killed.is_empty(), "killed without an order: {killed:?}");
    must!(asked.is_empty(), "asked to stop without an order: {asked:?}");
    Ok(())
}

/// Every report of a run reached the machine, and nothing was made up.
fn reports(story: &Story, seen: &mut Seen) -> Check {
    let mut told: BTreeMap<&str, BTreeSet<(RunId, u64)>> = BTreeMap::new();
    for (at, input) in story.record.inputs() {
        let (kind, key, generation) = match input {
            Input::Ready { key, generation } => ("ready", key, generation),
            Input::Beat { key, generation } => ("beat", key, generation),
            Input::Exited { key, generation, exit } => {
                exited(story, &(*key, *generation), at, exit, seen)?;
                continue;
            }
            Input::Declined { key, generation, .. } => ("declined", key, generation),
            _ => continue,
        };
        let run = (*key, *generation);
        must!(told.entry(kind).or_default().insert((run, at)), "{kind} of {run:?} came twice at {at}");
    }
    for (kind, what) in [("ready", Noted::Ready), ("beat", Noted::Beat), ("declined", Noted::Declines)] {
        let said: BTreeSet<_> =
            noted(story, |noted| *noted == what).map(|note| (run_of(note), note.at)).collect();
        let told = told.remove(kind).unwrap_or_default();
        seen.beats += if kind == "beat" { told.len() } else { 0 };
        let lost: Vec<_> =
            said.difference(&told).filter(|lost| kind != "declined" || !late(story, lost)).collect();
        must!(lost.is_empty(), "{kind} was lost: {lost:?}");
        let invented: Vec<_> =
            told.difference(&said).filter(|more| kind != "declined" || !late(story, more)).collect();
        must!(invented.is_empty(), "{kind} was made up: {invented:?}");
    }
    Ok(())
}

/// Whether a run that declines has spawned a task or panics while it is dropped: then it is over later, or otherwise.
fn late(story: &Story, ((key, generation), _): &(RunId, u64)) -> bool {
    story.notes.iter().any(|note| {
        note.key == *key && note.generation == *generation && note.what == Noted::Declines && note.odd
    })
}

/// The end that was told is the end of the run.
fn exited(story: &Story, run: &RunId, at: u64, exit: &Exit, seen: &mut Seen) -> Check {
    let of_run = story.notes.iter().filter(|note| note.key == run.0 && note.generation == run.1);
    let (mut said, mut gone, mut odd, mut built) = (None, None, false, false);
    for note in of_run {
        odd |= note.odd;
        match &note.what {
            Noted::Built => built = true,
            Noted::Ends(end) => said = Some(end.clone()),
            Noted::Gone => gone = Some(note.at),
            _ => {}
        }
    }
    must!(built == gone.is_some(), "{run:?} has ended, but its future is not dropped");
    let in_time = gone.is_none_or(|gone| gone == at || odd && gone < at);
    must!(in_time, "{run:?} was gone at {gone:?}, and it was told at {at}");
    let fits = match (&said, exit) {
        _ if odd && matches!(exit, Exit::Panicked { .. }) => true,
        (Some(None), Exit::Panicked { message, .. }) => &**message == "boom",
        (Some(Some(Exit::Completed)), exit) => matches!(exit, Exit::Completed | Exit::Stopped),
        (Some(Some(said)), exit) => said == exit,
        (Some(None), _) => false,
        // Dropped in the middle, before its first poll, or without one.
        (None, exit) => *exit == Exit::Aborted || !built && *exit == Exit::Stopped || odd,
    };
    must!(fits, "{run:?} ended with {said:?}, and told was {exit:?}");
    seen.unasked_ends += usize::from(said.is_some());
    Ok(())
}

fn noted(story: &Story, which: impl Fn(&Noted) -> bool) -> impl Iterator<Item = &Note> {
    story.notes.iter().filter(move |note| which(&note.what))
}

fn times(story: &Story, which: impl Fn(&Noted) -> bool) -> HashMap<RunId, u64> {
    noted(story, which).map(|note| (run_of(note), note.at)).collect()
}

fn run_of(note: &Note) -> RunId {
    (note.key, note.generation)
}
