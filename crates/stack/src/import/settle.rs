//! What is looked at when everything was said: names, files of logs, who waits for whom, and what is passed on.

use std::collections::{BTreeSet, HashMap, HashSet};

use supervisor_yaml::printable;

use super::Refusal;
use super::sheet::{Child, Keys, Sheet, Value, Wait};
use super::text::Text;

impl Sheet {
    /// Makes one file of all that was said: names that are legal and there once, files of logs that only one has, and who
    /// waits for whom.
    pub(super) fn settle(&mut self) {
        let mut children = std::mem::take(&mut self.children);
        self.name_once(&mut children);
        self.without_what_is_missing(&mut children);
        self.one_log_each(&mut children, &mut HashMap::new());
        self.wait(&mut children);
        self.children = children;
        self.pass_on();
        self.say_where_values_come_from();
    }

    fn name_once(&mut self, children: &mut [Child]) {
        let mut taken: HashSet<String> = HashSet::new();
        // Who has a name that can stay keeps it, wherever it stands.
        let mut keeps = Vec::new();
        for child in children.iter() {
            let keep = child.name == child.own && child.names(&child.name).all(|name| !taken.contains(&name));
            taken.extend(child.names(&child.name).filter(|_| keep));
            keeps.push(keep);
        }
        // The number that is tried next, by the name before it: what was taken once stays taken.
        let mut numbers: HashMap<String, u32> = HashMap::new();
        for (child, keep) in children.iter_mut().zip(keeps) {
            self.name_once(child.children.as_deref_mut().unwrap_or_default());
            if keep {
                continue;
            }
            let wanted = child.name.clone();
            let base = wanted[..wanted.len().min(56)].to_owned();
            let mut own = wanted.clone();
            while !child.names(&own).all(|name| !taken.contains(&name)) {
                let number = numbers.entry(base.clone()).or_insert(1);
                *number += 1;
                own = format!("{base}-{number}");
            }
            let why = match own == wanted {
                true => format!("a child cannot have this name; it is called `{own}`"),
                false => format!("another program is called `{wanted}` here, too; this one is `{own}`"),
            };
            self.leave(child.at, child.own.clone(), why);
            taken.extend(child.names(&own));
            child.name = own;
        }
    }

    /// A log needs a file, and a probe something to try.
    fn without_what_is_missing(&mut self, children: &mut [Child]) {
        const NEEDED: [(&str, &[&str], &str); 3] = [
            ("log", &["file", "dir"], "it has no file to write to"),
            (
                "readiness",
                &["http", "tcp", "exec", "notify", "log_line", "delay_ms"],
                "it has nothing to try",
            ),
            ("health_check", &["http", "tcp", "exec", "notify"], "it has nothing to try"),
        ];
        for child in children {
            for (key, needs, why) in NEEDED {
                let is_there = needs.iter().any(|inner| child.keys.get_in(key, inner).is_some());
                if child.keys.get(key).is_some() && !is_there {
                    child.keys.remove(key);
                    self.leave(child.at, format!("{}: {key}", child.said), why);
                }
            }
            self.without_what_is_missing(child.children.as_deref_mut().unwrap_or_default());
        }
    }

    fn one_log_each(&mut self, children: &mut [Child], of: &mut HashMap<Text, String>) {
        for child in children {
            if let Some(Value::Text(mut file)) = child.keys.get_in("log", "file").cloned() {
                if child.keys.get("replicas").is_some() && !file.names().any(|name| name == "replica") {
                    file.say(".");
                    // After a point a name can always be written.
                    let _ = file.name("replica");
                    child.keys.set_in("log", "file", Value::Text(file.clone()));
                    child.notes.push("Each of them has a log file of its own.".to_owned());
                }
                match of.get(&file) {
                    Some(other) => {
                        let why = format!("`{other}` writes to this file; each program needs one of its own");
                        child.keys.remove("log");
                        self.leave(child.at, format!("{}: log", child.said), why);
                    }
                    None => drop(of.insert(file, child.name.clone())),
                }
            }
            self.one_log_each(child.children.as_deref_mut().unwrap_or_default(), of);
        }
    }

    fn wait(&mut self, children: &mut [Child]) {
        let all: Vec<Sibling> = children.iter().map(Sibling::of).collect();
        for child in children {
            for Wait { at, key, on, until } in std::mem::take(&mut child.waits) {
                match waited_for(&all, &child.said, &on, until, child.keys.get("profiles").is_some()) {
                    Err(why) => self.leave(at, key, why),
                    Ok(names) => names.into_iter().for_each(|name| {
                        let name = Value::text(name);
                        child.keys.push(
                            "dependencies",
                            match until {
                                None => name,
                                Some(until) => {
                                    Value::Map(vec![("name", name), ("condition", Value::plain(until))])
                                }
                            },
                        );
                    }),
                }
            }
        }
    }

