//! One unit.

use supervisor_api::manifest::is_shell_name;
use supervisor_yaml::printable;

use super::super::amount::{number, signal, span, truth};
use super::super::ini::{Entry, Section};
use super::super::sheet::{Child, Keys, Sheet, Value};
use super::super::text::Text;
use super::super::words::{Quoting, split};
use super::super::{At, Carried, ImportError, Refusal};
use super::command::{self, Command};
use super::limit::{is_off, limit};
use super::order::{self, Relation};
use super::starts::Starts;
use super::{PATIENCE, Specifiers, left};

/// A day, in seconds.
const DAY: u32 = 86_400;

/// A unit while it is read.
pub(super) struct Unit {
    /// The name of its file.
    pub(super) file: String,
    pub(super) child: Child,
    pub(super) relations: Vec<Relation>,
    kind: Kind,
    restart: Restart,
    commands: Vec<Command>,
    /// What runs before each start, and after each run.
    before: Vec<Command>,
    after: Vec<Command>,
    starts: Starts,
    /// The variables of the supervisor that are passed on, if they are there.
    passed: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is started when it runs.
    Simple,
    /// It says when it is.
    Notify,
    /// It is when it has ended.
    Oneshot,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Restart {
    No,
    Always,
    OnFailure,
}

impl Unit {
    pub(super) fn read(
        sheet: &mut Sheet,
        number: usize,
        file: &str,
        sections: &[Section],
    ) -> Result<Option<Self>, ImportError> {
        let service = sections.iter().find(|section| section.name == "Service");
        let at = service.map_or(At { file: number, line: 1 }, |section| section.at);
        let stem = file.strip_suffix(".service").unwrap_or(file);
        let name = stem.strip_suffix('@').unwrap_or(stem);
        let mut unit = Self {
            file: file.to_owned(),
            child: Child::program(at, name),
            relations: Vec::new(),
            kind: Kind::Simple,
            restart: Restart::No,
            commands: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            starts: Starts::default(),
            passed: Vec::new(),
        };
        // What a command may be goes by the type, wherever that stands.
        let all =
            || sections.iter().flat_map(|section| section.entries.iter().map(move |entry| (section, entry)));
        let first = |(_, entry): &(&Section, &Entry)| entry.key == "Type";
        for (section, entry) in all().filter(first).chain(all().filter(|entry| !first(entry))) {
            if let Err(why) = unit.take(sheet, &section.name, entry) {
                sheet.leave(entry.at, format!("{}.{}", section.name, entry.key), why);
            }
        }
        if unit.commands.is_empty() {
            let otherwise =
                "a unit has a section `[Service]` with an `ExecStart`, and this one has not".to_owned();
            return sheet.without_command(&unit.child, "Service.ExecStart", otherwise).map(|()| None);
        }
        let command = command::all(&unit.commands, &mut Specifiers { sheet, unit: file });
        unit.child.keys.set("command", command.map_err(|why| at.error(why))?);
        unit.around(sheet).map_err(|why| at.error(why))?;
        let lines = all().map(|(_, entry)| entry).filter(|entry| entry.key.starts_with("Exec"));
        let commands = [&unit.commands, &unit.before, &unit.after].into_iter().flatten();
        command::tell_of_quotes(sheet, &mut unit.child, commands, &lines.collect::<Vec<_>>());
        Ok(Some(unit))
    }

    /// What runs before and after it has as long as the start and the stop may take.
    fn around(&mut self, sheet: &mut Sheet) -> Carried {
        let keys = &mut self.child.keys;
        let seconds = |value: Option<&Value>, unit: f64, default: u32| match value {
            // Without an end it has a day.
            Some(Value::Plain(said)) => {
                said.parse().map_or(f64::INFINITY, |said: f64| said / unit).min(f64::from(DAY))
            }
            _ => f64::from(default),
        };
        // What is to end before it counts as started may take as long as it likes, and so may what comes before.
        if self.kind == Kind::Oneshot && !self.before.is_empty() && keys.get("ready_within_secs").is_none() {
            keys.set("ready_within_secs", Value::plain("infinity"));
        }
        let default = if self.kind == Kind::Oneshot { DAY } else { PATIENCE };
        let start = seconds(keys.get("ready_within_secs"), 1.0, default);
        let stop = seconds(keys.get_in("shutdown", "graceful_timeout_ms"), 1000.0, PATIENCE);
        for (key, commands, patience) in
            [("pre_start", &self.before, start), ("post_stop", &self.after, stop)]
        {
            if !commands.is_empty() {
                let command = command::all(commands, &mut Specifiers { sheet, unit: &self.file })?;
                keys.set(
                    key,
                    Value::Map(vec![("command", command), ("timeout_secs", Value::plain(patience))]),
                );
            }
        }
        Ok(())
    }

