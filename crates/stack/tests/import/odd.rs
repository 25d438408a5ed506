//! What people have in such files that is no file of that kind, or hardly.

use supervisor_stack::{Choices, Format, Stack, import};

use super::{made, made_of, read};

/// The line and the sentence with which a file is refused.
#[track_caller]
fn refused(format: Format, name: &str, text: &str) -> String {
    read(format, &[(name, text)]).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    use Format::{ProcessCompose, Procfile, Supervisord, Systemd};
    for (format, text, part) in [
        (Procfile, "web: ./web\nnonsense\n", "2: it is not `NAME: COMMAND`"),
        (Procfile, "web: ./web\nmy app: ./app\n", "2: it is not `NAME: COMMAND`"),
        (Procfile, "web: ./web 'x\n", "1: a quote in the command is not closed"),
        (Procfile, "web:\n", "1: there is no command"),
        (Procfile, "# nothing\n", "1: there is no program in it: a line `NAME: COMMAND` was looked for"),
        (Supervisord, "command=x\n", "1: it stands in no section, such as `[program:web]`"),
        (Supervisord, "\n[program:web\n", "2: the name of the section is not closed"),
        (Supervisord, "[program:web]\nnonsense\n", "2: it is neither a section nor `key = value`"),
        (Supervisord, "[program:web]\nuser=x\n", "1: `program:web` has no `command`"),
        (
            Supervisord,
            "[program:web]\ncommand=a 'b\n",
            "1: `program:web`: a quote in `command` is not closed",
        ),
        (Supervisord, "[program:web]\ncommand=a %(nobody)s\n", "1: `program:web`: `%(nobody)s` is no name"),
        (Supervisord, "[program:web]\ncommand=date +%H\n", "1: `program:web`: a `%` that begins no name"),
        (Supervisord, "[program:web]\ncommand=a \"$%(ENV_B)s\"\n", "1: `program:web`: a `$` stands before"),
        (
            Supervisord,
            "[program:web]\ncommand=a %(process_num)70000d\n",
            "1: `program:web`: `%(process_num)70000d` asks for more than 9 digits",
        ),
        (
            Supervisord,
            "[program:web]\ncommand=a %(process_num)99999999999999999999d\n",
            "1: `program:web`: `%(process_num)99999999999999999999d` asks for more than 9 digits",
        ),
        (Supervisord, "[supervisord]\n", "1: there is no program in it: a section `[program:NAME]`"),
        (ProcessCompose, "processes:\n  web: {command: x\n", "2: the YAML cannot be read"),
        (ProcessCompose, "processes:\n  web: &a {command: x}\n", "2: "),
        (ProcessCompose, "processes:\n  web: {namespace: x}\n", "2: `web` has no `command`"),
        (
            ProcessCompose,
            "processes:\n  web:\n    command: a ${B^^}\n",
            "3: `web.command`: `${B^^}` changes a value",
        ),
        (ProcessCompose, "- a\n- b\n", "1: there is no program in it"),
        (ProcessCompose, "", "1: "),
        (Systemd, "ExecStart=x\n", "1: it stands in no section, such as `[Service]`"),
        (Systemd, "[Service]\nUser=x\n", "1: a unit has a section `[Service]` with an `ExecStart`"),
        (Systemd, "[Unit]\nDescription=x\n", "1: a unit has a section"),
        (
            Systemd,
            "[Service]\nExecStart=@/bin/web web\n",
            "2: `Service.ExecStart`: `@` before a command has no counterpart",
        ),
    ] {
        let said = refused(format, "x.service", text);
        assert!(said.starts_with(part), "{said}\nof\n{text}");
    }
}

#[test]
fn a_command_that_is_left_is_told_by_its_line() {
    let text = "[Service]\nType=oneshot\nExecStart=+/bin/a\nExecStart=/bin/b 'c\nExecStart=/bin/d\n";
    let made = made(Format::Systemd, "web.service", text);
    let lines: Vec<_> = made.left.iter().map(|left| (left.line, left.key.as_str())).collect();
    assert_eq!(lines, [(3, "Service.ExecStart"), (4, "Service.ExecStart")]);
    assert!(made.text.contains("command: [/bin/d]"), "{}", made.text);
}

