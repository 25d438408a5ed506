//! From the way a program ended to the words of the tree.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use supervisor_api::Exit;

use crate::cgroup::Ended;
use crate::limits::Limit;
use crate::signal::Signal;
use crate::spec::ProgramSpec;

/// What was asked of the program before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Nothing.
    None,
    /// The stop signal was sent.
    Stop,
    /// SIGKILL was sent, because the grace had ended.
    Kill,
}

/// The exit of a program that ended with `status` (D22).
///
/// | asked | good exit code | other exit code | stop signal | SIGKILL | other signal |
/// |---|---|---|---|---|---|
/// | no | `Completed` | `Failed` | `Killed` | `Killed` | `Killed` |
/// | to stop | `Stopped` | `Failed` | `Stopped` | `Killed` | `Killed` |
/// | killed | `Stopped` | `Failed` | `Stopped` | `Killed` by us | `Killed` |
///
/// The stop signal stands for those of the escalation, too. A signal by which the kernel holds it to a limit of its spec is `Failed`, with the limit.
///
/// A bad end of which the kernel says that it killed a process for want of memory is `Failed` and says that, unless
/// SIGKILL was sent.
pub(crate) fn of(status: ExitStatus, request: Request, spec: &ProgramSpec, ended: Ended) -> Exit {
    let asked = request != Request::None;
    match (status.code(), status.signal()) {
        (Some(code), _) if spec.success_exit_codes.contains(&code) => match asked {
            true => Exit::Stopped,
            false => Exit::Completed,
        },
        (_, Some(signal)) if request == Request::Kill && signal == Signal::KILL.number() => {
            Exit::Killed { signal, by_us: true }
        }
        (_, Some(signal)) if asked && spec.asks_with(signal) => Exit::Stopped,
        _ if ended.out_of_memory => Exit::failed(out_of_memory(status, spec)),
        (_, Some(signal)) => match over_limit(signal, spec) {
            Some(limit) => Exit::failed(format!("{}: it came to its {limit}", describe(status))),
            None => Exit::Killed { signal, by_us: false },
        },
        _ => Exit::failed(describe(status)),
    }
}

/// How a program ended of which the kernel killed a process.
fn out_of_memory(status: ExitStatus, spec: &ProgramSpec) -> String {
    let limit = spec.together.memory.map(|limit| format!(", limit {} MiB", limit >> 20)).unwrap_or_default();
    match status.signal() {
        Some(libc::SIGKILL) => format!("killed by the kernel: out of memory{limit}"),
        _ => format!(
            "{}, after the kernel killed one of its processes: out of memory{limit}",
            describe(status)
        ),
    }
}

/// The limit that a signal of the kernel's speaks of, with its value.
fn over_limit(signal: i32, spec: &ProgramSpec) -> Option<String> {
    let limit = match signal {
        libc::SIGXCPU => Limit::CpuTime,
        libc::SIGXFSZ => Limit::FileSize,
        _ => return None,
    };
    let value = spec.limits.get(limit)?;
    Some(format!("{} of {}", limit.key(), limit.as_in_a_file(value)))
}

