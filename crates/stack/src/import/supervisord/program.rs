//! `[program:NAME]`.

use supervisor_yaml::printable;

use super::super::amount::{mebibytes, number, seconds, signal, truth};
use super::super::ini::Section;
use super::super::sheet::{Child, Keys, Sheet, Value};
use super::super::{At, Carried, ImportError, Refusal};
use super::retries::Retries;
use super::{Names, PRIORITY, Process, command, left};

/// As many processes of one program are made children.
const MOST: u32 = 1000;

/// A program, as far as it was read. Names in its texts are not filled in.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) processes: u32,
    pub(super) priority: i64,
    pub(super) keys: Keys,
    at: At,
    command: String,
    process_name: String,
    first: u32,
    notes: Vec<String>,
    log: Log,
    retries: Retries,
}

/// What is said of the file of what a program prints.
#[derive(Default)]
struct Log {
    file: Option<String>,
    keys: Vec<(&'static str, u64)>,
}

impl Program {
    pub(super) fn read(sheet: &mut Sheet, section: &Section, name: &str) -> Result<Self, ImportError> {
        let mut program = Self {
            name: name.trim().to_owned(),
            processes: 1,
            priority: PRIORITY,
            keys: Keys::default(),
            at: section.at,
            command: String::new(),
            process_name: "%(program_name)s".to_owned(),
            first: 0,
            notes: Vec::new(),
            log: Log::default(),
            retries: Retries::default(),
        };
        program.keys.set("restart_policy", Value::plain("transient"));
        for entry in &section.entries {
            if let Err(why) = program.take(section, &entry.key, &entry.value) {
                sheet.leave(entry.at, format!("{}.{}", section.name, entry.key), why);
            }
        }
        if program.command.trim().is_empty() {
            return Err(section.at.error(format!("`{}` has no `command`", printable(&section.name))));
        }
        let is_job = program.keys.get("role").is_some();
        if let Some(why) = program.retries.say(&mut program.keys, &mut program.notes, is_job) {
            let said = section.entries.iter().find(|entry| entry.key == "startretries");
            sheet.leave(
                said.map_or(section.at, |entry| entry.at),
                format!("{}.startretries", section.name),
                why,
            );
        }
        if program.log.file.is_none() {
            // A size of 0 says that nothing is rotated, and nothing is.
            let rotates = |key: &str| matches!(key, "stdout_logfile_maxbytes" | "stdout_logfile_backups");
            for entry in
                section.entries.iter().filter(|entry| rotates(&entry.key) && entry.value.trim() != "0")
            {
                let key = format!("{}.{}", section.name, entry.key);
                sheet.leave(entry.at, key, "there is no stdout_logfile to rotate");
            }
        }
        Ok(program)
    }

