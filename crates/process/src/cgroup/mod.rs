//! A cgroup for each program: the kernel holds all of its processes together to limits, and none of them gets out.
//!
//! ```text
//!  PLACE                               a cgroup v2 that was delegated to the supervisor
//!   └─ tokio-supervisor.NUMBERS.PID.BEGAN   one for each supervisor; a dead one's is removed by the next
//!       ├─ self                        the supervisor itself, where controllers can be had
//!       ├─ RUN                         one for each run of a program
//!       └─ RUN
//! ```
//!
//! The directory of a run is made before the fork, and the child puts itself into it between fork and exec, so nothing
//! that the program starts is ever outside. A kill is also `cgroup.kill`: what left its process group goes with it.
//! When the run is over its directory is removed.
//!
//! A controller can only be had where no process is in the cgroup above (the kernel's rule of no inner processes). So
//! the supervisor moves itself into `self` first. What cannot be had is watched, or marked as not enforced.
//!
//! Memory, CPU and the number of processes were tested against plain files, and never on a kernel with these
//! controllers; being put into a cgroup, `cgroup.kill` and the removal were tested on a kernel.

mod run;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::processes;
use crate::start_error::reason;

pub(crate) use run::{Cgroup, Ended, Held};

/// How the directory of a supervisor begins.
const PREFIX: &str = "tokio-supervisor.";
/// The supervisor's own.
const SELF: &str = "self";
/// How often a cgroup whose processes were killed is looked at until it is empty, and how long apart.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(10);

static HOUSE: OnceLock<House> = OnceLock::new();

/// Where programs get their cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Below the cgroup that this process is in. It must be delegated: by systemd (`Delegate=yes`), or by being the whole
    /// of what a container sees.
    Own,
    /// Below this directory of a cgroup v2 file system, which was delegated by other means. This process stays where
    /// it is.
    At(PathBuf),
}

/// What the kernel can hold a cgroup to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Controller {
    /// Memory in use: `memory.max`, `memory.high`.
    Memory,
    /// CPU time: `cpu.max`.
    Cpu,
    /// How many processes and threads: `pids.max`.
    Pids,
}

impl Controller {
    /// Every controller that is of use here.
    pub const ALL: &'static [Self] = &[Self::Memory, Self::Cpu, Self::Pids];

    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

/// Why programs get no cgroups: a sentence. Their limits are watched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoCgroup(String);

/// Where programs get their cgroups, and what the kernel holds them to there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The directory of this supervisor.
    pub dir: PathBuf,
    /// The controllers that can be had.
    pub controllers: Vec<Controller>,
}

/// From now on each program of this process runs in a cgroup of its own.
///
/// For a binary: call it once, at the beginning of `main`, before the guardian and the runtime, since it may move this
/// process to another cgroup. Directories that dead supervisors left in the same place are removed, and what runs in
/// them is killed; that takes at most a second.
///
/// # Errors
///
/// A sentence, when there is no cgroup v2, none is delegated, or this process may not write there; when it was called
/// before; and without the feature `cgroup`. Then everything is as if it had not been called.
pub fn start(place: &Place) -> Result<Status, NoCgroup> {
    let no = |why: String| Err(NoCgroup(why));
    if !cfg!(feature = "cgroup") {
        return no("this program was built without the feature `cgroup`".into());
    }
    if HOUSE.get().is_some() {
        return no("cgroups were started already in this process".into());
    }
    let house = House::open(place).map_err(NoCgroup)?;
    HOUSE.get_or_init(|| house);
    status().ok_or_else(|| NoCgroup("cgroups are not started".into()))
}

/// Where programs get their cgroups; `None` when [`start`] was not called, or in vain.
pub fn status() -> Option<Status> {
    let House { dir, controllers } = HOUSE.get()?;
    Some(Status { dir: dir.clone(), controllers: controllers.clone() })
}

/// Where this process makes cgroups, if it does.
pub(crate) fn current() -> Option<&'static House> {
    HOUSE.get()
}

/// The directory of this supervisor.
#[derive(Debug)]
pub(crate) struct House {
    dir: PathBuf,
    controllers: Vec<Controller>,
}

impl House {
    fn open(place: &Place) -> Result<Self, String> {
        match place {
            Place::Own => Self::below(&delegated()?, true),
            Place::At(dir) => Self::below(dir, false),
        }
    }