#[test]
fn what_is_in_the_file_of_another_is_no_part_of_the_yaml() {
    for name in [
        "a\": x",
        "- b",
        "{c}",
        "d: [",
        "e\u{2028}f",
        "\u{202e}g",
        "null",
        "1",
        "true",
        "'h'",
        "&i",
        "*j",
        "..",
        "ü",
    ] {
        let text = format!(
            "processes:\n  {}: {{command: './x \"#\" \\ %'}}\n",
            serde_json::to_string(name).unwrap()
        );
        let made = made(Format::ProcessCompose, "pc.yaml", &text);
        assert_eq!(made.text.matches("- name: ").count(), 1, "{}", made.text);
    }
    let text = "[program:a\n";
    let sneaky = format!("{text}]\ncommand=x\nenvironment=A=\"1\u{7}\u{2029}\\\"\n");
    assert!(read(Format::Supervisord, &[("s.conf", &sneaky)]).is_err());
    let text = "[Service]\nExecStart=/bin/x \\x07 \"a\\nb\"\nDescription=\u{1b}[31mred\n[Unit]\nDescription=\u{1b}[31mred\n";
    let made = made(Format::Systemd, "x.service", text);
    assert!(
        made.text.contains("\"\\U00000007\", \"a\\nb\"") && !made.text.contains('\u{1b}'),
        "{}",
        made.text
    );
    assert!(made.left.iter().all(|left| !left.to_string().contains('\u{1b}')), "{:?}", made.left);
}

#[test]
fn a_unit_with_its_drop_ins_is_one() {
    let text = "# /lib/systemd/system/web.service\n[Service]\nExecStart=/bin/a\nEnvironment=A=1\nEnvironment=B=2\nUser=x\n\n\
                # /etc/systemd/system/web.service.d/own.conf\n[Service]\nExecStart=\nExecStart=/bin/b\nEnvironment=A=3\nUser=zed\n";
    let made = made(Format::Systemd, "web.service", text);
    for part in
        ["command: [/bin/b]", "user: zed", "- {name: B, value: \"2\"}\n      - {name: A, value: \"3\"}"]
    {
        assert!(made.text.contains(part), "{part}\n{}", made.text);
    }
    assert!(made.left.is_empty(), "{:?}", made.left);
}

#[test]
fn what_runs_before_and_after_has_as_long_as_there() {
    let before = "ExecStartPre=/bin/a\nExecStartPre=-/bin/b c\nExecStopPost=/bin/d\n";
    for (text, start, stop) in [
        ("", "90", "90"),
        ("TimeoutStartSec=5min\nTimeoutStopSec=500ms\n", "300", "0.5"),
        ("TimeoutSec=infinity\n", "86400", "86400"),
        ("Type=oneshot\n", "86400", "90"),
    ] {
        let made =
            made(Format::Systemd, "a.service", &format!("[Service]\nExecStart=/bin/x\n{before}{text}"));
        let pre = format!(
            "pre_start: {{command: [sh, -c, \"/bin/a && {{ /bin/b c || true; }}\"], timeout_secs: {start}}}\n"
        );
        let post = format!("post_stop: {{command: [/bin/d], timeout_secs: {stop}}}\n");
        assert!(made.text.contains(&pre) && made.text.contains(&post), "{}", made.text);
        assert!(made.left.is_empty(), "{:?}", made.left);
        assert_eq!(made.text.contains("    ready_within_secs: infinity"), start == "86400", "{}", made.text);
    }
}

#[test]
fn an_instance_is_named_by_its_file() {
    let text = "[Service]\nExecStart=/bin/a %i %I %p %N %n\n";
    let named = made(Format::Systemd, "a@b.service", text);
    assert!(
        named.text.contains("- name: a-b\n")
            && named.text.contains("[/bin/a, b, b, a, \"a@b\", \"a@b.service\"]"),
        "{}",
        named.text
    );
    let template = made(Format::Systemd, "a@.service", text);
    assert_eq!(template.needs, ["instance"]);
    assert!(read(Format::Systemd, &[("a@b-c.service", text)]).is_err());
}

#[test]
fn long_names_stay_apart() {
    let long = "n".repeat(80);
    let made = made(Format::Procfile, "Procfile", &format!("{long}a: ./a\n{long}b: ./b\n"));
    assert!(made.text.contains(&format!("- name: {}\n", "n".repeat(64))), "{}", made.text);
    assert!(made.text.contains(&format!("- name: {}-2\n", "n".repeat(56))), "{}", made.text);
    assert_eq!(made.left.len(), 2);
}

#[test]
fn only_some_formats_are_several_files() {
    let error = read(Format::Procfile, &[("Procfile", "a: b\n"), ("Procfile.dev", "c: d\n")]).unwrap_err();
    assert_eq!((error.file, error.line), (1, 1));
    let error = read(Format::Systemd, &[("a.service", "[Service]\nExecStart=/a\n"), ("b.service", "x\n")])
        .unwrap_err();
    assert_eq!((error.file, error.line), (1, 1));
}

#[test]
fn a_stack_is_called_what_somebody_says() {
    let made = |format, file, text, name| {
        let foreign = supervisor_stack::Foreign { name: file, folder: "/srv", text };
        import(format, &[foreign], name, "The Shop!").unwrap().text
    };
    let compose = "name: till\nprocesses:\n  web: {command: ./web}\n";
    assert!(made(Format::ProcessCompose, "pc.yaml", compose, None).contains("\nname: till\n"));
    assert!(made(Format::ProcessCompose, "pc.yaml", compose, Some("desk")).contains("\nname: desk\n"));
    assert!(made(Format::Procfile, "Procfile", "web: ./web\n", None).contains("\nname: The-Shop\n"));
}

