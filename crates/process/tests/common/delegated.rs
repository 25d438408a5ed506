//! A cgroup for a test.

use std::fs;
use std::path::{Path, PathBuf};

/// Removed, with what is in it, when the test is over.
pub(crate) struct Delegated(pub(crate) PathBuf);

impl Drop for Delegated {
    fn drop(&mut self) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten().map(|entry| entry.path());
        for dir in entries.filter(|path| path.is_dir()).collect::<Vec<_>>().iter().chain([&self.0]) {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// A directory of a cgroup v2 file system that is ours alone; `None` where none can be had.
pub(crate) fn delegated(name: &str) -> Option<Delegated> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    let dir = Path::new(mount.split(' ').nth(1)?).join(format!("{name}-{}", std::process::id()));
    fs::create_dir(&dir).ok()?;
    let dir = Delegated(dir);
    dir.0.join("cgroup.kill").exists().then_some(dir)
}
