//! What needs somebody: the same order, and the same patience with what passes by itself, as in the dashboard.

use supervisor_api::Lifecycle;
use supervisor_api::wire::{NodeCriticality, RuntimeRow, TreeView, UnixNanos};

use super::outline::Outline;
use crate::top::words::{Rank, rank};

/// What passes by itself has passed after this time, in nanoseconds.
const LONG: u64 = 60_000_000_000;

/// At most `most` entries, worst first, and how many there are.
pub(crate) fn problems(
    outline: &Outline,
    tree: &TreeView,
    now: UnixNanos,
    most: usize,
) -> (Vec<usize>, usize) {
    let mut all: Vec<_> = outline
        .entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| {
            let row = tree.row(&entry.path)?;
            let rank = rank(row);
            if rank == Rank::Fine || passes(row, now) {
                return None;
            }
            let since = row.more.since_unix_nanos.map_or(0, |since| since.0);
            let weight = tree.node(&entry.path).and_then(|node| node.criticality.known());
            // The worst, of these who matters most, of these the newest.
            Some((std::cmp::Reverse((rank, weight.map_or(1, weigh), since)), at))
        })
        .collect();
    let many = all.len();
    if many > most {
        all.select_nth_unstable(most);
        all.truncate(most);
    }
    all.sort_unstable();
    (all.into_iter().map(|(_, at)| at).collect(), many)
}

fn weigh(criticality: NodeCriticality) -> u8 {
    match criticality {
        NodeCriticality::Critical => 2,
        NodeCriticality::Standard => 1,
        NodeCriticality::BestEffort => 0,
    }
}

/// Whether what is not well passes by itself, and has not lasted.
fn passes(row: &RuntimeRow, now: UnixNanos) -> bool {
    use Lifecycle::*;
    let state = row.lifecycle_state.known();
    // The root is starting for as long as somebody below is, who has a row of his own.
    if row.child_path.is_root() && state == Some(Starting) {
        return true;
    }
    let is_long = row.more.since_unix_nanos.is_none_or(|since| now.0.saturating_sub(since.0) > LONG);
    matches!(state, Some(Starting | Stopping | Waiting)) && !is_long
}
