//! The audit, completions, manual pages and help: no target is needed.

use serde_json::json;
use supervisor_ledger::{Ledger, Options};

use crate::shop::{Said, binary, home};

fn say(home: &tempfile::TempDir, args: &[&str]) -> Said {
    binary(home.path()).args(args).output().unwrap().into()
}

/// An audit of three records.
fn audit(home: &tempfile::TempDir) -> String {
    let dir = home.path().join("audit");
    let ledger = Ledger::open(&dir, &Options::default()).unwrap();
    for n in 1..=3 {
        let outcome =
            json!({"result": "rejected", "error": {"code": "authz_denied", "message": "\u{1b}[2J"}});
        let record = json!({
            "entry": "outcome", "action": "command.restart_child", "target": "/api", "decision": "allowed", "n": n,
            "actor": {"proved": "uid:7", "claimed": "ann"}, "reason": "stuck", "outcome": outcome,
        });
        ledger.commit(&record).unwrap();
    }
    ledger.close().unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn audit_shows_every_record_and_verifies_the_chain() {
    let home = home();
    let dir = audit(&home);
    let said = say(&home, &["audit", "show", &dir]);
    assert_eq!((said.code, said.out.lines().count()), (Some(0), 3), "{}", said.err);
    let line = said.out.lines().nth(1).unwrap();
    assert!(line.starts_with("     2 20"), "{line}");
    let words = "uid:7 command.restart_child /api for ann (stuck): allowed, outcome rejected: authz_denied: ";
    assert!(line.contains(words) && !said.out.contains('\u{1b}'), "{line}");

    let said = say(&home, &["audit", "show", "--output", "json", &dir]);
    let sequences: Vec<_> = said.lines().iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert_eq!(said.lines()[2]["body"]["n"], 3);

    let said = say(&home, &["audit", "verify", &dir]);
    assert!(
        said.code == Some(0) && said.out.starts_with("3 records in 1 segment,"),
        "{}{}",
        said.out,
        said.err
    );
    let said = say(&home, &["audit", "verify", "--output", "json", &dir]).json();
    assert_eq!(
        (&said["ok"], &said["records"], &said["end"]["sequence"]),
        (&json!(true), &json!(3), &json!(3))
    );
}

#[test]
fn a_changed_record_is_named_1() {
    let home = home();
    let dir = audit(&home);
    let segment = std::path::Path::new(&dir).join("segment-0000000001.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, text.replacen("\"n\":2", "\"n\":7", 1)).unwrap();
    say(&home, &["audit", "verify", &dir]).fails(1, &["segment-0000000001.jsonl"]);
    let said = say(&home, &["audit", "verify", "--output", "json", &dir]);
    assert_eq!((said.code, &said.json()["ok"]), (Some(1), &json!(false)));
    let shown = say(&home, &["audit", "show", &dir]);
    shown.fails(1, &["segment-0000000001.jsonl"]);
    assert!(shown.out.starts_with("     1 ") && shown.out.contains("\n     3 "), "{}", shown.out);
}

#[test]
fn a_ledger_of_something_else_is_shown_as_it_stands() {
    let home = home();
    let dir = home.path().join("ledger");
    let ledger = Ledger::open(&dir, &Options::default()).unwrap();
    ledger.commit(&json!({"what": "else"})).unwrap();
    ledger.close().unwrap();
    let said = say(&home, &["audit", "show", dir.to_str().unwrap()]);
    assert!(said.out.ends_with(" {\"what\":\"else\"}\n"), "{}", said.out);
}

#[test]
fn where_there_is_no_audit_1() {
    let home = home();
    say(&home, &["audit", "verify", home.path().to_str().unwrap()]).fails(1, &["holds no ledger"]);
    say(&home, &["audit", "show", "/nonexistent"])
        .fails(1, &["/nonexistent", "look whether the path is right"]);
}

/// The verbs, as the help lists them.
fn verbs(home: &tempfile::TempDir) -> Vec<String> {
    let help = say(home, &["--help"]).out;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    // The help wraps its lines; a verb stands two blanks from the left.
    let lines = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_help_of_each_verb_teaches_with_an_example() {
    let home = home();
    let verbs = verbs(&home);
    assert!(verbs.len() >= 20, "{verbs:?}");
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        let said = say(&home, &[verb, "--help"]);
        assert!(said.code == Some(0) && said.out.contains("Example"), "{verb}: {}", said.out);
        assert!(
            said.out.contains(&format!("supervisor {verb}")) || said.out.contains(&format!(" {verb} ")),
            "{verb}"
        );
    }
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    let home = home();
    let verbs = verbs(&home);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = say(&home, &["completions", shell]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        for verb in &verbs {
            assert!(said.out.contains(verb.as_str()), "{shell}: {verb}");
        }
    }
    let dir = home.path().join("man");
    say(&home, &["man", dir.to_str().unwrap()]).is("");
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        let page = std::fs::read_to_string(dir.join(format!("supervisor-{verb}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains("Example"), "{verb}");
    }
    say(&home, &["man", "/dev/null/x"]).fails(1, &["cannot write manual pages"]);
}
