//! A secret in every place where a secret can be comes out nowhere (security rule 17).
//!
//! What is no such place: a program's arguments, a reason, the name of who asks, and what a program prints. They are there
//! to be read by others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "top/terminal.rs"]
#[allow(dead_code, reason = "not every test needs everything")]
mod terminal;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Output;

use common::{Run, file, get, home, supervisor};
use serde_json::{Value, json};
use supervisor_api::manifest::ChildManifest;
use supervisor_api::wire::Request;
use supervisor_stack::Stack;
use tempfile::TempDir;
use terminal::{Terminal, has_tmux};

/// With characters that JSON, YAML, Rust and shells write in other ways.
const CANARY: &str = "cnry4Zq7\"x\\Wv8kRt2";
/// What of it every way of writing keeps.
const PARTS: [&str; 2] = ["cnry4Zq7", "Wv8kRt2"];

/// The test of all of it.
const SECRET_IN_EVERY_PLACE: &str = "s17_a_secret_in_every_place_comes_out_nowhere";

/// A file with the secret in its variables, and a program that says how long the secrets are that reached it.
fn stack() -> String {
    format!(
        r#"
version: 1
name: shop
secrets_from:
  - environment
  - directory: vault
  - command: [sh, -c, 'test "$1" = COMMAND_SECRET || exit 1; printf %s "$RUN_SECRET"', ask, "{{key}}"]
supervisor:
  defaults:
    environment:
      - {{name: FROM_DEFAULTS, value: '{CANARY}'}}
children:
  - name: web
    kind: process
    command: [sh, -c, 'echo "lengths ${{#FROM_DEFAULTS}} ${{#FROM_FILE}} ${{#FROM_VAULT}} ${{#FROM_RUN}} ${{#FROM_ENV}} ${{#FROM_DIR}} ${{#FROM_COMMAND}}"; exec sleep 1000']
    env_file: good.env
    environment:
      - {{name: FROM_FILE, value: '{CANARY}'}}
      - {{name: FROM_VAULT, secret_ref: "${{vault}}"}}
      - {{name: FROM_RUN, secret_ref: "${{RUN_SECRET}}"}}
      - {{name: FROM_DIR, secret_ref: "${{DIR_SECRET}}"}}
      - {{name: FROM_COMMAND, secret_ref: "${{COMMAND_SECRET}}"}}
    secrets:
      - {{name: vault, key: VAULT_KEY}}
  - name: probed
    kind: process
    criticality: optional
    command: [sleep, "1000"]
    secrets:
      - {{name: vault, key: VAULT_KEY}}
    health_check:
      http:
        url: http://127.0.0.1:1/
        headers:
          - {{name: X-File, value: '{CANARY}'}}
          - {{name: X-Vault, secret_ref: "${{vault}}"}}
      max_retries: 1000000
  - name: broken
    kind: process
    criticality: optional
    command: [sh, -c, "exit 3"]
    environment:
      - {{name: FROM_FILE, value: '{CANARY}'}}
  - name: misread
    kind: process
    criticality: optional
    command: [sleep, "1000"]
    env_file: bad.env
  - name: absent
    kind: process
    criticality: optional
    command: [/nonexistent/program]
    environment:
      - {{name: FROM_FILE, value: '{CANARY}'}}
"#
    )
}

