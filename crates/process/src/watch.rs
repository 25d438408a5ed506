//! A limit of memory that the kernel is not asked to enforce: the program is watched.

use supervisor_api::ProgramUsage;

/// A program may be above its limit for an instant: only this many measurements in a row count.
const IN_A_ROW: u32 = 2;

/// Watches one run.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    limit: u64,
    above: u32,
}

impl MemoryWatch {
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, above: 0 }
    }

    /// What is to be told of this measurement, if the program is and was above its limit.
    pub(crate) fn look(&mut self, usage: &ProgramUsage) -> Option<String> {
        let said = too_much(usage, self.limit);
        self.above = if said.is_some() { self.above + 1 } else { 0 };
        said.filter(|_| self.above >= IN_A_ROW)
    }
}

/// Says that a program uses more than its limit, if it does.
fn too_much(usage: &ProgramUsage, limit: u64) -> Option<String> {
    // Rounded up, so that what is above is also shown above.
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    (usage.resident_bytes > limit)
        .then(|| format!("uses {} MiB of memory, its limit is {} MiB", mib(usage.resident_bytes), mib(limit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_measurement_in_a_row_counts() {
        let mut watch = MemoryWatch::new(500 << 20);
        let mut look = |bytes: u64| watch.look(&ProgramUsage { resident_bytes: bytes, ..Default::default() });
        assert_eq!(look(612 << 20), None);
        assert_eq!(look(500 << 20), None, "at the limit is not above it");
        assert_eq!(look(612 << 20), None);
        let said = Some("uses 501 MiB of memory, its limit is 500 MiB".to_owned());
        assert_eq!(look((500 << 20) + 1), said);
        assert_eq!(look((500 << 20) + 1), said, "it is told until it is over");
    }
}
