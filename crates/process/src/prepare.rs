//! From a spec to what is executed: the program found, every word ready. Done before the fork.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::Mode;

use crate::between::{Image, OWN_PID};
use crate::cgroup::{self, Cgroup};
use crate::environment;
use crate::group::Program;
use crate::input::Input;
use crate::passed;
use crate::spec::ProgramSpec;
use crate::start_error::{StartError, find, reason};

impl ProgramSpec {
    pub(crate) fn own_environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What is executed for the run called `run`: the program found, every word ready. It gets the variables `more`
    /// over its own, and is in a cgroup of its own if this process makes any.
    pub(crate) fn program(&self, run: &str, more: &[(&str, String)]) -> Result<Program, StartError> {
        let passed = passed::variables(&self.passed);
        let more = more.iter().chain(&passed).map(|(name, value)| (*name, value.as_str()));
        let terminal = (self.input == Input::Terminal).then_some(("TERM", "dumb"));
        let own =
            terminal.into_iter().chain(self.own_environment()).chain(more).chain([(environment::RUN, run)]);
        let (runs_as, variables) = self.identity.look_up().map_err(|(what, why)| StartError::System {
            program: self.program.to_string_lossy().into_owned(),
            what,
            why,
        })?;
        let environment = environment::build(variables.over(std::env::vars_os()), own);
        let file = find(&self.program, environment::path(&environment), self.working_dir.as_deref())?;
        let passed = passed::above(&self.passed).map_err(|error| StartError::System {
            program: file.display().to_string(),
            what: "passing its descriptors",
            why: reason(&error),
        })?;
        let made = cgroup::current().map(|house| house.make(run, &self.together)).transpose();
        let cgroup = made.map_err(|(place, error)| StartError::Cgroup {
            program: file.display().to_string(),
            place: place.display().to_string(),
            why: reason(&error),
        })?;
        let procs = cgroup.as_ref().map(Cgroup::procs);
        let image = Image { runs_as, passed, cgroup: procs, ..self.image(file.as_os_str(), &environment)? };
        let image = Arc::new(image);
        let input = self.input.open(self.working_dir.as_deref()).map_err(|why| StartError::System {
            program: file.display().to_string(),
            what: self.input.key(),
            why,
        })?;
        Ok(Program { image, file, working_dir: self.working_dir.clone(), input, cgroup })
    }

    /// The image without the identity, which is looked up on this machine, and without what is passed.
    pub(crate) fn image(
        &self,
        file: &OsStr,
        environment: &environment::Environment,
    ) -> Result<Image, StartError> {
        let word = |text: &OsStr, what: &str| {
            CString::new(text.as_bytes()).map_err(|_| StartError::Nul {
                program: file.to_string_lossy().replace('\0', "\\0"),
                what: what.replace('\0', "\\0"),
            })
        };
        let pair = |(name, value): (&OsString, &OsString)| {
            let text = [name.as_os_str(), value.as_os_str()].join(OsStr::new("="));
            word(&text, &format!("the variable {}", name.to_string_lossy()))
        };
        let arguments = std::iter::once(&self.program).chain(&self.args);
        // Its place is known here, its value only when there is a process.
        let own_pid =
            OWN_PID.map(|own| environment.iter().position(|(name, value)| name == own && value.is_empty()));
        Ok(Image {
            own_pid,
            passed: Vec::new(),
            terminal: self.input == Input::Terminal,
            path: word(file, "its path")?,
            arguments: arguments.map(|arg| word(arg, "an argument")).collect::<Result<_, _>>()?,
            environment: environment.iter().map(pair).collect::<Result<_, _>>()?,
            working_dir: self
                .working_dir
                .as_deref()
                .map(Path::as_os_str)
                .map(|d| word(d, "working_dir"))
                .transpose()?,
            limits: self.limits.to_set(),
            runs_as: None,
            umask: self.identity.umask.map(Mode::from_raw_mode),
            nice: self.identity.nice.map(Into::into),
            no_new_privileges: !self.allow_new_privileges,
            cgroup: None,
        })
    }

    /// The same program's surroundings with another command: for a probe that is a program.
    pub(crate) fn with_command(&self, program: &OsStr, args: &[OsString]) -> Self {
        Self { args: args.to_vec(), ..self.surroundings(program) }
    }

    fn surroundings(&self, program: &OsStr) -> Self {
        Self {
            working_dir: self.working_dir.clone(),
            environment: self.environment.clone(),
            identity: self.identity.clone(),
            limits: self.limits,
            allow_new_privileges: self.allow_new_privileges,
            ..Self::new(program)
        }
    }
}

/// A name for a run that no other run on this machine has.
pub(crate) fn new_run() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    static PROCESS: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let process = PROCESS.get_or_init(|| {
        // The process id alone comes again after the machine or the container was started again.
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        format!("{}-{}", uuid.trim(), std::process::id())
    });
    format!("{process}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_have_one_name() {
        assert_ne!(new_run(), new_run());
    }
}