/// A home with the files of variables that the stack names, of which one has a mistake.
fn furnished() -> TempDir {
    let home = home();
    std::fs::create_dir(home.path().join("vault")).unwrap();
    for (name, text) in [
        ("good.env", format!("FROM_ENV='{CANARY}'\n")),
        ("bad.env", format!("A=b\n{CANARY}\n")),
        ("vault/DIR_SECRET", CANARY.to_owned()),
    ] {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

/// Values of `environment` and `secrets` in which there is a mistake, as flow text.
fn mistakes() -> Vec<String> {
    let quoted = format!("'{CANARY}'");
    [
        "environment: {TOKEN: Q}",
        "environment: Q",
        "environment: [Q]",
        "environment: [[Q]]",
        "environment: [{name: T, value: {deep: [Q]}}]",
        "environment: [{name: T, value: [Q]}]",
        "environment: [{name: T=Q, value: x}]",
        "environment: [{name: T, value: Q, value: x}]",
        "environment: [{name: T, secret_ref: Q}]",
        "environment: [{name: T, vlaue: Q}]",
        "environment: [{name: T, value: Q, secret_ref: '${A}'}]",
        "environment: [{name: T, value: Q}, {name: T, value: Q}]",
        "environment: [{name: T, value: !secret Q}]",
        "secrets: [{name: db, key: K, value: Q}]",
        "secrets: {db: Q}",
        "secrets: [Q]",
        "secrets: [{name: db, key: K, required: Q}]",
        "readiness: {http: {url: 'http://a/', headers: [{name: X, value: Q, secret_ref: '${A}'}]}}",
        "readiness: {http: {url: 'http://a/', headers: [{name: X, secret_ref: Q}]}}",
        "readiness: {http: {url: 'http://a/', headers: [{name: 'X: y', value: Q}]}}",
        "readiness: {http: {url: 'http://a/', headers: {X: Q}}}",
        "readiness: {http: {url: 'http://a/', headers: [Q]}}",
        "readiness: {http: {url: 'http://a/', headers: [{X: Q}]}}",
    ]
    .map(|text| text.replace('Q', &quoted).replace("T='", "'T="))
    .to_vec()
}

/// Everything that was said, each with where.
#[derive(Default)]
struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    fn add(&mut self, at: impl Into<String>, bytes: impl AsRef<[u8]>) {
        self.0.push((at.into(), bytes.as_ref().to_vec()));
    }

    fn output(&mut self, at: &str, output: &Output) {
        self.add(format!("{at}, standard output"), &output.stdout);
        self.add(format!("{at}, standard error"), &output.stderr);
    }

    /// Every file below a folder but these.
    fn files(&mut self, folder: &Path, but: &[&str]) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (kind, path) = (entry.file_type().unwrap(), entry.path());
            let name = entry.file_name().into_string().unwrap();
            if kind.is_dir() {
                self.files(&path, but);
            } else if kind.is_file() && !but.contains(&name.as_str()) {
                self.add(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }

    /// Where the secret is, in any form.
    fn leaks(&self) -> Vec<String> {
        let forms: Vec<Vec<u8>> = PARTS.iter().flat_map(|part| forms(part)).collect();
        let holds = |bytes: &[u8]| forms.iter().any(|form| bytes.windows(form.len()).any(|at| at == form));
        let leaks = self.0.iter().filter(|(_, bytes)| holds(bytes));
        leaks.map(|(at, bytes)| format!("{at}:\n{}", String::from_utf8_lossy(bytes))).collect()
    }
}

/// A text as it stands, in hexadecimal, and in base64 wherever in a longer text it begins.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let hex = |digits: &str| {
        text.bytes()
            .flat_map(|byte| [byte >> 4, byte & 15].map(|n| digits.as_bytes()[usize::from(n)]))
            .collect()
    };
    let mut forms = vec![text.as_bytes().to_vec(), hex("0123456789abcdef"), hex("0123456789ABCDEF")];
    for skipped in 0..3 {
        let mut padded = vec![0; skipped];
        padded.extend(text.bytes());
        let whole = padded.len() / 3 * 3;
        // What is before and after mixes with the first and the last digits.
        let first = (skipped * 8).div_ceil(6);
        forms.push(base64(&padded[..whole])[first..].to_vec());
    }
    forms
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63])
    };
    bytes.chunks_exact(3).flat_map(digits).collect()
}

#[test]
fn the_search_finds_every_form() {
    for offset in 0..3 {
        let text = format!("{}{CANARY} and more", "x".repeat(offset));
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut whole = text.clone().into_bytes();
        whole.resize(text.len().next_multiple_of(3), b' ');
        for form in
            [text.clone().into_bytes(), format!("{text:?}").into_bytes(), hex.into_bytes(), base64(&whole)]
        {
            let mut said = Said::default();
            said.add("here", &form);
            assert_eq!(said.leaks().len(), 1, "{}", String::from_utf8_lossy(&form));
        }
    }
    let mut said = Said::default();
    said.add("here", "nothing of it");
    assert!(said.leaks().is_empty());
}

