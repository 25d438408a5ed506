//! Waiting for the signals that ask a program to stop.

use std::fmt;
use std::io;

use supervisor_api::report::RuntimeExitReport;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::handle::SupervisorHandle;

/// A signal that asks the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopSignal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM, as service managers send it.
    Terminate,
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// SIGINT and SIGTERM of this process, from now on.
///
/// From its making on these signals do not end the process any more, also after it is dropped: that is how
/// Tokio handles signals.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Begins to listen. Fails when the process may not install a handler.
    pub fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// The next signal. Cancel safe.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

impl SupervisorHandle {
    /// Waits for the end of the tree. The first signal shuts it down in order, the second cuts the graces
    /// that are left (D20).
    pub async fn join_or_signal(&self) -> io::Result<RuntimeExitReport> {
        let mut signals = StopSignals::listen()?;
        let first = tokio::select! {
            report = self.join() => return Ok(report),
            signal = signals.next() => signal,
        };
        let stopping = self.shutdown(first.to_string(), "signal");
        tokio::pin!(stopping);
        tokio::select! {
            _ = &mut stopping => return Ok(self.join().await),
            second = signals.next() => {
                // An end that came first is what was asked for.
                let _ = self.skip_graces(second.to_string(), "second signal").await;
            }
        }
        Ok(self.join().await)
    }
}