    /// `moves` says that this process is in that very place, and has to leave it for the controllers.
    fn below(at: &Path, moves: bool) -> Result<Self, String> {
        let refused = |what: &Path, error: io::Error| format!("{}: {}", what.display(), reason(&error));
        remove_leftovers(at);
        let own = std::process::id();
        let name = name_of(own).ok_or("/proc does not tell when this process began")?;
        let dir = at.join(name);
        fs::create_dir(&dir).map_err(|error| refused(&dir, error))?;
        let offered = fs::read_to_string(at.join("cgroup.controllers")).unwrap_or_default();
        let offered: Vec<_> = offered.split_whitespace().collect();
        let wanted = Controller::ALL.iter().copied().filter(|one| offered.contains(&one.name()));
        let wanted: Vec<_> = wanted.collect();
        if !wanted.is_empty() && moves {
            let inner = dir.join(SELF);
            let moved = fs::create_dir(&inner).and_then(|()| write(&inner, "cgroup.procs", &own.to_string()));
            moved.map_err(|error| refused(&inner, error))?;
        }
        // Each by itself: one that somebody else keeps is no reason to do without the others.
        let had = |one: &Controller| {
            let word = format!("+{}", one.name());
            [at, &dir].iter().all(|dir| write(dir, "cgroup.subtree_control", &word).is_ok())
        };
        let controllers = wanted.into_iter().filter(had).collect();
        Ok(Self { dir, controllers })
    }

    fn has(&self, controller: Controller) -> bool {
        self.controllers.contains(&controller)
    }
}

/// The cgroup that this process is in, if it was given to it.
fn delegated() -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let (dir, is_whole) =
        own_dir(&mounts, &membership).ok_or("there is no cgroup v2 that this process can see")?;
    // The root of the machine has no such file, and is nobody's to give.
    if !dir.join("cgroup.events").exists() {
        return Err("this process is in the root cgroup of the machine".into());
    }
    if !is_whole && !has_mark(&dir) {
        return Err(format!(
            "the cgroup {} is not delegated to this process; with systemd, say `Delegate=yes`",
            dir.display()
        ));
    }
    Ok(dir)
}

/// Whether systemd says that it keeps away from the cgroup.
fn has_mark(dir: &Path) -> bool {
    let mark = |name: &str| {
        let mut value = [0_u8; 8];
        rustix::fs::getxattr(dir, name, &mut value[..]).is_ok_and(|length| value.get(..length) == Some(b"1"))
    };
    mark("trusted.delegate") || mark("user.delegate")
}

/// The directory of the cgroup that a process is in, and whether that is the whole of what it sees.
fn own_dir(mounts: &str, membership: &str) -> Option<(PathBuf, bool)> {
    let path = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, rest) = line.split_once(" - ")?;
        if rest.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let below = if root == "/" { path } else { path.strip_prefix(root)? };
        let below = below.trim_start_matches('/');
        Some((Path::new(place).join(below), below.is_empty()))
    })
}

/// When a process began, in ticks since the machine did. With its number this names it for as long as the machine runs.
fn began(pid: u32) -> Option<u64> {
    processes::parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?).map(|stat| stat.began)
}

/// Whose process numbers are meant: the namespace of them that this process is in, in which a number is one process.
fn numbers() -> Option<String> {
    let name = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(name.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.to_owned())
}

/// The name of the directory of a supervisor that runs, with this process number.
fn name_of(pid: u32) -> Option<String> {
    Some(format!("{PREFIX}{}.{pid}.{}", numbers()?, began(pid)?))
}

/// Removes what supervisors that are dead left in a place. Whether one with numbers of another namespace is dead cannot be
/// seen from here, so what is theirs is left alone.
fn remove_leftovers(place: &Path) {
    let Some(numbers) = numbers() else { return };
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let parts: Vec<_> = owner.split('.').collect();
        if let [of, pid, since] = parts[..]
            && of == numbers
            && let (Ok(pid), Ok(since)) = (pid.parse(), since.parse())
            && began(pid) != Some(since)
        {
            remove_soon(&entry.path());
        }
    }
}

/// Kills what is in a cgroup, and removes it as soon as it is empty.
#[expect(
    clippy::disallowed_methods,
    reason = "called on threads that may wait; that a cgroup is empty tells nobody here"
)]
fn remove_soon(dir: &Path) {
    kill(dir);
    for _ in 0..LOOKS {
        match remove(dir) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(LOOK),
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "a cgroup cannot be removed");
                return;
            }
            Ok(()) => return,
        }
    }
    tracing::warn!(dir = %dir.display(), "a cgroup is not empty and stays");
}

