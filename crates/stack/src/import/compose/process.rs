//! A process of process-compose.

use supervisor_yaml::{Entry, Node, printable};

use super::super::amount::{number, signal};
use super::super::procfile::{dotenv, shell_or_words};
use super::super::sheet::{Child, Sheet, Value, Wait};
use super::super::text::Text;
use super::super::{Carried, ImportError, Refusal};
use super::expand::Names;
use super::left::{self, UNKNOWN};
use super::log::join_log;
use super::{
    Project, at, entries, flag, is_set, list, mapping, not_scalars, own_names, seconds, text, variables, vars,
};

/// A process while it is read.
pub(super) struct Process<'a> {
    pub(super) sheet: &'a mut Sheet,
    pub(super) child: Child,
    project: &'a Project,
    pub(super) names: Names,
    node: &'a Node,
    /// Its number, if it is one of several that know it.
    pub(super) number: Option<u32>,
}

/// As many of one process are made children.
const MOST: u32 = 1000;
/// The variable, and the template, with the number of a replica.
pub(super) const NUMBER: &str = "PC_REPLICA_NUM";

/// The children that a process becomes: one, or one for each of its replicas, from 0, if these ask which one they are.
pub(super) fn numbers(sheet: &mut Sheet, process: &Entry) -> Result<Vec<Option<u32>>, ImportError> {
    let said = process.node.get("replicas").and_then(|entry| entry.node.text()).map(number::<u32>);
    let many = said.and_then(Result::ok).filter(|many| (2..=MOST).contains(many));
    sheet.make_room(at(process), many.unwrap_or(1))?;
    Ok(match many {
        Some(many) if mentions(&process.node, NUMBER) => (0..many).map(Some).collect(),
        _ => vec![None],
    })
}

/// Whether a text below has this in it.
fn mentions(node: &Node, what: &str) -> bool {
    node.text().is_some_and(|text| text.contains(what))
        || node.items().iter().any(|item| mentions(item, what))
        || entries(node).iter().any(|entry| mentions(&entry.node, what))
}

impl<'a> Process<'a> {
    pub(super) fn read(
        sheet: &'a mut Sheet,
        project: &'a Project,
        said: &'a Entry,
        number: Option<u32>,
    ) -> Result<Option<Child>, ImportError> {
        let mut names = project.names.clone();
        names.own.extend(own_names(&said.node));
        names.own.extend(["PC_PROC_NAME", NUMBER].map(str::to_owned));
        names.vars.insert(NUMBER.to_owned(), number.unwrap_or(0).to_string());
        vars(&said.node, &mut names);
        names.templates_off = is_set(&said.node, "is_template_disabled");
        let mut child = Child::program(at(said), &said.key);
        if let (Some(number), Some(many)) =
            (number, said.node.get("replicas").and_then(|entry| entry.node.text()))
        {
            child.called(format!("{}-{number:0width$}", said.key, width = many.trim().len()));
        }
        let mut process = Self { sheet, child, project, names, node: &said.node, number };
        // It runs once, unless it says otherwise.
        process.child.keys.set("role", Value::plain("job"));
        for entry in entries(&said.node) {
            let key = format!("{}.{}", said.key, entry.key);
            if let Err(why) = process.take(entry, &key) {
                process.sheet.leave(at(entry), key, why);
            }
        }
        if process.child.keys.get("command").is_none() {
            // Whose command it would be is the first of these that it says.
            let says = |key: &&str| said.node.get(key).is_some();
            let key = ["entrypoint", "command", "extends"].into_iter().find(says).unwrap_or("command");
            let otherwise = format!("`{}` has no `command`", printable(&said.key));
            let key = format!("{}.{key}", said.key);
            return process.sheet.without_command(&process.child, &key, otherwise).map(|()| None);
        }
        process.own_variables(said).map_err(|why| at(said).error(why))?;
        Ok(Some(process.finish()))
    }

    /// The variables that process-compose gives a program, where it asks for them.
    fn own_variables(&mut self, said: &Entry) -> Carried {
        if mentions(self.node, "PC_PROC_NAME") {
            self.child.keys.variable("PC_PROC_NAME", said.key.as_str())?;
        }
        if mentions(self.node, NUMBER) {
            self.child.keys.variable(NUMBER, self.number.unwrap_or(0).to_string())?;
        }
        Ok(())
    }

    fn finish(mut self) -> Child {
        let keys = &mut self.child.keys;
        if keys.get("restart_policy").is_some() {
            keys.remove("role");
        }
        join_log(keys);
        let dotenv_off = is_set(self.node, "is_dotenv_disabled");
        if self.project.dotenv_each && !dotenv_off {
            let Value::List(mut files) = dotenv() else { return self.child };
            if let Some(Value::List(own)) = keys.get("env_file") {
                files.extend(own.iter().cloned());
            }
            keys.set("env_file", Value::List(files));
        }
        self.child
    }

