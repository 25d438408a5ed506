//! What is done to a program that was asked to stop, and when.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::signal::Signal;
use crate::spec::ProgramSpec;

/// The next thing to do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask it with another signal.
    Ask(Signal),
    /// Its own part of the grace is over: the rest is for `post_stop`.
    Kill,
}

/// The signals that are still to come, and the end of its own part of the grace.
pub(crate) struct Stopping<'a> {
    escalation: std::slice::Iter<'a, (Duration, Signal)>,
    due: Option<(Pin<Box<Sleep>>, Signal)>,
    last: Option<Pin<Box<Sleep>>>,
}

impl<'a> Stopping<'a> {
    /// Nothing was asked of it.
    pub(crate) fn not_yet(spec: &'a ProgramSpec) -> Self {
        Self { escalation: spec.escalation.iter(), due: None, last: None }
    }

    /// It was asked with its stop signal now. `until` is the end of the grace, if there is one.
    pub(crate) fn begin(&mut self, spec: &ProgramSpec, until: Option<Instant>) {
        self.next();
        let own = until.zip(spec.post_stop.as_ref());
        let own = own.map(|(until, hook)| until.checked_sub(hook.limit).unwrap_or(until));
        self.last = own.map(|own| Box::pin(sleep_until(own)));
    }

    /// It is killed; nothing more is to come.
    pub(crate) fn end(&mut self) {
        (self.due, self.last) = (None, None);
    }

    /// Resolves when something is to be done; never when nothing is. Cancel safe.
    pub(crate) async fn step(&mut self) -> Step {
        let (due, last) = (&mut self.due, &mut self.last);
        let asked = async {
            match due {
                Some((time, signal)) => {
                    time.await;
                    *signal
                }
                None => pending().await,
            }
        };
        let over = async {
            match last {
                Some(time) => time.await,
                None => pending().await,
            }
        };
        let step = tokio::select! {
            biased;
            () = over => Step::Kill,
            signal = asked => Step::Ask(signal),
        };
        match step {
            Step::Kill => self.end(),
            Step::Ask(_) => self.next(),
        }
        step
    }

    fn next(&mut self) {
        self.due = self.escalation.next().map(|&(after, signal)| (Box::pin(sleep(after)), signal));
    }
}