#[test]
fn a_variable_of_the_shell_is_none_of_the_stack_file() {
    let text = "processes:\n  web:\n    environment: [MODE=x]\n    command: 'echo $MODE $$HOME ${PORT} $1 $(date) $${PORT}'\n";
    let made = made(Format::ProcessCompose, "pc.yaml", text);
    assert!(made.text.contains("echo $MODE $HOME ${PORT} $1 $(date) $${PORT}"), "{}", made.text);
    assert_eq!(made.needs, ["PORT"]);
}

#[test]
fn a_variable_has_one_default() {
    let text = "processes:\n  a: {command: 'a ${PORT}'}\n  b: {command: 'b ${PORT:-8080}'}\n";
    let made = made(Format::ProcessCompose, "pc.yaml", text);
    assert!(
        made.text.contains("\n  PORT: \"8080\"\n") && made.text.contains("# PORT has its default"),
        "{}",
        made.text
    );
    assert!(made.needs.is_empty() && made.left.is_empty());
    let text = text.replace("${PORT}", "${PORT:-1}");
    let said = read(Format::ProcessCompose, &[("pc.yaml", &text)]).unwrap();
    assert!(said.left.iter().any(|left| left.key == "b.command" && left.why.contains("two defaults")));
}

#[test]
fn a_program_without_its_command_is_not_there_and_nobody_waits_for_it() {
    let text = "processes:\n  a: {command: 'a ${B^^}', working_dir: /}\n  b: {command: ./b, depends_on: {a: {condition: process_started}}}\n";
    let made = made(Format::ProcessCompose, "pc.yaml", text);
    let keys: Vec<_> = made.left.iter().map(|left| left.key.as_str()).collect();
    assert_eq!(keys, ["a", "a.command", "b.depends_on.a"]);
    assert!(!made.text.contains("name: a\n") && !made.text.contains("dependencies"), "{}", made.text);
    let text = "processes:\n  a: {command: ./a}\n  b: {extends: a}\n";
    let extended = made_of(Format::ProcessCompose, &[("pc.yaml", text)]);
    assert!(extended.left.iter().any(|left| left.key == "b.extends") && !extended.text.contains("name: b\n"));
    let two = [
        ("a.service", "[Service]\nExecStart=!/bin/a\n"),
        ("b.service", "[Unit]\nAfter=a.service\n[Service]\nExecStart=/bin/b\n"),
    ];
    let made = made_of(Format::Systemd, &two);
    let keys: Vec<_> = made.left.iter().map(|left| left.key.as_str()).collect();
    assert_eq!(keys, ["a", "Service.ExecStart", "Unit.After"]);
}

#[test]
fn a_secret_of_the_environment_is_passed_on_and_not_shown() {
    let text = "[program:a]\ncommand=/a\nenvironment=P=\"%(ENV_PW)s\"\n[program:b]\ncommand=/b \"%(ENV_MODE)s\"\nenvironment=M=\"%(ENV_MODE)s\"\n";
    let made = made(Format::Supervisord, "s.conf", text);
    assert!(made.text.contains("{name: P, secret_ref: \"${PW}\"}"), "{}", made.text);
    // What stands in a command is shown anyway.
    assert!(made.text.contains("{name: M, value: \"${MODE}\"}"), "{}", made.text);
    assert_eq!(made.needs, ["MODE"]);
}

#[test]
fn programs_that_use_the_same_names_do_not_meet() {
    let text = "[program:a]\ncommand=/a\n[group:a]\nprograms=b\n[program:b]\ncommand=/b\n[program:b]\nuser=x\nCOMMAND=/c\n";
    let made = made_of(Format::Supervisord, &[("s.conf", text), ("t.conf", "[program:d]\ncommand=/d\n")]);
    assert!(made.text.contains("- name: a\n") && made.text.contains("- name: a-2\n"), "{}", made.text);
    // The same section again goes on, and what is said last counts.
    assert!(made.text.contains("command: [/c]\n        user: x\n"), "{}", made.text);
}

#[test]
fn lines_may_end_as_on_windows() {
    let text =
        "\u{feff}[Unit]\r\nDescription=x\r\n\r\n[Service]\r\nExecStart=/bin/x \\\r\n  --a\r\nUser=www\r\n";
    let unit = made(Format::Systemd, "x.service", text);
    assert!(
        unit.text.contains("command: [/bin/x, --a]\n    user: www\n") && unit.left.is_empty(),
        "{}",
        unit.text
    );
    let conf = made(Format::Supervisord, "s.conf", "[program:a]\r\ncommand=/a\r\n  --b\r\nuser=www ; he\r\n");
    assert!(conf.text.contains("command: [/a, --b]\n    user: www\n"), "{}", conf.text);
    let compose = made(Format::ProcessCompose, "pc.yaml", "processes:\r\n  a:\r\n    command: ./a --b\r\n");
    assert!(compose.text.contains("command: [./a, --b]\n"), "{}", compose.text);
}

