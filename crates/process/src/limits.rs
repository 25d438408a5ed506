//! What the kernel holds each process of a program to (`setrlimit`).

use rustix::process::{Resource, Rlimit};
use supervisor_api::manifest::ResourceLimits;

/// The kernel counts bytes, a file MiB.
const MIB: u64 = 1024 * 1024;

/// A limit that the kernel keeps for each process by itself. A program inherits it to whatever it starts, and cannot
/// raise it again, unless it runs as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Open files and sockets. Its number is a count.
    FileDescriptors,
    /// The size of a core file, in bytes.
    Core,
    /// Processes and threads of the same user. Root is not bound by it.
    UserProcesses,
    /// The size of a file that is written, in bytes.
    FileSize,
    /// Address space, in bytes.
    AddressSpace,
    /// The size of the stack, in bytes.
    Stack,
    /// CPU time, in seconds: then SIGXCPU, and SIGKILL a second of CPU later.
    CpuTime,
    /// Memory that is locked, in bytes. Root is not bound by it.
    LockedMemory,
}

/// How many limits there are.
const COUNT: usize = Limit::ALL.len();

impl Limit {
    /// Every limit.
    pub const ALL: &'static [Self] = &[
        Self::FileDescriptors,
        Self::Core,
        Self::UserProcesses,
        Self::FileSize,
        Self::AddressSpace,
        Self::Stack,
        Self::CpuTime,
        Self::LockedMemory,
    ];

    /// Its key in `resource_limits` of a file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::FileDescriptors => "max_file_descriptors",
            Self::Core => "max_core_mb",
            Self::UserProcesses => "max_user_processes",
            Self::FileSize => "max_file_size_mb",
            Self::AddressSpace => "max_address_space_mb",
            Self::Stack => "max_stack_mb",
            Self::CpuTime => "max_cpu_secs",
            Self::LockedMemory => "max_locked_memory_mb",
        }
    }

    /// What shows a shell's own hard limit.
    const fn ulimit(self) -> &'static str {
        match self {
            Self::FileDescriptors => "ulimit -Hn",
            Self::Core => "ulimit -Hc",
            Self::UserProcesses => "ulimit -Hu",
            Self::FileSize => "ulimit -Hf",
            Self::AddressSpace => "ulimit -Hv",
            Self::Stack => "ulimit -Hs",
            Self::CpuTime => "ulimit -Ht",
            Self::LockedMemory => "ulimit -Hl",
        }
    }

    /// What the kernel calls it.
    pub(crate) const fn resource(self) -> Resource {
        match self {
            Self::FileDescriptors => Resource::Nofile,
            Self::Core => Resource::Core,
            Self::UserProcesses => Resource::Nproc,
            Self::FileSize => Resource::Fsize,
            Self::AddressSpace => Resource::As,
            Self::Stack => Resource::Stack,
            Self::CpuTime => Resource::Cpu,
            Self::LockedMemory => Resource::Memlock,
        }
    }

    /// How many of the kernel's units one of the file's is.
    const fn unit(self) -> u64 {
        match self {
            Self::FileDescriptors | Self::UserProcesses | Self::CpuTime => 1,
            Self::Core | Self::FileSize | Self::AddressSpace | Self::Stack | Self::LockedMemory => MIB,
        }
    }

    /// Soft and hard together, so that a program cannot raise it. Only for CPU time the hard one is a second more: at
    /// it the kernel kills, and with SIGXCPU the end says why.
    const fn both(self, value: u64) -> Rlimit {
        let maximum = if matches!(self, Self::CpuTime) { value.saturating_add(1) } else { value };
        Rlimit { current: Some(value), maximum: Some(maximum) }
    }

    /// A value as a file says it.
    pub(crate) const fn as_in_a_file(self, value: u64) -> u64 {
        value / self.unit()
    }

    /// Why a value is refused to a program, and what to do.
    pub(crate) fn refusal(self, why: &str) -> String {
        let own = match rustix::process::getrlimit(self.resource()).maximum {
            Some(own) => format!("which is {}", self.as_in_a_file(own)),
            None => "which has no end".to_owned(),
        };
        format!(
            "{why}; it may not be above the supervisor's own hard limit, {own}: \
             lower it, or raise that (`{}`) where the supervisor is started",
            self.ulimit()
        )
    }
}

/// The limits of one program, in the kernel's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Limits([Option<u64>; COUNT]);

impl Limits {
    pub(crate) fn of(manifest: &ResourceLimits) -> Self {
        let positive = |value: Option<std::num::NonZeroU32>| value.map(std::num::NonZeroU32::get);
        let mut limits = Self::default();
        for &limit in Limit::ALL {
            let said = match limit {
                Limit::FileDescriptors => positive(manifest.max_file_descriptors),
                Limit::Core => manifest.max_core_mb,
                Limit::UserProcesses => positive(manifest.max_user_processes),
                Limit::FileSize => positive(manifest.max_file_size_mb),
                Limit::AddressSpace => positive(manifest.max_address_space_mb),
                Limit::Stack => positive(manifest.max_stack_mb),
                Limit::CpuTime => positive(manifest.max_cpu_secs),
                Limit::LockedMemory => manifest.max_locked_memory_mb,
            };
            limits.0[limit as usize] = said.map(|value| u64::from(value) * limit.unit());
        }
        limits
    }

    pub(crate) fn set(&mut self, limit: Limit, value: u64) {
        self.0[limit as usize] = Some(value);
    }

    pub(crate) const fn get(&self, limit: Limit) -> Option<u64> {
        self.0[limit as usize]
    }

    /// What is wrong with them, as far as it can be known without starting anything.
    pub(crate) fn findings(&self) -> Vec<String> {
        let too_few = self.get(Limit::FileDescriptors).is_some_and(|limit| limit < 3);
        too_few.then(|| "max_file_descriptors: a program needs at least 3".to_owned()).into_iter().collect()
    }

    /// What is to be set between fork and exec. Made before the fork.
    pub(crate) fn to_set(self) -> Vec<(Limit, Rlimit)> {
        let said = Limit::ALL.iter().filter_map(|&limit| Some((limit, limit.both(self.get(limit)?))));
        // The supervisor may have raised its own for itself.
        let given_back = self.get(Limit::FileDescriptors).is_none().then(crate::descriptors::given_back);
        let given_back = given_back.flatten().map(|limit| (Limit::FileDescriptors, limit));
        said.chain(given_back).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_place_and_the_key_of_a_file() {
        for (place, limit) in Limit::ALL.iter().enumerate() {
            assert_eq!(*limit as usize, place);
            let json = format!("{{\"{}\": 7}}", limit.key());
            let limits = Limits::of(&serde_json::from_str(&json).unwrap());
            assert_eq!(limits.get(*limit).map(|value| limit.as_in_a_file(value)), Some(7), "{json}");
            assert_eq!(Limit::ALL.iter().filter(|limit| limits.get(**limit).is_some()).count(), 1);
        }
    }
}