    /// Until when somebody waits for it, who may need it to end well.
    pub(super) fn until(&self, needed: bool) -> Option<&'static str> {
        match (self.kind, needed) {
            (Kind::Simple, _) => Some("started"),
            (Kind::Notify, _) => None,
            (Kind::Oneshot, true) => Some("completed_ok"),
            (Kind::Oneshot, false) => Some("completed"),
        }
    }

    /// The program, with what follows from several keys.
    pub(super) fn finish(mut self) -> Child {
        let keys = &mut self.child.keys;
        match (self.restart, self.kind) {
            (Restart::No, _) => keys.set("role", Value::plain("job")),
            (_, Kind::Oneshot) => {
                keys.set("role", Value::plain("job"));
                keys.set("retry", Value::plain(true));
            }
            (Restart::Always, _) => keys.set("restart_policy", Value::plain("permanent")),
            (Restart::OnFailure, _) => keys.set("restart_policy", Value::plain("transient")),
        }
        self.starts.say(&mut self.child, self.restart != Restart::No);
        let said = |keys: &Keys, name: &str| keys.variable_of(name).is_some();
        self.passed.retain(|name| !said(&self.child.keys, name));
        self.passed.iter().for_each(|name| self.child.keys.pass(name));
        if self.child.keys.get("env_file").is_some() && self.child.keys.get("environment").is_some() {
            let note = "`environment` goes before `env_file` here; with systemd the files did.";
            self.child.notes.push(note.to_owned());
        }
        self.child
    }

    fn take(&mut self, sheet: &mut Sheet, section: &str, entry: &Entry) -> Carried {
        let (key, value) = (entry.key.as_str(), entry.value.as_str());
        match section {
            "Unit" if matches!(key, "Description" | "Documentation") => {
                self.child.notes.push(value.to_owned());
                Ok(())
            }
            "Unit" if order::KEYS.contains(&key) => {
                let relation =
                    |other: &str| Relation { at: entry.at, key: key.to_owned(), other: other.to_owned() };
                self.relations.extend(value.split_whitespace().map(relation));
                Ok(())
            }
            "Unit" if key.starts_with("StartLimit") => self.starts.limit(key, value),
            "Service" => self.service(sheet, key, value),
            _ => Err(left::why(key).to_owned()),
        }
    }

