//! A scenario in a real OTP: one Erlang virtual machine that plays many scenarios at the same time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::erlang;
use crate::model::{Action, Call, Child, Scenario, Shutdown, Trace, Tree};

/// Scenarios that are played at the same time. Those in which time counts must not wait for each other.
const PLACES: usize = 48;

/// A machine so slow that this many milliseconds were lost in one scenario spoils what is measured in it.
const LAG_LIMIT: u64 = 300;

/// A machine that loses so much time in a scenario is not usable.
const LONG_SECONDS: u32 = 5;

/// How often a scenario is played again because the machine was too slow.
const TRIES: usize = 20;

/// A virtual machine that says nothing for so long is stuck: it gives up each scenario in less.
const SILENCE: Duration = Duration::from_secs(100);

/// The modules of the Erlang side.
const MODULES: [&str; 5] = ["oracle", "oracle_world", "oracle_child", "oracle_sup", "oracle_report"];

/// Says how to get what is missing.
pub const INSTALL: &str = "on Debian: `apt-get install erlang-base`";

/// A real OTP.
pub struct Otp {
    folder: PathBuf,
    /// `None` after one that was stuck; the next scenarios get a new one.
    vm: Option<Vm>,
    /// How many times a scenario was played again because the machine was too slow.
    repeated: usize,
    /// In how many it was too slow every time.
    too_slow: usize,
}

/// An Erlang virtual machine, and the lines it prints.
struct Vm {
    child: process::Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Otp {
    /// Compiles the Erlang side into a temporary folder and starts it.
    ///
    /// # Errors
    /// A sentence that says what is missing or went wrong.
    pub fn start() -> Result<Self, String> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("supervisor-oracle-{}-{number}", process::id());
        let mut otp = Self { folder: std::env::temp_dir().join(name), vm: None, repeated: 0, too_slow: 0 };
        otp.compile()?;
        otp.vm = Some(Vm::start(&otp.folder)?);
        Ok(otp)
    }

    fn compile(&self) -> Result<(), String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("otp");
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| format!("{} cannot be made: {error}", self.folder.display()))?;
        let compiled = Command::new("erlc")
            .arg("-o")
            .arg(&self.folder)
            .args(MODULES.map(|module| sources.join(module).with_extension("erl")))
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("Erlang is not installed (`erlc`: {error}); {INSTALL}"))?;
        if compiled.success() {
            Ok(())
        } else {
            Err(format!("the Erlang side in {} does not compile", sources.display()))
        }
    }

    /// Plays scenarios; `done` is called for each that is over. What has no readable answer in time is an error in
    /// its place, and so counts as different.
    pub fn play(&mut self, scenarios: &[Scenario], mut done: impl FnMut()) -> Vec<Result<Trace, String>> {
        let mut results: Vec<Result<Trace, String>> =
            vec![Err("OTP gave no answer".to_owned()); scenarios.len()];
        // Where time counts the machine should have little else to do, so these come last.
        let mut open: Vec<usize> = (0..scenarios.len()).collect();
        open.sort_by_key(|&at| minds_time(&scenarios[at]));
        let mut too_slow = 0;
        for attempt in 1..=TRIES {
            let terms: String = open.iter().map(|&at| erlang::term(at, &scenarios[at])).collect();
            let mut again = Vec::new();
            let round = self.round(terms, open.len(), |answer| {
                let number = answer.number;
                let Some(scenario) = scenarios.get(number) else { return };
                let spoiled = answer.lag > LAG_LIMIT && minds_time(scenario);
                if spoiled && attempt < TRIES {
                    again.push(number);
                } else {
                    too_slow += usize::from(spoiled);
                    results[number] = answer.into_trace(scenario);
                    done();
                }
            });
            if let Err(problem) = round {
                self.vm = None;
                for result in results.iter_mut().filter(|result| result.is_err()) {
                    *result = Err(problem.clone());
                }
                break;
            }
            open = again;
            self.repeated += open.len();
            if open.is_empty() {
                break;
            }
        }
        self.too_slow += too_slow;
        results
    }

    /// What a slow machine did to the scenarios in which time counts, as a sentence; none when it did nothing.
    pub fn slowness(&self) -> Option<String> {
        let Self { repeated, too_slow, .. } = self;
        let lost = match too_slow {
            0 => String::new(),
            _ => format!(
                "; {too_slow} of them lost more than {LAG_LIMIT} ms each of {TRIES} times, and may differ for that"
            ),
        };
        (*repeated > 0)
            .then(|| format!("{repeated} times a scenario was played again on a slow machine{lost}"))
    }

    /// Hands scenarios to the virtual machine and takes its answers.
    fn round(
        &mut self,
        terms: String,
        mut awaited: usize,
        mut take: impl FnMut(Answer),
    ) -> Result<(), String> {
        if self.vm.is_none() {
            self.vm = Some(Vm::start(&self.folder)?);
        }
        let vm = self.vm.as_mut().ok_or("there is no virtual machine")?;
        let mut input = vm.input.take().ok_or("the virtual machine takes nothing more")?;
        // It answers while it still reads.
        let writer = thread::spawn(move || input.write_all(terms.as_bytes()).map(|()| input));
        let mut stray = String::new();
        while awaited > 0 {
            let line = vm.lines.recv_timeout(SILENCE).map_err(|error| match error {
                RecvTimeoutError::Timeout => {
                    format!("OTP gave no answer for {} s {stray}", SILENCE.as_secs())
                }
                RecvTimeoutError::Disconnected => format!("OTP ended before it had played all {stray}"),
            })?;
            match Answer::read(&line) {
                Some(answer) => {
                    awaited -= 1;
                    take(answer);
                }
                None => stray = format!("(it said `{line}`)"),
            }
        }
        let written = writer.join().map_err(|_| "the writer panicked".to_owned())?;
        vm.input = Some(written.map_err(|error| format!("OTP does not read: {error}"))?);
        Ok(())
    }
}

