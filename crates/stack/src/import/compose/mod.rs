//! `process-compose.yaml`.

mod expand;
mod left;
mod log;
mod probe;
mod process;

use std::collections::BTreeSet;

use supervisor_yaml::{Dialect, Entry, Node, Value as Yaml, parse};

use self::expand::Names;
use self::process::Process;
use super::amount::{self, truth};
use super::procfile::dotenv;
use super::sheet::{Keys, Sheet, Value};
use super::{At, Carried, ImportError, Refusal};
use crate::dialect;

const FILE: Dialect = Dialect {
    name: "a process-compose file",
    needs: "it has `processes`",
    instead_of_aliases: "; write out what it stands for",
    ..dialect::STACK
};

/// What is said of all processes.
struct Project {
    /// What the shell is called, with its argument.
    shell: Vec<String>,
    names: Names,
    /// Whether a process says that it has no `.env`: then each of the others says that it has.
    dotenv_each: bool,
}

pub(super) fn read(text: &str) -> Result<Sheet, ImportError> {
    let (root, mistakes) = parse(text, &FILE);
    if let Some((place, message)) = mistakes.into_iter().next() {
        return Err(At { file: 0, line: place.line as usize }.error(message));
    }
    let mut sheet = begun();
    let Some(root) = root else { return Ok(sheet) };
    let processes = root.get("processes").map(|entry| entries(&entry.node)).unwrap_or_default();
    let project = Project::of(&root, processes);
    if !project.dotenv_each {
        sheet.supervisor.set_in("defaults", "env_file", dotenv());
    }
    for entry in entries(&root) {
        if let Err(why) = project.take(&mut sheet, entry) {
            sheet.leave(at(entry), entry.key.clone(), why);
        }
    }
    for process in processes {
        for number in process::numbers(&mut sheet, process)? {
            let child = Process::read(&mut sheet, &project, process, number)?;
            sheet.children.extend(child);
        }
    }
    Ok(sheet)
}

/// What process-compose does by default, where we do otherwise.
fn begun() -> Sheet {
    let mut sheet = Sheet {
        head: vec![
            "A program gets PATH, HOME, LANG and a few more of the supervisor's environment, what is in .env beside this \
             file, and what is named under `environment`. process-compose gives it all of its own."
                .to_owned(),
        ],
        ..Sheet::default()
    };
    sheet.supervisor.set("stop", Value::plain("concurrent"));
    sheet.supervisor.set("budget", Value::plain("unlimited"));
    sheet.supervisor.set_in(
        "defaults",
        "shutdown",
        Value::Map(vec![("graceful_timeout_ms", Value::plain(10_000))]),
    );
    sheet
}

impl Project {
    fn of(root: &Node, processes: &[Entry]) -> Self {
        let said = |key: &str| Some(root.get("shell")?.node.get(key)?.node.text()?.to_owned());
        let shell = match (said("shell_command"), said("shell_argument")) {
            (Some(command), Some(argument)) => vec![command, argument],
            _ => vec!["bash".to_owned(), "-c".to_owned()],
        };
        let env_off = is_set(root, "disable_env_expansion");
        let mut names = Names { env_off, own: own_names(root), ..Names::default() };
        vars(root, &mut names);
        Self {
            shell,
            names,
            dotenv_each: processes.iter().any(|entry| is_set(&entry.node, "is_dotenv_disabled")),
        }
    }

    /// A key of the file.
    fn take(&self, sheet: &mut Sheet, entry: &Entry) -> Carried {
        let node = &entry.node;
        match entry.key.as_str() {
            "version" | "processes" | "disable_env_expansion" => {}
            // What it said was put into the texts.
            "vars" => not_scalars(node)?,
            // It is always so.
            "ordered_shutdown" | "is_strict" => drop(flag(node)?),
            "is_tui_disabled" if flag(node)? => {}
            "name" => sheet.name = Some(text(node)?.to_owned()),
            "shell" => {
                for inner in mapping(node)? {
                    let why = match inner.key.as_str() {
                        "shell_command" | "shell_argument" => continue,
                        "elevated_shell_command" | "elevated_shell_argument" => {
                            "start the supervisor as root, and say `user` of the others"
                        }
                        _ => left::UNKNOWN,
                    };
                    sheet.leave(at(inner), format!("shell.{}", inner.key), why);
                }
            }
            "environment" => {
                let mut keys = Keys::default();
                variables(sheet, &self.names, node, &mut keys)?;
                if let Some(list) = keys.get("environment") {
                    sheet.supervisor.set_in("defaults", "environment", list.clone());
                }
            }
            key => return Err(left::of_file(key)),
        }
        Ok(())
    }
}

/// The names of the variables that are said.
fn own_names(of: &Node) -> BTreeSet<String> {
    let Some(said) = of.get("environment") else { return BTreeSet::new() };
    let listed = said.node.items().iter().filter_map(Node::text).filter_map(|text| text.split_once('='));
    let keyed = entries(&said.node).iter().map(|entry| entry.key.clone());
    listed.map(|(name, _)| name.to_owned()).chain(keyed).collect()
}

/// What templates stand for.
fn vars(of: &Node, names: &mut Names) {
    let said = of.get("vars").map(|entry| entries(&entry.node)).unwrap_or_default();
    let scalars = said.iter().filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned())));
    names.vars.extend(scalars);
}

/// Of `vars` texts and numbers can be put in.
fn not_scalars(node: &Node) -> Carried {
    match mapping(node)?.iter().find(|entry| entry.node.text().is_none()) {
        Some(entry) => Err(format!("`{}` of it is no text, and is not filled in", entry.key)),
        None => Ok(()),
    }
}

/// `NAME=value` in a list, or a mapping.
fn variables(sheet: &mut Sheet, names: &Names, node: &Node, keys: &mut Keys) -> Carried {
    // A variable may be made of one of the supervisor's that is called the same.
    let names = Names { own: BTreeSet::new(), ..names.clone() };
    if let Yaml::Map(entries) = &node.value {
        for entry in entries {
            keys.variable(&entry.key, names.fill(sheet, text(&entry.node)?)?)?;
        }
        return Ok(());
    }
    for item in list(node)? {
        let (name, value) = text(item)?.split_once('=').ok_or("a variable of it is not `NAME=value`")?;
        keys.variable(name, names.fill(sheet, value)?)?;
    }
    Ok(())
}

/// The keys of what has to be a mapping, or nothing.
fn mapping(node: &Node) -> Result<&[Entry], Refusal> {
    match &node.value {
        Yaml::Map(entries) => Ok(entries),
        _ if node.is_null() => Ok(&[]),
        _ => Err("it is not a mapping of keys to values".to_owned()),
    }
}

/// The items of what has to be a list, or nothing.
fn list(node: &Node) -> Result<&[Node], Refusal> {
    match &node.value {
        Yaml::List(items) => Ok(items),
        _ if node.is_null() => Ok(&[]),
        _ => Err("it is not a list".to_owned()),
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Yaml::Map(entries) => entries,
        _ => &[],
    }
}

fn at(entry: &Entry) -> At {
    At { file: 0, line: entry.place.line as usize }
}

fn text(node: &Node) -> Result<&str, Refusal> {
    node.text().ok_or_else(|| "it is not a text".to_owned())
}

fn flag(node: &Node) -> Result<bool, Refusal> {
    truth(text(node)?)
}

/// Whether a key is there and says yes.
fn is_set(of: &Node, key: &str) -> bool {
    of.get(key).is_some_and(|entry| flag(&entry.node) == Ok(true))
}

fn seconds(node: &Node) -> Result<f64, Refusal> {
    amount::seconds(text(node)?)
}
