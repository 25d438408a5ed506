//! How far a run has come, and what the operator is shown of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use supervisor_api::Exit;

use crate::checks::Readiness;

/// How far a run has come on its way to ready and, later, to its end.
pub(crate) struct Progress(Mutex<State>);

struct State {
    waiting: Waiting,
    doing: Doing,
    /// What the program says of itself.
    status: String,
    /// What was shown last.
    shown: String,
}

enum Waiting {
    /// Nothing is waited for.
    Ready,
    /// Not ready, and this is what is waited for.
    For(String),
    /// Not ready, and this is what the last probe said.
    Heard(String),
}

/// What a program says that it does besides its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing.
    Nothing,
    /// It reads its configuration anew.
    Reloading,
    /// It ends by itself.
    Stopping,
}

impl Progress {
    pub(crate) fn of(readiness: &Readiness) -> Self {
        let waiting = match readiness {
            Readiness::Immediate => Waiting::Ready,
            Readiness::Probe(check) => Waiting::For(format!("waiting for {}", check.probe)),
            Readiness::Notify => Waiting::For("waiting for READY=1 on NOTIFY_SOCKET".into()),
        };
        Self(Mutex::new(State {
            waiting,
            doing: Doing::Nothing,
            status: String::new(),
            shown: String::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program is ready. Says whether it was not before.
    pub(crate) fn is_ready(&self) -> bool {
        !matches!(std::mem::replace(&mut self.lock().waiting, Waiting::Ready), Waiting::Ready)
    }

    /// Keeps what a probe said.
    pub(crate) fn heard(&self, error: String) {
        self.lock().waiting = Waiting::Heard(error);
    }

    /// Keeps what the program says of itself.
    pub(crate) fn says(&self, status: String) {
        self.lock().status = status;
    }

    /// Keeps what the program does. From its end there is no way back.
    pub(crate) fn does(&self, doing: Doing) {
        let mut state = self.lock();
        if state.doing != Doing::Stopping {
            state.doing = doing;
        }
    }

    /// What is to be shown, if that is something else than before.
    pub(crate) fn news(&self) -> Option<String> {
        let mut state = self.lock();
        let shown = state.show();
        (shown != state.shown).then(|| {
            state.shown.clone_from(&shown);
            shown
        })
    }

    /// Adds to a failure before ready what was waited for.
    pub(crate) fn complete(self, exit: Exit) -> Exit {
        let State { waiting, status, .. } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let what = match waiting {
            Waiting::Ready => return exit,
            Waiting::For(what) => what,
            Waiting::Heard(error) => format!("last probe: {error}"),
        };
        let said = if status.is_empty() { status } else { format!("; it says: {status}") };
        match exit {
            Exit::Failed { error } => Exit::failed(format!("{error} before it was ready ({what}{said})")),
            exit => exit,
        }
    }
}

impl State {
    fn show(&self) -> String {
        let not_ready = match &self.waiting {
            Waiting::Heard(error) => format!("not ready: {error}"),
            Waiting::Ready | Waiting::For(_) => String::new(),
        };
        let doing = match self.doing {
            Doing::Nothing => "",
            Doing::Reloading => "reloading",
            Doing::Stopping => "stopping by itself",
        };
        let parts = [&not_ready, doing, &self.status];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_all_that_is_known_and_told_when_it_changes() {
        let progress = Progress::of(&Readiness::Notify);
        assert_eq!(progress.news(), None);
        progress.says("loading".into());
        assert_eq!(progress.news().as_deref(), Some("loading"));
        assert_eq!(progress.news(), None);
        progress.heard("tcp a:1: connection refused".into());
        assert_eq!(progress.news().as_deref(), Some("not ready: tcp a:1: connection refused; loading"));
        assert!(progress.is_ready() && !progress.is_ready());
        progress.does(Doing::Reloading);
        assert_eq!(progress.news().as_deref(), Some("reloading; loading"));
        progress.does(Doing::Stopping);
        progress.does(Doing::Nothing);
        progress.says(String::new());
        assert_eq!(progress.news().as_deref(), Some("stopping by itself"));
    }

    #[test]
    fn an_end_before_ready_says_what_was_waited_for() {
        let progress = Progress::of(&Readiness::Notify);
        progress.says("loading".into());
        let error = "x before it was ready (waiting for READY=1 on NOTIFY_SOCKET; it says: loading)";
        assert_eq!(progress.complete(Exit::failed("x")), Exit::failed(error));
        assert_eq!(Progress::of(&Readiness::Immediate).complete(Exit::failed("x")), Exit::failed("x"));
    }
}
