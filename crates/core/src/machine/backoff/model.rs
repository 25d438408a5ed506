//! The delay against doubling step by step in wide numbers.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// The delay without jitter: nothing, then `initial`, then twice the one before, never more than `max`.
fn stepwise(backoff: &Backoff, attempt: u32) -> u64 {
    let longest = u128::from(u64::MAX);
    let max = backoff.max.as_nanos().min(longest);
    let mut delay = backoff.initial.as_nanos().min(longest);
    if attempt <= 1 {
        return 0;
    }
    for _ in 2..attempt {
        if delay == 0 || delay >= max {
            break;
        }
        delay *= 2;
    }
    u64::try_from(delay.min(max)).unwrap()
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        2 => (0u64..5_000_000_000).prop_map(Duration::from_nanos),
        2 => any::<u64>().prop_map(Duration::from_nanos),
        2 => (0u64..1_000_000).prop_map(Duration::from_millis),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn d3_the_delay_is_the_stepwise_one_within_its_jitter(
        initial in span(),
        max in span(),
        percent in 0u8..=100,
        attempt in prop_oneof![0u32..70, any::<u32>()],
        dice: u64,
    ) {
        let jitter_ratio = f32::from(percent) / 100.0;
        let backoff = Backoff { initial, max, jitter_ratio, ..Backoff::default() };
        let base = stepwise(&backoff, attempt);
        prop_assert_eq!(delay(&Backoff { jitter_ratio: 0.0, ..backoff }, attempt, dice), base);

        let found = delay(&backoff, attempt, dice);
        // The ratio is a float of 24 bits, so one part in 2^22 is lost to rounding.
        let off = u128::from(base) * u128::from(percent) / 100 + u128::from(base >> 22) + 1;
        let (base, found) = (u128::from(base), u128::from(found));
        prop_assert!(found.abs_diff(base) <= off, "{found} is more than {off} off {base}");
    }

    #[test]
    fn d3_the_same_run_throws_the_same_dice_and_the_next_one_others(seed: u64, index: u32, run in 0..u64::MAX) {
        prop_assert_eq!(dice(seed, index, run), dice(seed, index, run));
        prop_assert_ne!(dice(seed, index, run), dice(seed, index, run + 1));
    }
}