/// Every line that the target says to these requests, and what is pushed meanwhile.
fn ask(socket: &Path, requests: &[Value]) -> String {
    let stream = UnixStream::connect(socket).unwrap();
    let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
    let mut all = String::new();
    for request in requests {
        writeln!(&stream, "{request}").unwrap();
        loop {
            let line = lines.next().unwrap();
            let is_answer = line.contains("\"request_id\"");
            all += &(line + "\n");
            if is_answer {
                break;
            }
        }
    }
    all
}

fn add(id: &str, manifest: Value) -> Value {
    json!({"request_id": id, "method": "command.add_child", "params": {
        "command_id": id, "target_id": "shop", "command": "add_child", "reason": "a test", "requested_by": "me",
        "target": {"child_path": null, "child_manifest": manifest}, "confirmed": true,
    }})
}

/// What is said by a stack that runs, and by those who look into it and steer it.
fn of_a_run(said: &mut Said) {
    let mut run = Run::start_with(
        furnished(),
        &stack(),
        &["--output", "json", "--dashboard", "127.0.0.1:0"],
        &[("VAULT_KEY", CANARY), ("RUN_SECRET", CANARY)],
    );
    run.output("/web", &format!("lengths {0} {0} {0} {0} {0} {0} {0}", CANARY.len()));
    for _ in ["/broken", "/absent", "/misread"] {
        run.value(|line| line["event"]["event_type"] == "ChildQuarantined");
    }
    let path = run.home.path().to_owned();
    let socket = path.join("run/tokio-supervisor/shop.sock");

    let mut requests: Vec<_> = ["events.subscribe", "logs.tail"]
        .map(|method| {
            json!({"request_id": method, "method": method,
            "params": {"session_established": true, "from_sequence": 1}})
        })
        .into();
    let good = json!({"name": "object", "kind": "process", "command": ["sleep", "1000"],
        "environment": [{"name": "TOKEN", "value": CANARY}]});
    requests.push(add("object", good.clone()));
    requests.push(add("object twice", good));
    for (n, mistake) in mistakes().iter().enumerate() {
        let text = format!("name: a{n}\nkind: process\ncommand: [sleep, \"1000\"]\n{mistake}\n");
        requests.push(add(&format!("mistake {n}"), json!(text)));
    }
    for part in ["value", "vlaue", "secret_ref"] {
        let entry = json!({"name": "T", part: CANARY});
        requests.push(add(part, json!({"name": part, "kind": "async_worker", "environment": [entry]})));
    }
    for (method, params) in
        [("state", json!({})), ("why", json!({"child_path": "/broken"})), ("hello", json!({}))]
    {
        requests.push(json!({"request_id": method, "method": method, "params": params}));
    }
    for (at, request) in requests.iter().enumerate() {
        said.add(format!("answer {at}"), ask(&socket, std::slice::from_ref(request)));
    }
    said.add("all on one connection", ask(&socket, &requests));

    at_a_terminal(said, &path);
    let manifest = path.join("manifest.yaml");
    let manifest = manifest.to_str().unwrap();
    let by_file = |text: &str| std::fs::write(manifest, text).unwrap();
    by_file(&format!(
        "name: text\nkind: process\ncommand: [sleep, \"1000\"]\nenvironment: [{{name: T, value: '{CANARY}'}}]\n"
    ));
    let audit = path.join(".local/state/tokio-supervisor/shop/audit");
    let audit = audit.to_str().unwrap();
    let reason = ["--reason", "a test", "--yes"];
    let other = |name: &str, text: String| {
        let file = path.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    // Other secrets in the same places, and one where a mistake is told.
    let (new, bad) = (
        other("new.yaml", stack().replace(CANARY, &format!("{CANARY}2"))),
        other("bad.yaml", stack().replace("kind: process", "kind: proces")),
    );
    let verbs: Vec<Vec<&str>> = vec![
        vec!["add", manifest],
        vec!["tree"],
        vec!["status"],
        vec!["status", "/web"],
        vec!["status", "/text"],
        vec!["events", "--since", "1"],
        vec!["logs", "/"],
        vec!["why", "/web"],
        vec!["why", "/broken"],
        vec!["why", "/absent"],
        vec!["why", "/misread"],
        vec!["health"],
        vec!["restart", "/web"],
        vec!["pause", "/text"],
        vec!["quarantine", "/text"],
        vec!["resume", "/absent"],
        vec!["signal", "/web", "HUP"],
        vec!["remove", "/text"],
        vec!["audit", "show", audit],
        vec!["audit", "verify", audit],
        vec!["dashboard"],
        vec!["plan", &new],
        vec!["plan", &bad],
        vec!["what-if", "crash", "/web"],
        vec!["what-if", "apply", &new],
        vec!["apply", &new],
        vec!["apply", &bad],
        vec!["reload"],
        vec!["shutdown"],
    ];
    let mut say = |verb: &[&str]| {
        let asks =
            ["tree", "status", "events", "logs", "why", "health", "dashboard", "audit", "plan", "what-if"];
        let is_command = !asks.contains(&verb[0]);
        for form in ["table", "json"] {
            let mut command = supervisor(&path);
            command.args(verb).args(["--output", form]);
            if !["audit", "dashboard"].contains(&verb[0]) {
                command.arg("--socket").arg(&socket);
            }
            let output = command.args(if is_command { &reason[..] } else { &[] }).output().unwrap();
            let said_so = String::from_utf8_lossy(&output.stderr);
            // It is done or refused, and no mistake of the test; but the first shutdown leaves nothing to the second.
            let code = output.status.code().unwrap();
            assert!(code < 2 || (verb[0], form) == ("shutdown", "json"), "{verb:?}: {said_so}");
            said.output(&format!("supervisor {} as {form}", verb.join(" ")), &output);
        }
    };
    let (last, before) = verbs.split_last().unwrap();
    before.iter().for_each(|verb| say(verb));
    for mistake in mistakes() {
        by_file(&format!("name: b\nkind: process\ncommand: [sleep, \"1000\"]\n{mistake}\n"));
        say(&["add", manifest]);
    }
    let processes = run.processes();
    say(last);
    for process in processes {
        let of = |file: &str| std::fs::read(format!("/proc/{}/{file}", process.pid.as_raw_nonzero()));
        said.add("a command line", of("cmdline").unwrap_or_default());
    }
    run.event("ShutdownCompleted", "/");
    // The folder goes with the run, and the audit of the shutdown is not awaited: every secret came before.
    said.files(
        &path,
        &["stack.yaml", "manifest.yaml", "new.yaml", "bad.yaml", "good.env", "bad.env", "DIR_SECRET"],
    );
    let end = run.end();
    said.add("supervisor run, standard output", end.out.join("\n"));
    said.add("supervisor run, standard error", end.err);

    let text = Run::start_with(furnished(), &stack(), &["--no-socket"], &[("RUN_SECRET", CANARY)]);
    // Without the key of the vault, /web does not start; the whole is text for people.
    let mut text = text;
    text.line(|line| line.contains("/web") && line.contains("VAULT_KEY"));
    let end = text.stop();
    said.add("a run for people, standard output", end.out.join("\n"));
    said.add("a run for people, standard error", end.err);
}

/// What stands on the screen of `supervisor top`, with details and logs.
fn at_a_terminal(said: &mut Said, home: &Path) {
    if !has_tmux(SECRET_IN_EVERY_PLACE) {
        return;
    }
    let terminal = Terminal::open(home, 200, 60);
    terminal.top("");
    for child in ["web", "broken", "absent", "misread"] {
        terminal.types(&format!("/{child}\n"));
        terminal.line(&[&format!("Details of /{child}")]);
        // The last of what is asked of the target.
        terminal.line(&["happened"]);
        said.add(format!("supervisor top, {child}"), terminal.screen());
    }
    terminal.types("go");
    terminal.line(&["/web", "lengths"]);
    said.add("supervisor top, log", terminal.screen());
}

/// What is answered at the health port, while a critical program runs and when it does not.
fn of_probes(said: &mut Said) {
    let text = stack().replace("name: web\n", "name: web\n    criticality: critical\n");
    let text = text.replace("name: shop\n", "name: shop\nhealth: {listen: '127.0.0.1:0'}\n");
    let secrets = [("VAULT_KEY", CANARY), ("RUN_SECRET", CANARY)];
    let mut run = Run::start_with(furnished(), &text, &[], &secrets);
    let address = run.health();
    run.line(|line| line.contains("lengths"));
    let socket = run.home.path().join("run/tokio-supervisor/shop.sock");
    let mut look = |code: &str| {
        common::soon("readiness", || get(address, "/readyz").contains(code).then_some(()));
        for (path, holds) in [("/metrics", "child_path=\"/web\""), ("/livez", "200"), ("/readyz", code)] {
            let body = get(address, path);
            assert!(body.contains(holds), "{body}");
            said.add(format!("{path} with {code}"), body);
        }
    };
    look("200 OK");
    let mut quarantine = supervisor(run.home.path());
    quarantine.args(["quarantine", "/web", "--reason", "a test", "--yes", "--socket"]).arg(socket);
    assert!(quarantine.output().unwrap().status.success());
    look("not ready");
    let end = run.stop();
    said.add("a run with a health port, standard output", end.out.join("\n"));
    said.add("a run with a health port, standard error", end.err);
}

/// The verbs that are listed by the help.
fn verbs() -> Vec<String> {
    let help = supervisor(home().path()).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let verbs = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let first = verbs.lines().filter_map(|line| line.split_whitespace().next());
    first.filter(|verb| *verb != "help").map(str::to_owned).collect()
}

/// What is made from the command line itself, with the secrets in the environment.
fn of_the_command_line(said: &mut Said) {
    let home = home();
    let pages = home.path().join("pages");
    let mut say = |words: &[&str]| {
        let mut command = supervisor(home.path());
        command.args(words).envs([("VAULT_KEY", CANARY), ("RUN_SECRET", CANARY)]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}");
        said.output(&format!("supervisor {}", words.join(" ")), &output);
    };
    for verb in verbs() {
        say(&[&verb, "--help"]);
    }
    say(&["schema"]);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        say(&["completions", shell]);
    }
    say(&["man", pages.to_str().unwrap()]);
    assert!(std::fs::read_dir(&pages).unwrap().count() > verbs().len());
    said.files(&pages, &[]);
}