    /// A key of `[Service]`.
    fn service(&mut self, sheet: &mut Sheet, key: &str, value: &str) -> Carried {
        match key {
            "ExecStart" => {
                let more = Command::read(value)?;
                // What cannot be filled in is told here, by its line.
                command::all(&more, &mut Specifiers { sheet, unit: &self.file })?;
                if self.kind != Kind::Oneshot && (more.len() > 1 || !self.commands.is_empty()) {
                    return Err("a program has one command; make each other one a job".to_owned());
                }
                self.commands.extend(more);
            }
            "ExecStartPre" | "ExecStopPost" => {
                let more = Command::read(value)?;
                command::all(&more, &mut Specifiers { sheet, unit: &self.file })?;
                let all = if key == "ExecStartPre" { &mut self.before } else { &mut self.after };
                all.extend(more);
            }
            "ExecReload" => {
                let commands = Command::read(value)?;
                let signal_of =
                    commands.first().and_then(Command::kills_with).filter(|_| commands.len() == 1);
                let said = signal(signal_of.ok_or(left::why("ExecReload"))?)?;
                self.child.keys.set("reload_signal", said);
            }
            "Type" => self.kind(value)?,
            "Restart" => self.restart(value)?,
            "RemainAfterExit" if self.kind == Kind::Oneshot || truth(value) == Ok(false) => {}
            "Environment" => {
                for word in split(value, Quoting::C).ok_or("a quote or an escape in it is not closed")? {
                    let (name, value) = word.split_once('=').ok_or("a variable of it is not `NAME=value`")?;
                    let value = Specifiers { sheet, unit: &self.file }.fill(value)?;
                    self.child.keys.variable(name, value)?;
                }
            }
            "PassEnvironment" => {
                for name in value.split_whitespace() {
                    if !is_shell_name(name) {
                        return Err(format!("'{}' is no name that a variable can have", printable(name)));
                    }
                    if !self.passed.iter().any(|known| known == name) {
                        self.passed.push(name.to_owned());
                    }
                }
            }
            "User" | "Group" | "WorkingDirectory" | "EnvironmentFile" | "StandardInput"
            | "StandardOutput" | "StandardError" => {
                let text = Specifiers { sheet, unit: &self.file }.fill(value)?;
                self.place(key, value, text)?;
            }
            key if self.starts.delay(key, value)? || self.time(key, value)? => {}
            key => self.other(key, value)?,
        }
        Ok(())
    }

    fn kind(&mut self, value: &str) -> Carried {
        match value {
            "simple" | "exec" | "idle" => {}
            "notify" | "notify-reload" => {
                self.kind = Kind::Notify;
                self.child.keys.set_in("readiness", "notify", Value::plain(true));
                if value == "notify-reload" && self.child.keys.get("reload_signal").is_none() {
                    self.child.keys.set("reload_signal", Value::plain("SIGHUP"));
                }
            }
            "oneshot" => self.kind = Kind::Oneshot,
            "dbus" => return Err(left::why("BusName").to_owned()),
            _ => return Err(left::why("PIDFile").to_owned()),
        }
        Ok(())
    }

    fn restart(&mut self, value: &str) -> Carried {
        self.restart = match value {
            "no" => Restart::No,
            "always" => Restart::Always,
            "on-failure" => Restart::OnFailure,
            "on-abnormal" | "on-abort" | "on-watchdog" => {
                self.restart = Restart::OnFailure;
                return Err(
                    "`restart_policy: transient` is the nearest: it is started again whenever it has failed"
                        .to_owned(),
                );
            }
            _ => return Err("nothing is started again only when it has ended well; it is a job".to_owned()),
        };
        Ok(())
    }

    /// Who runs it, where, and what it reads and writes.
    fn place(&mut self, key: &str, value: &str, text: Text) -> Carried {
        let keys = &mut self.child.keys;
        let after = |word: &str| value.strip_prefix(word).filter(|_| text.said().is_some());
        match key {
            "User" => keys.set("user", Value::Text(text)),
            "Group" => keys.set("group", Value::Text(text)),
            "WorkingDirectory" if value.starts_with(['~', '-']) => {
                return Err("write out the directory, which has to be there".to_owned());
            }
            "WorkingDirectory" => keys.set("working_dir", Value::Text(text)),
            "EnvironmentFile" if value.contains(['*', '?', '[']) => {
                return Err("`env_file` has no patterns; name each file".to_owned());
            }
            "EnvironmentFile" => match after("-") {
                Some(_) => {
                    let file = text.said().unwrap_or_default().trim_start_matches('-').to_owned();
                    let entry = vec![("file", Value::text(file)), ("required", Value::plain(false))];
                    keys.push("env_file", Value::Map(entry));
                }
                None if value.starts_with('-') => return Err("write out the path of the file".to_owned()),
                None => keys.push("env_file", Value::Text(text)),
            },
            "StandardInput" => match (after("file:"), value) {
                (Some(file), _) => keys.set_in("stdin", "file", Value::text(file)),
                (None, "null") => {}
                _ => return Err("`stdin` is nothing, a file, or a pipe that stays open".to_owned()),
            },
            _ => return self.output(key, value, text.said().is_some()),
        }
        Ok(())
    }