#[test]
fn what_has_another_shape_than_its_key_is_told() {
    for (key, value) in [
        ("depends_on", "[b]"),
        ("environment", "A=1"),
        ("availability", "always"),
        ("readiness_probe", "[x]"),
        ("liveness_probe", "5"),
        ("shutdown", "2"),
        ("log_configuration", "[x]"),
        ("success_exit_codes", "3"),
        ("success_exit_codes", "[x]"),
        ("vars", "[x]"),
        ("disabled", "perhaps"),
        ("replicas", "-1"),
        ("working_dir", "{a: b}"),
        ("availability", "{restart: sometimes}"),
        ("availability", "{max_restarts: many}"),
        ("shutdown", "{signal: 99}"),
        ("depends_on", "{b: {condition: later}}"),
    ] {
        let text = format!("processes:\n  a: {{command: ./a, {key}: {value}}}\n  b: {{command: ./b}}\n");
        let made = made(Format::ProcessCompose, "pc.yaml", &text);
        assert!(
            made.left.iter().any(|left| left.key.starts_with(&format!("a.{key}"))),
            "{text}{:?}",
            made.left
        );
    }
    for (key, value) in [
        ("numprocs", "0"),
        ("numprocs", "2000"),
        ("autostart", "perhaps"),
        ("exitcodes", "0,x"),
        ("stopsignal", "SEGV"),
        ("stopwaitsecs", "soon"),
        ("environment", "A"),
        ("environment", "A=\"x"),
        ("environment", "=x"),
        ("stdout_logfile_maxbytes", "big"),
    ] {
        let text = format!("[program:a]\ncommand=/a\nstdout_logfile=/log\n{key}={value}\n");
        let made = made(Format::Supervisord, "s.conf", &text);
        assert!(made.left.iter().any(|left| left.key == format!("program:a.{key}")), "{text}{:?}", made.left);
    }
    for (key, value) in [
        ("RestartSec", "soon"),
        ("Environment", "A"),
        ("Environment", "\"A=1"),
        ("CPUQuota", "1.5"),
        ("TasksMax", "10%"),
        ("Nice", "low"),
        ("ExecReload", "/bin/kill -SEGV $MAINPID"),
        ("KillSignal", "SIGSEGV"),
        ("StandardOutput", "tty"),
        ("Type", "odd"),
        ("Restart", "on-success"),
        ("User", "%U"),
    ] {
        let text = format!("[Service]\nExecStart=/a\n{key}={value}\n");
        let made = made(Format::Systemd, "a.service", &text);
        assert!(made.left.iter().any(|left| left.key == format!("Service.{key}")), "{text}{:?}", made.left);
    }
}

/// Files that end anywhere, as a download that broke off: they are refused, or become something that can be read as YAML.
#[test]
fn a_file_that_breaks_off_breaks_nothing() {
    let whole = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/whole");
    let mut tried = 0;
    for folder in std::fs::read_dir(whole).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(format) = Format::of(&name).filter(|_| name != "expected.yaml") else { continue };
            let text = std::fs::read_to_string(&path).unwrap();
            for (end, _) in text.char_indices().step_by(5) {
                tried += 1;
                let Ok(made) = read(format, &[(&name, &text[..end])]) else { continue };
                let choices =
                    made.needs.iter().fold(Choices::default(), |choices, name| choices.set(name, "1"));
                let read = Stack::parse_as("made.yaml", made.text.as_str(), None, &choices);
                let said = read.map_or_else(|error| error.to_string(), |_| String::new());
                assert!(!said.contains("YAML"), "{said}\n{}", made.text);
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn a_log_file_that_is_none_is_none_in_any_case() {
    for word in ["AUTO", "auto", "NONE", "None", "none", "OFF", "off", "; a comment"] {
        let text = format!("[program:a]\ncommand=/a\nstdout_logfile= {word}\nstderr_logfile= {word}\n");
        let made = made(Format::Supervisord, "s.conf", &text);
        assert!(
            !made.text.contains("log:") && made.left.is_empty(),
            "{word}: {:?}\n{}",
            made.left,
            made.text
        );
    }
    let made = made(Format::Supervisord, "s.conf", "[program:a]\ncommand=/a\nstdout_logfile=SYSLOG\n");
    assert!(
        made.left.iter().any(|left| left.why.contains("syslog")) && !made.text.contains("log:"),
        "{:?}",
        made.left
    );
}
