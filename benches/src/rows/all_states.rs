//! W5: the states of all N children at one moment, while they are idle and while all of them fail again and again.
//!
//! Timed: one read of all, a thousand times (in a storm two hundred times), each with the time to let it go again.
//! The library gives the rows with their names, as of one sequence. By hand there are the same numbers without names,
//! in one place under a lock, and a read copies them; the owner writes there at each restart.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

use tokio_supervisor::Row;

use super::{launched, storm};
use crate::gauge::nanos;
use crate::program::Outcome;
use crate::team::Team;
use crate::{Figures, Storm};

/// What the children do meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weather {
    Calm,
    Storm,
}

impl Weather {
    fn reads(self) -> usize {
        match self {
            Self::Calm => 1_000,
            Self::Storm => 200,
        }
    }
}

/// By hand, while nothing happens.
pub async fn raw_idle(children: usize) -> Outcome {
    raw(children, Weather::Calm).await
}

/// By hand, in a storm.
pub async fn raw_storm(children: usize) -> Outcome {
    raw(children, Weather::Storm).await
}

/// With the library, while nothing happens.
pub async fn ours_idle(children: usize) -> Outcome {
    ours(children, Weather::Calm).await
}

/// With the library, in a storm.
pub async fn ours_storm(children: usize) -> Outcome {
    ours(children, Weather::Storm).await
}

async fn raw(children: usize, weather: Weather) -> Outcome {
    let storm = Storm::endless(children);
    let board: &'static Mutex<Vec<Row>> = Box::leak(Box::new(Mutex::new(vec![Row::DECLARED; children])));
    let team = Team::start(children, |place, stop| storm::run_by_hand(storm, place, stop));
    let stop = team.stopper();
    let kept = tokio::spawn(team.keep(|place, _| {
        let row = &mut board.lock().unwrap_or_else(PoisonError::into_inner)[place];
        row.generation += 1;
        row.attempt += 1;
        row.restart_count += 1;
    }));
    let read = || black_box(board.lock().unwrap_or_else(PoisonError::into_inner).clone()).len();
    let figures = figures(storm, children, weather, read).await;
    stop.cancel();
    kept.await.map_err(|error| error.to_string())?;
    figures
}

async fn ours(children: usize, weather: Weather) -> Outcome {
    let storm = Storm::endless(children);
    let tree = launched(storm::tree(storm))?;
    tree.started().await.map_err(|error| error.to_string())?;
    // The root has a row too.
    figures(storm, children, weather, || black_box(tree.snapshot()).len() - 1).await
}

async fn figures(
    storm: &Storm,
    children: usize,
    weather: Weather,
    mut read: impl FnMut() -> usize,
) -> Outcome {
    storm.ready().await;
    if weather == Weather::Storm {
        storm.begin();
    }
    let mut times = Vec::with_capacity(weather.reads());
    for _ in 0..weather.reads() {
        let before = nanos();
        let seen = read();
        times.push(nanos() - before);
        if seen != children {
            return Err(format!("{seen} of {children} children were seen"));
        }
        tokio::task::yield_now().await;
    }
    storm.calm();
    storm.begin();
    storm.done().await;
    Ok(Figures::of_times(&mut times))
}
