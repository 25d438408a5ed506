//! The cgroup of one run.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Controller, House, kill, remove, remove_soon, write};
use crate::watch::Together;
use crate::worker::UNDERTAKER;

/// The period of `cpu.max`, in microseconds: the kernel's own default.
const PERIOD: u64 = 100_000;

/// The cgroup of one run. Dropping it kills what is in it, and removes it when that is gone.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// Empty once it was removed.
    dir: PathBuf,
    procs: Arc<OwnedFd>,
    held: Held,
}

/// The limits of a run that the kernel holds it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    pub(crate) memory: bool,
    pub(crate) cpu: bool,
    pub(crate) processes: bool,
}

/// What the kernel says of a run that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ended {
    /// It killed a process of the run because there was no more memory for it.
    pub(crate) out_of_memory: bool,
}

impl House {
    /// The limits that the kernel can hold a run to here.
    pub(crate) fn held(&self) -> Held {
        Held {
            memory: self.has(Controller::Memory),
            cpu: self.has(Controller::Cpu),
            processes: self.has(Controller::Pids),
        }
    }

    /// Makes the cgroup of a run, with its limits.
    ///
    /// # Errors
    ///
    /// The file or directory that was refused, and why.
    pub(crate) fn make(&self, run: &str, limits: &Together) -> Result<Cgroup, (PathBuf, io::Error)> {
        let dir = self.dir.join(run);
        fs::create_dir(&dir).map_err(|error| (dir.clone(), error))?;
        let place = dir.join("cgroup.procs");
        let procs = OpenOptions::new().write(true).create(true).truncate(true).open(&place);
        let procs = match procs {
            Ok(procs) => Arc::new(OwnedFd::from(procs)),
            Err(error) => {
                remove_soon(&dir);
                return Err((place, error));
            }
        };
        // From here on its drop removes the directory.
        let cgroup = Cgroup { dir, procs, held: self.held() };
        for (file, value) in values(limits, cgroup.held) {
            write(&cgroup.dir, file, &value).map_err(|error| (cgroup.dir.join(file), error))?;
        }
        Ok(cgroup)
    }
}

/// What is written into which file.
fn values(limits: &Together, held: Held) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    if held.memory {
        if let Some(bytes) = limits.memory {
            values.push(("memory.max", bytes.to_string()));
            // A program of which one process is gone is no good: all of them go.
            values.push(("memory.oom.group", "1".to_owned()));
        }
        values.extend(limits.high_memory.map(|bytes| ("memory.high", bytes.to_string())));
    }
    if let Some(percent) = limits.cpu.filter(|_| held.cpu) {
        // The kernel takes no quota below a millisecond, which is one percent.
        let quota = u64::from(percent.max(1)) * PERIOD / 100;
        values.push(("cpu.max", format!("{quota} {PERIOD}")));
    }
    values.extend(limits.processes.filter(|_| held.processes).map(|many| ("pids.max", many.to_string())));
    values
}

impl Cgroup {
    /// Where a child writes `0` to put itself into it.
    pub(crate) fn procs(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.procs)
    }

    /// The limits that the kernel holds it to.
    pub(crate) const fn held(&self) -> Held {
        self.held
    }

    /// SIGKILL to every process in it.
    pub(crate) fn kill(&self) {
        kill(&self.dir);
    }

    /// Kills what is left, waits until it is gone, and removes the directory. As with a group, a process that the kernel
    /// cannot end makes it wait.
    pub(crate) async fn finish(mut self) -> Ended {
        let mut pause = Duration::from_millis(1);
        self.kill();
        while self.counts("cgroup.events", "populated") == Some(1) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
            // One that forked at the instant of the first kill.
            self.kill();
        }
        let out_of_memory = self.counts("memory.events", "oom_kill").is_some_and(|many| many > 0);
        if remove(&self.dir).is_ok() {
            self.dir = PathBuf::new();
        }
        Ended { out_of_memory }
    }

    /// The number behind a name in a file of lines such as `oom_kill 1`.
    fn counts(&self, file: &str, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.dir.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let dir = std::mem::take(&mut self.dir);
        if dir.as_os_str().is_empty() {
            return;
        }
        kill(&dir);
        if remove(&dir).is_err() {
            UNDERTAKER.post(move || remove_soon(&dir));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Held = Held { memory: true, cpu: true, processes: true };

    #[test]
    fn each_limit_has_its_file_where_its_controller_can_be_had() {
        let limits = Together {
            memory: Some(500 << 20),
            high_memory: Some(400 << 20),
            cpu: Some(150),
            processes: Some(64),
        };
        let text = |held| -> Vec<String> {
            values(&limits, held).into_iter().map(|(file, value)| format!("{file}={value}")).collect()
        };
        let expected = [
            "memory.max=524288000",
            "memory.oom.group=1",
            "memory.high=419430400",
            "cpu.max=150000 100000",
            "pids.max=64",
        ];
        assert_eq!(text(ALL), expected);
        assert_eq!(text(Held { memory: false, ..ALL }), expected[3..]);
        assert_eq!(text(Held { cpu: false, ..ALL }), [&expected[..3], &expected[4..]].concat());
        assert_eq!(text(Held { processes: false, ..ALL }), expected[..4]);
        assert!(values(&Together::default(), ALL).is_empty());
    }

    #[tokio::test]
    async fn a_run_is_told_from_the_files_to_have_run_out_of_memory() {
        let place = tempfile::tempdir().unwrap();
        let house = House { dir: place.path().to_owned(), controllers: Controller::ALL.to_vec() };
        let limits = Together { processes: Some(7), ..Together::default() };
        for (name, events, expected) in [
            ("one", "low 0\nhigh 3\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n", true),
            ("two", "low 0\nhigh 3\nmax 9\noom 1\noom_kill 0\noom_group_kill 0\n", false),
        ] {
            let cgroup = house.make(name, &limits).unwrap();
            let dir = place.path().join(name);
            assert_eq!(fs::read_to_string(dir.join("pids.max")).unwrap(), "7");
            fs::write(dir.join("memory.events"), events).unwrap();
            fs::write(dir.join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
            assert_eq!(cgroup.finish().await, Ended { out_of_memory: expected });
            assert!(dir.join("cgroup.kill").exists(), "what was left was killed");
        }
        let refused = house.make("one", &limits).unwrap_err();
        assert_eq!((refused.0, refused.1.kind()), (place.path().join("one"), io::ErrorKind::AlreadyExists));
    }
}