/// Removes a cgroup and those below it. Files in it are the kernel's.
fn remove(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(dir)
}

/// SIGKILL to every process in a cgroup and below, at once. Before Linux 5.14 nothing happens.
fn kill(dir: &Path) {
    // An error means that there is no such file, or that the cgroup is gone, which is what is wanted.
    let _ = write(dir, "cgroup.kill", "1");
}

/// Writes a value into a file of a cgroup, in one write, as the kernel wants it.
fn write(dir: &Path, file: &str, value: &str) -> io::Result<()> {
    // The kernel lets nobody make files in a cgroup: one that is not there is refused.
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(dir.join(file))?
        .write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "25 1 0:22 / /sys rw - sysfs sysfs rw\n\
        30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_own_cgroup_is_found_where_it_is_mounted() {
        let own = |mounts: &str, membership: &str| {
            own_dir(mounts, membership).map(|(dir, whole)| (dir.to_str().unwrap().to_owned(), whole))
        };
        let service = "0::/system.slice/shop.service\n";
        let found = own(MOUNTS, service);
        assert_eq!(found, Some(("/sys/fs/cgroup/system.slice/shop.service".into(), false)));
        assert_eq!(own(MOUNTS, "0::/\n"), Some(("/sys/fs/cgroup/".into(), true)));
        let bound = MOUNTS.replace("0:26 /", "0:26 /system.slice");
        assert_eq!(own(&bound, service), Some(("/sys/fs/cgroup/shop.service".into(), false)));
        assert_eq!(own(&bound, "0::/user.slice\n"), None, "it is outside of what can be seen");
        let hybrid = "9:memory:/a\n0::/b\n";
        assert_eq!(own(MOUNTS, hybrid), Some(("/sys/fs/cgroup/b".into(), false)));
        assert_eq!(own(MOUNTS, "9:memory:/a\n"), None, "cgroup v1 alone");
        assert_eq!(own("25 1 0:22 / /sys rw - sysfs sysfs rw\n", service), None);
    }

    #[test]
    fn controllers_that_are_offered_are_asked_for_in_both_places_and_leftovers_of_the_dead_go() {
        let place = tempfile::tempdir().unwrap();
        let at = place.path();
        fs::write(at.join("cgroup.controllers"), "cpuset cpu io memory hugetlb\n").unwrap();
        let own = std::process::id();
        let dead = format!("{PREFIX}{}.{own}.1", numbers().unwrap());
        let (alive, foreign) = (name_of(1).unwrap(), format!("{PREFIX}4026539999.{own}.1"));
        for name in [&*dead, &*alive, &*foreign, "another", "tokio-supervisor.x.y.z"] {
            fs::create_dir_all(at.join(name)).unwrap();
        }
        // Nothing else is in the directories of the kernel's but directories.
        fs::create_dir(at.join(&dead).join("run-1")).unwrap();
        remove_leftovers(at);
        let there = |name: &str| at.join(name).exists();
        // The kernel's directories have no such file that would keep them from being removed.
        let killed = |name: &str| at.join(name).join("cgroup.kill").exists();
        assert!(killed(&dead) && !there(&format!("{dead}/run-1")));
        assert!(there(&alive) && there("another") && there("tokio-supervisor.x.y.z"));
        assert!(there(&foreign), "whether its supervisor is dead cannot be seen from here");
        assert!(![&*alive, &*foreign, "another", "tokio-supervisor.x.y.z"].into_iter().any(killed));
        let house = House::below(at, false).unwrap();
        assert_eq!(house.controllers, [Controller::Memory, Controller::Cpu]);
        assert_eq!(fs::read_to_string(at.join("cgroup.subtree_control")).unwrap(), "+cpu");
        assert_eq!(fs::read_to_string(house.dir.join("cgroup.subtree_control")).unwrap(), "+cpu");
        assert!(!house.dir.join(SELF).exists(), "it was not asked to move");
    }

    #[test]
    fn a_supervisor_moves_out_of_the_way_of_its_controllers_and_only_then() {
        let own = std::process::id().to_string();
        for (offered, moved) in [("pids\n", Some(own)), ("hugetlb\n", None)] {
            let place = tempfile::tempdir().unwrap();
            fs::write(place.path().join("cgroup.controllers"), offered).unwrap();
            let house = House::below(place.path(), true).unwrap();
            let within = fs::read_to_string(house.dir.join(SELF).join("cgroup.procs")).ok();
            assert_eq!(within, moved);
            assert_eq!(house.has(Controller::Pids), moved.is_some());
        }
    }
}
