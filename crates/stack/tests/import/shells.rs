//! Commands that a shell runs, because the other tool does more than split them into words.

use supervisor_stack::Format;

use super::made;

/// supervisord puts the value in first, and splits it into words then.
#[test]
fn a_variable_of_a_command_can_be_several_words() {
    for (command, ours) in [
        ("/a %(ENV_O)s", r#"[sh, -c, "set -f; exec /a ${O}"]"#),
        ("%(ENV_O)s", r#"[sh, -c, "set -f; exec ${O}"]"#),
        ("/a -x%(ENV_O)s%(ENV_P)s 'b c' ''", r#"[sh, -c, "set -f; exec /a -x${O}${P} 'b c' ''"]"#),
        (
            "/a --in=\"%(here)s/x\"%(ENV_O)s \"%(ENV_Q)s\"",
            r#"[sh, -c, "set -f; exec /a \"${1}\"${O} \"${2}\"", sh, "--in=${here}/x", "${Q}"]"#,
        ),
        // Of one word, or of none.
        ("/a '%(ENV_O)s' \"x%(ENV_O)s\"", r#"[/a, "${O}", "x${O}"]"#),
        ("/a %%(ENV_O)s", r#"[/a, "%(ENV_O)s"]"#),
    ] {
        let made = made(Format::Supervisord, "s.conf", &format!("[program:a]\ncommand={command}\n"));
        assert!(made.text.contains(&format!("command: {ours}\n")), "{command}\n{}", made.text);
        let splits = ours.starts_with("[sh");
        assert_eq!(made.text.contains("{name: O, secret_ref: \"${O}\"}"), splits, "{}", made.text);
        assert_eq!(made.text.contains("A shell splits O into words"), splits, "{}", made.text);
    }
}

/// Of `$NAME` systemd honours the quotes in the value, and a shell does not.
#[test]
fn quotes_in_a_value_that_is_split_are_told() {
    const TOLD: &str = "Service.ExecStart: a shell splits $ARGS at its spaces";
    for (environment, left, noted) in [
        ("Environment=ARGS=1", false, false),
        ("Environment=\"ARGS=1 2\"", false, false),
        ("Environment=ARGS=\"a\\x27b\"", true, false),
        ("Environment=\"ARGS=-x \\\"a b\\\"\"", true, false),
        ("EnvironmentFile=/etc/a", false, true),
    ] {
        let text = format!("[Service]\nExecStart=/bin/a $ARGS ${{OTHER}}\n{environment}\n");
        let made = made(Format::Systemd, "a.service", &text);
        let told = made.left.iter().any(|left| left.to_string().starts_with(&format!("2: {TOLD}")));
        assert_eq!(told, left, "{environment}: {:?}", made.left);
        assert_eq!(made.text.contains("# A shell splits ARGS into words"), noted, "{}", made.text);
    }
}

/// What is given with `--set` is a word of its own, and nothing that a shell runs.
#[test]
fn an_instance_is_no_part_of_what_a_shell_runs() {
    for (words, ours) in [
        ("%i ${A}", r#"[sh, -c, "exec /bin/a \"${1}\" \"${A}\"", sh, "${instance}"]"#),
        ("x-%i/%I${A}", r#"[sh, -c, "exec /bin/a x-\"${1}\"/\"${1}\"\"${A}\"", sh, "${instance}"]"#),
        ("%i", r#"[/bin/a, "${instance}"]"#),
    ] {
        let text = format!("[Service]\nExecStart=/bin/a {words}\n");
        let made = made(Format::Systemd, "a@.service", &text);
        assert!(made.text.contains(&format!("command: {ours}\n")), "{words}\n{}", made.text);
    }
    let text = "[Service]\nExecStart=/bin/a %i ${A}\n";
    let named = made(Format::Systemd, "a@b;c d.service", text);
    assert!(named.text.contains(r#"[sh, -c, "exec /bin/a 'b;c d' \"${A}\""]"#), "{}", named.text);
}

/// Nothing of a probe runs in another directory than its own.
#[test]
fn a_probe_whose_directory_is_not_there_fails() {
    let text = "processes:\n  a:\n    command: ./a\n    readiness_probe: {exec: {command: 'false || true', working_dir: /no/such}}\n";
    let made = made(Format::ProcessCompose, "pc.yaml", text);
    let line = "cd /no/such || exit; false || true";
    assert!(made.text.contains(&format!("exec: [bash, -c, \"{line}\"]")), "{}", made.text);
    let output = std::process::Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(!output.status.success());
}
