//! `supervisord.conf`, and the files that it includes.

mod command;
mod left;
mod program;
mod retries;

use supervisor_yaml::printable;

use self::program::Program;
use super::amount::{number, truth};
use super::ini::{self, Section, Sections, Style};
use super::sheet::{Child, Keys, Sheet, Value};
use super::text::Text;
use super::{At, Foreign, ImportError, Refusal};

/// What has no priority of its own has this one.
const PRIORITY: i64 = 999;

/// The most digits that a number can have.
const WIDEST: usize = 9;

/// A group: who is in it, and when it starts.
struct Group {
    name: String,
    at: At,
    members: Vec<String>,
    priority: i64,
}

pub(super) fn read(files: &[Foreign<'_>]) -> Result<Sheet, ImportError> {
    let mut sheet = begun();
    let mut sections = Sections::default();
    for (number, file) in files.iter().enumerate() {
        ini::read(number, file, Style::Supervisord, &mut sections)?;
    }
    let sections = sections.all;
    let (mut programs, mut groups) = (Vec::new(), Vec::new());
    for section in &sections {
        let (kind, name) = section.name.split_once(':').unwrap_or((&section.name, ""));
        match kind {
            "program" => programs.push(Program::read(&mut sheet, section, name)?),
            "group" => groups.push(group(&mut sheet, section, name)),
            "supervisord" => {}
            _ => leave_all(&mut sheet, section, kind),
        }
    }
    for section in sections.iter().filter(|section| section.name == "supervisord") {
        whole(&mut sheet, section, &mut programs);
    }
    let folder = files.first().map_or("", |file| file.folder);
    let mut made: Vec<(i64, String, Vec<Child>)> = Vec::new();
    for program in &programs {
        let names = Names { program, group: group_of(&groups, &program.name), folder };
        made.push((program.priority, program.name.clone(), program.children(&mut sheet, &names)?));
    }
    for group in groups {
        gather(&mut sheet, group, &mut made);
    }
    // It starts them by priority, and stops them the other way round.
    if made.iter().any(|(priority, ..)| *priority != PRIORITY) {
        sheet.head.push(
            "Programs stand in the order of their priority, and are stopped the other way round.".to_owned(),
        );
        made.sort_by_key(|(priority, ..)| *priority);
    }
    sheet.children = made.into_iter().flat_map(|(.., children)| children).collect();
    Ok(sheet)
}

/// What supervisord does by default, where we do otherwise.
fn begun() -> Sheet {
    let mut sheet = Sheet {
        head: vec![
            "A program gets PATH, HOME, LANG and a few more of the supervisor's environment, and what is named under \
             `environment`. supervisord gives it all of its own."
                .to_owned(),
            "A program is given up when it ends at once for the last time of its `startretries`, and goes on for ever when it \
             runs for its `startsecs` each time. supervisord waits longer between such starts: 1, 2, 3 seconds and so on."
                .to_owned(),
        ],
        ..Sheet::default()
    };
    sheet.supervisor.set("auto_shutdown", Value::plain("never"));
    sheet.supervisor.set("budget", retries::budget());
    sheet.supervisor.set_in("defaults", "backoff", retries::delay());
    sheet.supervisor.set_in(
        "defaults",
        "shutdown",
        Value::Map(vec![("graceful_timeout_ms", Value::plain(10_000))]),
    );
    sheet
}

fn leave_all(sheet: &mut Sheet, section: &Section, kind: &str) {
    if section.entries.is_empty() {
        sheet.leave(section.at, section.name.clone(), left::why(kind, ""));
    }
    for entry in &section.entries {
        sheet.leave(entry.at, format!("{}.{}", section.name, entry.key), left::why(kind, &entry.key));
    }
}

/// `[supervisord]`: what it says of all programs.
fn whole(sheet: &mut Sheet, section: &Section, programs: &mut [Program]) {
    for entry in &section.entries {
        let value = Value::text(entry.value.as_str());
        let done = match entry.key.as_str() {
            _ if entry.value.contains("%(") => {
                Err("a name in `%(…)s` is not filled in here; write out what it stands for".to_owned())
            }
            "environment" => program::variables(&entry.value).and_then(|pairs| {
                let mut keys = Keys::default();
                pairs.iter().try_for_each(|(name, value)| keys.variable(name, value.as_str()))?;
                if let Some(list) = keys.get("environment") {
                    sheet.supervisor.set_in("defaults", "environment", list.clone());
                }
                Ok(())
            }),
            "directory" => {
                sheet.supervisor.set_in("defaults", "working_dir", value);
                Ok(())
            }
            "umask" => {
                let own = programs.iter_mut().filter(|program| program.keys.get("umask").is_none());
                own.for_each(|program| program.keys.set("umask", value.clone()));
                Ok(())
            }
            // It stays in the foreground, and prints.
            "nodaemon" if truth(&entry.value) == Ok(true) => Ok(()),
            "silent" | "nocleanup" | "strip_ansi" if truth(&entry.value) == Ok(false) => Ok(()),
            key => Err(left::why("supervisord", key).to_owned()),
        };
        if let Err(why) = done {
            sheet.leave(entry.at, format!("supervisord.{}", entry.key), why);
        }
    }
}

fn group(sheet: &mut Sheet, section: &Section, name: &str) -> Group {
    let mut group = Group { name: name.to_owned(), at: section.at, members: Vec::new(), priority: PRIORITY };
    for entry in &section.entries {
        let done = match entry.key.as_str() {
            "programs" => {
                let names = entry.value.split([',', '\n']).map(|name| name.trim().to_owned());
                group.members.extend(names.filter(|name| !name.is_empty()));
                Ok(())
            }
            "priority" => number(&entry.value).map(|priority| group.priority = priority),
            key => Err(left::why("group", key).to_owned()),
        };
        if let Err(why) = done {
            sheet.leave(entry.at, format!("{}.{}", section.name, entry.key), why);
        }
    }
    group
}

fn group_of<'a>(groups: &'a [Group], program: &'a str) -> &'a str {
    let of = groups.iter().find(|group| group.members.iter().any(|member| member == program));
    of.map_or(program, |group| &group.name)
}

/// Puts the programs of a group below a supervisor of its name.
fn gather(sheet: &mut Sheet, group: Group, made: &mut Vec<(i64, String, Vec<Child>)>) {
    if group.members.is_empty() {
        sheet.leave(group.at, format!("group:{}", group.name), "it has no `programs`");
    }
    let mut inner = Vec::new();
    for member in &group.members {
        match made.iter().position(|(_, of, _)| of == member) {
            Some(at) => inner.push(made.remove(at)),
            None => sheet.leave(
                group.at,
                format!("group:{}.programs", group.name),
                format!(
                    "there is no program '{}' in what was read, or it is in another group",
                    printable(member)
                ),
            ),
        }
    }
    inner.sort_by_key(|(priority, ..)| *priority);
    let inner: Vec<Child> = inner.into_iter().flat_map(|(.., children)| children).collect();
    if inner.is_empty() {
        return;
    }
    let mut child = Child::program(group.at, &group.name);
    child.keys.set("budget", retries::budget());
    child.children = Some(inner);
    // The names of groups and of programs do not meet.
    made.push((group.priority, String::new(), vec![child]));
}

/// What the names in `%(NAME)s` stand for.
struct Names<'a> {
    program: &'a Program,
    group: &'a str,
    folder: &'a str,
}

