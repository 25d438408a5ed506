//! D3: the streak of a child against a model that counts its failures.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use supervisor_api::policy::Backoff;
use supervisor_api::{Exit, Lifecycle};
use supervisor_testkit::*;

const INITIAL: u64 = 100;
const MAX: u64 = 1_000;
const RESET: u64 = 5_000;

/// A child and its time in milliseconds.
#[derive(Debug, Clone)]
struct Model {
    now: u64,
    life: Life,
    /// Failures in a row.
    streak: u32,
    runs: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Life {
    Runs { since: u64 },
    BacksOff { until: u64 },
    Held,
}

impl Model {
    fn starts(&mut self, at: u64) {
        self.life = Life::Runs { since: at };
        self.runs += 1;
    }

    fn fails(&mut self, since: u64) {
        if self.now - since >= RESET {
            self.streak = 0;
        }
        self.streak += 1;
        let delay = match self.streak {
            1 => 0,
            n => (INITIAL << (n - 2).min(20)).min(MAX),
        };
        if delay == 0 {
            self.starts(self.now)
        } else {
            self.life = Life::BacksOff { until: self.now + delay }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Fails,
    /// A permanent child that ends well is restarted and charged too (R17).
    Finishes,
    Passes(u64),
    Restart,
    Pause,
    Resume,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self { now: 0, life: Life::Runs { since: 0 }, streak: 0, runs: 1 }).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let edge = match state.life {
            Life::Runs { since } => (since + RESET).saturating_sub(state.now),
            Life::BacksOff { until } => until - state.now,
            Life::Held => 0,
        };
        let edges = prop_oneof![Just(edge.saturating_sub(1)), Just(edge), Just(edge + 1)];
        let passes = prop_oneof![2 => edges, 1 => 0u64..2 * RESET].prop_map(Step::Passes);
        prop_oneof![
            6 => Just(Step::Fails),
            1 => Just(Step::Finishes),
            5 => passes,
            1 => Just(Step::Restart),
            1 => Just(Step::Pause),
            1 => Just(Step::Resume),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Fails | Step::Finishes => matches!(state.life, Life::Runs { .. }),
            Step::Resume => state.life == Life::Held,
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match (step, state.life.clone()) {
            (Step::Fails | Step::Finishes, Life::Runs { since }) => state.fails(since),
            (Step::Passes(span), life) => {
                state.now += span;
                if let Life::BacksOff { until } = life
                    && until <= state.now
                {
                    state.starts(until);
                }
            }
            (Step::Restart, _) | (Step::Resume, Life::Held) => {
                state.streak = 0;
                state.starts(state.now);
            }
            (Step::Pause, _) => state.life = Life::Held,
            (step, life) => unreachable!("{step:?} while {life:?}"),
        }
        state
    }
}

struct Child(Bench);

impl StateMachineTest for Child {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        let (initial, max) = (ms(INITIAL), ms(MAX));
        let backoff = Backoff { initial, max, jitter_ratio: 0.0, reset_after: ms(RESET) };
        Self(Bench::launch(one_for_one([perm("a").backoff(backoff)]).unlimited()))
    }

    fn apply(mut child: Self, _: &Model, step: Step) -> Self {
        let bench = &mut child.0;
        match step {
            Step::Fails => bench.end("a", Exit::failed("boom")),
            Step::Finishes => bench.finish("a"),
            Step::Passes(span) => bench.pass(ms(span)),
            Step::Restart => _ = bench.restart("a"),
            Step::Pause => _ = bench.pause("a"),
            Step::Resume => _ = bench.resume("a"),
        }
        child
    }

    fn check_invariants(Self(bench): &Self, model: &Model) {
        let row = bench.row("a");
        let state = match model.life {
            Life::Runs { .. } => Lifecycle::Running,
            Life::BacksOff { .. } => Lifecycle::Backoff,
            Life::Held => Lifecycle::Paused,
        };
        assert_eq!((row.lifecycle, row.generation), (state, model.runs), "at {:?}", bench.now());
        assert_eq!(bench.now(), Duration::from_millis(model.now));
        if let Life::Runs { since } = model.life
            && model.now - since < RESET
        {
            assert_eq!(row.attempt, model.streak);
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn d3_a_streak_grows_and_ends_as_a_count_of_failures_says(sequential 1..60 => Child);
}
