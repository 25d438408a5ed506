//! `examples/servers.yaml`, with ports and a folder of this test's own.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, setxattr};
use serde_json::Value;

use crate::common::{Run, by_shell, home, soon};
use crate::delegated::{self, Delegated};
use crate::{ports, skip};

/// A server of the example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Db,
    Cache,
    Web,
}

pub(crate) const SERVERS: [Server; 3] = [Server::Db, Server::Cache, Server::Web];

impl Server {
    /// Its path in the stack.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Db => "/db",
            Self::Cache => "/cache",
            Self::Web => "/web",
        }
    }

    /// What the kernel calls its main process.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Db => "postgres",
            Self::Cache => "redis-server",
            Self::Web => "nginx",
        }
    }
}

/// Where the servers of one test are.
pub(crate) struct Stack {
    /// The cgroup that is delegated to the supervisor.
    place: Option<Delegated>,
    folder: tempfile::TempDir,
    /// With the programs of PostgreSQL, which are in no directory of PATH.
    pub(crate) postgres: PathBuf,
    pub(crate) db: SocketAddr,
    pub(crate) cache: SocketAddr,
    pub(crate) web: SocketAddr,
    pub(crate) password: String,
}

impl Stack {
    /// None when the machine lacks something, which is reported for `test`.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !skip::is_root(test) || !skip::has("nginx", test) || !skip::has("redis-server", test) {
            return None;
        }
        let Some(postgres) = newest_postgres() else {
            skip::skip(&format!("{test}: needs postgres; install with `apt-get install postgresql`"));
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // Each server enters it as its own user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let password = format!("not-for-others-{}", std::process::id());
        let (db, cache, web) = (ports::free(), ports::free(), ports::free());
        Some(Self { place: None, folder, postgres, db, cache, web, password })
    }

    /// Gives the supervisor a cgroup, as systemd does, where one can be had.
    pub(crate) fn in_a_cgroup(mut self) -> Self {
        let marked =
            |place: &Delegated| setxattr(&place.0, "trusted.delegate", b"1", XattrFlags::empty()).is_ok();
        self.place = delegated::delegated("supervisor-servers").filter(marked);
        self
    }

    pub(crate) fn has_a_cgroup(&self) -> bool {
        self.place.is_some()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("data")
    }

    /// Runs the example as it is.
    pub(crate) fn run(&self) -> Run {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/servers.yaml");
        let text = fs::read_to_string(example).unwrap();
        let set = [
            format!("data={}", self.data().display()),
            format!("postgres_bin={}", self.postgres.display()),
            format!("db_port={}", self.db.port()),
            format!("cache_port={}", self.cache.port()),
            format!("web_port={}", self.web.port()),
            // They are killed more often than servers die.
            "restarts=100000".to_owned(),
        ];
        Run::under(home(), &text, |mut command| {
            command
                .args(set.iter().flat_map(|set| ["--set", set]))
                .env("SERVERS_DB_PASSWORD", &self.password);
            match &self.place {
                Some(place) => by_shell(&format!("echo $$ >{}/cgroup.procs", place.0.display()), &command),
                None => command,
            }
        })
    }

    /// Stops it: every server has ended as it was asked to, and nothing runs, listens or has to be mended.
    pub(crate) fn stops_clean(&self, run: Run) {
        let end = run.stop();
        assert_eq!(end.code, Some(0), "{}", end.err);
        for server in SERVERS {
            let exit = end.outcome(server.path())["exit"]["kind"].clone();
            assert!(exit == "stopped", "{server:?}: {exit}");
        }
        let stopped = end.paths_of("ChildStopped");
        assert_eq!(stopped.first().map(String::as_str), Some("/web"), "who needs the others goes first");
        let logs = end.values();
        let mut logs = logs.iter().filter_map(|line| line["log"]["message"].as_str());
        assert!(logs.any(|line| line.ends_with("database system is shut down")), "{:?}", end.out);
        // What the database had started ends by itself, when it sees that the database has.
        soon(&format!("without {:?}", self.processes()), || self.processes().is_empty().then_some(()));
        for address in [self.db, self.cache, self.web] {
            assert!(TcpStream::connect(address).is_err(), "{address} is open");
        }
    }

    /// The processes that are at home below the folder: each server's, its workers', those that left its group.
    fn processes(&self) -> Vec<String> {
        let data = self.data();
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let ours = all
            .filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(&data)));
        ours.map(|process| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            format!("{} {}", process.display(), String::from_utf8_lossy(&command).replace('\0', " "))
        })
        .collect()
    }
}

/// Debian has each version in a folder of its own.
fn newest_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let numbered = versions.filter_map(|folder| {
        let number: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        folder.join("bin/postgres").exists().then(|| (number, folder.join("bin")))
    });
    numbered.max().map(|(_, folder)| folder)
}

/// Waits until all runs. Nobody was started before those that it needs were ready, by their probes.
pub(crate) fn starts_in_order(run: &mut Run) {
    run.event("ChildRunning", "/");
    let events: Vec<Value> = run.seen.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = |kind: &str, path: &str| {
        let is_it =
            |line: &Value| line["event"]["event_type"] == kind && line["event"]["target_path"] == path;
        events.iter().position(is_it).unwrap_or_else(|| panic!("no {kind} of {path}"))
    };
    let order = [
        (("ChildCompleted", "/prepare"), ("ChildRunning", "/initdb")),
        (("ChildCompleted", "/prepare"), ("ChildStarting", "/cache")),
        (("ChildCompleted", "/initdb"), ("ChildStarting", "/db")),
        (("ChildReady", "/db"), ("ChildStarting", "/web")),
        (("ChildReady", "/cache"), ("ChildStarting", "/web")),
        (("ChildReady", "/web"), ("ChildRunning", "/")),
    ];
    for ((before, of), (after, who)) in order {
        assert!(first(before, of) < first(after, who), "{after} of {who} came before {before} of {of}");
    }
}

impl Run {
    /// What a server has printed until it was ready.
    pub(crate) fn seen_until_ready(&mut self, path: &str) -> String {
        self.event("ChildReady", path);
        let lines = self.seen.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let said = lines.filter(|line| line["log"]["target_path"] == path);
        said.map(|line| format!("{}\n", line["log"]["message"].as_str().unwrap())).collect()
    }
}
