//! What programs use, read from `/proc` for all of them at once.
//!
//! One thread measures every program of this process: a pass over `/proc` reads one line of each process of the
//! machine, and adds it to the program whose group the process is in, or to the one that its parent counts for, if it
//! left the group. A process that left it and lost its parent is not found. The thread sleeps while there is no program.
//!
//! A pass is made every two seconds. With thousands of processes it takes long, and then the next one waits nineteen
//! times as long as it took: measuring never takes more than a twentieth of one core.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::ProgramUsage;
use tokio::time::Instant;

use crate::processes::{Stat, parse_stat, pids};

/// How often programs are measured.
pub(crate) const EVERY: Duration = Duration::from_secs(2);
/// How much longer than a pass took the next one is waited for.
const REST: u32 = 19;
/// How far up a process is followed to find the program that it belongs to.
const DEEP: usize = 64;

/// Who is told what a program uses. It is called on the thread that measures and must not block.
type Told = Arc<dyn Fn(ProgramUsage) + Send + Sync>;

/// A program that is measured until this is dropped.
#[must_use]
pub(crate) struct Measured(u32);

/// Measures the program that leads `group`. Drop the result before its leader is reaped: then the number can be
/// another's.
pub(crate) fn measure(group: u32, told: impl Fn(ProgramUsage) + Send + Sync + 'static) -> Measured {
    SAMPLER.add(group, Arc::new(told));
    Measured(group)
}

impl Drop for Measured {
    fn drop(&mut self) {
        let gone = SAMPLER.lock().programs.remove(&self.0);
        drop(gone); // what it owns is a user's, and not dropped under the lock
    }
}

static SAMPLER: Sampler = Sampler {
    state: Mutex::new(State { programs: BTreeMap::new(), has_thread: false, is_idle: false }),
    bell: Condvar::new(),
};

struct Sampler {
    state: Mutex<State>,
    bell: Condvar,
}

struct State {
    /// By the number of the group.
    programs: BTreeMap<u32, Program>,
    has_thread: bool,
    /// Whether the thread waits for a program, and not for the time of the next pass.
    is_idle: bool,
}

struct Program {
    told: Told,
    /// What it had used, and when, both in ticks; `None` before the first pass.
    last: Option<(u64, u64)>,
    /// CPU that was counted so far, in ticks. What a process that nobody waited for took with it stays counted.
    total: u64,
}

impl Sampler {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, group: u32, told: Told) {
        let mut state = self.lock();
        state.programs.insert(group, Program { told, last: None, total: 0 });
        if state.has_thread {
            // Woken for nothing, it would take a core from a program that has just begun.
            if std::mem::take(&mut state.is_idle) {
                self.bell.notify_one();
            }
            return;
        }
        state.has_thread = true;
        drop(state);
        let thread = std::thread::Builder::new().name("measure-programs".into()).spawn(|| self.work());
        if let Err(error) = thread {
            tracing::error!(%error, "cannot start the thread that measures programs");
            self.lock().has_thread = false; // tried again with the next program
        }
    }

    fn work(&self) {
        let mut pause = EVERY;
        loop {
            self.rest(pause);
            let began = Instant::now();
            let groups: Vec<u32> = self.lock().programs.keys().copied().collect();
            let (found, now) = (look(&groups), uptime());
            for (told, usage) in self.account(&found, now) {
                told(usage);
            }
            pause = EVERY.max(began.elapsed() * REST);
        }
    }

    /// Waits for a program, and then for the time of the next pass.
    fn rest(&self, pause: Duration) {
        let mut state = self.lock();
        while state.programs.is_empty() {
            state.is_idle = true;
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // More programs that come meanwhile do not make it sooner.
        let rested = self.bell.wait_timeout_while(state, pause, |_| true);
        drop(rested.unwrap_or_else(PoisonError::into_inner));
    }

    /// What is to be told, and to whom.
    fn account(&self, found: &HashMap<u32, Sum>, now: u64) -> Vec<(Told, ProgramUsage)> {
        let mut state = self.lock();
        let one = |(group, sum): (&u32, &Sum)| {
            let program = state.programs.get_mut(group)?;
            Some((Arc::clone(&program.told), program.add(sum, now)))
        };
        found.iter().filter_map(one).collect()
    }
}

impl Program {
    fn add(&mut self, sum: &Sum, now: u64) -> ProgramUsage {
        let (before, since) = self.last.unwrap_or((0, sum.since));
        let more = sum.ticks.saturating_sub(before);
        self.total += more;
        self.last = Some((sum.ticks, now));
        let whole = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let ticks = rustix::param::clock_ticks_per_second();
        let took = now.saturating_sub(since).max(1);
        ProgramUsage {
            cpu_percent: whole((more * 100 + took / 2) / took),
            cpu_millis: self.total * 1_000 / ticks,
            resident_bytes: sum.pages * rustix::param::page_size() as u64,
            threads: whole(sum.threads),
            descriptors: whole(sum.descriptors),
            processes: whole(sum.processes),
            measured_at_unix_nanos: 0,
        }
    }
}

