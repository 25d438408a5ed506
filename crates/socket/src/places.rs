//! Where sockets and state are kept when nobody says otherwise.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use supervisor_api::ChildId;

/// The folder of ours, wherever it lies.
const OURS: &str = "tokio-supervisor";
/// Where root keeps what does not outlive a boot, and what does.
const ROOT_RUNTIME: &str = "/run";
const ROOT_STATE: &str = "/var/lib";

/// What of a process and its environment decides where its sockets are.
///
/// The places follow from this value alone, so a server, the command line and a test find the same ones. A variable
/// that is empty or relative counts as unset, as the XDG base directory specification wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// Whether the process runs as root (effective uid 0).
    pub root: bool,
}

impl Surroundings {
    /// Those of the running process.
    pub fn of_this_process() -> Self {
        Self::new(rustix::process::geteuid().as_raw(), |name| std::env::var_os(name))
    }

    /// Those of a process with this effective uid, whose variables are looked up with `variable`.
    pub fn new(uid: u32, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            runtime_dir: absolute("XDG_RUNTIME_DIR"),
            state_home: absolute("XDG_STATE_HOME"),
            home: absolute("HOME"),
            root: uid == 0,
        }
    }

    /// The places where a socket may be, the first choice first. Nothing is looked at.
    ///
    /// A server takes the first whose [`base`](Place::base) is sound; a client looks through all of them.
    pub fn socket_places(&self) -> Vec<Place> {
        let runtime = self.runtime_dir.as_ref().map(|base| Place::of_ours(base, OURS.as_ref()));
        let of_root = self.root.then(|| Place::of_ours(ROOT_RUNTIME.as_ref(), OURS.as_ref()));
        let state = self.state_home_place(&Path::new(OURS).join("run"));
        [runtime, of_root, state].into_iter().flatten().collect()
    }

    /// The place of what belongs to the instance `name` and outlives it, its lock and its audit:
    /// `tokio-supervisor/NAME` under `$XDG_STATE_HOME`, else for root under `/var/lib`, else under
    /// `~/.local/state`. `None` when there is no home either.
    pub fn state_place(&self, name: &ChildId) -> Option<Place> {
        let below = Path::new(OURS).join(name.as_str());
        if self.state_home.is_none() && self.root {
            return Some(Place::of_ours(ROOT_STATE.as_ref(), &below));
        }
        self.state_home_place(&below)
    }

    /// `below` under `$XDG_STATE_HOME` or `~/.local/state`.
    fn state_home_place(&self, below: &Path) -> Option<Place> {
        if let Some(state_home) = &self.state_home {
            // It is to be created when it is absent, so what must be there is the root of the file system.
            let inside = state_home.strip_prefix("/").unwrap_or(state_home);
            return Some(Place { base: "/".into(), below: inside.join(below), sound_base: false });
        }
        let below = Path::new(".local/state").join(below);
        self.home.as_ref().map(|home| Place { base: home.clone(), below, sound_base: false })
    }
}

/// A directory that is created, mode 0700, inside of one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What must be there before.
    pub base: PathBuf,
    /// What is created below it as far as it is absent; relative. From `tokio-supervisor` on all of it must be ours and
    /// writable by nobody else.
    pub below: PathBuf,
    /// Whether `base` itself must be ours and writable by nobody else. The last directory must be in any case.
    pub sound_base: bool,
}

impl Place {
    fn of_ours(base: &Path, below: &Path) -> Self {
        Self { base: base.to_owned(), below: below.to_owned(), sound_base: true }
    }

    /// The directory of ours that it lies in, or is.
    pub(crate) fn ours(&self) -> PathBuf {
        let mut path = self.base.clone();
        for component in self.below.components() {
            path.push(component);
            if component.as_os_str() == OURS {
                break;
            }
        }
        path
    }

    /// The whole path of the directory.
    pub fn path(&self) -> PathBuf {
        self.base.join(&self.below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(uid: u32, variables: &[(&str, &str)]) -> Surroundings {
        Surroundings::new(uid, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn paths(uid: u32, variables: &[(&str, &str)]) -> Vec<String> {
        let places = around(uid, variables).socket_places();
        places.iter().map(|place| place.path().to_string_lossy().into_owned()).collect()
    }

    const RUNTIME: (&str, &str) = ("XDG_RUNTIME_DIR", "/run/user/7");
    const STATE: (&str, &str) = ("XDG_STATE_HOME", "/s");
    const HOME: (&str, &str) = ("HOME", "/home/u");

    /// An effective uid, its variables, and the places that follow from them.
    type Row<'a> = (u32, &'a [(&'a str, &'a str)], &'a [&'a str]);

    #[test]
    fn s01_the_order_of_places_for_root_and_for_others() {
        let of_runtime = "/run/user/7/tokio-supervisor";
        let of_root = "/run/tokio-supervisor";
        let of_state = "/s/tokio-supervisor/run";
        let of_home = "/home/u/.local/state/tokio-supervisor/run";
        let table: &[Row<'_>] = &[
            (7, &[RUNTIME, STATE, HOME], &[of_runtime, of_state]),
            (7, &[RUNTIME, HOME], &[of_runtime, of_home]),
            (7, &[HOME], &[of_home]),
            (7, &[], &[]),
            (0, &[RUNTIME, STATE, HOME], &[of_runtime, of_root, of_state]),
            (0, &[HOME], &[of_root, of_home]),
            (0, &[], &[of_root]),
        ];
        for (uid, variables, expected) in table {
            assert_eq!(paths(*uid, variables), *expected, "uid {uid}, {variables:?}");
        }
    }

    #[test]
    fn s01_an_empty_or_relative_variable_counts_as_unset() {
        for value in ["", "run", "./run"] {
            let variables = [("XDG_RUNTIME_DIR", value), ("XDG_STATE_HOME", value), ("HOME", value)];
            assert_eq!(paths(7, &variables), Vec::<String>::new(), "{value:?}");
        }
    }

    #[test]
    fn s01_a_runtime_directory_must_be_sound_itself_and_a_home_need_not() {
        let places = around(0, &[RUNTIME, HOME]).socket_places();
        assert_eq!(places.iter().map(|place| place.sound_base).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn s01_s02_state_is_kept_under_the_state_home_or_var_lib_or_the_home() {
        let name = ChildId::new("shop").unwrap();
        let state = |uid, variables: &[_]| {
            around(uid, variables).state_place(&name).map(|place| place.path().display().to_string())
        };
        assert_eq!(state(0, &[STATE, HOME]).as_deref(), Some("/s/tokio-supervisor/shop"));
        assert_eq!(state(0, &[HOME]).as_deref(), Some("/var/lib/tokio-supervisor/shop"));
        assert_eq!(state(7, &[STATE, HOME]).as_deref(), Some("/s/tokio-supervisor/shop"));
        assert_eq!(state(7, &[HOME]).as_deref(), Some("/home/u/.local/state/tokio-supervisor/shop"));
        assert_eq!(state(7, &[RUNTIME]), None);
    }
}
