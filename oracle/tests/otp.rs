//! What only a real OTP can tell; the tests skip themselves by name where there is none.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Command;

use supervisor_oracle::verdict::{self, Verdict};
use supervisor_oracle::{Otp, Scenario, play, table, text};

/// A real OTP, unless the machine has none, which is reported for this test.
#[expect(clippy::print_stdout, reason = "who runs the test alone sees why it does nothing")]
fn otp(test: &str) -> Option<Otp> {
    if Command::new("erl").arg("-version").output().is_ok() {
        return Some(Otp::start().expect("OTP starts"));
    }
    let line = format!("{test}: needs erl; install with `apt-get install erlang-base`");
    match std::env::var_os("TEST_SKIP_REPORT") {
        Some(path) => {
            let mut report =
                OpenOptions::new().append(true).open(path).expect("the report of skips is there");
            writeln!(report, "{line}").expect("the report of skips can be written");
        }
        None => println!("SKIP {line}"),
    }
    None
}

fn read(text: &str) -> Vec<Scenario> {
    text::read(text).expect("the scenario can be read")
}

#[test]
fn a_real_otp_does_what_the_table_says() {
    let Some(mut otp) = otp("a_real_otp_does_what_the_table_says") else { return };
    let files = table::load().expect("the table can be read");
    let all: Vec<Scenario> = files.into_iter().flat_map(|file| file.scenarios).collect();
    let seen = otp.play(&all, || {});
    let mut wrong = String::new();
    for (scenario, seen) in all.iter().zip(&seen) {
        let ours = play(scenario).unwrap_or_else(|problem| panic!("{}: {problem}", scenario.name));
        if let Verdict::Differ(story) = verdict::of_table(scenario, Some(seen), &ours) {
            wrong += &format!("{}\n{story}", scenario.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_wrong_table_an_unreadable_trace_and_a_difference_are_all_seen() {
    let Some(mut otp) = otp("a_wrong_table_an_unreadable_trace_and_a_difference_are_all_seen") else {
        return;
    };
    let wrong = "scenario it starts\nrules R1\ntree one_for_one\n  a\n> launch\nstart a\n";
    // Nobody is called `b`, so the Erlang side breaks off.
    let unreadable = "scenario nobody\nrules R1\ntree one_for_one\n  a\n> launch\n> end b error\n";
    // D22: OTP reports this, we do not.
    let other =
        "scenario other\nrules R58\ntree one_for_one\n  a permanent stops=normal\n> launch\n> shutdown\n";
    let all = [wrong, unreadable, other].map(read).concat();
    let seen = otp.play(&all, || {});
    let ours = play(&all[0]).expect("it can be played");
    assert_eq!(verdict::of_random(&all[0], &seen[0], &ours), Verdict::Agree);
    assert!(
        matches!(verdict::of_table(&all[0], Some(&seen[0]), &ours), Verdict::Differ(_)),
        "it says `started` too"
    );
    assert!(seen[1].is_err(), "{:?}", seen[1]);
    assert!(matches!(verdict::of_random(&all[1], &seen[1], &vec![]), Verdict::Differ(_)));
    let ours = play(&all[2]).expect("it can be played");
    assert!(seen[2].is_ok());
    assert!(matches!(verdict::of_random(&all[2], &seen[2], &ours), Verdict::Differ(_)));
}
