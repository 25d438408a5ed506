//! Who kills the servers.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;
use supervisor_testkit::Random;

use crate::clients::{Clients, now};
use crate::common::{Run, soon};
use crate::judge::Kill;
use crate::stack::{SERVERS, Server};

/// Longer than anything takes that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills main processes by the choice of a seed, and follows the events of the servers.
pub(crate) struct Storm {
    random: Random,
    kills: Vec<Kill>,
    /// Of each server, in the order of [`SERVERS`]: the newest run that is known to have ended by a kill of ours.
    ended: [u64; 3],
}

impl Storm {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), kills: Vec::new(), ended: [0; 3] }
    }

    pub(crate) fn kills(&self) -> &[Kill] {
        &self.kills
    }

    /// Kills each server so often, in an order by chance. The next is killed when all are back and clients are answered.
    pub(crate) fn each_is_killed(&mut self, run: &mut Run, clients: &Clients, times: usize) {
        let mut waiting = SERVERS.repeat(times);
        clients.are_answered(&SERVERS, now());
        while !waiting.is_empty() {
            let server = waiting.swap_remove(self.random.below(waiting.len() as u64) as usize);
            soon("a server that can be killed", || self.kill(run, server).then_some(()));
            self.hears_of_the_end(run, server);
            self.all_are_back(run, clients);
        }
    }

    /// Kills by chance for so long; `also_early` says whether also who is not ready yet.
    pub(crate) fn rages(&mut self, run: &mut Run, seconds: u64, also_early: bool) {
        let over = now() + Duration::from_secs(seconds);
        while now() < over {
            let rest = now() + Duration::from_millis(100 + self.random.below(1_400));
            while let Some(left) = rest.checked_duration_since(now())
                && let Some(line) = run.next_within(left)
            {
                self.hears(&line);
            }
            let server = *self.random.pick(&SERVERS).expect("there are three");
            // One that waits for its next start has no process.
            if (also_early || !self.is_away(server)) && self.kill(run, server) {
                self.hears_of_the_end(run, server);
            }
        }
    }

    /// Waits until every server is ready again and answers.
    pub(crate) fn all_are_back(&mut self, run: &mut Run, clients: &Clients) {
        while SERVERS.iter().any(|server| self.is_away(*server)) {
            let line = run.next_within(PATIENCE).expect("servers come back");
            self.hears(&line);
        }
        clients.are_answered(&SERVERS, now());
    }

    fn is_away(&self, server: Server) -> bool {
        let newest = self.kills.iter().rfind(|kill| kill.server == server);
        newest.is_some_and(|kill| kill.back.is_none())
    }

    /// Kills the main process of a server, if it has one now.
    fn kill(&mut self, run: &Run, server: Server) -> bool {
        let Some(process) = main_process(run.pid(), server) else { return false };
        let at = now();
        let killed = pidfd_send_signal(&process, Signal::KILL).is_ok();
        if killed {
            self.kills.push(Kill { server, at, back: None });
        }
        killed
    }

    /// Waits until the supervisor has seen the end of what was killed.
    fn hears_of_the_end(&mut self, run: &mut Run, server: Server) {
        let before = self.ended[server as usize];
        while self.ended[server as usize] == before {
            let line = run.next_within(PATIENCE).expect("the end is seen");
            self.hears(&line);
        }
    }

    fn hears(&mut self, line: &str) {
        let line: Value = serde_json::from_str(line).unwrap();
        let (event, payload) = (&line["event"], &line["event"]["payload"]);
        let Some(server) = SERVERS.into_iter().find(|server| event["target_path"] == server.path()) else {
            return;
        };
        let ended = &mut self.ended[server as usize];
        let run = payload["generation"].as_u64().unwrap_or_default();
        let exit = &payload["exit"];
        if exit["kind"] == "killed" && exit["signal"] == 9 && run > *ended {
            assert!(exit["by_us"] == false, "the supervisor killed {server:?}: {line}");
            *ended = run;
        }
        if event["event_type"] == "ChildReady" && run > *ended {
            let newest = self.kills.iter_mut().rfind(|kill| kill.server == server);
            newest.into_iter().for_each(|kill| kill.back = kill.back.or_else(|| Some(now())));
        }
    }
}

/// The process of this name that the supervisor has started. The descriptor is opened before it is looked at, so that
/// the number cannot be another's by then.
fn main_process(supervisor: Pid, server: Server) -> Option<std::os::fd::OwnedFd> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).find_map(|pid| {
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let mut rest = rest.split_whitespace();
        let (state, parent) = (rest.next()?, rest.next()?);
        let is_it =
            name == server.command() && state != "Z" && parent == supervisor.as_raw_nonzero().to_string();
        is_it.then_some(process)
    })
}
