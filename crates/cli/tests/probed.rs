//! The example of programs that are looked after, as its user runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::path::Path;

use common::Run;

/// The text of `examples/probed.yaml` on another port, which the system gives to nobody else meanwhile.
fn probed(port: u16) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let text = std::fs::read_to_string(root.join("examples/probed.yaml")).unwrap();
    let program = root.join("examples/speaks.py");
    // Nobody is killed because the machine is busy, but the one that is stopped in its tracks.
    let changes = [
        ("18080", port.to_string()),
        ("examples/speaks.py", program.to_str().unwrap().to_owned()),
        ("max_retries: 3", "max_retries: 60".to_owned()),
        ("timeout_secs: 1\n", "timeout_secs: 30\n".to_owned()),
    ];
    let commands = text.find("version: 1").unwrap();
    changes.into_iter().fold(text[commands..].to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, &to)
    })
}

#[test]
fn the_example_is_ready_by_its_own_word_and_restarted_when_it_falls_silent() {
    if !skip::has("python3", "the_example_is_ready_by_its_own_word_and_restarted_when_it_falls_silent") {
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut run = Run::json(&probed(port));
    run.event("ChildRunning", "/server");
    run.event("ChildRunning", "/visitor");
    let names = |path: &Path| {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
    };
    let sockets = names(&run.home.path().join("run"));
    let sockets = sockets.iter().filter(|name| name.to_str().unwrap().starts_with("supervisor-notify-"));
    assert_eq!(sockets.count(), 1);
    let pid = run.program("speaks.py");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let unhealthy = run.event("ChildUnhealthy", "/server");
    assert!(unhealthy.to_string().contains("no heartbeat for 4s"), "{unhealthy}");
    run.event("ChildRestarted", "/server");
    assert_eq!(run.stop().code, Some(0));
}
