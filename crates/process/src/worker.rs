//! Threads that live as long as the process and do one job after the other.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that is started when its first job comes and never ends.
///
/// The queue is unbounded, but each job is waited for by a run (or is the last word of one), so there are at
/// most as many as there are programs.
pub(crate) struct Worker {
    name: &'static str,
    queue: OnceLock<Mutex<Sender<Job>>>,
}

/// Forks all programs. The kernel sends a program its death signal when the thread that forked it ends, so
/// that thread must be one that does not end before the process does.
pub(crate) static SPAWNER: Worker = Worker::new("spawn-programs");

/// Reaps programs whose run was dropped: dropping must not wait.
pub(crate) static UNDERTAKER: Worker = Worker::new("reap-programs");

/// Reads `/proc`, which takes milliseconds on a busy machine.
pub(crate) static SEARCHER: Worker = Worker::new("search-proc");

impl Worker {
    const fn new(name: &'static str) -> Self {
        Self { name, queue: OnceLock::new() }
    }

    /// Does `job` on the thread, after those that were given before. A panic in it ends that job only.
    pub(crate) fn post(&'static self, job: impl FnOnce() + Send + 'static) {
        let queue = self.queue.get_or_init(|| Mutex::new(self.start()));
        // The receiver lives as long as the thread. Without a thread the job is dropped, and with it what
        // it would have answered through: the waiting side sees that.
        let _ = queue.lock().unwrap_or_else(PoisonError::into_inner).send(Box::new(job));
    }

    /// Does `job` on the thread and gives its result; `None` when there is no thread or the job panicked.
    ///
    /// Dropping the future does not stop the job; its result is then dropped where it was made.
    pub(crate) async fn run<T: Send + 'static>(
        &'static self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.post(move || drop(answer.send(job())));
        answered.await.ok()
    }

    fn start(&'static self) -> Sender<Job> {
        let (sender, receiver) = channel::<Job>();
        let work = move || {
            for job in receiver {
                let done: Result<(), Box<dyn Any + Send>> = std::panic::catch_unwind(AssertUnwindSafe(job));
                if done.is_err() {
                    tracing::error!(thread = self.name, "a job panicked");
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name(self.name.into()).spawn(work) {
            tracing::error!(thread = self.name, %error, "cannot start the thread");
        }
        sender
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_job_leaves_the_thread_to_the_next_one() {
        static WORKER: Worker = Worker::new("test");
        let first = WORKER.run(|| std::thread::current().id()).await;
        assert_eq!(WORKER.run(|| panic!("on purpose")).await, None::<()>);
        assert_eq!(WORKER.run(|| std::thread::current().id()).await, first);
        assert!(first.is_some());
    }
}