    /// A text with what names in it stand for.
    pub(super) fn text(&mut self, node: &Node) -> Result<Text, Refusal> {
        let names = Names { own: Default::default(), ..self.names.clone() };
        names.fill(self.sheet, text(node)?)
    }

    /// A line for the shell, as words where that makes no difference.
    pub(super) fn line(&mut self, line: &str) -> Result<Value, Refusal> {
        let shell: Vec<&str> = self.project.shell.iter().map(String::as_str).collect();
        let filled = self.names.fill(self.sheet, line.trim())?;
        match filled.said() {
            Some(line) => shell_or_words(line, &shell),
            // What a name stands for could be several words to a shell.
            None => Ok(Value::texts(shell.into_iter().map(Text::from).chain([filled]))),
        }
    }

    fn take(&mut self, entry: &Entry, of: &str) -> Carried {
        let node = &entry.node;
        match entry.key.as_str() {
            // It is the key above that names a process.
            "name" => {}
            // With an entry point it is not used.
            "command" if self.node.get("entrypoint").is_some() => {}
            "command" => {
                let line = self.line(text(node)?)?;
                self.child.keys.set("command", line);
            }
            "entrypoint" => {
                let words: Result<Vec<Text>, _> = list(node)?.iter().map(|word| self.text(word)).collect();
                self.child.keys.set("command", Value::texts(words?));
            }
            "disabled" | "is_disabled" if !flag(node)? => {}
            "disabled" | "is_disabled" => {
                let profile = self.child.name.clone();
                self.child
                    .notes
                    .push(format!("It is only there with `--profile {profile}`: it was disabled."));
                self.child.keys.set("profiles", Value::texts([profile]));
            }
            "description" => self.child.notes.insert(0, text(node)?.to_owned()),
            "log_location" => {
                let file = self.log_file(node)?;
                self.child.keys.set_in("log", "file", Value::Text(file));
            }
            "log_configuration" => {
                self.each(node, of, Self::log)?;
                if let Some(rotation) = node.get("rotation") {
                    self.each(&rotation.node, &format!("{of}.rotation"), Self::rotation)?;
                }
            }
            "environment" => variables(self.sheet, &self.names, node, &mut self.child.keys)?,
            "env_file" => {
                let file = self.text(node)?;
                let folder = self.node.get("working_dir").and_then(|entry| entry.node.text());
                let mut path = Text::default();
                if let (Some(folder), Some(false)) = (folder, file.said().map(|file| file.starts_with('/'))) {
                    path = Text::from(format!("{folder}/"));
                }
                path.add(&file)?;
                self.child.keys.push("env_file", Value::Text(path));
            }
            // They say what is put into texts and files, and that was done.
            "is_dotenv_disabled" | "is_template_disabled" => drop(flag(node)?),
            "vars" => not_scalars(node)?,
            "availability" => self.availability(node, of)?,
            "depends_on" => self.depends(node, of)?,
            "liveness_probe" => self.each(node, of, Self::liveness)?,
            "readiness_probe" => self.each(node, of, Self::readiness)?,
            "ready_log_line" => {
                let line = self.text(node)?;
                self.child.keys.set_in("readiness", "log_line", Value::Text(line));
            }
            "shutdown" => self.each(node, of, Self::shutdown)?,
            "working_dir" => {
                let folder = self.text(node)?;
                self.child.keys.set("working_dir", Value::Text(folder));
            }
            "namespace" => {
                let listed: Vec<&Node> =
                    if node.items().is_empty() { vec![node] } else { node.items().iter().collect() };
                for name in listed {
                    let tag = self.text(name)?;
                    self.child.keys.push("tags", Value::Text(tag));
                }
            }
            "replicas" => match number::<u32>(text(node)?)? {
                0 | 1 => {}
                many if many > MOST => return Err(format!("there are at most {MOST} of one program")),
                // It is one of them.
                _ if self.number.is_some() => {}
                many => {
                    let note = "REPLICA has the number, from 1; PC_REPLICA_NUM had it from 0.";
                    self.child.notes.push(note.to_owned());
                    self.child.keys.set("replicas", Value::plain(many));
                }
            },
            "success_exit_codes" => {
                let codes: Result<Vec<u8>, _> = list(node)?.iter().map(|code| number(text(code)?)).collect();
                let codes = [0].into_iter().chain(codes?.into_iter().filter(|code| *code != 0));
                self.child.keys.set("success_exit_codes", Value::List(codes.map(Value::plain).collect()));
            }
            "is_tty" if !flag(node)? => {}
            "is_tty" => self.child.keys.set("terminal", Value::plain(true)),
            key @ ("is_daemon"
            | "is_foreground"
            | "is_elevated"
            | "is_interactive"
            | "disable_ansi_colors"
            | "truncate_log") => {
                if flag(node)? {
                    return Err(left::of_process(key));
                }
            }
            key => return Err(left::of_process(key)),
        }
        Ok(())
    }