/// What is said of files that are imported. Their values are in the stack file that is made of them, and nowhere else.
fn of_imports(said: &mut Said) {
    let home = home();
    for (name, text) in [
        (
            "conf.ini",
            format!(
                "[program:a]\ncommand=/bin/a\nenvironment=A='{CANARY}'\n[program:b]\ncommand=/bin/b\n\
                 environment=A='{CANARY}\n[program:c]\ncommand=/bin/c\nenvironment={CANARY}\n\
                 password={CANARY}\n[unix_http_server]\npassword={CANARY}\n"
            ),
        ),
        (
            "process-compose.yaml",
            format!(
                "environment: ['A={CANARY}', '{CANARY}']\nprocesses:\n  a:\n    command: x\n    \
                 environment: ['A={CANARY}', '{CANARY}', {{B: '{CANARY}'}}]\n    vars: {{a: '{CANARY}'}}\n"
            ),
        ),
        ("Procfile", format!("web: PASSWORD='{CANARY}' ./web\n{CANARY}\n")),
        (
            "a.service",
            format!(
                "[Service]\nExecStart=/bin/x\nEnvironment='A={CANARY}' 'B {CANARY}'\n\
                 SetCredential=x:{CANARY}\nUser={CANARY}\n"
            ),
        ),
    ] {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        let output = supervisor(home.path()).arg("import").arg(&path).output().unwrap();
        said.add(format!("supervisor import {name}, standard error"), output.stderr);
    }
}

