//! When a program is given up.

use supervisor_stack::Format;

use super::made;

#[test]
fn a_job_of_supervisord_has_one_start() {
    let text = "[program:a]\ncommand=/a\nautorestart=false\nstartretries=5\n";
    let made = made(Format::Supervisord, "s.conf", text);
    assert!(made.text.contains("role: job") && !made.text.contains("max_restarts: 5"), "{}", made.text);
    assert_eq!(
        made.left[0].to_string(),
        "4: program:a.startretries: a job is started once; `retry: true` starts it again whenever it fails"
    );
}

/// systemd counts starts within a window: those that are further apart have no limit, and the linter has nothing to say
/// of any of them (`made` looks).
#[test]
fn a_unit_is_given_up_when_systemd_gives_it_up() {
    for (text, unlimited) in [
        ("", false),
        ("RestartSec=500ms\n", false),
        ("RestartSec=1.9\n", false),
        ("RestartSec=2\n", true),
        ("RestartSec=3\n", true),
        ("RestartSec=5\n", true),
        ("RestartSec=0\n", false),
        ("RestartSec=3\nStartLimitIntervalSec=1min\n", false),
        ("RestartSec=3\nStartLimitIntervalSec=1min\nStartLimitBurst=20\n", true),
        ("StartLimitBurst=40\n", false),
        ("StartLimitBurst=200\n", true),
        ("StartLimitBurst=0\n", true),
        ("StartLimitIntervalSec=0\n", true),
        ("RestartSec=1\nRestartMaxDelaySec=1min\nRestartSteps=6\n", true),
        ("RestartSec=10\nRestartMaxDelaySec=1\n", true),
        ("RestartSec=1\nRestartMaxDelaySec=1min\nStartLimitBurst=4000000000\n", true),
    ] {
        for restart in ["always", "on-failure"] {
            let text = format!("[Service]\nExecStart=/bin/a\nRestart={restart}\n{text}");
            let made = made(Format::Systemd, "a.service", &text);
            assert_eq!(made.text.contains("    budget: unlimited\n"), unlimited, "{text}{}", made.text);
        }
    }
    let job = made(Format::Systemd, "a.service", "[Service]\nExecStart=/bin/a\nRestartSec=3\n");
    assert!(!job.text.contains("budget: unlimited"), "{}", job.text);
}

/// The linter has nothing to say of any of them (`made` looks): the delays leave room for so many restarts.
#[test]
fn a_program_of_supervisord_is_given_up_for_ends_that_come_too_soon() {
    for secs in
        ["", "startsecs=0\n", "startsecs=1\n", "startsecs=10\n", "startsecs=3600\n", "startsecs=0.05\n"]
    {
        for retries in
            ["", "startretries=0\n", "startretries=1\n", "startretries=2\n", "startretries=100000000\n"]
        {
            for restart in ["true", "unexpected", "false"] {
                let text = format!("[program:a]\ncommand=/a\nautorestart={restart}\n{secs}{retries}");
                let made = made(Format::Supervisord, "s.conf", &text);
                let for_ever = secs == "startsecs=0\n" || retries.len() > 20 && secs != "startsecs=0.05\n";
                let unlimited = for_ever && restart != "false";
                assert_eq!(made.text.contains("    budget: unlimited\n"), unlimited, "{text}{}", made.text);
            }
        }
    }
}
