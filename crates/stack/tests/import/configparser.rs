//! Odd files of supervisord, read as Python's `configparser` reads them for it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use supervisor_stack::Format;

use super::{made, read, skip};

/// Files as people, and their tools, have them.
const ODD: &[&str] = &[
    "[program:web]\n    command=/bin/web\n    user=www\n    autostart=false\n",
    "[program:web]\ncommand=/bin/web\nenvironment=A=\"1\",\n\n    B=\"2\"\nuser=www\n",
    "[program:web]\ncommand=/bin/web\nenvironment=A=\"1\",\n# a word\n    ; and another\n    B=\"2\" ; more\n  user=www\n",
    "  [program:web]\n  command=/bin/web\n    --a\n      --b\n   --c\n  user=www\n",
    "[program:web]\n\tcommand=/bin/web\n \tuser=www\n",
    "[program:web]\n  command=/bin/web\nuser=www\n  [program:db]\ncommand=/bin/db\n",
    "[program:web]\ncommand=/bin/web\n  [program:db]\n  user=www\n",
    "[program:web]\ncommand=/bin/web ; why\nuser= ; nobody\ndirectory=/srv/a;b#c\n#umask=022\n",
    "[program:web]\nCommand : /bin/web a=b\nUSER=x\nuser = www\n[program:db]\ncommand=x\n[program:web]\numask=022\n",
    "[program:web] ; the web\ncommand=\n  /bin/web\n\n\n  --a\n\n[group:all]\n programs=web\n",
    "[program:web]\ncommand=/bin/web\n\u{a0}\u{a0}user=www\n",
    "; first\n\n[program:web]\ncommand=/bin/web\nenvironment=\n  A=\"1\",\n  B=\"2\",\nuser=www",
    "[program:web]\r\n  command=/bin/web\r\n    --a\r\n\r\n  user=www\r\n",
    "[program:web]\ncommand=/bin/web\nnonsense\n",
    "[program:web]\n=x\ncommand=/bin/web\n",
    "command=/bin/web\n",
    "[program:web]\ncommand=/bin/web\n[a]b] c\nuser=x\n",
    "[ program:web ]\ncommand=/bin/web\n[program:db]\ncommand=/bin/db\n",
];

/// What Python reads of a file, written so that there is one way to read it. `None`: it refuses it.
fn plainly(text: &str) -> Option<String> {
    const SCRIPT: &str = "import configparser, io, sys\n\
        parser = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'), strict=False)\n\
        try:\n    parser.read_string(io.TextIOWrapper(sys.stdin.buffer, 'utf-8', newline=None).read())\n\
        except configparser.Error:\n    sys.exit(3)\n\
        out = io.TextIOWrapper(sys.stdout.buffer, 'utf-8')\n\
        for section in parser.sections():\n    print('[%s]' % section, file=out)\n    \
            for key, value in parser.items(section):\n        \
                print(key, '=', value.replace('\\n', '\\n\\t'), file=out)\n";
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    match output.status.code() {
        Some(0) => Some(String::from_utf8(output.stdout).unwrap()),
        code => {
            assert_eq!(code, Some(3), "{text}");
            None
        }
    }
}

#[test]
fn odd_files_are_read_as_python_reads_them() {
    if !skip::has("python3", "odd_files_are_read_as_python_reads_them") {
        return;
    }
    for text in ODD {
        let ours = read(Format::Supervisord, &[("s.conf", text)]);
        let Some(plain) = plainly(text) else {
            assert!(ours.is_err(), "python refuses\n{text}");
            continue;
        };
        let ours = ours.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let theirs = read(Format::Supervisord, &[("s.conf", &plain)]).unwrap();
        assert_eq!(ours.text, theirs.text, "{text}\nis\n{plain}");
        let keys =
            |left: &[supervisor_stack::Left]| left.iter().map(|left| left.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&ours.left), keys(&theirs.left), "{text}\nis\n{plain}");
    }
}

#[test]
fn what_is_indented_alike_is_a_key_of_its_own() {
    let web = made(Format::Supervisord, "s.conf", ODD[0]);
    for part in ["command: [/bin/web]\n", "user: www\n", "profiles: [web]\n"] {
        assert!(web.text.contains(part), "{part}\n{}", web.text);
    }
    for text in &ODD[1..3] {
        let made = made(Format::Supervisord, "s.conf", text);
        for part in ["{name: A, value: \"1\"}", "{name: B, value: \"2\"}"] {
            assert!(made.text.contains(part), "{part}\n{}", made.text);
        }
    }
    let made = made(Format::Supervisord, "s.conf", ODD[3]);
    assert!(made.text.contains("command: [/bin/web, --a, --b, --c]\n    user: www\n"), "{}", made.text);
}

#[test]
fn a_section_goes_on_in_the_next_file() {
    let files = [("s.conf", "[program:a]\ncommand=/a\nuser=x\n"), ("t.conf", "[program:a]\nuser=zed\n")];
    let made = super::made_of(Format::Supervisord, &files);
    assert_eq!(made.text.matches("- name: ").count(), 1, "{}", made.text);
    assert!(made.text.contains("user: zed\n"), "{}", made.text);
}
