//! What a file takes from elsewhere.

use std::path::Path;

use supervisor_stack::{Choices, Stack};
use tokio_supervisor::Registry;

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
