//! A short soak holds, and says so in its last line.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::process::{Command, Stdio};

#[test]
fn five_seconds_of_chaos_leave_nothing_behind() {
    let soak = Command::new(env!("CARGO_BIN_EXE_supervisor-chaos"))
        .args(["--seconds", "5"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&soak.stdout), String::from_utf8_lossy(&soak.stderr));
    let last = out.lines().last().unwrap_or_default();
    assert!(soak.status.success(), "{out}{err}");
    assert!(last.starts_with("soak: seconds=5 children=") && last.ends_with(" violations=0"), "{out}{err}");
    for quiet in ["restarts=0 ", "kills=0 ", "panics=0 ", "commands=0 "] {
        assert!(!last.contains(&format!(" {quiet}")), "nothing happened: {last}");
    }
    assert_eq!(err, "", "only panics of the script, which are not shown");
}
