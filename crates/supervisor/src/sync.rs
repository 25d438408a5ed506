//! What the concurrent cells of this crate are made of: std's and tokio's primitives, or those of the model
//! checker when the crate's own tests are built with `--cfg shuttle`. The same source is run and checked.
//!
//! The checker tries interleavings of whole operations, as if every atomic operation were sequentially
//! consistent. It cannot see a mistake in an `Ordering` or in a fence: those are argued for where they stand.
//! tokio's own primitives (`Notify`, `mpsc`, `oneshot`) and `CancellationToken` are used as they are; each of
//! their calls is one step for the checker, and their insides are trusted.

#[cfg(not(all(test, shuttle)))]
mod primitives {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, RwLock, atomic};
    pub(crate) use std::thread::yield_now;
    pub(crate) use tokio::sync::Notify;

    /// Whether this runs inside the runtime.
    pub(crate) fn is_inside(runtime: &tokio::runtime::Handle) -> bool {
        tokio::runtime::Handle::try_current().is_ok_and(|current| current.id() == runtime.id())
    }

    /// Starts a task that nobody waits for.
    pub(crate) fn spawn<F>(runtime: &tokio::runtime::Handle, future: F)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        runtime.spawn(future);
    }
}

#[cfg(all(test, shuttle))]
mod primitives {
    pub(crate) use shuttle::hint::spin_loop;
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};
    pub(crate) use shuttle::thread::yield_now;

    use shuttle::sync::atomic::{AtomicBool, Ordering};

    pub(crate) fn is_inside(_: &tokio::runtime::Handle) -> bool {
        true
    }

    pub(crate) fn spawn<F>(_: &tokio::runtime::Handle, future: F)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        shuttle::future::spawn(future);
    }

    /// A place where the checker can let others go first.
    #[derive(Debug, Default)]
    struct Step(AtomicBool);

    impl Step {
        fn take(&self) {
            self.0.load(Ordering::SeqCst);
        }
    }

    /// tokio's, with a step before each call.
    #[derive(Debug, Default)]
    pub(crate) struct Notify {
        inner: tokio::sync::Notify,
        step: Step,
    }

    impl Notify {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn notify_one(&self) {
            self.step.take();
            self.inner.notify_one();
        }

        pub(crate) fn notify_waiters(&self) {
            self.step.take();
            self.inner.notify_waiters();
        }

        pub(crate) fn notified(&self) -> tokio::sync::futures::Notified<'_> {
            self.step.take();
            self.inner.notified()
        }
    }

    /// std's, with a step before each call. What makes the value must not take steps itself.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        inner: std::sync::OnceLock<T>,
        step: Step,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { inner: std::sync::OnceLock::new(), step: Step::default() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.step.take();
            self.inner.get()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.step.take();
            self.inner.set(value)
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            self.step.take();
            self.inner.get_or_init(make)
        }
    }
}

pub(crate) use primitives::*;
