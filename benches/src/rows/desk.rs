//! Asking the owner of a team: what one writes by hand where others must read states and give commands.
//!
//! A question goes to the owner's task through a channel and its answer comes back through another.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::End;
use crate::team::Team;

/// What the owner keeps of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) running: bool,
    pub(super) restarts: u32,
}

enum Question {
    State(usize, oneshot::Sender<State>),
    Restart(usize, oneshot::Sender<()>),
}

/// Where questions are asked.
pub(super) struct Desk(mpsc::Sender<Question>);

impl Desk {
    /// A task that owns the team and answers, until nobody can ask any more.
    pub(super) fn open<F, Fut>(team: Team<F>, children: usize) -> Self
    where
        F: Fn(usize, CancellationToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = End> + Send + 'static,
    {
        let (ask, questions) = mpsc::channel(1024);
        tokio::spawn(serve(team, children, questions));
        Self(ask)
    }

    /// The state of the child in a place.
    pub(super) async fn state(&self, place: usize) -> Result<State, String> {
        let (reply, answer) = oneshot::channel();
        self.ask(Question::State(place, reply)).await?;
        answer.await.map_err(|_| "the owner is gone".into())
    }

    /// Restarts the child in a place.
    pub(super) async fn restart(&self, place: usize) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        self.ask(Question::Restart(place, reply)).await?;
        answer.await.map_err(|_| "the owner is gone".into())
    }

    async fn ask(&self, question: Question) -> Result<(), String> {
        self.0.send(question).await.map_err(|_| "the owner is gone".into())
    }
}

async fn serve<F, Fut>(mut team: Team<F>, children: usize, mut questions: mpsc::Receiver<Question>)
where
    F: Fn(usize, CancellationToken) -> Fut,
    Fut: Future<Output = End> + Send + 'static,
{
    let mut states = vec![State { running: true, restarts: 0 }; children];
    loop {
        tokio::select! {
            biased;
            question = questions.recv() => match question {
                // Who has asked and gone wants no answer.
                Some(Question::State(place, reply)) => _ = reply.send(states[place]),
                Some(Question::Restart(place, reply)) => {
                    team.restart(place).await;
                    states[place].restarts += 1;
                    _ = reply.send(());
                }
                None => return,
            },
            Some((place, _)) = team.next_end() => states[place].running = false,
        }
    }
}
