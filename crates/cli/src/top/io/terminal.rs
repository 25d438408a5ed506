//! The terminal: taken, and given back however the program ends.

use std::io::{self, Stdout, Write, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{ExecutableCommand as _, queue};
use rustix::process::{Signal, getpgrp, kill_process_group};

/// Whether the terminal is ours now. It is one, whoever asks: a panic anywhere gives it back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal: another page, no echo, each key at once.
    pub(super) fn take() -> io::Result<Self> {
        give_back_in_panics();
        enter()?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))? })
    }

    pub(super) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.terminal
    }

    /// Gives the terminal back and stops the program and its group, as Ctrl-Z does it with others, until somebody
    /// continues it. Where nobody could, the system does not stop it.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        // The signal is taken by this thread, which is the first of the process, before the call returns.
        let sent = kill_process_group(getpgrp(), Signal::TSTP);
        self.again()?;
        sent.map_err(Into::into)
    }

    /// Takes the terminal again after somebody else may have had it, and draws everything anew.
    pub(super) fn again(&mut self) -> io::Result<()> {
        // A shell has its own modes in the terminal by now: ours are set whatever we think they are.
        leave();
        enter()?;
        // To clear it would ask the terminal where the cursor is, and the answer would come as keys; the same size is set anew
        // without a question.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    queue!(stdout(), EnterAlternateScreen, Hide)?;
    stdout().flush()
}

/// Gives the terminal back if it is ours. What cannot be written then cannot be told either.
fn leave() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = stdout().execute(Show);
        let _ = stdout().execute(LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// What a panic says is to be read on the page of the shell.
fn give_back_in_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, tcgetattr};

    use super::*;

    /// Set for the process that has a terminal to panic on.
    const ON_A_TERMINAL: &str = "SUPERVISOR_TEST_ON_A_TERMINAL";

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_read_on_the_page_of_the_shell() {
        if std::env::var_os(ON_A_TERMINAL).is_some() {
            let _screen = Screen::take().unwrap();
            panic!("all is lost");
        }
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let program = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let end = || Stdio::from(program.try_clone().unwrap());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--nocapture", "--exact"]);
        command.arg(
            "top::io::terminal::tests::a_panic_gives_the_terminal_back_and_is_read_on_the_page_of_the_shell",
        );
        command.env(ON_A_TERMINAL, "1").stdin(end()).stdout(end()).stderr(end());
        let mut child = command.spawn().unwrap();
        drop((command, program));
        let mut seen = Vec::new();
        // A terminal has no end but an error.
        assert!(File::from(person.try_clone().unwrap()).read_to_end(&mut seen).is_err());
        assert!(!child.wait().unwrap().success());
        let seen = String::from_utf8(seen).unwrap();
        let at = |what: &str| seen.find(what).unwrap_or_else(|| panic!("no {what:?} in {seen:?}"));
        assert!(at("\u{1b}[?1049h") < at("\u{1b}[?1049l"), "{seen:?}");
        assert!(at("\u{1b}[?25h") < at("all is lost") && at("\u{1b}[?1049l") < at("all is lost"), "{seen:?}");
        let modes = tcgetattr(&person).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
    }
}
