//! Limits of all processes of a program together. What the kernel does not hold it to is watched.

use supervisor_api::ProgramUsage;

use crate::cgroup::Held;

/// A program may be above its limit of memory for an instant: only this many measurements in a row count.
const MEMORY_IN_A_ROW: u32 = 2;
/// A program that starts or has much to do may use all CPU for a while: about ten seconds of it count.
const CPU_IN_A_ROW: u32 = 5;

/// As of memory.
const PROCESSES_IN_A_ROW: u32 = 2;

/// What all processes of a program may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Together {
    /// The most memory in use, in bytes.
    pub(crate) memory: Option<u64>,
    /// Memory above which the kernel slows the program down, in bytes. Nobody else can.
    pub(crate) high_memory: Option<u64>,
    /// The most CPU, in percent of one core.
    pub(crate) cpu: Option<u32>,
    /// The most processes and threads.
    pub(crate) processes: Option<u32>,
}

impl Together {
    /// What is left to be watched where the kernel holds the program to the others.
    pub(crate) fn without(self, held: Held) -> Self {
        Self {
            memory: self.memory.filter(|_| !held.memory),
            high_memory: None,
            cpu: self.cpu.filter(|_| !held.cpu),
            processes: self.processes.filter(|_| !held.processes),
        }
    }

    /// Watches one run; `None` when there is nothing to watch.
    pub(crate) fn begin(self) -> Option<LimitWatch> {
        let limits = Self { high_memory: None, ..self };
        (limits != Self::default()).then_some(LimitWatch { limits, memory: 0, cpu: 0, processes: 0 })
    }
}

/// Watches one run.
#[derive(Debug)]
pub(crate) struct LimitWatch {
    limits: Together,
    /// How many measurements in a row were above each limit.
    memory: u32,
    cpu: u32,
    processes: u32,
}

impl LimitWatch {
    /// What is to be told of this measurement, if the program is above a limit and was for long enough.
    pub(crate) fn look(&mut self, usage: &ProgramUsage) -> Option<String> {
        let memory = self.limits.memory.and_then(|limit| too_much_memory(usage, limit));
        let cpu = self.limits.cpu.and_then(|limit| too_much_cpu(usage, limit));
        let processes = self.limits.processes.and_then(|limit| too_many(usage, limit));
        let memory = in_a_row(&mut self.memory, memory, MEMORY_IN_A_ROW);
        let cpu = in_a_row(&mut self.cpu, cpu, CPU_IN_A_ROW);
        let processes = in_a_row(&mut self.processes, processes, PROCESSES_IN_A_ROW);
        memory.or(cpu).or(processes)
    }
}

/// Counts what is said in a row, and keeps it to itself until there is enough of it.
fn in_a_row(above: &mut u32, said: Option<String>, enough: u32) -> Option<String> {
    *above = if said.is_some() { above.saturating_add(1) } else { 0 };
    said.filter(|_| *above >= enough)
}

/// Says that a program uses more memory than its limit, if it does.
fn too_much_memory(usage: &ProgramUsage, limit: u64) -> Option<String> {
    // Rounded up, so that what is above is also shown above.
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    (usage.resident_bytes > limit)
        .then(|| format!("uses {} MiB of memory, its limit is {} MiB", mib(usage.resident_bytes), mib(limit)))
}

/// Says that a program uses more CPU than its limit, if it does.
fn too_much_cpu(usage: &ProgramUsage, limit: u32) -> Option<String> {
    (usage.cpu_percent > limit).then(|| format!("uses {} % CPU, its limit is {limit} %", usage.cpu_percent))
}

/// Says that a program has more processes and threads than its limit, if it has.
fn too_many(usage: &ProgramUsage, limit: u32) -> Option<String> {
    // Each process has a thread at least.
    let many = usage.threads;
    (many > limit).then(|| format!("has {many} processes and threads, its limit is {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_measurement_in_a_row_counts_of_memory() {
        let mut watch = Together { memory: Some(500 << 20), ..Together::default() }.begin().unwrap();
        let mut look = |bytes: u64| watch.look(&ProgramUsage { resident_bytes: bytes, ..Default::default() });
        assert_eq!(look(612 << 20), None);
        assert_eq!(look(500 << 20), None, "at the limit is not above it");
        assert_eq!(look(612 << 20), None);
        let said = Some("uses 501 MiB of memory, its limit is 500 MiB".to_owned());
        assert_eq!(look((500 << 20) + 1), said);
        assert_eq!(look((500 << 20) + 1), said, "it is told until it is over");
    }

    #[test]
    fn only_the_fifth_measurement_in_a_row_counts_of_cpu() {
        let mut watch = Together { cpu: Some(150), ..Together::default() }.begin().unwrap();
        let mut look = |cpu_percent| watch.look(&ProgramUsage { cpu_percent, ..Default::default() });
        for _ in 0..4 {
            assert_eq!(look(400), None);
        }
        assert_eq!(look(150), None, "at the limit is not above it");
        for _ in 0..4 {
            assert_eq!(look(400), None);
        }
        assert_eq!(look(151), Some("uses 151 % CPU, its limit is 150 %".to_owned()));
    }

    #[test]
    fn each_limit_is_counted_by_itself_and_nothing_is_watched_without_one() {
        let mut watch = Together { memory: Some(0), cpu: Some(0), ..Together::default() }.begin().unwrap();
        let mut look = |resident_bytes, cpu_percent| {
            watch.look(&ProgramUsage { resident_bytes, cpu_percent, ..Default::default() })
        };
        assert_eq!([look(1, 1), look(0, 1), look(1, 1), look(0, 1)], [None, None, None, None]);
        assert_eq!(look(1, 1), Some("uses 1 % CPU, its limit is 0 %".to_owned()));
        assert!(Together { high_memory: Some(0), ..Together::default() }.begin().is_none());
    }

    #[test]
    fn threads_are_counted_with_processes_and_only_what_the_kernel_does_not_hold_is_watched() {
        let limits = Together { memory: Some(0), cpu: Some(0), processes: Some(3), high_memory: Some(0) };
        let held = Held { memory: true, cpu: true, processes: false };
        let mut watch = limits.without(held).begin().unwrap();
        let mut look = |threads| {
            watch.look(&ProgramUsage { resident_bytes: 9, cpu_percent: 9, threads, ..Default::default() })
        };
        assert_eq!([look(4), look(3), look(4)], [None, None, None]);
        assert_eq!(look(5), Some("has 5 processes and threads, its limit is 3".to_owned()));
        assert!(limits.without(Held { processes: true, ..held }).begin().is_none());
    }
}