/// What a relay and its certificates say: of a token that was pasted where its digest belongs, and of words that are
/// no keys.
fn of_a_relay(said: &mut Said) {
    let home = home();
    let value = serde_json::to_string(CANARY).unwrap();
    for text in [
        format!("version: 1\ntokens:\n  - {{name: ann, sha256: {value}, expires: 2100-01-01}}\n"),
        format!("version: 1\ntokens:\n  - {{name: ann, token: {value}}}\n"),
    ] {
        let path = file(home.path(), &text);
        for words in [&["relay", "--check"][..], &["relay"]] {
            let output = supervisor(home.path()).args(words).arg(&path).output().unwrap();
            assert!(!output.status.success(), "{words:?}");
            said.output(&format!("supervisor {} FILE", words.join(" ")), &output);
        }
    }
    let certificates = home.path().join("certificates");
    let output = supervisor(home.path()).arg("cert").arg(&certificates).output().unwrap();
    assert!(output.status.success());
    said.output("supervisor cert DIR", &output);
    // The keys are what it is for; nothing of them is printed.
    let key = std::fs::read_to_string(certificates.join("server.key")).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(key.lines().filter(|line| line.len() > 20).all(|line| !printed.contains(line)));
}

/// What is said about files, good and bad ones.
fn of_files(said: &mut Said) {
    let home = home();
    let mut look = |at: &str, text: &str| {
        let path = file(home.path(), text);
        for verb in ["check", "run"] {
            // A good file is not run here.
            if verb == "check" || at.starts_with("mistake") {
                let mut command = supervisor(home.path());
                said.output(
                    &format!("supervisor {verb} {at}"),
                    &command.arg(verb).arg(&path).output().unwrap(),
                );
            }
        }
        let stack = Stack::read(&path);
        said.add(format!("Debug of {at}"), format!("{stack:?} {stack:#?}"));
    };
    look("good", &stack());
    for mistake in mistakes() {
        let inline = mistake.replace(": ", ":\n        ");
        let child = "version: 1\nname: shop\nchildren:\n  - name: a\n    kind: process\n    command: [x]\n";
        look(&format!("mistake {mistake:.14}"), &format!("{child}    {mistake}\n"));
        look(
            "mistake over lines",
            &format!("{child}    {}\n", inline.replacen(":\n        ", ":\n      ", 1)),
        );
        let flow = format!(
            "version: 1\nname: shop\nchildren:\n  - {{name: a, kind: process, command: [x], {mistake}}}\n"
        );
        look("mistake in a flow", &flow);
    }
}

