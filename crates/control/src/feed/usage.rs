//! What programs use and tasks are polled, as far as a reader does not know it. No event tells it, so it is looked at from time to time.

use std::collections::HashMap;
use std::time::Duration;

use supervisor_api::{PollTimes, ProgramUsage, SupervisorPath};
use tokio::time::Instant;

use crate::target::Target;

/// How often readers are told.
const EVERY: Duration = Duration::from_secs(5);
/// The most rows at a time; the others have their turn at the next.
const ROWS: usize = 250;

/// The figures of a run.
#[derive(Debug, Clone, Copy)]
enum Figures {
    Program(ProgramUsage),
    Task(PollTimes),
}

/// What a reader was told.
#[derive(Debug)]
pub(super) struct Usages {
    told: HashMap<SupervisorPath, Figures>,
    /// Where the turn is: the last path that was told.
    after: Option<SupervisorPath>,
    next: Instant,
}

impl Usages {
    pub(super) fn new() -> Self {
        Self { told: HashMap::new(), after: None, next: Instant::now() + EVERY }
    }

    /// When to look.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// Whose figures are others than the reader knows, if it is time to look.
    pub(super) fn take(&mut self, target: &Target, under: &SupervisorPath) -> Vec<SupervisorPath> {
        if self.next > Instant::now() {
            return Vec::new();
        }
        self.next = Instant::now() + EVERY;
        let programs =
            target.handle.programs().into_iter().map(|(path, usage)| (path, Figures::Program(usage)));
        let tasks = target.handle.poll_times().into_iter().map(|(path, times)| (path, Figures::Task(times)));
        let mut all: Vec<_> = programs.chain(tasks).collect();
        all.retain(|(path, _)| under.contains(path));
        self.turn(all)
    }

    fn turn(&mut self, mut all: Vec<(SupervisorPath, Figures)>) -> Vec<SupervisorPath> {
        // What is gone comes back as new.
        if self.told.len() > all.len() {
            let there: HashMap<_, _> = all.iter().map(|(path, usage)| (path, usage)).collect();
            self.told.retain(|path, _| there.contains_key(path));
        }
        all.retain(|(path, usage)| self.told.get(path).is_none_or(|told| is_other(told, usage)));
        all.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        let from = match &self.after {
            Some(after) => all.partition_point(|(path, _)| path.as_str() <= after.as_str()),
            None => 0,
        };
        all.rotate_left(from);
        all.truncate(ROWS);
        self.after = all.last().map(|(path, _)| path.clone());
        let paths = all.iter().map(|(path, _)| path.clone()).collect();
        self.told.extend(all);
        paths
    }
}

/// Whether somebody who looks would see a difference. Time that was used up is none by itself: it grows with the percent.
fn is_other(told: &Figures, now: &Figures) -> bool {
    match (told, now) {
        (Figures::Program(told), Figures::Program(now)) => {
            let counts =
                |usage: &ProgramUsage| (usage.cpu_percent, usage.threads, usage.descriptors, usage.processes);
            counts(told) != counts(now)
                || told.resident_bytes.abs_diff(now.resident_bytes) > told.resident_bytes / 64
        }
        (Figures::Task(told), Figures::Task(now)) => {
            let shown = |times: &PollTimes| (times.busy_percent, times.longest_poll_micros);
            shown(told) != shown(now)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(count: usize, cpu_percent: u32) -> Vec<(SupervisorPath, Figures)> {
        let usage = ProgramUsage { cpu_percent, resident_bytes: 6_400, ..ProgramUsage::default() };
        let one = |at| (SupervisorPath::parse(format!("/p{at:04}")).unwrap(), Figures::Program(usage));
        (0..count).map(one).collect()
    }

    #[tokio::test]
    async fn everybody_has_a_turn_and_who_uses_the_same_has_none() {
        let mut usages = Usages::new();
        let first = usages.turn(all(400, 1));
        assert_eq!((first.len(), first[0].as_str()), (ROWS, "/p0000"));
        let second = usages.turn(all(400, 2));
        assert_eq!((second.len(), second[0].as_str()), (ROWS, "/p0250"));
        assert_eq!(second[150].as_str(), "/p0000");
        assert_eq!(usages.turn(all(400, 2)).len(), 150);
        assert!(usages.turn(all(400, 2)).is_empty());
        assert!(usages.turn(all(3, 2)).is_empty());
        assert_eq!(usages.turn(all(400, 2)).len(), ROWS, "those came back");
    }

    #[test]
    fn a_little_more_memory_is_no_news() {
        let program = Figures::Program;
        let with = |resident_bytes| program(ProgramUsage { resident_bytes, ..ProgramUsage::default() });
        assert!(!is_other(&with(6_400), &with(6_500)) && is_other(&with(6_400), &with(6_501)));
        assert!(is_other(&with(0), &program(ProgramUsage { threads: 1, ..ProgramUsage::default() })));
        assert!(!is_other(&with(0), &program(ProgramUsage { cpu_millis: 1, ..ProgramUsage::default() })));
    }

    #[test]
    fn one_more_poll_is_no_news_and_another_share_is() {
        let task =
            |busy_percent, polls| Figures::Task(PollTimes { busy_percent, polls, ..PollTimes::default() });
        assert!(!is_other(&task(7, 1), &task(7, 2)) && is_other(&task(7, 1), &task(8, 1)));
        assert!(is_other(&task(0, 0), &Figures::Program(ProgramUsage::default())), "another kind of child");
    }
}