/// The processes of a program, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    ticks: u64,
    /// When the first of them began, in ticks since the machine did.
    since: u64,
    pages: u64,
    threads: u64,
    descriptors: u64,
    processes: u64,
}

/// One pass over `/proc`. A group of which nothing is left has nothing in it.
fn look(groups: &[u32]) -> HashMap<u32, Sum> {
    let mut sums: HashMap<u32, Sum> = groups.iter().map(|group| (*group, Sum::default())).collect();
    let all: HashMap<u32, Stat> = pids().filter_map(|pid| Some((pid, read_stat(pid)?))).collect();
    for (pid, stat) in &all {
        let Some(sum) = owner(stat, &all, &sums).and_then(|group| sums.get_mut(&group)) else { continue };
        sum.ticks += stat.ticks;
        sum.since = if sum.since == 0 { stat.began } else { sum.since.min(stat.began) };
        if stat.runs {
            sum.pages += stat.pages;
            sum.threads += stat.threads;
            sum.descriptors += descriptors(*pid);
            sum.processes += 1;
        }
    }
    sums
}

/// The group that a process counts for: its own, or that of the nearest one above it.
fn owner(stat: &Stat, all: &HashMap<u32, Stat>, sums: &HashMap<u32, Sum>) -> Option<u32> {
    let above = std::iter::successors(Some(stat), |stat| all.get(&stat.parent));
    let mut groups = above.take(DEEP).map(|stat| stat.group.cast_unsigned());
    groups.find(|group| sums.contains_key(group))
}

fn read_stat(pid: u32) -> Option<Stat> {
    // Longer than the line ever is: a name of 64 bytes and 52 numbers.
    let mut line = [0; 1536];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    parse_stat(line.get(..length)?)
}

/// How many descriptors a process has open; 0 when it may not be looked at. Since Linux 6.2 the size says it.
fn descriptors(pid: u32) -> u64 {
    let place = format!("/proc/{pid}/fd");
    match fs::metadata(&place) {
        Ok(found) if found.size() > 0 => found.size(),
        Ok(_) => fs::read_dir(place).map_or(0, |open| open.count() as u64),
        Err(_) => 0,
    }
}

/// How long the machine is up, in ticks.
fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let hundredths = text.split_whitespace().next().map(|seconds| seconds.replace('.', ""));
    let hundredths: u64 = hundredths.and_then(|number| number.parse().ok()).unwrap_or_default();
    hundredths * rustix::param::clock_ticks_per_second() / 100
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn cpu_is_counted_on_when_a_process_takes_its_own_with_it() {
        let mut program = Program { told: Arc::new(|_| {}), last: None, total: 0 };
        let hz = rustix::param::clock_ticks_per_second();
        let sum = |ticks| Sum { ticks, since: 1_000, ..Sum::default() };
        let seen = |usage: ProgramUsage| (usage.cpu_percent, usage.cpu_millis);
        assert_eq!(seen(program.add(&sum(hz), 1_000 + 2 * hz)), (50, 1_000), "since it began");
        assert_eq!(seen(program.add(&sum(4 * hz), 1_000 + 4 * hz)), (150, 4_000));
        assert_eq!(seen(program.add(&sum(hz), 1_000 + 6 * hz)), (0, 4_000), "never less");
        assert_eq!(seen(program.add(&sum(2 * hz), 1_000 + 8 * hz)), (50, 5_000));
    }

    #[test]
    fn a_process_counts_for_its_group_and_who_left_it_for_that_of_its_parent() {
        use std::os::unix::process::CommandExt;
        let script = "setsid sleep 60 & exec 9</dev/null; echo up; wait";
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut up = [0; 3];
        child.stdout.take().unwrap().read_exact(&mut up).unwrap();
        let seen = loop {
            let seen = look(&[child.id()]).remove(&child.id()).unwrap();
            let all: HashMap<u32, Stat> = pids().filter_map(|pid| Some((pid, read_stat(pid)?))).collect();
            let left =
                all.values().any(|stat| stat.parent == child.id() && stat.group != child.id().cast_signed());
            if left && seen.processes == 2 {
                break seen;
            }
        };
        assert!(seen.threads == 2 && seen.pages > 0 && seen.since > 0, "{seen:?}");
        assert!(seen.descriptors >= 7, "{seen:?}");
        for (pid, stat) in pids().filter_map(|pid| Some((pid, read_stat(pid)?))) {
            if stat.parent == child.id() {
                let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(look(&[child.id()])[&child.id()].processes, 0);
    }
}
