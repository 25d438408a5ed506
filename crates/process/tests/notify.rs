//! What a program says on its socket `NOTIFY_SOCKET`, and what comes of it.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use common::{Bench, Seen, end, exists, sh};
use supervisor_api::Exit;
use supervisor_process::{ProgramSpec, Readiness};
use tokio::task::JoinHandle;

/// `say(TEXT)` sends a message; `wait()` waits for the file `go` and removes it.
const BEGIN: &str = r#"
import os, socket, sys, time
path = os.environ["NOTIFY_SOCKET"]
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.connect(path)
def say(text):
    sender.send(text if isinstance(text, bytes) else text.encode())
def wait():
    while not os.path.exists("go"):
        time.sleep(0.005)
    os.remove("go")
"#;

/// A program that says what `script` says, and sleeps until it is asked to stop.
struct Speaker {
    dir: tempfile::TempDir,
    bench: Bench,
    run: JoinHandle<Exit>,
}

impl Speaker {
    fn start(script: &str, with: impl FnOnce(ProgramSpec) -> ProgramSpec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spec = ProgramSpec::new("python3").arg("-c").arg(format!("{BEGIN}{script}\ntime.sleep(60)"));
        let bench = Bench::new();
        let run = bench.start(with(spec.working_dir(dir.path())));
        Self { dir, bench, run }
    }

    /// Ready when it says so.
    fn ready(script: &str) -> Self {
        Self::start(script, |spec| spec.readiness(Readiness::Notify))
    }

    /// Lets it come out of its `wait()`.
    fn go(&self) {
        std::fs::write(self.dir.path().join("go"), "").unwrap();
    }

    async fn until(&self, what: &str, so: impl FnMut(&Seen) -> bool) -> Seen {
        self.bench.until(what, so).await
    }

    async fn stop(self) -> Seen {
        self.bench.stop();
        assert_eq!(end(self.run).await, Exit::Stopped);
        self.bench.seen()
    }
}

fn python(test: &str) -> bool {
    skip::has("python3", test)
}

#[tokio::test]
async fn d19_a_program_is_ready_when_it_says_so_and_not_before() {
    if !python("d19_a_program_is_ready_when_it_says_so_and_not_before") {
        return;
    }
    let speaker = Speaker::ready("say('STATUS=loading 1 of 2'); wait(); say('READY=1\\nSTATUS=serving')");
    let seen = speaker.until("a status", |seen| !seen.phases.is_empty()).await;
    assert_eq!((seen.phases, seen.ready), (vec!["loading 1 of 2".to_owned()], false));
    speaker.go();
    speaker.until("ready", |seen| seen.ready).await;
    let seen = speaker.stop().await;
    assert_eq!((&seen.phases[1..], &seen.warnings[..]), (&["serving".to_owned()][..], &[][..]));
}

#[tokio::test]
async fn reloading_and_stopping_are_shown_and_probes_end_with_the_latter() {
    if !python("reloading_and_stopping_are_shown_and_probes_end_with_the_latter") {
        return;
    }
    let script = "say('READY=1'); say('RELOADING=1'); wait(); say('READY=1'); wait()
say('STOPPING=1'); say('READY=1'); say('STATUS=2 to go')";
    let speaker = Speaker::ready(script);
    speaker.until("reloading", |seen| seen.phases == ["reloading"]).await;
    speaker.go();
    let seen = speaker.until("no more", |seen| seen.phases == ["reloading", ""]).await;
    assert!(!seen.winds_down);
    speaker.go();
    let last = "stopping by itself; 2 to go";
    let seen = speaker.until("stopping", |seen| seen.phases.last().is_some_and(|phase| phase == last)).await;
    assert!(seen.winds_down);
    speaker.stop().await;
}

#[tokio::test]
async fn d13_watchdog_messages_are_signs_of_life_for_who_has_promised_them() {
    if !python("d13_watchdog_messages_are_signs_of_life_for_who_has_promised_them") {
        return;
    }
    let promise =
        |spec: ProgramSpec| spec.health_notify(Duration::from_millis(1500), Duration::from_secs(1), 3);
    let script = "print('pid=%s,%s' % (os.environ['WATCHDOG_PID'], os.environ['WATCHDOG_USEC']), flush=True)
say('WATCHDOG=1'); say('WATCHDOG=1'); wait(); say('WATCHDOG=trigger')";
    let speaker = Speaker::start(script, promise);
    let seen = speaker.until("two beats", |seen| seen.beats == 2).await;
    assert!(seen.ready && seen.unwell.is_empty(), "nothing else is waited for");
    let said = speaker.bench.word("pid=").await;
    assert_eq!(said, format!("{},1500000", seen.pid.unwrap()));
    speaker.go();
    let seen = speaker.until("unwell", |seen| !seen.unwell.is_empty()).await;
    assert_eq!(seen.unwell, ["notify: it sent WATCHDOG=trigger"]);
    speaker.stop().await;
    // Nobody has asked for them here.
    let script = "print(sorted(name for name in os.environ if name.startswith('WATCHDOG')), flush=True)
say('WATCHDOG=1\\nREADY=1')";
    let speaker = Speaker::ready(script);
    assert_eq!(speaker.until("ready", |seen| seen.ready && !seen.lines.is_empty()).await.beats, 0);
    assert_eq!(speaker.stop().await.lines[0].text, "[]");
}

