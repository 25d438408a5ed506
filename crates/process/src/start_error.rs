//! Why a program could not be started, in words that name the place and the remedy.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::group::Program;
use crate::identity::RunsAs;
use crate::step::Step;

/// Why a program could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program is not in any directory of its `PATH`.
    #[error(
        "cannot start `{program}`: not found in PATH ({path}); \
         name it with its directory, or add that to PATH"
    )]
    NotInPath {
        /// What was looked for.
        program: String,
        /// Where.
        path: String,
    },
    /// The program's file cannot be executed.
    #[error("cannot start `{program}`: {why}")]
    Program {
        /// The file.
        program: String,
        /// What is wrong with it.
        why: String,
    },
    /// The program was not tried, since it cannot have its working directory.
    #[error("cannot start `{program}`: working_dir `{dir}`: {why}")]
    WorkingDir {
        /// The program.
        program: String,
        /// Its working directory.
        dir: String,
        /// What is wrong with it.
        why: String,
    },
    /// A word of the command or the environment cannot be handed to a program.
    #[error("cannot start `{program}`: {what} contains a NUL character")]
    Nul {
        /// The program.
        program: String,
        /// Which word.
        what: String,
    },
    /// The program's cgroup could not be made, or not be held to a limit.
    #[error("cannot start `{program}`: its cgroup: {place}: {why}")]
    Cgroup {
        /// The program.
        program: String,
        /// The directory or file.
        place: String,
        /// The system's reason.
        why: String,
    },
    /// The thread that starts programs could not be started, or is gone.
    #[error("cannot start a program: the system gives no thread to start it from")]
    NoThread,
    /// The system refused something that has nothing to do with the program's file.
    #[error("cannot start `{program}`: {what}: {why}")]
    System {
        /// The program.
        program: String,
        /// What was refused.
        what: &'static str,
        /// The system's reason.
        why: String,
    },
}

/// The file that `program` means: itself if it names a directory, otherwise the first one in `path` that may
/// be executed. A relative result is relative to `working_dir`, as it is for the program itself.
pub(crate) fn find(program: &OsStr, path: &OsStr, working_dir: Option<&Path>) -> Result<PathBuf, StartError> {
    if program.as_bytes().contains(&b'/') {
        return Ok(program.into());
    }
    let mut unusable = None;
    if !program.is_empty() {
        for dir in std::env::split_paths(path) {
            let file = dir.join(program);
            let file = if file.as_os_str() == program { Path::new(".").join(program) } else { file };
            match std::fs::metadata(from(working_dir, &file)) {
                Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return Ok(file),
                Ok(found) if found.is_file() => unusable = unusable.or(Some(file)),
                _ => {}
            }
        }
    }
    Err(match unusable {
        Some(file) => StartError::Program { program: show(&file), why: not_executable() },
        None => StartError::NotInPath {
            program: program.to_string_lossy().into_owned(),
            path: path.to_string_lossy().into_owned(),
        },
    })
}

/// Says in words what a failed spawn of `file` means.
pub(crate) fn explain(error: &io::Error, Program { image, file, working_dir, .. }: &Program) -> StartError {
    let (program, working_dir) = (show(file), working_dir.as_deref());
    let (step, error) = Step::of(error);
    let system = |what| StartError::System { program: program.clone(), what, why: reason(&error) };
    match step {
        Step::Exec => {
            let why = exec_failed(&error, file, working_dir) + &may_not(&error, image.runs_as.as_ref());
            StartError::Program { program, why }
        }
        Step::WorkingDir => StartError::WorkingDir {
            program,
            dir: working_dir.map(show).unwrap_or_default(),
            why: reason(&error) + &may_not(&error, image.runs_as.as_ref()),
        },
        Step::Limit(limit) => {
            let value =
                image.limits.iter().find(|(set, _)| *set == limit).and_then(|(_, value)| value.current);
            let value = limit.as_in_a_file(value.unwrap_or_default());
            let why = format!("{value}: {}", limit.refusal(&reason(&error)));
            StartError::System { program, what: limit.key(), why }
        }
        Step::Fork => {
            StartError::System { what: "the system cannot make a process", why: no_process(&error), program }
        }
        Step::Orphaned => system("the supervisor is ending"),
        Step::RunsAs => {
            let (what, why) = image.runs_as.as_ref().map_or(("user", String::new()), RunsAs::refusal);
            StartError::System { program, what, why: format!("{}; {why}", reason(&error)) }
        }
        Step::Nice => {
            let why = format!(
                "{}: {}; only root may go below the supervisor's own, which is {}: raise it, or start the supervisor as \
                 root",
                image.nice.unwrap_or_default(),
                reason(&error),
                rustix::process::getpriority_process(None).unwrap_or_default()
            );
            StartError::System { program, what: "nice", why }
        }
        Step::NoNewPrivileges => system("no_new_privs"),
        Step::Descriptors => system("closing inherited descriptors"),
        Step::Terminal => system("terminal"),
        Step::Cgroup => system("entering its cgroup"),
        Step::Guardian => system("the guardian cannot be told of it"),
    }
}

