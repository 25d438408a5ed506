//! What is told over hours, in no time.

use std::os::unix::net::{SocketAddr, UnixDatagram};

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

#[tokio::test(start_paused = true)]
async fn the_manager_is_asked_for_time_as_long_as_a_program_has_its_grace_and_told_of_the_end() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let to = SocketAddr::from_pathname(&path).unwrap();
    let manager = Manager::at(to, path.into(), Some(Duration::from_secs(15))).unwrap();
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
