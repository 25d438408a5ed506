//! The processes of this machine, as `/proc` shows them.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::ops::RangeInclusive;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::oneshot;

use crate::environment::RUN;
use crate::text;
use crate::worker::SEARCHER;

/// Looks that only ask the kernel whether the group has a member, before `/proc` is read.
const QUICK_LOOKS: u32 = 4;
/// More of a process's environment than this is not searched.
const MAX_ENVIRONMENT: usize = 256 * 1024;
/// How often a process in the middle of an exec is looked at again, a millisecond apart. An exec takes less than
/// one, but on a busy machine it can be interrupted for long.
const EXEC_LOOKS: u32 = 500;
/// The flag of a thread of the kernel, among those of a process.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// An environment that is empty this often in a row is empty: an exec, too, begins it empty for an instant.
const EMPTY_READS: u32 = 4;

/// A process that belongs to a run and has left its group, so nothing ends it when the run ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Unconfined {
    /// Its process id.
    pub pid: u32,
    /// Its name, as `ps` shows it.
    pub name: String,
}

/// Waits until no process of `group` runs any more. The group must have been killed.
pub(crate) async fn group_is_gone(group: Pid) {
    let mut pause = Duration::from_millis(1);
    for look in 0_u32.. {
        if rustix::process::test_kill_process_group(group) == Err(rustix::io::Errno::SRCH) {
            return;
        }
        // Dead members whose parent does not reap them answer too. They hold nothing any more.
        if look >= QUICK_LOOKS && SEARCHER.run(move || has_running_member(group)).await != Some(true) {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// The processes that have `run` in their environment. Called when the run's group is gone, these are the
/// ones that left it. A process that cleared its environment is not found, nor one of another user that may
/// not be looked at.
///
/// What it costs grows with the processes that have begun since the last call, and not with those that there are. When those
/// are few and over, the answer is found here; else by a thread, where calls at the same time share a pass.
pub(crate) async fn unconfined(run: String) -> Vec<Unconfined> {
    if let Ok(mut search) = SEARCH.try_lock()
        && search.is_soon_over(&run)
    {
        return Vec::new();
    }
    let (answer, answered) = oneshot::channel();
    lock(&WAITING).push((run, answer));
    SEARCHER.post(|| {
        let asked = std::mem::take(&mut *lock(&WAITING));
        if asked.is_empty() {
            return; // an earlier pass answered them
        }
        let mut search = lock(&SEARCH);
        search.go_on();
        for (run, answer) in asked {
            // Nobody waiting any more is no loss.
            let _ = answer.send(search.take(&run));
        }
    });
    answered.await.unwrap_or_default()
}

type Question = (String, oneshot::Sender<Vec<Unconfined>>);

/// Who waits for the next pass.
static WAITING: Mutex<Vec<Question>> = Mutex::new(Vec::new());
/// What the passes have found.
static SEARCH: LazyLock<Mutex<Search>> = LazyLock::new(Mutex::default);

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many numbers are tried in a short look.
const FEW: usize = 8;
/// More numbers than this are not tried one by one.
const MANY: u32 = 4096;
/// More processes of runs than this are not kept in mind.
const KNOWN: usize = 65_536;

/// Who belongs to which run. Whoever a process of a run starts has its environment from the beginning, so each number has to
/// be looked at once: the kernel gives them out in order, and says which was the last.
#[derive(Debug, Default)]
struct Search {
    /// Numbers up to this one have been looked at.
    last: Option<u32>,
    /// Processes by the run that they belong to.
    known: HashMap<String, Vec<u32>>,
    count: usize,
}

impl Search {
    /// Looks at those that have begun since.
    fn go_on(&mut self) {
        let last = last_given_out();
        let mut room = vec![0; MAX_ENVIRONMENT];
        match fresh(self.last, last).filter(|_| self.count < KNOWN) {
            Some(fresh) => fresh.for_each(|pid| self.look_at(pid, &mut room)),
            None => {
                (self.known, self.count) = (HashMap::new(), 0);
                pids().for_each(|pid| self.look_at(pid, &mut room));
            }
        }
        self.last = last;
    }

    /// Whether nobody can be left of a run, as far as a short look can tell. It reads no environment, which can take long.
    fn is_soon_over(&mut self, run: &str) -> bool {
        let last = last_given_out();
        let over = |pid| stat(pid).is_none_or(|stat| !stat.can_belong());
        let few = fresh(self.last, last).filter(|fresh| fresh.clone().count() <= FEW);
        let nobody = !self.known.contains_key(run) && few.is_some_and(|mut few| few.all(over));
        if nobody {
            self.last = last;
        }
        nobody
    }

    fn look_at(&mut self, pid: u32, room: &mut [u8]) {
        if stat(pid).is_some_and(|stat| stat.can_belong())
            && let Some(run) = run_of(pid, room)
        {
            self.known.entry(run).or_default().push(pid);
            self.count += 1;
        }
    }

    /// Those of a run that still run. It is asked once, when the run is over.
    fn take(&mut self, run: &str) -> Vec<Unconfined> {
        let known = self.known.remove(run).unwrap_or_default();
        self.count -= known.len();
        let mut room = vec![0; if known.is_empty() { 0 } else { MAX_ENVIRONMENT }];
        let mut still = |pid: u32| {
            let stat = stat(pid).filter(|stat| stat.runs && leads_its_threads(pid))?;
            // The number may be somebody else's by now.
            (run_of(pid, &mut room)? == run).then_some(Unconfined { pid, name: stat.name })
        };
        known.into_iter().filter_map(&mut still).collect()
    }
}

/// The numbers that were given out since, when they are few and one can know: when they began anew, nobody can.
fn fresh(before: Option<u32>, last: Option<u32>) -> Option<RangeInclusive<u32>> {
    let (before, last) = before.zip(last)?;
    (before <= last && last - before <= MANY).then(|| before + 1..=last)
}

/// The last number that a process, or a thread, was given. Where `/proc` is that of another PID namespace than ours, the
/// numbers in it are not those that are counted.
fn last_given_out() -> Option<u32> {
    let own: u32 = fs::read_link("/proc/self").ok()?.to_str()?.parse().ok()?;
    if own != std::process::id() {
        return None;
    }
    // Longer than the line ever is: three averages and three numbers.
    let mut line = [0; 128];
    let length = fs::File::open("/proc/loadavg").ok()?.read(&mut line).ok()?;
    str::from_utf8(line.get(..length)?).ok()?.split_ascii_whitespace().next_back()?.parse().ok()
}

/// Whether a number is a process's, and not that of another of its threads.
fn leads_its_threads(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))
        .is_some_and(|tgid| tgid.trim().parse() == Ok(pid))
}

fn has_running_member(group: Pid) -> bool {
    pids().any(|pid| stat(pid).is_some_and(|stat| stat.group == group.as_raw_nonzero().get() && stat.runs))
}

/// The run that a process belongs to, by the value of its [`RUN`].
fn run_of(pid: u32, room: &mut [u8]) -> Option<String> {
    let environment = environment(pid, room)?;
    let value = environment.split(|&byte| byte == 0).find_map(|pair| {
        let value = pair.strip_prefix(RUN.as_bytes())?;
        value.strip_prefix(b"=")
    })?;
    String::from_utf8(value.to_vec()).ok()
}

/// The environment a process was started with. Read in the middle of an exec, or opened before one and read after
/// it, it is empty though the process lives on: it is read again then.
#[expect(
    clippy::disallowed_methods,
    reason = "the searcher is a thread of its own; the end of an exec tells nobody"
)]
fn environment(pid: u32, room: &mut [u8]) -> Option<&[u8]> {
    let mut empty_reads = 0;
    for _ in 0..EXEC_LOOKS {
        // One read takes it whole; a second one after an exec would find nothing.
        let length = fs::File::open(format!("/proc/{pid}/environ")).ok()?.read(room).ok()?;
        if length > 0 {
            return room.get(..length);
        }
        empty_reads = if has_none(pid) { empty_reads + 1 } else { 0 };
        if empty_reads == EMPTY_READS {
            return Some(&[]);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Whether a process whose environment was read as empty has none, as far as can be seen. The kernel says where it
/// begins and ends: at 0 while a program's memory is not set up yet, and for what has no program. When there is something
/// between the two, an exec came in between.
fn has_none(pid: u32) -> bool {
    const BEGIN_OF_ENVIRONMENT: usize = 47;
    let bounds = || {
        let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = after_the_name(&line)?.split_ascii_whitespace().skip(BEGIN_OF_ENVIRONMENT);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    let Some((begin, end)) = bounds() else { return true };
    let is_in_exec = || end == "0" && fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    begin == end && !is_in_exec()
}

/// Empty when there is no `/proc`.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What `/proc` says of a process in one line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    /// Neither dead nor about to be.
    pub(crate) runs: bool,
    /// A thread of the kernel, which never was a program.
    pub(crate) is_kernels: bool,
    pub(crate) parent: u32,
    pub(crate) group: i32,
    /// CPU of its own and of the children that it has waited for, in ticks.
    pub(crate) ticks: u64,
    pub(crate) threads: u64,
    /// When it began, in ticks since the machine did.
    pub(crate) began: u64,
    /// Memory in use, in pages.
    pub(crate) pages: u64,
}

impl Stat {
    /// Whether it can belong to a run. The dead, and threads of the kernel, have no environment; that takes long to be sure
    /// of.
    const fn can_belong(&self) -> bool {
        self.runs && !self.is_kernels
    }
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// `PID (NAME) STATE PARENT GROUP …`, where the name may hold anything, brackets and line ends included.
pub(crate) fn parse_stat(line: &[u8]) -> Option<Stat> {
    let open = line.iter().position(|&byte| byte == b'(')?;
    let close = line.iter().rposition(|&byte| byte == b')')?;
    let name = text::printable(line.get(open + 1..close)?, 64).0;
    let mut fields = after_the_name(line)?.split_ascii_whitespace();
    let runs = !matches!(fields.next()?, "Z" | "X" | "x");
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // Three fields about its session, and its flags; four about page faults; then the CPU, two about its priority, and
    // so on.
    let mut number = fields.map(|field| field.parse::<u64>().unwrap_or_default());
    let is_kernels = number.nth(3)? & KERNEL_THREAD != 0;
    let mut number = number.skip(4);
    let ticks = number.by_ref().take(4).sum();
    let threads = number.nth(2)?;
    let began = number.nth(1)?;
    let pages = number.nth(1)?;
    Some(Stat { name, runs, is_kernels, parent, group, ticks, threads, began, pages })
}

/// The fields from the state on.
fn after_the_name(line: &[u8]) -> Option<&str> {
    let close = line.iter().rposition(|&byte| byte == b')')?;
    std::str::from_utf8(&line[close + 1..]).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let rest = "42 7 0 -1 4194304 90 91 92 93 1000 200 30 4 20 0 3 0 777 8888 55 999";
        let stat = parse_stat(format!("7 (a) Z 1 (b\n) S 1 {rest}").as_bytes()).unwrap();
        let expected = Stat {
            name: "a) Z 1 (b\\x0a".into(),
            runs: true,
            is_kernels: false,
            parent: 1,
            group: 42,
            ticks: 1234,
            threads: 3,
            began: 777,
            pages: 55,
        };
        assert_eq!(stat, expected);
        assert!(!parse_stat(format!("7 (a) Z 1 {rest}").as_bytes()).unwrap().runs);
        let flags_of_a_worker = rest.replace("4194304", "69238880");
        assert!(parse_stat(format!("7 (a) I 2 {flags_of_a_worker}").as_bytes()).unwrap().is_kernels);
        assert_eq!(parse_stat(b"7 (a"), None);
    }

    #[test]
    fn a_process_is_seen_with_its_group() {
        // Not this process: in a namespace of its own its group can be one that has no number there.
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let group = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        let seen = stat(child.id()).unwrap();
        assert_eq!(seen.group, group.as_raw_nonzero().get());
        assert!(seen.runs && has_running_member(group));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!has_running_member(group));
    }

    #[test]
    fn numbers_are_tried_one_by_one_only_when_they_are_few_and_in_order() {
        assert_eq!(fresh(Some(7), Some(9)), Some(8..=9));
        assert_eq!(fresh(Some(7), Some(7)).map(Iterator::count), Some(0));
        assert_eq!(fresh(Some(1), Some(1 + MANY)).map(Iterator::count), Some(MANY as usize));
        for (before, last) in
            [(None, Some(9)), (Some(9), Some(8)), (Some(1), Some(2 + MANY)), (Some(1), None)]
        {
            assert_eq!(fresh(before, last), None, "{before:?} {last:?}");
        }
    }

    #[test]
    fn a_process_of_a_run_is_found_whenever_it_began() {
        let start = |run: &str| Command::new("sleep").arg("60").env(RUN, run).spawn().unwrap();
        let named = |tag| format!("{tag}-{}", std::process::id());
        let (early, late) = (named("early"), named("late"));
        let mut children = vec![start(&early), start(&early)];
        let mut search = Search::default();
        search.go_on();
        children.push(start(&late));
        assert!(fresh(search.last, last_given_out()).is_some(), "the next pass is a short one");
        search.go_on();
        let found = |search: &mut Search, run: &str| {
            search.take(run).into_iter().map(|one| (one.pid, one.name)).collect::<Vec<_>>()
        };
        let expected = |children: &[std::process::Child]| {
            children.iter().map(|child| (child.id(), "sleep".to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(found(&mut search, &early), expected(&children[..2]));
        assert_eq!(found(&mut search, &late), expected(&children[2..]));
        assert_eq!(found(&mut search, &early), [], "it is asked once");
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(search.known.values().map(Vec::len).sum::<usize>(), search.count);
    }

    #[test]
    fn a_short_look_is_enough_only_where_nobody_can_be_left() {
        let run = format!("short-{}", std::process::id());
        let start = || Command::new("sleep").arg("60").env(RUN, &run).spawn().unwrap();
        let mut search = Search::default();
        search.go_on();
        let mut children = vec![start()];
        assert!(!search.is_soon_over(&run), "it has begun since the last look");
        search.go_on();
        assert!(!search.is_soon_over(&run), "it is known to run");
        // Others may begin at any time, as those of tests beside this one do.
        while !search.is_soon_over("nobody's") {
            search.go_on();
        }
        let before = search.last;
        children.push(start());
        assert!(!search.is_soon_over("nobody's"), "whose it is takes a longer look");
        assert_eq!(search.last, before, "which is still to come");
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_thread_is_no_process_of_its_own() {
        let pid = std::process::id();
        assert!(leads_its_threads(pid));
        let others = std::thread::spawn(move || {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
            let numbers = threads.filter_map(|thread| thread.file_name().to_str()?.parse::<u32>().ok());
            numbers.filter(|number| *number != pid).map(leads_its_threads).collect::<Vec<_>>()
        });
        let others = others.join().unwrap();
        assert!(!others.is_empty() && others.iter().all(|leads| !leads), "{others:?}");
    }

    #[test]
    fn a_process_that_executes_one_program_after_the_other_is_never_without_its_environment() {
        let run = format!("test-{}", std::process::id());
        let script = "i=$((i + 1)); [ $i -gt 300 ] || exec env i=$i sh -c \"$1\" sh \"$1\"; exec sleep 60";
        let mut child = Command::new("sh").args(["-c", script, "sh", script]).env(RUN, &run).spawn().unwrap();
        let is_over = || stat(child.id()).is_some_and(|stat| stat.name == "sleep");
        let mut missed = 0;
        let mut room = vec![0; MAX_ENVIRONMENT];
        // Before the first exec it has this process's environment.
        while run_of(child.id(), &mut room).as_ref() != Some(&run) {}
        while !is_over() {
            missed += u32::from(run_of(child.id(), &mut room).as_ref() != Some(&run));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(missed, 0);
    }
}
