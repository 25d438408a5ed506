//! Limits of all processes of a program together, which the kernel is not asked to enforce: the program is watched.

use supervisor_api::ProgramUsage;

/// A program may be above its limit of memory for an instant: only this many measurements in a row count.
const MEMORY_IN_A_ROW: u32 = 2;
/// A program that starts or has much to do may use all CPU for a while: about ten seconds of it count.
const CPU_IN_A_ROW: u32 = 5;

/// What is watched of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Watched {
    /// The most memory in use, in bytes.
    pub(crate) memory: Option<u64>,
    /// The most CPU, in percent of one core.
    pub(crate) cpu: Option<u32>,
}

impl Watched {
    /// Watches one run; `None` when there is nothing to watch.
    pub(crate) fn begin(self) -> Option<LimitWatch> {
        (self != Self::default()).then_some(LimitWatch { limits: self, memory: 0, cpu: 0 })
    }
}

/// Watches one run.
#[derive(Debug)]
pub(crate) struct LimitWatch {
    limits: Watched,
    /// How many measurements in a row were above each limit.
    memory: u32,
    cpu: u32,
}

impl LimitWatch {
    /// What is to be told of this measurement, if the program is above a limit and was for long enough.
    pub(crate) fn look(&mut self, usage: &ProgramUsage) -> Option<String> {
        let memory = self.limits.memory.and_then(|limit| too_much_memory(usage, limit));
        let cpu = self.limits.cpu.and_then(|limit| too_much_cpu(usage, limit));
        let memory = in_a_row(&mut self.memory, memory, MEMORY_IN_A_ROW);
        let cpu = in_a_row(&mut self.cpu, cpu, CPU_IN_A_ROW);
        memory.or(cpu)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_measurement_in_a_row_counts_of_memory() {
        let mut watch = Watched { memory: Some(500 << 20), cpu: None }.begin().unwrap();
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
        let mut watch = Watched { memory: None, cpu: Some(150) }.begin().unwrap();
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
        let mut watch = Watched { memory: Some(0), cpu: Some(0) }.begin().unwrap();
        let mut look = |resident_bytes, cpu_percent| {
            watch.look(&ProgramUsage { resident_bytes, cpu_percent, ..Default::default() })
        };
        assert_eq!([look(1, 1), look(0, 1), look(1, 1), look(0, 1)], [None, None, None, None]);
        assert_eq!(look(1, 1), Some("uses 1 % CPU, its limit is 0 %".to_owned()));
        assert!(Watched::default().begin().is_none());
    }
}