/// How what is public shows itself to who debugs.
fn of_types(said: &mut Said) {
    let manifest = json!({"name": "a", "kind": "process", "command": ["x"],
        "environment": [{"name": "T", "value": CANARY}]});
    let child: ChildManifest = serde_json::from_value(manifest.clone()).unwrap();
    said.add("Debug of a manifest", format!("{child:?} {child:#?}"));
    let plan = json!({"request_id": "1", "method": "plan", "params": {"stack": stack()}});
    let what_if = json!({"request_id": "1", "method": "what_if", "params": {
        "command": "add_child", "target": {"child_path": null, "child_manifest": manifest}}});
    let apply = json!({"request_id": "1", "method": "command.apply", "params": {
        "command_id": "1", "target_id": "shop", "command": "apply", "reason": "x", "requested_by": "me",
        "stack": stack(), "confirmed": true}});
    for request in [add("1", manifest), plan, what_if, apply] {
        let request = Request::read(request.to_string().as_bytes()).unwrap();
        said.add("Debug of a request", format!("{request:?} {request:#?}"));
    }
}

#[test]
fn s17_a_secret_in_every_place_comes_out_nowhere() {
    let mut said = Said::default();
    of_types(&mut said);
    of_files(&mut said);
    of_the_command_line(&mut said);
    of_imports(&mut said);
    of_a_relay(&mut said);
    of_a_run(&mut said);
    of_probes(&mut said);
    assert!(said.0.len() > 200, "{}", said.0.len());
    // Whoever adds a verb adds what it says. `man` writes files, and `top` needs a terminal, which may be missing.
    let says_nothing = |verb: &str| verb == "man" || (verb == "top" && !has_tmux(SECRET_IN_EVERY_PLACE));
    for verb in verbs().into_iter().filter(|verb| !says_nothing(verb)) {
        let own = format!("supervisor {verb}");
        let says = |(at, bytes): &(String, Vec<u8>)| {
            at.starts_with(&own) && !at.contains("--help") && !bytes.is_empty()
        };
        assert!(said.0.iter().any(says), "{verb}");
    }
    let leaks = said.leaks();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n\n"));
}