/// `exit code 3`, `killed by SIGSEGV`.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match Signal::parse(&signal.to_string()) {
            Some(signal) => format!("killed by {signal}"),
            None => format!("killed by signal {signal}"),
        },
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn signal(signal: i32) -> ExitStatus {
        ExitStatus::from_raw(signal)
    }

    fn killed(signal: i32, by_us: bool) -> Exit {
        Exit::Killed { signal, by_us }
    }

    #[test]
    fn d22_each_way_to_end_has_its_word() {
        let spec = ProgramSpec::new("x").success_exit_codes([0, 7]);
        let failed = || Exit::failed("exit code 3");
        use Request::{Kill, None, Stop};
        for (request, status, exit) in [
            (None, code(0), Exit::Completed),
            (None, code(7), Exit::Completed),
            (None, code(3), failed()),
            (None, signal(15), killed(15, false)),
            (None, signal(9), killed(9, false)),
            (None, signal(11), killed(11, false)),
            (Stop, code(0), Exit::Stopped),
            (Stop, code(7), Exit::Stopped),
            (Stop, code(3), failed()),
            (Stop, signal(15), Exit::Stopped),
            (Stop, signal(9), killed(9, false)),
            (Stop, signal(11), killed(11, false)),
            (Kill, code(0), Exit::Stopped),
            (Kill, code(3), failed()),
            (Kill, signal(15), Exit::Stopped),
            (Kill, signal(9), killed(9, true)),
            (Kill, signal(11), killed(11, false)),
        ] {
            assert_eq!(of(status, request, &spec, Ended::default()), exit, "{request:?} {status:?}");
        }
    }

    #[test]
    fn d22_the_stop_signal_is_the_one_of_the_spec() {
        let spec = ProgramSpec::new("x").stop_signal(Signal::INT);
        assert_eq!(of(signal(2), Request::Stop, &spec, Ended::default()), Exit::Stopped);
        assert_eq!(of(signal(15), Request::Stop, &spec, Ended::default()), killed(15, false));
        let later = spec.clone().escalate(std::time::Duration::ZERO, Signal::QUIT);
        assert_eq!(of(signal(libc::SIGQUIT), Request::Stop, &later, Ended::default()), Exit::Stopped);
        let unasked = of(signal(libc::SIGQUIT), Request::None, &later, Ended::default());
        assert_eq!(unasked, killed(libc::SIGQUIT, false));
        let spec = spec.stop_signal(Signal::KILL).success_exit_codes([]);
        assert_eq!(of(signal(9), Request::Stop, &spec, Ended::default()), Exit::Stopped);
        assert_eq!(of(code(0), Request::None, &spec, Ended::default()), Exit::failed("exit code 0"));
    }

    #[test]
    fn a_signal_that_speaks_of_a_limit_names_it_if_there_is_one() {
        let spec = ProgramSpec::new("x").limit(Limit::CpuTime, 7);
        let cpu = of(signal(libc::SIGXCPU), Request::None, &spec, Ended::default());
        assert_eq!(cpu, Exit::failed("killed by SIGXCPU: it came to its max_cpu_secs of 7"));
        assert_eq!(
            of(signal(libc::SIGXFSZ), Request::None, &spec, Ended::default()),
            killed(libc::SIGXFSZ, false)
        );
    }

    #[test]
    fn a_bad_end_for_want_of_memory_says_so_with_the_limit() {
        let spec = ProgramSpec::new("x").max_memory(500 << 20);
        let end = |status, request, spec| of(status, request, spec, Ended { out_of_memory: true });
        let killed_for_it = Exit::failed("killed by the kernel: out of memory, limit 500 MiB");
        assert_eq!(end(signal(9), Request::None, &spec), killed_for_it);
        assert_eq!(end(signal(9), Request::Stop, &spec), killed_for_it);
        assert_eq!(end(signal(9), Request::Kill, &spec), killed(9, true), "that was us");
        let of_a_child =
            "exit code 1, after the kernel killed one of its processes: out of memory, limit 500 MiB";
        assert_eq!(end(code(1), Request::None, &spec), Exit::failed(of_a_child));
        assert_eq!(end(code(0), Request::None, &spec), Exit::Completed, "it did without");
        assert_eq!(end(signal(15), Request::Stop, &spec), Exit::Stopped);
        let machine = Exit::failed("killed by the kernel: out of memory");
        assert_eq!(end(signal(9), Request::None, &ProgramSpec::new("x")), machine);
    }

    #[test]
    fn a_core_dump_is_the_signal_that_made_it() {
        let spec = ProgramSpec::new("x");
        assert_eq!(of(signal(11 | 0x80), Request::None, &spec, Ended::default()), killed(11, false));
        assert_eq!(describe(signal(11 | 0x80)), "killed by SIGSEGV");
    }
}