    /// Takes each key of a mapping, and tells which are not taken.
    fn each(&mut self, node: &Node, of: &str, take: fn(&mut Self, &str, &Node) -> Carried) -> Carried {
        for entry in mapping(node)? {
            if let Err(why) = take(self, &entry.key, &entry.node) {
                self.sheet.leave(at(entry), format!("{of}.{}", entry.key), why);
            }
        }
        Ok(())
    }

    fn shutdown(&mut self, key: &str, node: &Node) -> Carried {
        match key {
            "timeout_seconds" => {
                let wait = Value::millis(seconds(node)?);
                self.child.keys.set_in("shutdown", "graceful_timeout_ms", wait);
            }
            "signal" => self.child.keys.set("stop_signal", signal(text(node)?)?),
            "parent_only" if !flag(node)? => {}
            "parent_only" => return Err("signals to stop a program go to all of its processes".to_owned()),
            "command" => {
                return Err("a program is stopped with a signal; give it one that does the same".to_owned());
            }
            "send_keys" => {
                return Err("nobody types at a program; give it a signal that does the same".to_owned());
            }
            _ => return Err(UNKNOWN.to_owned()),
        }
        Ok(())
    }

    fn availability(&mut self, node: &Node, of: &str) -> Carried {
        self.each(node, of, Self::restarts)?;
        let said = |key: &str| node.get(key).and_then(|entry| entry.node.text());
        if said("exit_on_end").is_some_and(|said| said == "true") {
            if said("restart") == Some("always") {
                let why = "what is always started again never ends; let it be restarted when it fails";
                self.sheet.leave(self.child.at, format!("{of}.exit_on_end"), why);
                return Ok(());
            }
            self.child.keys.set("significant", Value::plain(true));
            self.sheet.supervisor.set("auto_shutdown", Value::plain("any_significant"));
        }
        Ok(())
    }

    fn restarts(&mut self, key: &str, node: &Node) -> Carried {
        let keys = &mut self.child.keys;
        match key {
            "restart" => match text(node)? {
                "always" => keys.set("restart_policy", Value::plain("permanent")),
                "on_failure" => keys.set("restart_policy", Value::plain("transient")),
                "no" => {}
                "exit_on_failure" => {
                    // The first failure uses up the budget.
                    keys.set("restart_policy", Value::plain("transient"));
                    keys.set_in("budget", "max_restarts", Value::plain(0));
                    keys.set_in("budget", "on_exhausted", Value::plain("shutdown_tree"));
                }
                _ => {
                    return Err("it is none of `always`, `on_failure`, `exit_on_failure` and `no`".to_owned());
                }
            },
            "backoff_seconds" => {
                let wait = Value::millis(seconds(node)?.max(1.0));
                keys.set_in("backoff", "initial_ms", wait.clone());
                keys.set_in("backoff", "max_ms", wait);
                keys.set_in("backoff", "jitter_ratio", Value::plain(0));
            }
            "max_restarts" => match number::<u32>(text(node)?)? {
                0 => {}
                many => {
                    self.child
                        .notes
                        .push("`max_restarts` counts those of a day; process-compose counts all.".to_owned());
                    keys.set_in("budget", "max_restarts", Value::plain(many));
                    keys.set_in("budget", "window_secs", Value::plain(86_400));
                    keys.set_in("budget", "on_exhausted", Value::plain("quarantine"));
                }
            },
            // It is looked at with `restart`.
            "exit_on_end" => drop(flag(node)?),
            "exit_on_skipped" if !flag(node)? => {}
            "exit_on_skipped" => {
                return Err(
                    "who depends on what failed waits, and `supervisor status` says for whom".to_owned()
                );
            }
            _ => return Err(UNKNOWN.to_owned()),
        }
        Ok(())
    }

    fn depends(&mut self, node: &Node, of: &str) -> Carried {
        for on in mapping(node)? {
            let key = format!("{of}.{}", on.key);
            let said = on.node.get("condition").and_then(|entry| entry.node.text());
            if said.is_none() {
                self.child
                    .notes
                    .push(format!("It waits until {} is started: no condition was said.", on.key));
            }
            let until = match said.unwrap_or("process_started") {
                "process_healthy" | "process_log_ready" => None,
                "process_started" => Some("started"),
                "process_completed" => Some("completed"),
                "process_completed_successfully" => Some("completed_ok"),
                _ => {
                    self.sheet.leave(at(on), key, "there is no such condition");
                    continue;
                }
            };
            for entry in entries(&on.node).iter().filter(|entry| entry.key != "condition") {
                self.sheet.leave(at(entry), format!("{key}.{}", entry.key), UNKNOWN);
            }
            self.child.waits.push(Wait { at: at(on), key, on: on.key.clone(), until });
        }
        Ok(())
    }
}
