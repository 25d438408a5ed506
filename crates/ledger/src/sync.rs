//! What the queue and its batches are made of: std's primitives, or those of the model checker when the crate's own
//! tests are built with `--cfg shuttle`. The same source is run and checked.

use std::sync::PoisonError;

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};

/// What these locks guard is right after every statement, so a panic elsewhere spoils nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
