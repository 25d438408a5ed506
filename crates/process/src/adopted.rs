//! Processes that became children of this one because their own parent ended.
//!
//! Who has the number 1, as the first program of a container has, becomes the parent of every process whose own parent is
//! gone; so does a subreaper, for its descendants. A process that ends stays a zombie until its parent has taken note, and
//! enough zombies leave no number for anybody else.
//!
//! # Whose end is whose
//!
//! An end can be taken note of once. To take one of a program's leader here would steal its exit status from its run. So
//! the kernel is asked for the children of *one thread*, the main one, and nobody else's:
//!
//! ```text
//!  main thread      ── its list: who was adopted, and who was there before this program was executed
//!  spawn-programs   ── its list: the programs
//!  guardian-watch   ── its list: the guardian
//! ```
//!
//! The kernel gives an orphan to the first thread of the process that adopts it, which is the main one as long as that
//! lives. A child stays on the list of the thread that forked it as long as that thread lives, and the threads that fork
//! live as long as the process. There is no instant at which a child that was just forked could be taken for an orphan,
//! and no list of our own that could be behind. `/proc` is not needed.

use std::io;

use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// So many are taken note of, then others have their turn.
const BURST: u32 = 256;

/// `__WNOTHREAD`: the children of the calling thread alone.
const OF_THIS_THREAD: WaitIdOptions = WaitIdOptions::from_bits_retain(0x2000_0000);

/// The ends of processes that this one has adopted.
///
/// For a binary, which may be the first program of a container. A library leaves the children of its host alone: what
/// the main thread has forked itself is taken for adopted.
#[derive(Debug)]
pub struct Adopted(Signal);

impl Adopted {
    /// Begins to listen for ends, within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the process may not install a handler for SIGCHLD.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::child()).map(Self)
    }

    /// Reaps whoever was adopted and ends, for ever. Those that this process runs, or has as its guardian, are left to
    /// whom they belong to.
    ///
    /// Poll it on the main thread, as `block_on` there does: on another thread it finds nobody. Cancel safe.
    pub async fn reap(&mut self) {
        loop {
            if reap_some() {
                tokio::task::yield_now().await;
            } else if self.0.recv().await.is_none() {
                // Nothing comes any more when the runtime ends.
                return std::future::pending().await;
            }
        }
    }
}

/// Reaps those that have ended. Says whether there may be more.
fn reap_some() -> bool {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | OF_THIS_THREAD;
    // An error means that the thread has no child at all.
    (0..BURST).all(|_| matches!(waitid(WaitId::All, ended), Ok(Some(_))))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::Pid;

    use super::*;

    fn ends(code: &str) -> Child {
        Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap()
    }

    fn wait_for_the_end_of(child: &Child) {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(child)), look).unwrap();
    }

    #[test]
    fn the_dead_of_this_thread_are_reaped_and_those_of_others_are_not() {
        let (send, receive) = std::sync::mpsc::channel();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            send.send(ends("7")).unwrap();
            // The thread lives until the test is over.
            let _ = held.recv();
        });
        let mut others: Child = receive.recv().unwrap();
        let mut own = ends("3");
        wait_for_the_end_of(&others);
        wait_for_the_end_of(&own);
        assert!(!reap_some());
        assert_eq!(others.wait().unwrap().code(), Some(7), "it was left to its owner");
        assert_eq!(own.wait().unwrap_err().raw_os_error(), Some(libc::ECHILD), "it was reaped");
        drop(hold);
    }
}
