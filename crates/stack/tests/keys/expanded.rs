//! What a file takes from elsewhere.

use std::path::Path;

use supervisor_stack::{Choices, Stack};
use tokio_supervisor::api::policy::Condition;
use tokio_supervisor::{EventKind, Registry};

use crate::tree::{block, launch, of};

/// What is found in a text, with these choices.
fn findings(text: &str, choices: &Choices) -> String {
    Stack::parse_as("f.yaml", text, None, choices).err().map(|error| error.to_string()).unwrap_or_default()
}

/// A file in a directory.
fn file(dir: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
pub(crate) fn variables_stand_for_a_value_in_every_text_and_have_its_type() {
    block(async {
        let top = "variables: {word: 'a b', nofile: 77, other: \"x\"}";
        let script = "X=shell; other=inner; echo $1 ${other} ${X} $${other} $(ulimit -n)";
        let child = format!(
            "  - {{name: \"p-${{other}}\", kind: process, role: job, command: [sh, -c, {script:?}, sh, \"${{word}}\"], \
             resource_limits: {{max_file_descriptors: \"${{nofile}}\"}}}}\n"
        );
        let mut tree = launch(top, &child);
        assert_eq!(tree.said("/p-x").await, "a b x shell inner 77");
    });
}

#[test]
fn a_variable_is_what_was_set_then_what_the_environment_has_then_its_default() {
    let text = "version: 1\nname: \"${n}\"\nvariables: {n: default, none: ~}\nchildren: []\n";
    let env = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Choices::default().environment(pairs)
    };
    let name = |choices: Choices| {
        Stack::parse_as("f.yaml", text, None, &choices.set("none", "x")).unwrap().manifest.name.to_string()
    };
    assert_eq!(name(Choices::default()), "default");
    assert_eq!(name(env(&[("n", "env"), ("m", "other")])), "env");
    assert_eq!(name(env(&[("n", "env")]).set("n", "set")), "set");
    let missing = findings(text, &Choices::default());
    assert!(
        missing.starts_with(
            "f.yaml:3:25: error: the variable 'none' has no value: give one with `--set none=VALUE`"
        ),
        "{missing}"
    );
    let unknown = findings(text, &Choices::default().set("none", "").set("nn", "x"));
    assert!(
        unknown.contains("f.yaml:3:1: error: a value is given for 'nn'")
            && unknown.contains("did you mean `n`?"),
        "{unknown}"
    );
    assert!(!format!("{:?}", env(&[("K", "canary")])).contains("canary"));
}

#[test]
fn a_text_is_expanded_to_one_that_says_the_same_and_needs_nothing() {
    let text = "version: 1\nname: s\nvariables: {mb: 64, who: \"it's \\\"me\\\"\"}\nchildren:\n  - name: a\n    kind: process\n    \
                command: [sh, -c, 'echo ${who} $${who} ${X}', \"no\", 012]\n    resource_limits: {max_memory_mb: \"${mb}\"}\n";
    let choices = Choices::default().set("mb", "128");
    let expanded = Stack::expand("f.yaml", text, None, &choices).unwrap();
    let of = |text: &str, choices: &Choices| Stack::parse_as("f.yaml", text, None, choices).unwrap().manifest;
    assert_eq!(of(&expanded, &Choices::default()), of(text, &choices));
    let command = of(&expanded, &Choices::default()).children[0].command.clone().unwrap();
    assert_eq!(command[2..], ["echo it's \"me\" ${who} ${X}", "no", "012"]);
    let plain = "version: 1\nname: s   # as it is\nchildren: []\n";
    assert_eq!(Stack::expand("f.yaml", plain, None, &Choices::default()).unwrap(), plain);
}

