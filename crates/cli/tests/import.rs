//! `supervisor import`, as it is seen from outside, and imported stacks that run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::Output;

use common::{Run, home, processes, supervisor};

/// What the binary says when it is called in this folder.
fn said(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        supervisor(folder).current_dir(folder).arg("import").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The stack file that a file becomes of which everything is carried over.
#[track_caller]
fn imported(folder: &Path, name: &str, text: &str) -> String {
    std::fs::write(folder.join(name), text).unwrap();
    let (code, out, err) = said(folder, &[name, "--name", "imported"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    out
}

#[test]
fn the_stack_file_is_printed_and_what_is_not_in_it_is_told() {
    let home = home();
    let conf =
        "[supervisord]\nnodaemon=false\n[program:web]\ncommand=sleep 1000\nstdout_syslog=true\nodd=1\n";
    std::fs::write(home.path().join("s.conf"), conf).unwrap();
    let (code, out, err) = said(home.path(), &["s.conf", "--name", "shop"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("\nname: shop\n") && out.contains("command: [sleep, \"1000\"]"), "{out}");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(
        lines,
        [
            "s.conf:2: supervisord.nodaemon: the supervisor stays in the foreground; run it as a service",
            "s.conf:5: program:web.stdout_syslog: output is not sent to syslog; run the supervisor as a service, so that it \
             is in the journal",
            "s.conf:6: program:web.odd: no section or key of supervisord that is known",
            "3 keys not carried over",
        ]
    );
    let path = home.path().join("stack.yaml");
    std::fs::write(&path, out).unwrap();
    let check = supervisor(home.path()).arg("check").arg(&path).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn a_file_is_written_once_and_never_over_another() {
    let home = home();
    std::fs::write(home.path().join("Procfile"), "web: sleep 1000\n").unwrap();
    let args = ["Procfile", "--name", "shop", "--output", "made.yaml"];
    assert_eq!(said(home.path(), &args), (Some(0), String::new(), String::new()));
    let made = std::fs::read_to_string(home.path().join("made.yaml")).unwrap();
    assert!(made.contains("\nname: shop\n"), "{made}");
    let (code, out, err) = said(home.path(), &args);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        err,
        "supervisor: cannot write made.yaml: it is there already; name another file, or remove it\n"
    );
    assert_eq!(std::fs::read_to_string(home.path().join("made.yaml")).unwrap(), made);
}

#[test]
fn what_cannot_be_imported_says_why() {
    let home = home();
    let file = |name: &str, text: &[u8]| std::fs::write(home.path().join(name), text).unwrap();
    file("Procfile", b"web: ./web\nnonsense\n");
    file("Procfile.dev", b"web: ./web\n");
    file("web.service", b"[Service]\nExecStart=/bin/web\n");
    file("latin.service", b"[Service]\nExecStart=/bin/caf\xe9\n");
    file("workers.txt", b"[program:web]\ncommand=./web\n");
    file("nice.service", b"[Service]\nExecStart=/bin/web\nNice=99\n");
    for (args, code, part) in [
        (&["Procfile"][..], 78, "Procfile:2: it is not `NAME: COMMAND`"),
        (&["absent.service"], 66, "absent.service"),
        (&["latin.service"], 78, "latin.service:2: it is not UTF-8"),
        (&["workers.txt"], 2, "say --format supervisord|process-compose|procfile|systemd"),
        (&["web.service", "Procfile.dev"], 2, "not of one format"),
        (&["Procfile.dev", "Procfile.dev"], 2, "one such file"),
        (&["--format", "systemd", "workers.txt"], 78, "workers.txt:1: a unit has a section"),
        (&["web.service", "latin.service"], 78, "latin.service:2: it is not UTF-8"),
        (&[], 2, "Usage: supervisor import"),
    ] {
        let (got, out, err) = said(home.path(), args);
        assert_eq!((got, out.as_str()), (Some(code), ""), "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
    // What a stack file cannot say is shown with its mistake.
    let (code, out, err) = said(home.path(), &["nice.service"]);
    assert_eq!(code, Some(78));
    assert!(
        out.contains("nice: 99") && err.contains("`nice`") && err.contains("the stack file: 1 error"),
        "{err}"
    );
    let (code, out, _) = said(home.path(), &["--format", "supervisord", "workers.txt", "--name", "a b"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("\nname: a-b\n"), "{out}");
}

#[test]
fn a_stack_is_called_as_its_unit_or_as_its_folder() {
    let home = home();
    let folder = home.path().join("shop");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Procfile"), "web: ./web\n").unwrap();
    std::fs::write(folder.join("a.service"), "[Service]\nExecStart=/bin/a\n").unwrap();
    std::fs::write(folder.join("b.service"), "[Unit]\nAfter=a.service\n[Service]\nExecStart=/bin/b\n")
        .unwrap();
    for (args, name) in [
        (&["shop/Procfile"][..], "shop"),
        (&["shop/a.service"], "a"),
        (&["shop/b.service", "shop/a.service"], "shop"),
    ] {
        let (_, out, err) = said(home.path(), args);
        assert!(out.contains(&format!("version: 1\nname: {name}\n")), "{out}{err}");
    }
}

#[test]
fn an_imported_procfile_runs_and_stops() {
    let home = home();
    // What .env says of PORT goes behind what each has of its own, also where the line does not name it.
    std::fs::write(home.path().join(".env"), "MODE=shop\nPORT=9\n").unwrap();
    let script = home.path().join("web.sh");
    std::fs::write(&script, "echo \"on $PORT for $MODE\"; exec sleep 1000\n").unwrap();
    let lines = format!("release: echo done\nweb: sh {}\nworker: sleep 2000\n", script.display());
    let file = imported(home.path(), "Procfile", &lines);
    let mut run = Run::start(home, &file, &["--output", "json"]);
    let (mut released, mut greeted) = (false, false);
    while !(released && greeted) {
        let line = run.value(|line| line["event"]["event_type"] == "ChildCompleted" || line["type"] == "log");
        released |= line["event"]["target_path"] == "/release";
        greeted |= line["log"]["target_path"] == "/web" && line["log"]["message"] == "on 5100 for shop";
    }
    run.processes_with(&["sleep 1000", "sleep 2000"]);
    let folder = run.home.path().to_owned();
    run.signal(rustix::process::Signal::TERM);
    let home = run.take_home();
    let left = processes(&folder);
    assert!(left.is_empty(), "{left:?}");
    drop(home);
}

#[test]
fn a_unit_that_is_imported_sees_its_variables_as_systemd_does() {
    let home = home();
    let unit = "[Service]\nType=oneshot\nEnvironment=\"A=x  y\" ARGS='1 2'\nExecStartPre=/bin/echo before ${A}\n\
                ExecStart=/usr/bin/printf '[%%s]' \"${A}\" $ARGS $$A ${A}b\nExecStart=-/bin/false\n\
                ExecStart=/bin/echo last\nWorkingDirectory=/\n";
    let file = imported(home.path(), "job.service", unit);
    let mut run = Run::start(home, &file, &["--output", "json"]);
    run.output("/job", "before x  y");
    run.value(|line| line["log"]["message"] == "[x  y][1][2][$A][x  yb]last");
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn a_process_that_ends_the_project_ends_the_stack() {
    let project = |said: &str| {
        format!(
            "processes:\n  up: {{command: sleep 1000, availability: {{restart: always}}}}\n  \
             it: {{command: '{said}}}}}\n"
        )
    };
    for (said, code) in [
        ("exit 3', availability: {restart: exit_on_failure", Some(1)),
        ("exit 0', availability: {exit_on_end: true", Some(0)),
    ] {
        let home = home();
        let file = imported(home.path(), "process-compose.yaml", &project(said));
        let run = Run::start(home, &file, &["--output", "json"]);
        let end = run.end();
        assert_eq!(end.code, code, "{said}: {}\n{file}", end.err);
    }
}

#[test]
fn a_program_of_supervisord_gets_what_the_environment_has() {
    let home = home();
    let file = imported(
        home.path(),
        "supervisord.conf",
        "[program:web]\ncommand=sh -c 'echo %(ENV_SHOP_MODE)s $TOKEN ${SHOP_MODE:-none} %(program_name)s; exec sleep 1000'\n\
         environment=TOKEN=\"%(ENV_SHOP_TOKEN)s\"\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n",
    );
    let given = [("SHOP_MODE", "live"), ("SHOP_TOKEN", "canary")];
    let mut run = Run::start_with(home, &file, &["--output", "json"], &given);
    run.output("/web-2", "live canary none web");
    run.processes_with(&["sleep 1000"]);
    let end = run.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(file.contains("secret_ref: \"${SHOP_TOKEN}\"") && !file.contains("SHOP_TOKEN: null"), "{file}");
}

#[test]
fn a_variable_in_a_command_of_supervisord_is_split_and_never_run() {
    let home = home();
    let file = imported(
        home.path(),
        "supervisord.conf",
        "[program:job]\ncommand=printf '[%%s]' a%(ENV_OPTS)s \"%(ENV_ONE)s\" \"%(here)s; b\"\nautorestart=false\n",
    );
    let given = [("OPTS", "-a  -b; echo * $(echo x)"), ("ONE", "'; echo INJECTED"), ("here", "/x")];
    let mut run = Run::start_with(home, &file, &["--output", "json"], &given);
    let line = run.value(|line| line["log"]["target_path"] == "/job");
    let expected = "[a-a][-b;][echo][*][$(echo][x)]['; echo INJECTED][/x; b]";
    assert_eq!(line["log"]["message"], expected, "{file}");
}

#[test]
fn an_instance_of_a_unit_is_one_word_and_never_run() {
    let home = home();
    let unit = "[Service]\nExecStart=/usr/bin/printf '[%%s]' a%i ${A}\nEnvironment=A=1\n";
    let file = imported(home.path(), "job@.service", unit);
    let mut run = Run::start(home, &file, &["--output", "json", "--set", "instance=x; echo INJECTED"]);
    let line = run.value(|line| line["log"]["target_path"] == "/job");
    assert_eq!(line["log"]["message"], "[ax; echo INJECTED][1]", "{file}");
}

#[test]
fn a_unit_is_passed_the_variables_that_are_there() {
    let home = home();
    let unit = "[Service]\nExecStart=/bin/sh -c 'echo $$GIVEN $${ABSENT-none} $$SAID'\n\
                PassEnvironment=GIVEN ABSENT SAID\nEnvironment=SAID=here\n";
    let file = imported(home.path(), "job.service", unit);
    let given = [("GIVEN", "canary"), ("SAID", "there")];
    let mut run = Run::start_with(home, &file, &["--output", "json"], &given);
    run.output("/job", "canary none here");
    assert_eq!(run.end().code, Some(0), "{file}");
}

/// Who runs for `startsecs` each time goes on for ever, and who does not is parked.
#[test]
fn a_program_of_supervisord_is_given_up_only_when_it_ends_too_soon() {
    let home = home();
    let file = imported(
        home.path(),
        "supervisord.conf",
        "[program:good]\ncommand=sleep 0.05\nautorestart=true\nstartsecs=0.05\nstartretries=2\n\
         [program:bad]\ncommand=false\nautorestart=true\n",
    );
    let mut run = Run::start(home, &file, &["--output", "json"]);
    let (mut parked, mut again) = (false, 0);
    while !parked || again < 12 {
        let line = run.value(|line| line["type"] == "event");
        let (kind, path) = (&line["event"]["event_type"], &line["event"]["target_path"]);
        assert!(!(kind == "ChildQuarantined" && path == "/good"), "{line}");
        parked |= kind == "ChildQuarantined" && path == "/bad";
        again += u32::from(kind == "ChildRestarting" && path == "/good");
    }
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn the_guide_shows_what_the_binary_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/import.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = |kind: &str| {
        let (_, rest) = page.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let home = home();
    let folder = home.path().join("shop");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("supervisord.conf"), block("ini")).unwrap();
    assert_eq!(said(&folder, &["supervisord.conf"]), (Some(0), block("yaml"), block("text")));
}

#[test]
fn a_variable_that_is_passed_on_comes_from_the_environment() {
    let text = "processes:\n  web:\n    command: 'echo got $$TOKEN and $$MODE'\n    environment: ['TOKEN=${TOKEN}']\n";
    let home = home();
    std::fs::write(home.path().join(".env"), "MODE='of the file'\n").unwrap();
    let file = imported(home.path(), "process-compose.yaml", text);
    let mut run = Run::start_with(home, &file, &["--output", "json"], &[("TOKEN", "canary")]);
    run.output("/web", "got canary and of the file");
    let end = run.end();
    assert_eq!(end.code, Some(0));
    // It stands in the output of the program alone.
    let others = end.out.iter().filter(|line| !line.contains("\"type\":\"log\""));
    assert!(others.clone().count() > 0 && others.into_iter().all(|line| !line.contains("canary")));
}
