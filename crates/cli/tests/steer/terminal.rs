//! A person at a terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::shop::{Said, Shop};

/// The two ends of a terminal: the person's, and the program's.
fn terminal() -> (File, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
    let program = OpenOptions::new().read(true).write(true).open(name).unwrap();
    (File::from(person), program)
}

/// What was shown at a terminal whose program's end is closed. It comes in pieces, and its end is an error.
fn everything(mut person: File) -> String {
    let mut seen = Vec::new();
    assert!(person.read_to_end(&mut seen).is_err(), "a terminal has no end but an error");
    String::from_utf8(seen).unwrap()
}

#[test]
fn a_dangerous_command_is_carried_out_after_a_yes_and_only_then() {
    for (answer, code, sent) in [("y\n", 0, 1), ("yes\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0), ("\u{4}", 1, 0)]
    {
        let shop = Shop::after(|_| {});
        let (mut person, program) = terminal();
        let mut command = shop.command(&["remove", "/api", "--reason", "x"]);
        command.stdin(program).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        person.write_all(answer.as_bytes()).unwrap();
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(code), "{answer:?}: {}", said.err);
        assert!(
            said.err.contains("takes it out of the tree") && said.err.contains("Go on? [y/N]"),
            "{}",
            said.err
        );
        assert_eq!(shop.world(|world| world.commands.len()), sent, "{answer:?}");
        // The end of the input ends no line.
        assert_eq!(said.err.contains("[y/N] \n"), answer == "\u{4}", "{answer:?}: {}", said.err);
    }
}

#[test]
fn colour_on_a_terminal_unless_no_color_is_set() {
    for (no_color, coloured) in [("", true), ("1", false)] {
        let shop = Shop::after(|_| {});
        let (person, program) = terminal();
        let mut command = shop.command(&["tree"]);
        command.env("NO_COLOR", no_color).env("TERM", "xterm").stdout(program);
        let status = command.status().unwrap();
        drop(command);
        assert!(status.success());
        let text = everything(person);
        assert_eq!(text.contains("\u{1b}[1mTREE"), coloured, "{text}");
        assert!(text.contains("shop"), "{text}");
    }
}