#[test]
fn a_run_reads_its_file_again_with_what_was_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let text = "version: 1\nname: s\nvariables: {tag: ~}\nchildren:\n  - {name: a, kind: process, command: [x], tags: [\"${tag}\"]}\n";
    let path = file(dir.path(), "stack.yaml", text);
    let choices = Choices::default().set("tag", "blue");
    let stack = Stack::read_as(&path, Registry::new(), choices).unwrap();
    std::fs::write(&path, text.replace("name: a", "name: b")).unwrap();
    let again = stack.again(&path).unwrap();
    assert_eq!(
        (again.manifest.children[0].name.as_str(), &*again.manifest.children[0].tags[0]),
        ("b", "blue")
    );
    block(async move {
        let tree = of(&stack);
        assert_eq!(*tree.handle.child("/a").unwrap().tags, ["blue".into()]);
    });
}

/// What is found in a file, without the lines that show it.
fn found(path: &Path) -> Vec<String> {
    let error = Stack::read(path).err().map(|error| error.to_string()).unwrap_or_default();
    let dir = format!("{}/", path.parent().unwrap().display());
    error.lines().step_by(3).map(|line| line.replace(&dir, "")).collect()
}

const INCLUDES: &str = "version: 1\nname: s\nvariables: {who: x}\ninclude: [own.yaml, 'conf.d/*.yaml', 'none/*.yaml']\nchildren: []\n";

fn sleeper(name: &str, more: &str) -> String {
    format!("  - {{name: {name}, kind: process, command: [sleep, 1000]{more}}}\n")
}

fn included(children: &str) -> String {
    format!("children:\n{children}")
}

#[test]
pub(crate) fn included_files_bring_their_children_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let main = file(dir.path(), "stack.yaml", INCLUDES);
    file(dir.path(), "own.yaml", &included(&sleeper("own", "")));
    file(dir.path(), "conf.d/b.yaml", &included(&sleeper("b", ", dependencies: [a]")));
    file(dir.path(), "conf.d/a.yaml", &included(&sleeper("a", ", tags: ['${who}'], log: {file: a.log}")));
    file(dir.path(), "conf.d/.hidden.yaml", "no: yaml");
    file(dir.path(), "conf.d/other.yml", "no: yaml");
    let stack = Stack::read(&main).unwrap();
    let names: Vec<&str> = stack.manifest.children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["own", "a", "b"]);
    assert_eq!(stack.manifest.children[1].tags, ["x"]);
    // It is said where the stack file is, and not where this one is.
    let expanded = Stack::expand("stack.yaml", INCLUDES, Some(&main), &Choices::default()).unwrap();
    let again = Stack::parse_as("sent", expanded, None, &Choices::default()).unwrap();
    assert_eq!(again.manifest, stack.manifest);
    block(async move {
        let tree = of(&stack);
        assert!(tree.handle.child("/own").is_ok() && tree.handle.child("/b").is_ok());
    });
}

#[test]
fn what_is_wrong_in_an_included_file_is_told_with_its_name_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let main = file(dir.path(), "stack.yaml", INCLUDES);
    let own = included(
        &(sleeper("own", ", nice: 99") + &sleeper("own", "") + &sleeper("c", ", dependencies: [zz]")),
    );
    file(dir.path(), "own.yaml", &own);
    file(dir.path(), "conf.d/a.yaml", &format!("include: [x]\nname: y\n{}", included(&sleeper("own", ""))));
    file(dir.path(), "conf.d/b.yaml", "children: [\n");
    file(dir.path(), "conf.d/c.yaml", "");
    let found = found(&main);
    for (at, words) in [
        ("own.yaml:2:62:", "`nice` must be a whole number from -20 to 19"),
        ("own.yaml:3:12:", "the name 'own' is there twice among these children; the first is on line 2"),
        ("own.yaml:4:", "'zz'"),
        ("conf.d/a.yaml:1:1:", "an included file includes no other"),
        ("conf.d/a.yaml:2:1:", "`name` belongs into the stack file"),
        ("conf.d/a.yaml:4:12:", "the name 'own' is there twice among these children; the first is at "),
        ("conf.d/b.yaml:", "a bracket is opened and not closed"),
        ("conf.d/c.yaml:1:1:", "the file is empty; an included file has `children`"),
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(at) && line.contains(words)),
            "{at} {words}: {found:#?}"
        );
    }
    assert!(found.iter().any(|line| line.ends_with("own.yaml:2")), "{found:#?}");
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn what_cannot_be_included_is_told_where_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let text = "version: 1\nname: s\nchildren: []\ninclude:\n  - absent.yaml\n  - stack.yaml\n  - '*.yaml'\n  - 'c*/x.yaml'\n  - conf.d/\n  - conf.d\n";
    let main = file(dir.path(), "stack.yaml", text);
    file(dir.path(), "conf.d/a.yaml", "");
    let found = found(&main);
    for (at, words) in [
        ("stack.yaml:5:5:", "cannot read "),
        ("stack.yaml:6:5:", "'stack.yaml' is read already"),
        ("stack.yaml:8:5:", "in a directory"),
        ("stack.yaml:9:5:", "it is a directory, not a file"),
        ("stack.yaml:10:5:", "'conf.d' is read already"),
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(at) && line.contains(words)),
            "{at} {words}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 5, "{found:#?}");
    let sent = findings(text, &Choices::default());
    assert!(sent.contains("f.yaml:5:5: error: `include` is for a file"), "{sent}");
}