    fn take(&mut self, section: &Section, key: &str, value: &str) -> Carried {
        let keys = &mut self.keys;
        match key {
            "command" => self.command = value.replace('\n', " "),
            "process_name" => self.process_name = value.to_owned(),
            "numprocs" => match number(value)? {
                0 => {
                    return Err(
                        "there is at least one process; give the program a profile to have none".to_owned()
                    );
                }
                many if many > MOST => {
                    return Err(format!("there are at most {MOST} processes of one program"));
                }
                many => self.processes = many,
            },
            "numprocs_start" => self.first = number(value)?,
            "priority" => self.priority = number(value)?,
            "autostart" if truth(value)? => {}
            "autostart" => {
                let profile = super::super::sheet::name(&self.name);
                self.notes
                    .push(format!("It is only there with `--profile {profile}`: it had `autostart=false`."));
                keys.push("profiles", Value::text(profile));
            }
            "startsecs" => {
                let seconds = seconds(value)?;
                self.retries.secs = Some(seconds);
                if seconds > 0.0 {
                    keys.set_in("readiness", "delay_ms", Value::millis(seconds));
                }
            }
            "startretries" => self.retries.many = Some(number(value)?),
            "autorestart" => match value.trim().to_ascii_lowercase().as_str() {
                "unexpected" => {}
                word if truth(word)? => keys.set("restart_policy", Value::plain("permanent")),
                _ => {
                    keys.remove("restart_policy");
                    keys.set("role", Value::plain("job"));
                }
            },
            "exitcodes" => {
                let codes: Result<Vec<u8>, _> = value.split(',').map(number).collect();
                keys.set("success_exit_codes", Value::List(codes?.into_iter().map(Value::plain).collect()));
            }
            "stopsignal" => keys.set("stop_signal", signal(value)?),
            "stopwaitsecs" => {
                keys.set_in("shutdown", "graceful_timeout_ms", Value::millis(seconds(value)?));
            }
            // The signals go to the whole group.
            "stopasgroup" | "killasgroup" if truth(value)? => {}
            "stopasgroup" | "killasgroup" => {
                return Err("signals to stop a program go to all of its processes".to_owned());
            }
            "user" => keys.set("user", Value::text(value)),
            "directory" => keys.set("working_dir", Value::text(value)),
            "umask" => keys.set("umask", Value::text(value)),
            "environment" => {
                for (name, value) in variables(value)? {
                    keys.variable(&name, value)?;
                }
            }
            "redirect_stderr" => {
                // Both are kept together, each line with the one that it came from.
                truth(value)?;
            }
            _ if key.starts_with("stdout_logfile") => {
                let file = section.get("stdout_logfile").unwrap_or_default();
                if key != "stdout_logfile" && is_nowhere(file) {
                    return Ok(());
                }
                return self.log.take(key, value);
            }
            _ if key.starts_with("stderr_logfile") => return stderr(section, key, value),
            key if is_off(key, value) => {}
            key => return Err(left::why("program", key).to_owned()),
        }
        Ok(())
    }

    /// The children that it becomes: one, or one with replicas, or one for each process.
    pub(super) fn children(&self, sheet: &mut Sheet, names: &Names<'_>) -> Result<Vec<Child>, ImportError> {
        sheet.make_room(self.at, self.processes)?;
        if self.processes == 1 {
            return Ok(vec![self.child(sheet, names, Process::Number(self.first), &self.process_name)?]);
        }
        if !self.counts() {
            let mut child = self.child(sheet, names, Process::Any, "%(program_name)s")?;
            child.keys.set("replicas", Value::plain(self.processes));
            return Ok(vec![child]);
        }
        let own_name = match self.process_name.contains("%(process_num)") {
            true => self.process_name.clone(),
            false => format!("{}_%(process_num)s", self.process_name),
        };
        let numbers = (0..self.processes).map(|at| Process::Number(self.first.saturating_add(at)));
        numbers.map(|process| self.child(sheet, names, process, &own_name)).collect()
    }

    /// Whether it matters to its processes which number they have: replicas have other ones.
    fn counts(&self) -> bool {
        let log = self.log.file.as_deref().unwrap_or_default();
        let mut counts = [&self.command, log].iter().any(|text| text.contains("%(process_num)"));
        for (_, value) in self.keys.iter() {
            value.each_text(&mut |text| {
                counts |= text.said().is_some_and(|said| said.contains("%(process_num)"))
            });
        }
        counts
    }

