//! What the system says of this process and its programs: read from `/proc`, without asking the supervisor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::world::{MARK, Rule, World};

/// A dead child may wait this long for its parent: a busy machine reaps late.
const ZOMBIE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);

/// Threads of the process crate, which live as long as the process and are started with the first need.
const LASTING: [&str; 4] = ["spawn-programs", "reap-programs", "search-proc", "guardian-watch"];

/// The processes that bear a mark which begins so.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let mut pids: Vec<u32> = pids().filter(|pid| bears(*pid, mark)).collect();
    pids.sort_unstable();
    pids
}

/// Whether a process bears a mark which begins so. A dead one has none.
pub(crate) fn bears(pid: u32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let value = |pair: &[u8]| pair.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec);
    environment.split(|byte| *byte == 0).filter_map(value).any(|value| value.starts_with(mark.as_bytes()))
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The dead children of this process that nobody has reaped.
fn zombies() -> BTreeSet<u32> {
    let own = std::process::id().to_string();
    let dead = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may hold anything; the fields begin after its last bracket.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
        fields.next() == Some("Z") && fields.next() == Some(&own)
    };
    pids().filter(dead).collect()
}

/// What this process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Resident memory, in KiB.
    pub(crate) rss_kib: u64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Threads by name, lasting ones left out.
    pub(crate) threads: BTreeMap<String, usize>,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss_kib = rss.and_then(|rss| rss.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0);
        // The directory that is being read is a descriptor too, each time the same.
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            let name = name.trim_end().to_owned();
            if !name.is_empty() && !LASTING.contains(&name.as_str()) {
                *threads.entry(name).or_default() += 1;
            }
        }
        Self { rss_kib, descriptors, threads }
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.threads.values().sum()
    }
}

/// Looks for dead children that stay, and for more descriptors and threads than living children can have.
pub(crate) async fn census(world: Arc<World>, most: (usize, usize)) {
    let mut dead: BTreeMap<u32, u32> = BTreeMap::new();
    let longest = ZOMBIE.div_duration_f64(LOOK) as u32;
    while world.goes_on_after(LOOK).await {
        let now = zombies();
        dead.retain(|pid, _| now.contains(pid));
        for pid in now {
            let looks = dead.entry(pid).or_default();
            *looks += 1;
            if *looks == longest {
                world.violated(
                    Rule::Zombie,
                    format!("process {pid} is dead since {ZOMBIE:?} and was not reaped"),
                );
            }
        }
        let held = Holdings::now();
        if held.descriptors > most.0 {
            world.violated(
                Rule::Other,
                format!("{} descriptors are open, more than {}", held.descriptors, most.0),
            );
        }
        if held.thread_count() > most.1 {
            world.violated(Rule::Other, format!("more than {} threads: {:?}", most.1, held.threads));
        }
    }
}

/// Waits until nothing with this mark lives; what does after `patience` is an orphan.
pub(crate) async fn no_orphans(world: &World, mark: &str, patience: Duration) {
    if !soon(patience, || marked(mark).is_empty()).await {
        for pid in marked(mark) {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            world.violated(Rule::Orphan, format!("process {pid} outlived its tree: {words}"));
            crate::killer::send(mark, pid, rustix::process::Signal::KILL);
        }
    }
}

/// No child of this process is dead and stays so.
pub(crate) async fn no_zombies(world: &World) {
    if !soon(ZOMBIE, || zombies().is_empty()).await {
        for pid in zombies() {
            world.violated(Rule::Zombie, format!("process {pid} was never reaped"));
        }
    }
}

/// Looks until `so`, for this long at most.
pub(crate) async fn soon(patience: Duration, mut so: impl FnMut() -> bool) -> bool {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if so() {
            return true;
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a process holds is counted for all of it, and a process that is being started holds it too for a moment:
    /// tests that open or start something go one after the other.
    pub(crate) static HOLDING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[tokio::test]
    async fn a_marked_process_that_stays_is_an_orphan_and_is_ended() {
        let _alone = HOLDING.lock().await;
        let world = World::new(1, "/".into());
        let mark = format!("{}-orphan", world.mark);
        let mut child = std::process::Command::new("sleep").arg("60").env(MARK, &mark).spawn().unwrap();
        assert!(soon(Duration::from_secs(60), || marked(&mark) == [child.id()]).await);
        no_orphans(&world, &mark, Duration::ZERO).await;
        assert_eq!(world.count(Rule::Orphan), 1);
        assert!(soon(Duration::from_secs(60), || zombies().contains(&child.id())).await);
        child.wait().unwrap();
        assert!(!zombies().contains(&child.id()));
    }

    #[test]
    fn a_descriptor_and_a_thread_more_are_seen() {
        let _alone = HOLDING.blocking_lock();
        let before = Holdings::now();
        let file = fs::File::open("/proc/self/status").unwrap();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread =
            std::thread::Builder::new().name("one more".into()).spawn(move || stopped.recv()).unwrap();
        let more = Holdings::now();
        assert!(more.descriptors > before.descriptors && more.rss_kib > 0);
        drop((file, stop));
        assert!(thread.join().unwrap().is_err());
        // The kernel wakes who joins a thread a moment before it takes the thread out of the list.
        while Holdings::now().threads.contains_key("one more") {
            std::thread::yield_now();
        }
    }
}