#[test]
pub(crate) fn a_program_is_there_as_often_as_is_said_with_its_number() {
    block(async {
        let script = "echo $REPLICA ${replica} $1 $OWN; exec sleep 1000";
        let children = format!(
            "  - {{name: web, kind: process, replicas: 2, command: [sh, -c, {script:?}, sh, \"port-${{replica}}\"], \
             environment: [{{name: OWN, value: \"o${{replica}}\"}}], readiness: {{log_line: port}}}}\n{}",
            sleeper("after", ", dependencies: [web]")
                + &sleeper("soon", ", dependencies: [{name: web, condition: started}]")
        );
        let mut lines = vec![];
        for path in ["/web-1", "/web-2"] {
            let mut again = launch("", &children);
            lines.push(again.said(path).await);
        }
        assert_eq!(lines, ["1 1 port-1 o1", "2 2 port-2 o2"]);
        let stack = Stack::parse("f", format!("version: 1\nname: s\nchildren:\n{children}")).unwrap();
        let needs = stack.manifest.children.iter().flat_map(|child| &child.dependencies);
        let needs: Vec<_> = needs.map(|on| (on.name().as_str(), on.condition())).collect();
        let [ready, started] = [Condition::Ready, Condition::Started];
        assert_eq!(needs, [("web-1", ready), ("web-2", ready), ("web-1", started), ("web-2", started)]);
    });
}

#[test]
fn replicas_are_some_of_programs_with_names_of_their_own() {
    let of = |children: &str| {
        findings(&format!("version: 1\nname: s\nchildren:\n{children}"), &Choices::default())
    };
    let web = |replicas: &str| sleeper("web", &format!(", replicas: {replicas}"));
    for (children, words) in [
        (web("0"), "`replicas` must be a whole number"),
        (web("1001"), "`replicas` must be a whole number"),
        (web("many"), "`replicas` must be a whole number"),
        (web("3") + &sleeper("web-2", ""), "the replica 'web-2' has the name of the child on line 5"),
        (
            "  - {name: g, kind: supervisor, replicas: 2, children: []}\n".to_owned(),
            "`replicas` is for the kind `process`",
        ),
        (web("2") + &sleeper("b", ", dependencies: [web-3]"), "'web-3'"),
        (
            web("2") + &sleeper("log", ", role: sidecar, primary: web"),
            "f.yaml:5:80: error: /log: 'web' is there several times, and a sidecar has one primary",
        ),
    ] {
        let found = of(&children);
        assert!(found.contains(words), "{children}{found}");
    }
    // What is wrong with all of them is told once.
    assert_eq!(of(&sleeper("web", ", replicas: 1000, nice: 99")).lines().count(), 3);
    assert_eq!(of(&web("1000")), "");
    let pairs = sleeper("log", ", role: sidecar, replicas: 2, primary: 'web-${replica}'");
    assert_eq!(of(&(web("2") + &pairs)), "");
}

