//! Where the supervisor listens for a program.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use tokio_supervisor::{EventKind, Lifecycle};

use crate::ports::free;
use crate::programs::shell;
use crate::tree::{Tree, block, launch};

const SAYS: &str = "test $LISTEN_PID = $$ && echo $LISTEN_FDS $LISTEN_FDNAMES; exec sleep 60";

fn lifecycle(tree: &Tree) -> Lifecycle {
    tree.handle.child("/a").unwrap().state.lifecycle_state
}

#[test]
pub(crate) fn a_socket_stays_open_until_its_program_is_removed() {
    block(async {
        let address = free();
        let mut tree = launch("", &shell("a", SAYS, &format!("sockets: [{{listen: \"{address}\"}}]")));
        assert_eq!(tree.said("/a").await, "1 a");
        let connects = || TcpStream::connect(address).expect("nobody is refused");
        let waits = connects();
        tree.handle.restart_child("/a", "test", "again").await.unwrap();
        connects();
        assert_eq!(tree.said("/a").await, "1 a");
        tree.handle.pause_child("/a", "test", "a rest").await.unwrap();
        assert_eq!(lifecycle(&tree), Lifecycle::Paused);
        connects();
        tree.handle.resume_child("/a", "test", "on").await.unwrap();
        assert_eq!(tree.said("/a").await, "1 a");
        tree.handle.quarantine_child("/a", "test", "parked").await.unwrap();
        connects();
        tree.handle.remove_child("/a", "test", "away").await.unwrap();
        // It is let go right after the command is answered.
        while TcpStream::connect(address).is_ok() {
            tokio::task::yield_now().await;
        }
        drop(waits);
    });
}

#[test]
pub(crate) fn a_socket_has_its_name_and_its_permissions() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        let sockets = format!(
            "sockets: [{{listen: \"unix:{0}/a\", name: web, mode: \"0666\"}}, {{listen: \"unix:{0}/b\"}}]",
            dir.path().display()
        );
        let mut tree = launch("", &shell("a", SAYS, &sockets));
        assert_eq!(tree.said("/a").await, "2 web:a");
        assert_eq!((mode("a"), mode("b")), (0o666, 0o600));
        tree.stop().await;
        drop(tree);
        while path("a").exists() || path("b").exists() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
pub(crate) fn an_address_that_is_taken_is_a_failed_start() {
    block(async {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let keys = format!("role: job, sockets: [{{listen: \"{address}\"}}]");
        let mut tree = launch("", &shell("a", SAYS, &keys));
        let failed = tree.until("/a", EventKind::ChildFailed).await.to_string();
        assert!(failed.contains(&format!("sockets: {address}: address already in use")), "{failed}");
    });
}
