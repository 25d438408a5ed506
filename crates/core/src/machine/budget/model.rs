//! The log of charges against a list of all charges and a filter.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::*;

/// What the rule says, in its own words: a charge at c counts at t when t − window < c ≤ t (D2).
#[derive(Debug, Clone)]
struct Model {
    budget: Budget,
    now: u64,
    charged: Vec<u64>,
    /// Whether the last failure was allowed a restart.
    allowed: bool,
}

impl Model {
    fn counting(&self) -> usize {
        let window = i128::try_from(self.budget.window.as_nanos()).unwrap();
        let now = i128::from(self.now);
        self.charged.iter().filter(|&&c| now - window < i128::from(c) && i128::from(c) <= now).count()
    }

    fn allows(&self) -> bool {
        self.budget.max_restarts.is_none_or(|max| self.counting() < max as usize)
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Time passes, then a child fails: charged if that is allowed.
    Fail { after: u64 },
    /// The supervisor restarts, or an operator clears the budget.
    Clear,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let max = prop_oneof![1 => Just(None), 6 => (0u32..6).prop_map(Some)];
        (max, 1u64..200, prop_oneof![Just(0), 0u64..1000])
            .prop_map(|(max_restarts, window, now)| {
                let budget = Budget { max_restarts, window: Duration::from_nanos(window) };
                Self { budget, now, charged: Vec::new(), allowed: false }
            })
            .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let window = state.budget.window.as_nanos() as u64;
        // The instants at which something changes are the interesting ones.
        let edges = prop_oneof![Just(0), Just(1), Just(window - 1), Just(window), Just(window + 1)];
        let after = prop_oneof![2 => edges, 3 => 0..=window / 2, 1 => 0..=window * 3];
        prop_oneof![20 => after.prop_map(|after| Step::Fail { after }), 1 => Just(Step::Clear)].boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match step {
            Step::Fail { after } => {
                state.now += after;
                state.allowed = state.allows();
                if state.allowed {
                    state.charged.push(state.now);
                }
            }
            Step::Clear => state.charged.clear(),
        }
        state
    }
}

struct Log(Charges);

impl StateMachineTest for Log {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        Self(Charges::default())
    }

    fn apply(mut log: Self, after: &Model, step: Step) -> Self {
        match step {
            Step::Fail { .. } => {
                let allowed = log.0.allow(&after.budget, after.now);
                assert_eq!(allowed, after.allowed);
                if allowed {
                    log.0.charge(&after.budget, after.now);
                }
            }
            Step::Clear => log.0.clear(),
        }
        log
    }

    fn check_invariants(log: &Self, model: &Model) {
        match model.budget.max_restarts {
            None => assert_eq!(log.0.used(), 0, "an unlimited budget needs no memory"),
            Some(max) => {
                assert_eq!(log.0.used() as usize, model.counting());
                assert!(log.0.used() <= max, "more is kept than can count");
            }
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
    fn d2_d4_the_log_counts_what_a_list_of_all_charges_counts(sequential 1..60 => Log);
}
