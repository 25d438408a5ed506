//! Threads that live as long as the process and do one job after the other.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads with one queue. They are started as jobs come and never end.
///
/// The queue has no bound of its own: each job is waited for by a run, is the last word of one, or is the one that waits
/// of a log file, so there are at most as many as there are programs.
pub(crate) struct Worker {
    name: &'static str,
    max_threads: usize,
    state: Mutex<State>,
    bell: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

/// Forks all programs. The kernel sends a program its death signal when the thread that forked it ends, so
/// these must be threads that do not end before the process does.
///
/// A fork returns when the program was executed. From a file system that does not answer that can take for
/// ever, and there are eight threads so that one such program does not hold up the others.
pub(crate) static SPAWNER: Worker = Worker::new("spawn-programs", 8);

/// Reaps programs whose run was dropped: dropping must not wait.
pub(crate) static UNDERTAKER: Worker = Worker::new("reap-programs", 4);

/// Compresses the log files that are full, and removes old ones. One at a time: it takes a core while it does.
pub(crate) static COMPRESSOR: Worker = Worker::new("compress-logs", 1);

/// Reads `/proc`, which takes milliseconds on a busy machine.
pub(crate) static SEARCHER: Worker = Worker::new("search-proc", 1);

impl Worker {
    const fn new(name: &'static str, max_threads: usize) -> Self {
        let state = State { queue: VecDeque::new(), threads: 0, idle: 0 };
        Self { name, max_threads, state: Mutex::new(state), bell: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `job` on a thread. A panic in it ends that job only.
    pub(crate) fn post(&'static self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        state.queue.push_back(Box::new(job));
        if state.queue.len() > state.idle && state.threads < self.max_threads {
            state.threads += 1;
            drop(state);
            self.start();
        } else {
            drop(state);
            self.bell.notify_one();
        }
    }

    /// Does `job` on a thread and gives its result; `None` when there is no thread or the job panicked.
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

    fn start(&'static self) {
        let thread = std::thread::Builder::new().name(self.name.into()).spawn(|| self.work());
        let Err(error) = thread else { return };
        tracing::error!(thread = self.name, %error, "cannot start the thread");
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads == 0 {
            // Nobody will do these. Dropped, they tell those who wait for them.
            let lost = std::mem::take(&mut state.queue);
            drop(state);
            drop(lost);
        }
    }

    fn work(&self) {
        loop {
            let job = self.next();
            let done: Result<(), Box<dyn Any + Send>> = std::panic::catch_unwind(AssertUnwindSafe(job));
            if done.is_err() {
                tracing::error!(thread = self.name, "a job panicked");
            }
        }
    }

    fn next(&self) -> Job {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                return job;
            }
            state.idle += 1;
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_job_leaves_the_thread_to_the_next_one() {
        static WORKER: Worker = Worker::new("test", 1);
        let first = WORKER.run(|| std::thread::current().id()).await;
        assert_eq!(WORKER.run(|| panic!("on purpose")).await, None::<()>);
        assert_eq!(WORKER.run(|| std::thread::current().id()).await, first);
        assert!(first.is_some());
    }

    #[tokio::test]
    async fn a_job_that_hangs_holds_up_no_other_while_there_are_threads() {
        static WORKER: Worker = Worker::new("test", 3);
        let (release, hang) = channel::<()>();
        let (release_too, hang_too) = channel::<()>();
        for hang in [hang, hang_too] {
            WORKER.post(move || assert!(hang.recv().is_err()));
        }
        let third = WORKER.run(|| std::thread::current().id()).await;
        // No thread beyond the third: the next one that has time does it.
        assert_eq!(WORKER.run(|| std::thread::current().id()).await, third);
        assert_eq!(WORKER.lock().threads, 3);
        drop((release, release_too));
    }
}
