//! The delay before a restart (D3).

use supervisor_api::policy::Backoff;

use crate::resolve::nanos;

/// The delay before the `attempt`-th restart of a streak, in nanoseconds. The first is immediate, the
/// second `initial`, each further one twice as long up to `max`, with jitter from `dice`.
pub(crate) fn delay(backoff: &Backoff, attempt: u32, dice: u64) -> u64 {
    if attempt <= 1 && !fault!(first_restart_waits) {
        return 0;
    }
    let doublings = if fault!(backoff_never_grows) { 0 } else { attempt.saturating_sub(2).min(63) };
    if fault!(retry_takes_time) && backoff.initial.is_zero() {
        return 1_000_000;
    }
    let initial = nanos(backoff.initial);
    let grown =
        initial.checked_shl(doublings).filter(|grown| grown >> doublings == initial).unwrap_or(u64::MAX);
    let base = if fault!(backoff_has_no_ceiling) { grown } else { grown.min(nanos(backoff.max)) };
    jitter(base, backoff.jitter_ratio * if fault!(jitter_is_doubled) { 2.0 } else { 1.0 }, dice)
}

/// `base` off by at most `ratio` of it, either way.
fn jitter(base: u64, ratio: f32, dice: u64) -> u64 {
    if ratio <= 0.0 || base == 0 {
        return base;
    }
    // 53 bits of the dice make an even share of [-1, 1).
    let share = (dice >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    let share = if fault!(jitter_only_delays) { share.abs() } else { share };
    let off = base as f64 * f64::from(ratio.min(1.0)) * share;
    (base as f64 + off).max(0.0) as u64
}

/// Dice for one restart: a hash of the tree's seed, the child's place and the run (splitmix64).
pub(crate) fn dice(seed: u64, index: u32, generation: u64) -> u64 {
    let mut mixed = seed ^ (u64::from(index) << 32) ^ generation.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = mixed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: u64 = 1_000_000;

    fn plain() -> Backoff {
        Backoff { jitter_ratio: 0.0, ..Backoff::default() }
    }

    #[test]
    fn d3_the_first_restart_is_immediate_then_it_doubles_up_to_the_cap() {
        let delays: Vec<u64> = (0..=12).map(|attempt| delay(&plain(), attempt, 7) / MS).collect();
        assert_eq!(delays, [0, 0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(delay(&plain(), u32::MAX, 7), 30_000 * MS);
    }

    #[test]
    fn d3_jitter_stays_within_its_ratio_and_reaches_both_sides() {
        let delays: Vec<u64> = (0..1000).map(|run| delay(&Backoff::default(), 2, dice(1, 2, run))).collect();
        assert!(delays.iter().all(|d| (80 * MS..=120 * MS).contains(d)));
        assert!(delays.iter().any(|d| *d < 85 * MS) && delays.iter().any(|d| *d > 115 * MS));
    }

    #[test]
    fn r33_no_backoff_is_no_delay() {
        assert_eq!(delay(&Backoff::none(), 9, 3), 0);
        let longest = Backoff { initial: Duration::MAX, max: Duration::MAX, ..plain() };
        assert_eq!(delay(&longest, 60, 3), u64::MAX);
    }
}