#[tokio::test]
async fn mainpid_is_shown_when_it_is_one_of_the_group() {
    if !python("mainpid_is_shown_when_it_is_one_of_the_group") {
        return;
    }
    let script = "
import subprocess
worker = subprocess.Popen(['sleep', '60'])
print('worker=%d' % worker.pid, flush=True)
say('MAINPID=1'); say('MAINPID=-5'); say('MAINPID=0'); say('MAINPID=%d\\nREADY=1' % worker.pid)";
    let speaker = Speaker::ready(script);
    let seen = speaker.until("ready", |seen| seen.ready).await;
    assert_eq!(seen.pid, Some(speaker.bench.pid("worker").await));
    assert_eq!(seen.warnings.len(), 1, "{:?}", seen.warnings);
    assert!(seen.warnings[0].contains("MAINPID=1 is ignored"), "{:?}", seen.warnings);
    speaker.stop().await;
}

#[tokio::test]
async fn a_stranger_is_not_heard_and_that_is_said_once() {
    if !python("a_stranger_is_not_heard_and_that_is_said_once") {
        return;
    }
    let speaker = Speaker::ready("print('socket=' + path, flush=True); wait(); say('READY=1')");
    let path = speaker.bench.word("socket=").await;
    let stranger = UnixDatagram::unbound().unwrap();
    for _ in 0..3 {
        stranger.send_to(b"READY=1\nSTATUS=mine", &path).unwrap();
    }
    let seen = speaker.until("a warning", |seen| !seen.warnings.is_empty()).await;
    assert!(
        seen.warnings[0].contains(&format!("process {} sent", std::process::id())),
        "{:?}",
        seen.warnings
    );
    assert!(!seen.ready && seen.phases.is_empty());
    speaker.go();
    speaker.until("ready", |seen| seen.ready).await;
    assert_eq!(speaker.stop().await.warnings.len(), 1);
    assert!(!Path::new(&path).exists(), "the socket goes with the run");
}

#[tokio::test]
async fn garbage_and_floods_harm_nobody_and_descriptors_are_not_kept() {
    if !python("garbage_and_floods_harm_nobody_and_descriptors_are_not_kept") {
        return;
    }
    let script = r"
import array
for message in [b'\xff\xfe', b'', b'\0' * 100, b'=' * 4096, b'STATUS=' + b'x' * 4096, b'STATUS=' + b'y' * 100000]:
    say(message)
reading, writing = os.pipe()
fds = array.array('i', [writing] * 100)
sender.sendmsg([b'FDSTORE=1\nFDNAME=x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
os.close(writing)
print('barrier=%d' % len(os.read(reading, 1)), flush=True)
say('EXTEND_TIMEOUT_USEC=1000000')
for number in range(5000):
    say('STATUS=%d' % number)
say('READY=1')";
    let speaker = Speaker::ready(script);
    // The pipe is at its end only when nobody has its other end any more.
    assert_eq!(speaker.bench.word("barrier=").await, "0");
    let seen = speaker.until("ready", |seen| seen.ready).await;
    let words =
        ["is no text", "more than 4096 bytes", "FDSTORE is ignored", "EXTEND_TIMEOUT_USEC is ignored"];
    assert_eq!(seen.warnings.len(), words.len(), "{:?}", seen.warnings);
    for word in words {
        assert!(seen.warnings.iter().any(|warning| warning.contains(word)), "{word}: {:?}", seen.warnings);
    }
    assert_eq!(seen.phases.last().map(String::as_str), Some("4999"));
    speaker.stop().await;
}

#[tokio::test]
async fn what_is_said_last_is_heard_and_an_end_before_ready_says_what_was_missing() {
    if !python("what_is_said_last_is_heard_and_an_end_before_ready_says_what_was_missing") {
        return;
    }
    for _ in 0..10 {
        let speaker = Speaker::ready("say('READY=1'); os._exit(0)");
        assert_eq!(end(speaker.run).await, Exit::Completed);
        assert!(speaker.bench.seen().ready);
    }
    let speaker = Speaker::ready("say('STATUS=no licence'); sys.exit(3)");
    let error = "exit code 3 before it was ready (waiting for READY=1 on NOTIFY_SOCKET; it says: no licence)";
    assert_eq!(end(speaker.run).await, Exit::failed(error));
}

#[tokio::test]
async fn a_program_of_another_user_is_heard() {
    let test = "a_program_of_another_user_is_heard";
    if !skip::is_root(test) || !python(test) {
        return;
    }
    // Its own directory may not be entered by that user, nor may those of root that can be in PATH.
    let as_nobody = |spec: ProgramSpec| {
        let spec = spec.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        spec.readiness(Readiness::Notify).user("nobody").working_dir("/")
    };
    let speaker = Speaker::start("say('READY=1')", as_nobody);
    speaker.until("ready", |seen| seen.ready).await;
    let pid = speaker.bench.seen().pid.unwrap();
    assert_eq!(common::status(pid, "Uid"), "65534\t65534\t65534\t65534");
    speaker.stop().await;
}

#[tokio::test]
async fn who_says_nothing_has_no_socket_and_a_bad_place_is_named() {
    let bench = Bench::new();
    end(bench.start(sh("echo socket=$NOTIFY_SOCKET$WATCHDOG_USEC"))).await;
    assert_eq!(bench.text(), "socket=");
}

#[tokio::test]
async fn systemd_notify_is_understood() {
    if !skip::has("systemd-notify", "systemd_notify_is_understood") {
        return;
    }
    let bench = Bench::new();
    // It waits until its message was taken, so it is still there to be looked at.
    let script = "systemd-notify --ready --status='up and running' && echo sent; exec sleep 60";
    let run = bench.start(sh(script).readiness(Readiness::Notify));
    let seen = bench.until("ready", |seen| seen.ready && !seen.lines.is_empty()).await;
    assert_eq!((seen.phases, bench.text()), (vec!["up and running".to_owned()], "sent".to_owned()));
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
    assert!(!exists(bench.seen().pid.unwrap()));
}
