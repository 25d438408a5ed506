//! Rule 10: the accept loop lives through everything, and ends when it is told to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Echo, Folder, LONG, again, argument, client, is_echoed, succeeds, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use supervisor_socket::{
    Bind, Caps, Connection, Deadlines, FrameLimits, Peer, Refusal, Server, Service, Settings, Standing,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

async fn serve<S: Service>(folder: &Folder, settings: Settings, service: Arc<S>) -> (Server, PathBuf) {
    let path = folder.join("a.sock");
    (Bind::at(&path).listen().await.unwrap().serve(settings, service), path)
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The memory that this process has for itself, in KiB. Its program is left out: the system takes pages of that away
/// and brings them back as it likes.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = |key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    size("RssAnon:") + size("VmSwap:")
}

/// So many clients that no descriptor is left to accept them with.
#[test]
#[ignore = "descriptors are those of a whole process; run by the test below"]
fn run_out_of_descriptors() {
    if argument().is_none() {
        return;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let folder = Folder::new();
        let (server, path) = serve(&folder, Settings::default(), Arc::<Echo>::default()).await;
        let mut first = client(&path).await;
        is_echoed(&mut first, "before").await;
        // Connections that wait to be accepted, and then not one descriptor more.
        let waiting: Vec<_> = (0..5).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
        let fill: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();

        // Time stands still as long as something can run, so a loop that spins does it here.
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        assert!(server.counts().accept_failures <= 2, "{:?}", server.counts());
        let begun = Instant::now();
        sleep(Duration::from_secs(60)).await;
        // 10, 20, … 640 ms and then a second each: about 65 in a minute.
        let failures = server.counts().accept_failures;
        assert!((50..=70).contains(&failures), "{failures} in {:?}", begun.elapsed());
        assert_eq!(server.counts().served, 1);
        is_echoed(&mut first, "meanwhile").await;

        drop(fill);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(server.counts().served, 6, "all who waited are served, within the longest wait");
        drop(waiting);
        is_echoed(&mut client(&path).await, "after").await;
    });
}

#[tokio::test]
async fn s10_running_out_of_descriptors_neither_ends_the_loop_nor_makes_it_spin() {
    succeeds(again("run_out_of_descriptors", "yes")).await;
}

#[test]
#[ignore = "memory and descriptors are those of a whole process; run by the test below"]
fn ten_thousand_come_and_go() {
    if argument().is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = Folder::new();
        let (server, path) = serve(&folder, Settings::default(), Arc::<Echo>::default()).await;
        // Some may have closed before they were accepted.
        let all_have_left = |come| server.counts().served == come && server.counts().open == 0;
        let mut come = 0;
        let mut storm = async |number: usize| {
            for n in 0..number {
                let mut client = client(&path).await;
                match n % 4 {
                    0 => {}                                           // connect and close
                    1 => client.writer.send(b"hello").await.unwrap(), // close without reading
                    2 => is_echoed(&mut client, "hello").await,
                    _ => {
                        client.writer.queue(&[b'x'; 50_000]);
                        let _ = timeout(Duration::ZERO, client.writer.flush()).await; // close in the middle
                    }
                }
                drop(client);
                come += 1;
                if n % 50 == 0 {
                    until("they have left", || all_have_left(come)).await;
                }
            }
            until("all have left", || all_have_left(come)).await;
        };
        storm(1_000).await;
        let (files, kib) = (open_files(), memory());
        storm(10_000).await;
        assert_eq!(open_files(), files);
        assert!(memory() < kib + 2_048, "from {kib} to {} KiB", memory());
        assert_eq!((server.counts().served, server.counts().refused), (11_000, 0));
    });
}

#[tokio::test]
async fn s10_ten_thousand_that_come_and_go_leave_memory_and_descriptors_as_they_were() {
    succeeds(again("ten_thousand_come_and_go", "yes")).await;
}

#[tokio::test]
async fn s10_sixty_four_that_do_not_read_disturb_nobody() {
    let folder = Folder::new();
    // So long that none is cut while the test runs.
    let deadlines = Deadlines { write: 10 * LONG, ..Deadlines::default() };
    let settings = Settings { deadlines, ..Settings::default() };
    let (server, path) = serve(&folder, settings, Arc::<Echo>::default()).await;
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut client = client(&path).await;
        // Requests without end, until neither side takes more.
        let line = [b'x'; 60_000];
        while timeout(Duration::from_millis(20), client.writer.send(&line)).await.is_ok() {}
        slow.push(client);
    }
    until("all are served", || server.counts().open == 64).await;
    let mut client = client(&path).await;
    let echoes = async {
        for _ in 0..100 {
            is_echoed(&mut client, "hello").await;
        }
    };
    timeout(LONG, echoes).await.expect("whoever waited for one of them would wait ten times as long");
    assert_eq!(server.counts().open, 65, "and none of them was needed to end for that");
}

/// Answers each frame when it is let to.
#[derive(Default)]
struct Slow {
    begun: Notify,
    go_on: Notify,
    ended_by_itself: AtomicBool,
}