impl Drop for Otp {
    fn drop(&mut self) {
        self.vm = None;
        // A folder that stays behind in the temporary one harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Vm {
    fn start(folder: &Path) -> Result<Self, String> {
        let mut child = Command::new("erl")
            .args(["+S", "1:1", "-noshell", "-pa"])
            .arg(folder)
            .args(["-run", "oracle", "main", &PLACES.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`erl` cannot be started: {error}; {INSTALL}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("`erl` was started without pipes".to_owned());
        };
        let (tell, lines) = mpsc::channel();
        // Ends with the output, so with the virtual machine.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).all(|line| tell.send(line).is_ok())
        });
        Ok(Self { child, input: Some(input), lines })
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // It has nothing to clean up, and may be stuck.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether what is seen depends on how much time passes: a grace or a window is short, or a step lets time pass.
fn minds_time(scenario: &Scenario) -> bool {
    let actions = || scenario.steps.iter().flat_map(|step| &step.actions);
    let added = actions().any(|action| match action {
        Action::Call(_, Call::StartChild(child)) => is_hasty(child),
        Action::Reload(_, tree) => is_short(tree),
        Action::Pass(_) | Action::WholeSecond => true,
        _ => false,
    });
    added || is_short(&scenario.tree)
}

fn is_short(tree: &Tree) -> bool {
    tree.budget.is_some_and(|(_, seconds)| seconds < LONG_SECONDS) || tree.children.iter().any(is_hasty)
}

fn is_hasty(child: &Child) -> bool {
    let short = matches!(child.shutdown, Some(Shutdown::After(millis)) if 0 < millis && millis < LONG_SECONDS * 1_000);
    short || child.below.as_ref().is_some_and(is_short)
}

struct Answer<'a> {
    number: usize,
    lag: u64,
    text: &'a str,
}

impl<'a> Answer<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (number, rest) = line.split_once(' ')?;
        let (lag, text) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self { number: number.parse().ok()?, lag: lag.parse().ok()?, text })
    }

    fn into_trace(self, scenario: &Scenario) -> Result<Trace, String> {
        let lines = |step: &str| step.split('|').filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let trace: Trace = self.text.split(';').map(lines).collect();
        let unreadable = trace.iter().flatten().find(|line| {
            line.contains("unreadable")
                || line.starts_with("broken")
                || *line == "no rest"
                || line.contains('?')
        });
        match unreadable {
            Some(line) => Err(format!("OTP's trace cannot be read: {line}")),
            None if trace.len() != scenario.steps.len() => {
                Err(format!("OTP answered {} of {} steps: {}", trace.len(), scenario.steps.len(), self.text))
            }
            None => Ok(trace),
        }
    }
}
