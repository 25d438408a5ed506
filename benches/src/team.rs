//! *Raw*: a supervisor as one writes it by hand on bare tokio.
//!
//! A [`JoinSet`], one child [`CancellationToken`] per child, and a loop that spawns again what has failed. No names,
//! no policy, no budget, no delay, no events, no states. A child is known by its place. This is all that the rows of
//! `raw` use; what a row needs beside it stands in the row.

use std::future::Future;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::End;

/// The children, and what runs in each place.
#[derive(Debug)]
pub struct Team<F> {
    set: JoinSet<(usize, End)>,
    stop: CancellationToken,
    tokens: Vec<CancellationToken>,
    factory: F,
}

impl<F, Fut> Team<F>
where
    F: Fn(usize, CancellationToken) -> Fut,
    Fut: Future<Output = End> + Send + 'static,
{
    /// Starts so many children.
    pub fn start(children: usize, factory: F) -> Self {
        let stop = CancellationToken::new();
        let tokens = (0..children).map(|_| stop.child_token()).collect();
        let mut team = Self { set: JoinSet::new(), stop, tokens, factory };
        for place in 0..children {
            team.spawn(place);
        }
        team
    }

    fn spawn(&mut self, place: usize) {
        let run = (self.factory)(place, self.tokens[place].clone());
        self.set.spawn(async move { (place, run.await) });
    }

    /// A token that stops all of them.
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Spawns again who fails, until all have ended well; `failed` is told before each.
    pub async fn keep(mut self, mut failed: impl FnMut(usize, String)) {
        while let Some((place, end)) = self.next_end().await {
            if let Err(error) = end {
                failed(place, error);
                self.spawn(place);
            }
        }
    }

    /// The next end of a run; none when no child is left.
    pub async fn next_end(&mut self) -> Option<(usize, End)> {
        self.set.join_next().await.map(told)
    }

    /// Stops a child and starts it again.
    ///
    /// Children that end meanwhile are not looked at: no row has any.
    pub async fn restart(&mut self, place: usize) {
        self.tokens[place].cancel();
        while self.next_end().await.is_some_and(|(ended, _)| ended != place) {}
        self.tokens[place] = self.stop.child_token();
        self.spawn(place);
    }

    /// Stops one after the other, the last first. Gives how each ended.
    pub async fn stop_in_reverse(mut self) -> Vec<(usize, End)> {
        let mut outcomes = Vec::with_capacity(self.tokens.len());
        for place in (0..self.tokens.len()).rev() {
            self.tokens[place].cancel();
            outcomes.extend(self.next_end().await);
        }
        outcomes
    }

    /// Stops all at once. Gives how each ended.
    pub async fn stop_at_once(mut self) -> Vec<(usize, End)> {
        self.stop.cancel();
        let mut outcomes = Vec::with_capacity(self.tokens.len());
        while let Some(end) = self.next_end().await {
            outcomes.push(end);
        }
        outcomes
    }
}

/// A panic of a run is one of the benchmark: no run of a row panics.
fn told(joined: Result<(usize, End), JoinError>) -> (usize, End) {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
