//! A program that does nothing but start processes.
//!
//! It runs as another user, whose number of processes is limited; and where there is such a thing, the whole run is in a group
//! of processes that the kernel holds to another number. Before it begins it looks whether these limits are in force.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Run, by_shell, home, rest, soon};
use crate::{pid_of, say, shell, skip, stack, stops_and_leaves_nothing};

/// The most processes and threads in the group: those of the run, and the bomb's.
const GROUP: usize = 160;
/// The most that the bomb's user may have.
const USER: usize = 200;

/// A user whom nothing else on this machine runs as, not even the dead of an earlier bomb: where nobody takes note of the
/// ends of orphans they stay, and count.
fn somebody() -> u32 {
    1_000_000 + std::process::id()
}

/// A group of processes with a limit, in either hierarchy. It goes with the value.
struct Group(PathBuf);

impl Group {
    /// None where none can be had.
    fn new() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let of_pids = mounts.lines().find_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let place = Path::new(words[1]);
            let second = words[2] == "cgroup2"
                && fs::read_to_string(place.join("cgroup.subtree_control"))
                    .is_ok_and(|on| on.contains("pids"));
            let first = words[2] == "cgroup" && words[3].split(',').any(|option| option == "pids");
            (first || second).then(|| place.to_owned())
        })?;
        let dir = of_pids.join(format!("supervisor-bomb-{}", std::process::id()));
        fs::create_dir(&dir).ok()?;
        let group = Self(dir);
        fs::write(group.0.join("pids.max"), GROUP.to_string()).ok()?;
        Some(group)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    /// How often the kernel refused a new process.
    fn refused(&self) -> u64 {
        self.text("pids.events").lines().find_map(|line| line.strip_prefix("max ")?.parse().ok()).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_fork_bomb_is_ended_whole_though_nobody_can_fork_any_more() {
    let test = "a_fork_bomb_is_ended_whole_though_nobody_can_fork_any_more";
    if !skip::is_root(test) || !skip::has("perl", test) {
        return;
    }
    let group = Group::new();
    let is_in = |group: &Group| {
        let place = group.0.display();
        format!(
            "grep -q \"^$$\\$\" {place}/cgroup.procs && test $(cat {place}/pids.max) = {GROUP} || exit 92;"
        )
    };
    let is_in = group.as_ref().map(is_in).unwrap_or_default();
    // None of them ever ends; who is refused another process tries again.
    let bomb = format!(
        "grep -q '^Max processes *{USER} *{USER} ' /proc/self/limits || exit 91; {is_in} \
         echo bomb=$$; exec perl -e 'for (;;) {{ defined(fork) or select(undef, undef, undef, 0.01) }}'"
    );
    let somebody = somebody();
    let keys = format!(
        ", user: {somebody}, group: {somebody}, working_dir: /, nice: 19, role: job, \
         resource_limits: {{max_user_processes: {USER}}}"
    );
    let text = stack(&[
        shell("neighbour", "echo pid=$$; exec sleep 1000", ""),
        shell("bomb", &bomb, &format!("{keys}, dependencies: [neighbour]")),
    ]);
    let mut run = Run::under(home(), &text, |command| match &group {
        Some(group) => by_shell(&format!("echo $$ >{}/cgroup.procs", group.0.display()), &command),
        None => command,
    });
    let neighbour = pid_of(&mut run, "/neighbour", "pid");
    pid_of(&mut run, "/bomb", "bomb");
    // What it was like at last says why it did not get there.
    let mut last = String::new();
    let full = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        soon("as large as it can be", || {
            let (refused, there) = (group.as_ref().map(Group::refused), of_somebody());
            let has_ended = run.has_ended();
            last = format!("{refused:?} refusals, {there} processes, the run has ended: {has_ended}");
            let is_full = match refused {
                Some(refused) => refused > 100 && there > GROUP / 2,
                None => there >= USER,
            };
            (is_full || has_ended).then_some(())
        });
    }));
    assert!(full.is_ok() && !run.has_ended(), "{last}: {}", run.stop().out.join("\n"));
    // By now a thread that had nothing to do would be given up, and no new one can be had.
    rest(11_000);
    // The others go on, and can be asked and told.
    assert!(say(&run, &["status", "/neighbour"]).contains("running"));
    say(&run, &["pause", "/bomb", "--reason", "it does nothing but start processes", "--yes"]);
    assert!(say(&run, &["status", "/bomb"]).contains("paused"));
    assert_eq!(of_somebody(), 0, "its end is the end of all of them");
    assert!(crate::is_alive(neighbour), "it was never restarted");
    stops_and_leaves_nothing(run);
    // A dead one is in it until its parent has taken note of it.
    let is_empty = || group.as_ref().is_none_or(|group| group.text("cgroup.procs").is_empty());
    soon("an empty group", || is_empty().then_some(()));
}

/// How many processes of the bomb's user run.
fn of_somebody() -> usize {
    let uid = format!("\nUid:\t{}\t", somebody());
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        status.contains(&uid) && !status.contains("\nState:\tZ")
    })
    .count()
}