/// Which process of a program it is.
#[derive(Clone, Copy)]
enum Process {
    Number(u32),
    /// Any of them: a text has the number of its replica.
    Any,
}

impl Names<'_> {
    /// With the names in `%(NAME)s` and `%(NAME)02d` replaced.
    fn fill(&self, sheet: &mut Sheet, text: &str, process: Process) -> Result<Text, Refusal> {
        let mut out = Text::default();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            out.say(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                out.say("%");
                rest = after;
                continue;
            }
            let inner = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            let (name, after) =
                inner.ok_or("a `%` that begins no name in brackets has to be doubled: `%%`")?;
            let letter =
                after.find(['s', 'd']).filter(|at| after[..*at].bytes().all(|byte| byte.is_ascii_digit()));
            let letter =
                letter.ok_or("a name in brackets is followed by `s` or `d`, with digits in between")?;
            let width = match &after[..letter] {
                "" => 0,
                digits => digits.parse().ok().filter(|width| *width <= WIDEST).ok_or_else(|| {
                    format!(
                        "`%({}){}` asks for more than {WIDEST} digits",
                        printable(name),
                        &after[..=letter]
                    )
                })?,
            };
            rest = &after[letter + 1..];
            match (name, process) {
                ("program_name", _) => out.say(&self.program.name),
                ("group_name", _) => out.say(self.group),
                ("process_num", Process::Number(number)) => out.say(&format!("{number:0width$}")),
                ("process_num", Process::Any) => out.name("replica")?,
                ("numprocs", _) => out.say(&self.program.processes.to_string()),
                ("here", _) => {
                    sheet.declare("here", Some(self.folder))?;
                    out.name("here")?;
                }
                ("host_node_name", _) => {
                    sheet.declare("host_node_name", None)?;
                    out.name("host_node_name")?;
                }
                (name, _) => {
                    let variable = name.strip_prefix("ENV_").ok_or_else(|| {
                        format!("`%({})s` is no name that supervisord has", printable(name))
                    })?;
                    sheet.declare(variable, None)?;
                    out.name(variable)?;
                }
            }
        }
        out.say(rest);
        Ok(out)
    }
}
