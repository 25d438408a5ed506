//! What programs do. The soak runs its own binary as every one of them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use supervisor_process::{Check, Probe, ProgramSpec, Readiness};
use supervisor_testkit::Random;
use tokio_supervisor::ChildSpec;

use crate::world::{MARK, World};

/// Where the locks are, which one is meant, and what decides.
const DIR: &str = "SOAK_DIR";
const NAME: &str = "SOAK_NAME";
const SEED: &str = "SOAK_SEED";
/// Set for a process that a program has started.
const HELPER: &str = "SOAK_HELPER";

/// The file to which a program writes that it met another of its name.
pub(crate) const DOUBLES: &str = "doubles";

/// No program lives longer, whoever forgets it.
const LONGEST: u64 = 120_000;

/// A program as a child. Every fourth ignores the stop signal, every third is ready when it says so. `name` is that of
/// its lock, `tree` says which tree of the soak it belongs to.
pub(crate) fn child(world: &Arc<World>, name: &str, number: u64, tree: &str) -> ChildSpec {
    let this = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let program = if number % 4 == 3 {
        let words = ["-c", "trap '' TERM; exec \"$0\" --program"];
        ProgramSpec::new("sh").args(words).arg(this)
    } else {
        ProgramSpec::new(this).arg("--program")
    };
    let mut program = program
        .env(MARK, format!("{}{tree}", world.mark))
        .env(DIR, world.dir.display().to_string())
        .env(NAME, name)
        .env(SEED, world.seed.to_string());
    if number % 3 == 2 {
        let probe = Probe::log_line("ready");
        program = program.readiness(Readiness::Probe(Check::new(probe).every(Duration::from_millis(20))));
    }
    program.into_child(name).ready_within(Duration::from_secs(3))
}

/// Plays a program, in its own process.
pub(crate) fn play() -> ExitCode {
    let said = |name| std::env::var(name).unwrap_or_default();
    if std::env::var_os(HELPER).is_some() {
        rest(LONGEST);
        return ExitCode::SUCCESS;
    }
    let dir = PathBuf::from(said(DIR));
    let (_lock, number) = match claim(&dir, &said(NAME)) {
        Ok(claimed) => claimed,
        Err(problem) => {
            complain(&dir, &problem);
            return ExitCode::from(9);
        }
    };
    let seed: u64 = said(SEED).parse().unwrap_or_default();
    let name = said(NAME).bytes().fold(seed, |hash, byte| hash.rotate_left(7) ^ u64::from(byte));
    act(Random::new(name ^ number.rotate_left(32)))
}

/// Takes the lock of this name, and the number of this run. The system gives the lock back when the process is gone.
fn claim(dir: &std::path::Path, name: &str) -> Result<(File, u64), String> {
    let path = dir.join(name);
    let broken = |error: std::io::Error| format!("{name} cannot use {}: {error}", path.display());
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(broken)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(format!("{name} began while an older one lived")),
        Err(TryLockError::Error(error)) => return Err(broken(error)),
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(broken)?;
    let number = text.trim().parse().unwrap_or(0) + 1;
    file.seek(SeekFrom::Start(0)).map_err(broken)?;
    write!(file, "{number}").map_err(broken)?;
    Ok((file, number))
}

fn complain(dir: &std::path::Path, problem: &str) {
    let file = OpenOptions::new().create(true).append(true).open(dir.join(DOUBLES));
    // When even that fails, the exit code is all that is left to say it.
    let _ = file.and_then(|mut file| writeln!(file, "{problem}"));
}

fn act(mut random: Random) -> ExitCode {
    let mut helpers = Vec::new();
    if random.percent(30) {
        for _ in 0..=random.below(3) {
            helpers.extend(helper());
        }
    }
    if random.percent(95) {
        rest(random.below(100));
        say("ready");
    }
    if random.percent(20) {
        let line = "a flood of output ".repeat(random.below(400) as usize);
        for _ in 0..2_000 {
            say(&line);
        }
    }
    if random.percent(30) {
        rest(LONGEST);
    } else {
        rest(random.below(4_000));
    }
    let code = [0, 0, 1, 3][random.below(4) as usize];
    // Helpers are left to whoever looks after the group.
    drop(helpers);
    ExitCode::from(code)
}

/// A process of the same group that takes no notice of the end of its parent.
fn helper() -> Option<std::process::Child> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.arg("--program").env(HELPER, "1").stdin(Stdio::null()).spawn().ok()
}

/// A line; nobody reading is no reason to end.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, without a runtime")]
fn rest(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_one_name_is_refused_until_the_first_is_gone_and_runs_are_counted() {
        let _alone = crate::census::tests::HOLDING.blocking_lock();
        let dir = tempfile::tempdir().unwrap();
        let first = claim(dir.path(), "a").unwrap();
        assert!(claim(dir.path(), "a").unwrap_err().contains("older one lived"));
        assert_eq!((first.1, claim(dir.path(), "b").unwrap().1), (1, 1));
        drop(first);
        assert_eq!(claim(dir.path(), "a").unwrap().1, 2);
    }
}
