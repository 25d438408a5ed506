//! `.service` units of systemd.

mod command;
mod left;
mod limit;
mod order;
mod starts;
mod unit;

use supervisor_yaml::printable;

use self::unit::Unit;
use super::ini::{self, Sections, Style};
use super::sheet::{Sheet, Value};
use super::text::Text;
use super::{Foreign, ImportError, Refusal};

/// Seconds that a program has to start, and to stop.
const PATIENCE: u32 = 90;
/// As many starts within so many seconds are too many.
const BURST: u32 = 5;
const WINDOW: u32 = 10;
/// Seconds before a restart.
const DELAY: f64 = 0.1;

pub(super) fn read(files: &[Foreign<'_>]) -> Result<Sheet, ImportError> {
    let mut sheet = begun();
    let mut units = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let mut sections = Sections::default();
        ini::read(number, file, Style::Systemd, &mut sections)?;
        units.extend(Unit::read(&mut sheet, number, file.name, &sections.all)?);
    }
    order::settle(&mut sheet, &mut units);
    sheet.children = units.into_iter().map(Unit::finish).collect();
    if sheet.variables.contains_key("instance") {
        sheet.head.push(
            "`instance` is what stands after the `@` of a template: say it with `--set instance=NAME`. For several, write \
             a child for each."
                .to_owned(),
        );
    }
    Ok(sheet)
}

/// What systemd does by default, where we do otherwise.
fn begun() -> Sheet {
    let mut sheet = Sheet::default();
    let budget = vec![
        ("max_restarts", Value::plain(BURST)),
        ("window_secs", Value::plain(WINDOW)),
        ("on_exhausted", Value::plain("quarantine")),
    ];
    let delay = Value::millis(DELAY);
    let backoff = vec![("initial_ms", delay.clone()), ("max_ms", delay), ("jitter_ratio", Value::plain(0))];
    sheet.supervisor.set("stop", Value::plain("concurrent"));
    sheet.supervisor.set("budget", Value::Map(budget));
    sheet.supervisor.set_in("defaults", "backoff", Value::Map(backoff));
    sheet.supervisor.set_in("defaults", "working_dir", Value::text("/"));
    sheet.supervisor.set_in("defaults", "ready_within_secs", Value::plain(PATIENCE));
    let grace = Value::plain(PATIENCE * 1000);
    sheet.supervisor.set_in("defaults", "shutdown", Value::Map(vec![("graceful_timeout_ms", grace)]));
    sheet
}

/// What `%` and a letter stand for in the unit of a system.
struct Specifiers<'a> {
    sheet: &'a mut Sheet,
    /// The name of the file.
    unit: &'a str,
}

impl Specifiers<'_> {
    fn fill(&mut self, text: &str) -> Result<Text, Refusal> {
        let stem = self.unit.rsplit_once('.').map_or(self.unit, |(stem, _)| stem).to_owned();
        let (prefix, instance) =
            stem.split_once('@').map_or((&*stem, None), |(prefix, name)| (prefix, Some(name)));
        let mut out = Text::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            out.say(before);
            let mut letters = after.chars();
            match (letters.next(), instance) {
                (Some('%'), _) => out.say("%"),
                (Some('n'), _) => out.say(self.unit),
                (Some('N'), _) => out.say(&stem),
                (Some('p'), _) => out.say(prefix),
                (Some('i' | 'I'), Some("")) => {
                    self.sheet.declare("instance", None)?;
                    out.name("instance")?;
                }
                // With a `\x2d`, or a `-` for a `/`, the two are not the same.
                (Some('I'), Some(name)) if !name.contains(['-', '\\']) => out.say(name),
                (Some('i'), Some(name)) => out.say(name),
                (Some('i' | 'I'), None) => {}
                (Some('t'), _) => out.say("/run"),
                (Some('S'), _) => out.say("/var/lib"),
                (Some('C'), _) => out.say("/var/cache"),
                (Some('L'), _) => out.say("/var/log"),
                (Some('E'), _) => out.say("/etc"),
                (Some('T'), _) => out.say("/tmp"),
                (Some('V'), _) => out.say("/var/tmp"),
                (letter, _) => {
                    let letter = letter.map(String::from).unwrap_or_default();
                    return Err(format!(
                        "`%{}` is not filled in; write out what it stands for, or `%%` for a `%`",
                        printable(&letter)
                    ));
                }
            }
            rest = letters.as_str();
        }
        out.say(rest);
        Ok(out)
    }
}
