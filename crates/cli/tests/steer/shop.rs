//! A target in a folder of its own, and the binary that is told to live there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use supervisor_socket::Standing;
use tokio::runtime::Runtime;

pub(crate) use crate::said::Said;
use crate::target::{Target, World, folder};

/// Longer than anything here takes on a busy machine. Reaching it is a failure.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A running target and the home of those who steer it.
pub(crate) struct Shop {
    pub(crate) runtime: Runtime,
    target: Option<Target>,
    pub(crate) home: tempfile::TempDir,
}

/// A folder with a default place for sockets in it.
pub(crate) fn home() -> tempfile::TempDir {
    let home = folder();
    for name in ["run", "run/tokio-supervisor"] {
        let path = home.path().join(name);
        std::fs::create_dir(&path).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(path, mode).unwrap();
    }
    home
}

/// The socket with this name in the default place.
pub(crate) fn socket(home: &Path, name: &str) -> PathBuf {
    home.join("run/tokio-supervisor").join(format!("{name}.sock"))
}

/// The binary, in a home, without colour and in UTC.
pub(crate) fn binary(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supervisor"));
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run")).env("TZ", "UTC").env("USER", "ann");
    command.env_remove("SUPERVISOR_SOCKET").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

impl Shop {
    /// The shop, after this has happened in it.
    pub(crate) fn after<T>(change: impl FnOnce(&mut World) -> T) -> Self {
        let mut world = World::shop();
        change(&mut world);
        Self::of(world, Standing::Ordinary)
    }

    pub(crate) fn of(world: World, standing: Standing) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let home = home();
        let path = socket(home.path(), "shop");
        let target = runtime.block_on(Target::start_as(&path, world, standing));
        Self { runtime, target: Some(target), home }
    }

    pub(crate) fn path(&self) -> PathBuf {
        socket(self.home.path(), "shop")
    }

    /// The binary with these arguments, for this target.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = binary(self.home.path());
        command.args(args).env("SUPERVISOR_SOCKET", self.path());
        command
    }

    /// What it says to these arguments.
    pub(crate) fn say(&self, args: &[&str]) -> Said {
        self.command(args).output().unwrap().into()
    }

    pub(crate) fn json(&self, args: &[&str]) -> Said {
        self.command(args).args(["--output", "json"]).output().unwrap().into()
    }

    /// Looks at the world, or changes it.
    pub(crate) fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.target.as_ref().unwrap().world(change)
    }

    /// Looks until it is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&mut World) -> bool) {
        let so = async {
            while !self.world(&mut is_so) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ended = self.runtime.block_on(async { tokio::time::timeout(LONG, so).await });
        assert!(ended.is_ok(), "never: {what}");
    }

    /// The target ends, and begins again with the world as `change` leaves it.
    pub(crate) fn again(&mut self, change: impl FnOnce(World) -> World) {
        let target = self.target.take().unwrap();
        let path = self.path();
        self.target = Some(self.runtime.block_on(async {
            let world = change(target.die().await);
            Target::start(&path, world).await
        }));
    }

    /// The target ends.
    pub(crate) fn dies(&mut self) {
        let target = self.target.take().unwrap();
        self.runtime.block_on(target.die());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.target = None;
    }
}