impl Service for Slow {
    fn standing(&self, _: &Peer) -> Standing {
        Standing::Ordinary
    }

    fn refused(&self, _: Option<&Peer>, _: Refusal) -> Option<Vec<u8>> {
        None
    }

    async fn session(self: Arc<Self>, number: u64, mut connection: Connection) {
        while let Ok(Some(frame)) = connection.reader.next().await {
            self.begun.notify_one();
            self.go_on.notified().await;
            let answer = format!("{number}: {frame}");
            connection.writer.send(answer.as_bytes()).await.unwrap();
        }
        self.ended_by_itself.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn s10_a_server_that_closes_finishes_the_answer_and_reads_no_further_frame() {
    let folder = Folder::new();
    let slow = Arc::<Slow>::default();
    let settings = Settings { grace: 10 * LONG, ..Settings::default() };
    let (server, path) = serve(&folder, settings, slow.clone()).await;
    let mut busy = client(&path).await;
    busy.writer.queue(b"one");
    busy.writer.queue(b"two");
    busy.writer.flush().await.unwrap();
    slow.begun.notified().await;
    let mut idle = client(&path).await;
    until("both are served", || server.counts().open == 2).await;

    let close = tokio::spawn(server.close());
    assert!(timeout(LONG, idle.reader.next()).await.unwrap().unwrap().is_none(), "the idle one ends at once");
    assert_eq!(folder.names(), Vec::<String>::new(), "and the socket is gone");
    assert!(!close.is_finished());
    slow.go_on.notify_one();
    assert_eq!(busy.reader.next().await.unwrap().as_deref(), Some("1: one"));
    slow.go_on.notify_one();
    assert!(matches!(timeout(LONG, busy.reader.next()).await.unwrap(), Ok(None) | Err(_)), "nothing for two");
    timeout(LONG, close).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn s10_a_session_that_does_not_end_is_aborted_after_the_grace() {
    let folder = Folder::new();
    let slow = Arc::<Slow>::default();
    let settings = Settings { grace: Duration::from_secs(3), ..Settings::default() };
    let (server, path) = serve(&folder, settings, slow.clone()).await;
    let mut stuck = client(&path).await;
    stuck.writer.send(b"one").await.unwrap();
    slow.begun.notified().await;
    let begun = Instant::now();
    server.close().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    assert!(stuck.reader.next().await.unwrap().is_none());
    assert!(!slow.ended_by_itself.load(Ordering::Relaxed));
}

#[tokio::test]
async fn s10_a_server_that_is_dropped_removes_the_socket_at_once_and_ends_its_sessions() {
    let folder = Folder::new();
    let slow = Arc::<Slow>::default();
    let (server, path) = serve(&folder, Settings::default(), slow.clone()).await;
    let mut idle = client(&path).await;
    until("it is served", || server.counts().open == 1).await;
    drop(server);
    assert_eq!(folder.names(), Vec::<String>::new());
    assert!(timeout(LONG, idle.reader.next()).await.unwrap().unwrap().is_none());
    until("the session has ended", || slow.ended_by_itself.load(Ordering::Relaxed)).await;
}

#[tokio::test]
async fn s10_a_service_that_panics_over_a_peer_turns_it_away_and_the_loop_goes_on() {
    static PANICS: AtomicBool = AtomicBool::new(true);
    let standing = |_: &Peer| {
        assert!(!PANICS.load(Ordering::Relaxed), "as asked for");
        Standing::Ordinary
    };
    let folder = Folder::new();
    let echo = Arc::new(Echo { standing: Some(standing), ..Echo::default() });
    let (server, path) = serve(&folder, Settings::default(), echo).await;
    let answer = timeout(LONG, client(&path).await.reader.next()).await.unwrap().unwrap();
    assert_eq!(answer.as_deref(), Some("refused: your user may not connect here"));
    assert_eq!((server.counts().panicked, server.counts().served), (1, 0));
    PANICS.store(false, Ordering::Relaxed);
    is_echoed(&mut client(&path).await, "hello").await;
}

#[test]
fn s10_a_runtime_that_ends_first_takes_the_sessions_and_the_server_still_removes_the_socket() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, path) = runtime.block_on(serve(&folder, Settings::default(), Arc::<Echo>::default()));
    drop(runtime);
    assert!(path.exists());
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn s06_s10_memory_of_connections_is_bounded_by_their_frames() {
    let folder = Folder::new();
    let limits = FrameLimits::requests().raised_by(|_| 1 << 20);
    let caps = Caps { total: 8, per_uid: 8, reserved: 0 };
    let (server, path) =
        serve(&folder, Settings { limits, caps, ..Settings::default() }, Arc::<Echo>::default()).await;
    let mut client = client(&path).await;
    let manifest = "m".repeat(1 << 20);
    is_echoed(&mut client, &manifest).await;
    is_echoed(&mut client, "small again").await;
    client.writer.send(&vec![b'm'; (1 << 20) + 1]).await.ok();
    assert_eq!(client.reader.next().await.unwrap().as_deref(), Some("frame_too_large"));
    until("the session has ended", || server.counts().open == 0).await;
}