    fn child(
        &self,
        sheet: &mut Sheet,
        names: &Names<'_>,
        process: Process,
        name: &str,
    ) -> Result<Child, ImportError> {
        let wrong = |why: Refusal| self.at.error(format!("`program:{}`: {why}", printable(&self.name)));
        let own = names.fill(sheet, name, process).map_err(wrong)?;
        let Some(own) = own.said() else {
            return Err(wrong("the name of a process cannot come from the environment".to_owned()));
        };
        let mut child = Child::program(self.at, own);
        child.notes.clone_from(&self.notes);
        for (key, value) in self.keys.iter() {
            let mut value = value.clone();
            value
                .change_texts(&mut |text| names.fill(sheet, text.said().unwrap_or_default(), process))
                .map_err(wrong)?;
            child.keys.set(key, value);
        }
        command::set(&mut child, sheet, names, &self.command, process).map_err(wrong)?;
        if let Some(file) = &self.log.file {
            let file = names.fill(sheet, file, process).map_err(wrong)?;
            child.keys.set_in("log", "file", Value::Text(file));
            for (key, many) in self.log.with_defaults() {
                child.keys.set_in("log", key, Value::plain(many));
            }
        }
        Ok(child)
    }
}

impl Log {
    fn take(&mut self, key: &str, value: &str) -> Carried {
        match (key, value.trim()) {
            ("stdout_logfile", path) if is_nowhere(path) => {}
            ("stdout_logfile", path) if path.eq_ignore_ascii_case("syslog") => {
                return Err(left::why("program", "stdout_syslog").to_owned());
            }
            ("stdout_logfile", path) => self.file = Some(path.to_owned()),
            ("stdout_logfile_maxbytes", size) => match mebibytes(size)? {
                0 => return Err("a log file is always rotated; say a larger `max_size_mb`".to_owned()),
                many => self.keys.push(("max_size_mb", many)),
            },
            ("stdout_logfile_backups", many) => self.keys.push(("keep", number(many)?)),
            _ => return Err(left::why("program", key).to_owned()),
        }
        Ok(())
    }

    /// supervisord has 50 MB and ten old files.
    fn with_defaults(&self) -> [(&'static str, u64); 2] {
        [("max_size_mb", 50), ("keep", 10)].map(|(key, default)| {
            (key, self.keys.iter().find(|(said, _)| *said == key).map_or(default, |(_, many)| *many))
        })
    }
}

/// Whether it turns off what is off anyway.
fn is_off(key: &str, value: &str) -> bool {
    let switches = ["_capture_maxbytes", "_events_enabled", "_syslog"];
    switches.iter().any(|switch| key.ends_with(switch)) && truth(value) == Ok(false)
}

/// Whether what is printed goes to no file that stays. The words can have capitals.
fn is_nowhere(file: &str) -> bool {
    let files = ["", "/dev/stdout", "/dev/fd/1", "/dev/stderr", "/dev/fd/2"];
    let words = ["auto", "none", "off"];
    files.contains(&file.trim()) || words.iter().any(|word| file.trim().eq_ignore_ascii_case(word))
}

/// The file of standard error is that of standard output, or there is none.
fn stderr(section: &Section, key: &str, value: &str) -> Carried {
    let merged = section.get("redirect_stderr").is_some_and(|value| truth(value) == Ok(true));
    let file = section.get("stderr_logfile");
    let same = file.is_some() && file == section.get("stdout_logfile");
    let nowhere = is_nowhere(file.unwrap_or_default());
    let known = matches!(key, "stderr_logfile" | "stderr_logfile_maxbytes" | "stderr_logfile_backups");
    if !known {
        return Err(left::why("program", key).to_owned());
    }
    // Of a file that is the other one, or none, nothing more has to be said.
    if merged || same || nowhere && (key == "stderr_logfile" || value.trim() == "0") {
        return Ok(());
    }
    Err("both outputs are written to one file, that of stdout_logfile".to_owned())
}

/// `KEY="value",OTHER='value'`.
pub(super) fn variables(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        let part = parts.last_mut().ok_or("there is nothing in it")?;
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ',' | '\n') => parts.push(String::new()),
            (None, c) if c.is_whitespace() => {}
            (_, c) => part.push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    let pair = |part: &String| {
        let (name, value) =
            part.split_once('=').ok_or("it is not `NAME=\"value\"`, with commas in between")?;
        Ok((name.to_owned(), value.to_owned()))
    };
    parts.iter().filter(|part| !part.is_empty()).map(pair).collect()
}