    /// A variable of a program that is one of the supervisor's is passed on as a secret is: it stands in no state. That
    /// needs a name that no other text has.
    fn pass_on(&mut self) {
        let mut elsewhere = BTreeSet::new();
        for keys in self.all_keys() {
            for (_, value) in keys.iter() {
                value.each_text(&mut |text| {
                    if text.only_name().is_none() {
                        elsewhere.extend(text.names().map(str::to_owned));
                    }
                });
            }
            elsewhere.extend(whole_names(keys));
        }
        let mut passed = BTreeSet::new();
        let variables = &self.variables;
        let mut pass = |entries: &mut Vec<(&'static str, Value)>| {
            let Some((key @ "value", Value::Text(text))) = entries.get_mut(1) else { return };
            let Some(name) = text.only_name().map(str::to_owned) else { return };
            if !elsewhere.contains(&name) && variables.get(&name) == Some(&None) {
                (*key, *text) = ("secret_ref", Text::from(format!("${{{name}}}")));
                passed.insert(name);
            }
        };
        each_environment(&mut self.supervisor, &mut self.children, &mut pass);
        self.variables.retain(|name, _| !passed.contains(name));
        if !passed.is_empty() {
            let reads_files = self.supervisor.get_in("defaults", "env_file").is_some();
            let files = if reads_files { " What .env has is there without such a line." } else { "" };
            self.head.push(format!(
                "What has a `secret_ref` is taken from the environment of the supervisor, and has to be there.{files}"
            ));
        }
    }

    /// Who reads the file has to know what to give.
    fn say_where_values_come_from(&mut self) {
        let given = self.variables.iter().any(|(name, default)| default.is_none() && name != "instance");
        if given {
            let reads_files = self.supervisor.get_in("defaults", "env_file").is_some();
            let files = if reads_files { " No .env is looked at for them." } else { "" };
            self.head.push(format!(
                "The names under `variables` get their values from `--set NAME=VALUE`, or from the environment in which this \
                 file is read.{files}"
            ));
        }
    }

    fn all_keys(&self) -> Vec<&Keys> {
        fn below<'a>(children: &'a [Child], all: &mut Vec<&'a Keys>) {
            for child in children {
                all.push(&child.keys);
                below(child.children.as_deref().unwrap_or_default(), all);
            }
        }
        let mut all = vec![&self.supervisor];
        below(&self.children, &mut all);
        all
    }
}

/// What matters of a program to who waits for it.
struct Sibling {
    said: String,
    name: String,
    has_profile: bool,
    is_permanent: bool,
}

impl Sibling {
    fn of(child: &Child) -> Self {
        Self {
            said: child.said.clone(),
            name: child.name.clone(),
            has_profile: child.keys.get("profiles").is_some(),
            is_permanent: child.keys.get("restart_policy") == Some(&Value::plain("permanent")),
        }
    }
}

/// What those are called for whom `who` waits, or why it cannot.
fn waited_for(
    all: &[Sibling],
    who: &str,
    on: &str,
    until: Option<&str>,
    has_profile: bool,
) -> Result<Vec<String>, Refusal> {
    let shown = printable(on);
    let found: Vec<&Sibling> = all.iter().filter(|sibling| sibling.said == on).collect();
    let ends = until.is_some_and(|until| until.starts_with("completed"));
    if found.is_empty() {
        return Err(format!("there is no program '{shown}' in what was read"));
    }
    if on == who {
        return Err("a program cannot wait for itself".to_owned());
    }
    if !has_profile && found.iter().any(|sibling| sibling.has_profile) {
        return Err(format!(
            "'{shown}' is only there with its profile, and nothing can wait for what is not there"
        ));
    }
    if ends && found.iter().any(|sibling| sibling.is_permanent) {
        return Err(format!("'{shown}' is started again whenever it ends, so nothing can wait for its end"));
    }
    Ok(found.into_iter().map(|sibling| sibling.name.clone()).collect())
}

/// The names that are all of a text which is no variable of a program.
fn whole_names(keys: &Keys) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in keys.iter() {
        let mut see = |text: &Text| names.extend(text.only_name().map(str::to_owned));
        match (key, value) {
            ("environment", _) => {}
            ("defaults", Value::Map(entries)) => {
                entries
                    .iter()
                    .filter(|(key, _)| *key != "environment")
                    .for_each(|(_, value)| value.each_text(&mut see));
            }
            _ => value.each_text(&mut see),
        }
    }
    names
}

/// Each variable of each program, and of the defaults.
fn each_environment(
    supervisor: &mut Keys,
    children: &mut [Child],
    change: &mut impl FnMut(&mut Vec<(&'static str, Value)>),
) {
    fn entries(value: Option<&mut Value>, change: &mut impl FnMut(&mut Vec<(&'static str, Value)>)) {
        let Some(Value::List(items)) = value else { return };
        for item in items {
            if let Value::Map(entries) = item {
                change(entries);
            }
        }
    }
    if let Some(Value::Map(defaults)) = supervisor.get_mut("defaults") {
        let of_all = defaults.iter_mut().find(|(key, _)| *key == "environment").map(|(_, value)| value);
        entries(of_all, change);
    }
    for child in children {
        entries(child.keys.get_mut("environment"), change);
        if let Some(inner) = child.children.as_deref_mut() {
            each_environment(&mut Keys::default(), inner, change);
        }
    }
}
