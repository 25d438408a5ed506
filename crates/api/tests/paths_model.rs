//! Ids and paths against lists of segments and the grammar, written once more in the simplest way.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use supervisor_api::{ChildId, SupervisorPath};

fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..ProptestConfig::default() }
}

fn id(text: &str) -> ChildId {
    ChildId::new(text).unwrap_or_else(|error| panic!("{error}"))
}

fn read(text: &str) -> SupervisorPath {
    SupervisorPath::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A place in a tree: the segments from the root.
#[derive(Debug, Clone)]
struct Model {
    here: Vec<String>,
    /// A place that was left.
    there: Vec<String>,
}

#[derive(Debug, Clone)]
enum Step {
    Down(String),
    Up,
    Leave,
    /// Printed and read again, with or without a slash at the end.
    Again {
        slash: bool,
    },
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self { here: Vec::new(), there: Vec::new() }).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        // Few short names, so that places meet and one is often the beginning of another's name.
        let name = prop_oneof![4 => "[ab]{1,2}", 1 => "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"];
        let down = if state.here.len() < SupervisorPath::MAX_DEPTH { 6 } else { 0 };
        prop_oneof![
            down => name.prop_map(Step::Down),
            3 => Just(Step::Up),
            1 => Just(Step::Leave),
            1 => any::<bool>().prop_map(|slash| Step::Again { slash }),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        !matches!(step, Step::Down(_)) || state.here.len() < SupervisorPath::MAX_DEPTH
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match step {
            Step::Down(name) => state.here.push(name.clone()),
            Step::Up => drop(state.here.pop()),
            Step::Leave => state.there = state.here.clone(),
            Step::Again { .. } => {}
        }
        state
    }
}

struct Places {
    here: SupervisorPath,
    there: SupervisorPath,
}

impl StateMachineTest for Places {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        Self { here: SupervisorPath::root(), there: SupervisorPath::root() }
    }

    fn apply(mut places: Self, _: &Model, step: Step) -> Self {
        match step {
            Step::Down(name) => places.here = places.here.child(&id(&name)),
            Step::Up => places.here = places.here.parent().unwrap_or(places.here),
            Step::Leave => places.there = places.here.clone(),
            Step::Again { slash } => {
                let slash = if slash && !places.here.is_root() { "/" } else { "" };
                places.here = read(&format!("{}{slash}", places.here));
            }
        }
        places
    }

    fn check_invariants(Self { here, there }: &Self, model: &Model) {
        assert_eq!(here.as_str(), format!("/{}", model.here.join("/")));
        assert_eq!((here.depth(), here.is_root()), (model.here.len(), model.here.is_empty()));
        assert_eq!(here.last_segment(), model.here.last().map(String::as_str));
        assert_eq!(here.id().map(|id| id.to_string()), model.here.last().cloned());
        assert_eq!(here.contains(there), model.there.starts_with(&model.here), "{here} and {there}");
        assert_eq!(there.contains(here), model.here.starts_with(&model.there), "{there} and {here}");
        assert_eq!(here == there, model.here == model.there);
        assert_eq!(&read(here.as_str()), here);
        let json = serde_json::to_string(here).and_then(|text| serde_json::from_str(&text));
        assert_eq!(json.ok().as_ref(), Some(here));
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn a_path_is_its_list_of_segments(sequential 1..60 => Places);
}

fn is_id(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let goes_on = |c: char| begins(c) || c == '.' || c == '-';
    (1..=64).contains(&text.chars().count()) && text.starts_with(begins) && text.chars().all(goes_on)
}

/// Texts that are nearly ids: a right one with, sometimes, one character in it replaced.
fn nearly_an_id() -> impl Strategy<Value = String> {
    let right = prop_oneof!["[A-Za-z0-9_][A-Za-z0-9._-]{0,70}", "[._-]{0,3}", "[a-z]{63,65}"];
    (right, any::<prop::sample::Index>(), proptest::option::weighted(0.3, any::<char>())).prop_map(
        |(text, at, odd)| {
            let mut chars: Vec<char> = text.chars().collect();
            if let (Some(odd), false) = (odd, chars.is_empty()) {
                let at = at.index(chars.len());
                chars[at] = odd;
            }
            chars.into_iter().collect()
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn ids_are_exactly_what_the_grammar_says(text in prop_oneof![nearly_an_id(), any::<String>()]) {
        prop_assert_eq!(ChildId::new(&text).is_ok(), is_id(&text));
    }

    #[test]
    fn paths_are_exactly_what_the_grammar_says(
        segments in vec(prop_oneof![8 => "[a-z_]{1,3}".boxed(), 1 => nearly_an_id().boxed()], 0..18),
        before in prop_oneof![9 => Just("/"), 1 => Just("")],
        after in prop_oneof![8 => Just(""), 1 => Just("/"), 1 => Just("//")],
    ) {
        let text = format!("{before}{}{after}", segments.join("/"));
        // A segment may hold a slash itself, so the text is cut anew.
        let good = text.strip_prefix('/').is_some_and(|below| {
            let below: Vec<&str> = below.strip_suffix('/').unwrap_or(below).split('/').collect();
            text == "/" || (below.len() <= 16 && below.iter().all(|segment| is_id(segment)))
        });
        prop_assert_eq!(SupervisorPath::parse(&text).is_ok(), good, "{:?}", text);
    }
}