    fn output(&mut self, key: &str, value: &str, known: bool) -> Carried {
        let keys = &mut self.child.keys;
        let file = ["file:", "append:", "truncate:"].iter().find_map(|word| value.strip_prefix(word));
        match (file.filter(|_| known), value) {
            (Some(file), _) => match keys.get_in("log", "file") {
                Some(same) if *same == Value::text(file) => {}
                Some(_) => {
                    return Err("both outputs are written to one file, that of StandardOutput".to_owned());
                }
                None if key == "StandardError" => {
                    return Err("both outputs are written to one file: `log` with `file`".to_owned());
                }
                None => keys.set_in("log", "file", Value::text(file)),
            },
            // It is kept, and printed where the supervisor prints.
            (None, "journal" | "inherit" | "syslog" | "journal+console") => {}
            _ => return Err("output is kept in memory, and written to a file with `log`".to_owned()),
        }
        Ok(())
    }

    /// Lengths of time. Whether it was one that is known.
    fn time(&mut self, key: &str, value: &str) -> Result<bool, Refusal> {
        let keys = &mut self.child.keys;
        let or_infinity = |span: Option<f64>| span.map_or(Value::plain("infinity"), Value::plain);
        // A zero is none there.
        let patience = |value: &str| Ok::<_, Refusal>(span(value)?.filter(|seconds| *seconds > 0.0));
        match key {
            "TimeoutStartSec" | "TimeoutStopSec" | "TimeoutSec" => {
                let patience = patience(value)?;
                if key != "TimeoutStopSec" {
                    keys.set("ready_within_secs", or_infinity(patience));
                }
                if key != "TimeoutStartSec" {
                    let grace = or_infinity(patience.map(|seconds| (seconds * 1000.0).round()));
                    keys.set_in("shutdown", "graceful_timeout_ms", grace);
                }
            }
            "WatchdogSec" => {
                if let Some(interval) = patience(value)? {
                    keys.set_in("health_check", "notify", Value::plain(true));
                    keys.set_in("health_check", "check_interval_secs", Value::plain(interval));
                    keys.set_in("health_check", "max_retries", Value::plain(1));
                }
            }
            // Older units have them here.
            key if key.starts_with("StartLimit") => self.starts.limit(key, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Numbers, signals and limits, and everything that is left.
    fn other(&mut self, key: &str, value: &str) -> Carried {
        let keys = &mut self.child.keys;
        match key {
            "SuccessExitStatus" => {
                let codes: Result<Vec<u8>, _> = value.split_whitespace().map(number).collect();
                let codes =
                    codes.map_err(|_| "only numbers count as good ends, and the stop signal anyway")?;
                let codes = [0].into_iter().chain(codes.into_iter().filter(|code| *code != 0));
                keys.set("success_exit_codes", Value::List(codes.map(Value::plain).collect()));
            }
            "UMask" => keys.set("umask", Value::text(value)),
            "Nice" => keys.set("nice", Value::plain(number::<i32>(value)?)),
            "KillSignal" => keys.set("stop_signal", signal(value)?),
            "ReloadSignal" => keys.set("reload_signal", signal(value)?),
            "KillMode" if value == "control-group" => {}
            "KillMode" => return Err("signals to stop a program go to all of its processes".to_owned()),
            "NoNewPrivileges" => keys.set("no_new_privs", Value::plain(truth(value)?)),
            // What is so anyway.
            "SendSIGKILL" if truth(value) == Ok(true) => {}
            "NotifyAccess" if value == "all" => {}
            "CPUQuota" => {
                let percent = value.strip_suffix('%').ok_or("it is not a percentage")?;
                keys.set_in("resource_limits", "max_cpu_percent", Value::plain(number::<u32>(percent)?));
            }
            _ => match limit(key, value)? {
                Some((ours, many)) => keys.set_in("resource_limits", ours, Value::plain(many)),
                None if is_off(key, value) => {}
                None => return Err(left::why(key).to_owned()),
            },
        }
        Ok(())
    }
}
