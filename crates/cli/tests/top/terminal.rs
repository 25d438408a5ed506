//! A real terminal: tmux, a shell in it, and what stands on its screen.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::common::{rest, supervisor};

/// What the shell says when it waits.
pub(crate) const PROMPT: &str = "shell$";

/// A terminal with a shell, in a home. Dropping it ends both.
pub(crate) struct Terminal {
    /// Where the server of this terminal listens, in a folder of its own.
    server: String,
    _folder: tempfile::TempDir,
}

/// Whether there is a tmux; where there is none, that is reported for this test.
#[expect(clippy::print_stdout, reason = "who runs the test alone sees why it does nothing")]
pub(crate) fn has_tmux(test: &str) -> bool {
    if Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let line = format!("{test}: needs tmux; install with `apt-get install tmux`");
    match std::env::var_os("TEST_SKIP_REPORT") {
        Some(path) => {
            let mut report = OpenOptions::new().append(true).open(path).unwrap();
            writeln!(report, "{line}").unwrap();
        }
        None => println!("SKIP {line}"),
    }
    false
}

impl Terminal {
    pub(crate) fn open(home: &Path, width: u16, height: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = folder.path().join("tmux").display().to_string();
        let told = supervisor(home);
        let mut command = Command::new("tmux");
        command.args(["-S", &server, "-f", "/dev/null", "-u", "new-session", "-d"]);
        command.args(["-x", &width.to_string(), "-y", &height.to_string()]);
        command.args(["sh", "-i"]);
        command.envs(told.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SUPERVISOR_SOCKET", home.join("run/tokio-supervisor/shop.sock"));
        // Where none is the user's own.
        command.env("PS1", format!("{PROMPT} ")).env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("USER", "ann");
        for variable in ["TMUX", "NO_COLOR", "ENV", "SUPERVISOR_PROFILES"] {
            command.env_remove(variable);
        }
        assert!(command.status().unwrap().success());
        let terminal = Self { server, _folder: folder };
        terminal.until("the shell", |screen| screen.contains(PROMPT));
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-S", &self.server]).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Presses keys, by their names.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a text as it stands; the end of a line is Enter.
    pub(crate) fn types(&self, text: &str) {
        for part in text.split_inclusive('\n') {
            let line = part.trim_end_matches('\n');
            if !line.is_empty() {
                self.tmux(&["send-keys", "-l", "--", line]);
            }
            if line != part {
                self.press(&["Enter"]);
            }
        }
    }

    /// Types a line of the shell.
    pub(crate) fn enter(&self, line: &str) {
        self.types(&format!("{line}\n"));
    }

    /// Runs `supervisor top` with these arguments in it.
    pub(crate) fn top(&self, args: &str) {
        self.enter(&format!("clear; {} top {args}", env!("CARGO_BIN_EXE_supervisor")));
        self.until("the tree", |screen| screen.contains("● live") && screen.contains("CHILD"));
    }

    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// With the codes for colours.
    pub(crate) fn coloured_screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// What tmux says of the terminal.
    pub(crate) fn says(&self, format: &str) -> String {
        self.tmux(&["display-message", "-p", format]).trim().to_owned()
    }

    pub(crate) fn resize(&self, width: u16, height: u16) {
        self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        for _ in 0..3_000 {
            screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            rest(20);
        }
        panic!("never {what}; the screen is\n{screen}");
    }

    /// Waits for a line with all of these.
    #[track_caller]
    pub(crate) fn line(&self, words: &[&str]) -> String {
        let has = |line: &&str| words.iter().all(|word| line.contains(word));
        let screen =
            self.until(&format!("a line with {words:?}"), |screen| screen.lines().any(|line| has(&line)));
        screen.lines().find(has).unwrap().to_owned()
    }

    /// The shell is back, on its own page, with the modes that a shell has.
    #[track_caller]
    pub(crate) fn is_given_back(&self, mark: &str) {
        self.until("the shell's page", |screen| screen.contains(PROMPT) && !screen.contains("CHILD"));
        assert_eq!(self.says("#{alternate_on} #{cursor_flag}"), "0 1");
        self.enter(&format!("stty -a > {0}.new; mv {0}.new {0}", mark));
        let modes = crate::common::soon("the modes of the terminal", || std::fs::read_to_string(mark).ok());
        for mode in ["icanon", "echo", "isig", "opost"] {
            assert!(modes.split_whitespace().any(|word| word == mode), "{mode} is off: {modes}");
        }
        std::fs::remove_file(mark).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone.
        let _ = Command::new("tmux").args(["-S", &self.server, "kill-server"]).output();
    }
}