/// Why there is no process, with the remedy where it is a limit of this process.
fn no_process(error: &io::Error) -> String {
    let why = reason(error);
    match error.raw_os_error() {
        Some(libc::EMFILE) => format!(
            "{why} in the supervisor; each program that runs takes three: \
             raise the limit with `ulimit -n` where the supervisor is started"
        ),
        Some(libc::EAGAIN) => format!(
            "{why}; its user, its cgroup or the machine has as many processes as it may (`ulimit -u`, pids.max)"
        ),
        _ => why,
    }
}

/// Who it is that may not, when it is not the supervisor.
fn may_not(error: &io::Error, runs_as: Option<&RunsAs>) -> String {
    match runs_as.and_then(|runs_as| runs_as.user) {
        Some(user) if error.raw_os_error() == Some(libc::EACCES) => format!("; it runs as the user {user}"),
        _ => String::new(),
    }
}

fn exec_failed(error: &io::Error, file: &Path, working_dir: Option<&Path>) -> String {
    let place = from(working_dir, file);
    let found = std::fs::metadata(&place);
    match (error.raw_os_error(), found) {
        (Some(libc::ENOENT | libc::ENOTDIR), Ok(_)) => match shebang(&place) {
            Some(line) => format!("the interpreter in its first line is missing: {line}"),
            None => "the loader it was linked for is missing on this machine".into(),
        },
        (Some(libc::ENOENT | libc::ENOTDIR), Err(_)) => match working_dir.filter(|_| file.is_relative()) {
            Some(dir) => format!("no such file (relative to working_dir `{}`)", dir.display()),
            None => "no such file".into(),
        },
        (Some(libc::EACCES), Ok(found)) if found.is_dir() => "it is a directory".into(),
        (Some(libc::EACCES), Ok(found)) if found.permissions().mode() & 0o111 == 0 => not_executable(),
        (Some(libc::EACCES), _) => "permission denied; a directory on its way may not be entered, \
             or its file system is mounted noexec"
            .into(),
        (Some(libc::ENOEXEC), _) => {
            "not in a format that can be executed: a script needs a first line like `#!/bin/sh`, \
             a binary must be made for this machine"
                .into()
        }
        (Some(libc::EAGAIN), _) => {
            "its user has as many processes as it may; raise `max_user_processes`, or end some of them".into()
        }
        (Some(libc::E2BIG), _) => "its arguments and environment are too long for the system".into(),
        _ => reason(error),
    }
}

fn not_executable() -> String {
    "not executable; allow it with `chmod +x`".into()
}

/// The first line of a script, for a message: bounded, and printable.
fn shebang(file: &Path) -> Option<String> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(file).ok()?.take(200).read_to_end(&mut start).ok()?;
    let line = start.split(|&byte| byte == b'\n').next().filter(|line| line.starts_with(b"#!"))?;
    Some(crate::text::printable(line, 200).0)
}

/// `file` as seen from `dir`.
pub(crate) fn from(dir: Option<&Path>, file: &Path) -> PathBuf {
    dir.map_or_else(|| file.into(), |dir| dir.join(file))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// The system's words without std's "(os error 2)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text[..end].to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}