#[test]
pub(crate) fn children_with_profiles_are_there_when_one_is_selected() {
    let text = format!(
        "version: 1\nname: s\nchildren:\n{}{}{}  - name: g\n    kind: supervisor\n    children:\n    {}    {}",
        sleeper("always", ""),
        sleeper("mail", ", profiles: [dev, test]"),
        sleeper("probe", ", profiles: [test], dependencies: [mail]"),
        sleeper("in", ""),
        sleeper("debug", ", profiles: [dev]"),
    );
    let names = |choices: &Choices| {
        let stack = Stack::parse_as("f.yaml", text.as_str(), None, choices).unwrap();
        let names = |children: &[supervisor_api::manifest::ChildManifest]| {
            children.iter().map(|child| child.name.to_string()).collect::<Vec<_>>().join(" ")
        };
        let group = stack.manifest.children.last().unwrap().children.clone().unwrap();
        (names(&stack.manifest.children), names(&group))
    };
    let choices =
        |profiles: &[&str]| profiles.iter().fold(Choices::default(), |all, name| all.profile(*name));
    let pair = |of: &str, below: &str| (of.to_owned(), below.to_owned());
    for (profiles, of, below) in [
        (&[][..], "always g", "in"),
        (&["dev"], "always mail g", "in debug"),
        (&["test"], "always mail probe g", "in"),
    ] {
        assert_eq!(names(&choices(profiles)), pair(of, below));
        block(async {
            let stack = Stack::parse_as("f.yaml", text.as_str(), None, &choices(profiles)).unwrap();
            let mut tree = crate::tree::of(&stack);
            let below = below.split(' ').map(|name| format!("/g/{name}"));
            let all: Vec<_> = of.split(' ').map(|name| format!("/{name}")).chain(below).collect();
            // In whichever order they come up.
            let mut left = all.clone();
            while !left.is_empty() {
                let running = tree.event(|event| event.event.kind == EventKind::ChildRunning).await;
                left.retain(|path| *path != running.path.as_str());
            }
            assert_eq!(
                tree.handle.children("/").unwrap().len() + tree.handle.children("/g").unwrap().len(),
                all.len()
            );
            tree.stop().await;
        });
    }
    let unknown = findings(&text, &choices(&["dev", "tset"]));
    assert!(
        unknown.contains(
            "the profile 'tset' is selected, and no child is in it; did you mean `test`? There are dev, test"
        ),
        "{unknown}"
    );
    let lacks = findings(&text.replace("profiles: [test], ", ""), &choices(&[]));
    assert!(
        lacks.contains("f.yaml:6:73: error: /probe: 'mail' is there only in the profile dev or test, and that is not selected"),
        "{lacks}"
    );
    assert_eq!(lacks.lines().count(), 3, "{lacks}");
    let until =
        text.replace("profiles: [test], ", "").replace("[mail]", "[{name: mail, condition: started}]");
    let lacks = findings(&until, &choices(&[]));
    assert!(lacks.contains("/probe: 'mail' is there only in the profile dev or test"), "{lacks}");
    for (bad, words) in [
        ("[]", "the child would never be there"),
        ("['a b']", "cannot be a profile"),
        ("dev", "must be a list"),
    ] {
        let found = findings(&text.replace("[dev, test]", bad), &choices(&["test"]));
        assert!(found.contains(words), "{bad}: {found}");
    }
}

#[test]
fn the_socket_takes_no_key_that_is_for_a_file() {
    for (key, value) in [("replicas", "2"), ("profiles", "[\"dev\"]")] {
        let text = format!(r#"{{"name": "a", "kind": "process", "command": ["x"], "{key}": {value}}}"#);
        let manifest: supervisor_api::manifest::ChildManifest = serde_json::from_str(&text).unwrap();
        let path = supervisor_api::SupervisorPath::parse("/a").unwrap();
        let problems = manifest.problems(&path);
        assert!(problems.len() == 1 && problems[0].message.contains("is for a stack file"), "{problems:?}");
    }
}
