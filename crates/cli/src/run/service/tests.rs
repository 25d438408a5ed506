//! What is told over hours, in no time.

use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use supervisor_api::policy::{AutoShutdown, Criticality};
use supervisor_stack::tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorSpec};

use super::*;

/// What the manager has heard, message by message, and nothing of what it was told before.
fn heard(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let next = || {
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    std::iter::from_fn(next).collect()
}

/// A manager that reads in this folder.
fn manager_in(home: &Path) -> (Manager, UnixDatagram) {
    let path = home.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let to = SocketAddr::from_pathname(&path).unwrap();
    (Manager::at(to, path.into(), Some(Duration::from_secs(15))).unwrap(), socket)
}

#[tokio::test(start_paused = true)]
async fn the_manager_is_asked_for_time_as_long_as_a_program_has_its_grace_and_told_of_the_end() {
    let home = tempfile::tempdir().unwrap();
    let (manager, socket) = manager_in(home.path());
    let stubborn = |ctx: ChildContext| async move { ctx.killed().await };
    let stubborn = ChildSpec::managed("web", stubborn).grace(Duration::from_secs(600));
    let handle = Supervisor::start(SupervisorSpec::root([stubborn])).await.unwrap();
    let (_reloads, asked) = mpsc::channel(RELOADS);
    let told = tokio::spawn(Teller::new(manager, handle.clone()).tell(asked));

    // The queue of a socket may be as short as ten messages.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let up = heard(&socket);
    assert_eq!(up.iter().filter(|message| *message == "WATCHDOG=1").count(), 5, "{up:?}");
    assert!(up.contains(&"READY=1\nSTATUS=1 of 1 running".to_owned()), "{up:?}");

    let asked_to_stop = handle.clone();
    let stop = tokio::spawn(async move { asked_to_stop.shutdown("test", "over").await });
    for look in 0..23 {
        tokio::time::sleep(Duration::from_secs(25)).await;
        let stopping = heard(&socket);
        let begins = format!("STOPPING=1\n{MORE_TIME}\nSTATUS=stopping: 1 of 1 left");
        assert_eq!(stopping.contains(&begins), look == 0, "{stopping:?}");
        assert!(stopping.iter().filter(|message| *message == MORE_TIME).count() >= 2, "{stopping:?}");
    }
    stop.await.unwrap().unwrap();
    told.await.unwrap();
    assert_eq!(heard(&socket).last().unwrap(), "STATUS=down");
}

/// A job that takes this long in milliseconds.
fn job(name: &str, takes: u64, exit: Result<(), &'static str>) -> ChildSpec {
    ChildSpec::job(name, move |_| async move {
        tokio::time::sleep(Duration::from_millis(takes)).await;
        exit
    })
}

/// A service that ends badly after a second, and at once when it is started again.
fn unlucky(name: &str) -> ChildSpec {
    ChildSpec::service(name, |ctx: ChildContext| async move {
        if ctx.generation() == 1 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err::<(), _>("no luck")
    })
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_is_over_before_anybody_looks_was_up_unless_a_critical_child_was_down() {
    use AutoShutdown::{AllDone, AnySignificant};
    let good = || job("good", 0, Ok(()));
    let bad = || job("bad", 0, Err("bad"));
    let last = || job("last", 1010, Ok(())).significant(true);
    let runs = || ChildSpec::managed("runs", |ctx: ChildContext| async move { drop(ctx.stopping().await) });
    let critical = |child: ChildSpec| child.criticality(Criticality::Critical);
    let table = [
        ("jobs", AllDone, vec![good()], true),
        ("a job that failed", AllDone, vec![bad(), good()], true),
        ("a critical job", AllDone, vec![critical(good())], true),
        ("a critical job that failed", AllDone, vec![critical(bad()), job("long", 60_000, Ok(()))], false),
        ("a critical service", AnySignificant, vec![critical(runs()), last()], true),
        ("one that is restarted", AnySignificant, vec![unlucky("unlucky"), last()], true),
        (
            "a critical one that is restarted",
            AnySignificant,
            vec![critical(unlucky("unlucky")), last()],
            false,
        ),
    ];
    for (what, when, children, was_up) in table {
        let home = tempfile::tempdir().unwrap();
        let (manager, socket) = manager_in(home.path());
        let handle = Supervisor::launch(SupervisorSpec::root(children).auto_shutdown(when)).unwrap();
        handle.join().await;
        let (_reloads, asked) = mpsc::channel(RELOADS);
        Teller::new(manager, handle).tell(asked).await;
        let said = heard(&socket);
        assert_eq!(said.iter().any(|message| message.starts_with("READY=1")), was_up, "{what}: {said:?}");
        assert!(said.iter().any(|message| message.starts_with("STOPPING=1")), "{what}: {said:?}");
    }
}
