//! The journal and its readers against a list of all events.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use supervisor_api::{Cause, ChildKey, Detail, Event, Next, Row, StampedEvent};
use supervisor_core::Effect;
use tokio::runtime::Runtime;

use super::{EventBatch, EventItem, EventStream, Gap};
use crate::registry::Registry;
use crate::supervisor::prepare;
use crate::tree::{Bounds, Tree};
use crate::{ChildSpec, EventKind, SupervisorSpec};

/// How many events are kept here.
const KEPT: u64 = 8;
/// How many of them are on a page.
const PAGE: usize = 3;
const CHILDREN: u32 = 3;

/// Every event that was ever emitted, as the child it is about; its number is its place, from 1.
#[derive(Debug, Clone, Default)]
struct Model {
    emitted: Vec<u32>,
    /// Where each reader is.
    readers: Vec<u64>,
    closed: bool,
}

/// What a reader must get next.
#[derive(Debug, PartialEq)]
enum Expected {
    Nothing,
    Event(u64),
    Lost(Gap),
}

impl Model {
    fn head(&self) -> u64 {
        self.emitted.len() as u64
    }

    fn next(&self, cursor: u64) -> Expected {
        let gone = self.head().saturating_sub(KEPT);
        match cursor + 1 {
            wanted if wanted > self.head() => Expected::Nothing,
            wanted if wanted <= gone => Expected::Lost(Gap { from: wanted, to: gone }),
            wanted => Expected::Event(wanted),
        }
    }

    /// The last event about a child; 0 is none.
    fn last_about(&self, child: u32) -> u64 {
        (1..=self.head()).rev().find(|n| self.emitted[*n as usize - 1] == child).unwrap_or(0)
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// One window with these events.
    Emit(Vec<u32>),
    Subscribe,
    /// A reader comes that was at this share of the way before.
    Resume(prop::sample::Index),
    /// One of the readers reads up to so many items.
    Read(prop::sample::Index, usize),
    /// One of the readers has everything lent that is there.
    Borrow(prop::sample::Index),
    Leave(prop::sample::Index),
    Close,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let events = proptest::collection::vec(1..=CHILDREN, 1..12);
        let someone = u32::from(!state.readers.is_empty());
        prop_oneof![
            6 => events.prop_map(Step::Emit),
            2 => Just(Step::Subscribe),
            1 => any::<prop::sample::Index>().prop_map(Step::Resume),
            8 * someone => (any::<prop::sample::Index>(), 1usize..6).prop_map(|(who, n)| Step::Read(who, n)),
            4 * someone => any::<prop::sample::Index>().prop_map(Step::Borrow),
            someone => any::<prop::sample::Index>().prop_map(Step::Leave),
            1 => Just(Step::Close),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Read(..) | Step::Borrow(_) | Step::Leave(_) => !state.readers.is_empty(),
            Step::Emit(_) => !state.closed,
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match step {
            Step::Emit(events) => state.emitted.extend(events),
            Step::Subscribe => state.readers.push(state.head()),
            Step::Resume(share) => state.readers.push(share.index(state.emitted.len() + 1) as u64),
            Step::Leave(who) => drop(state.readers.swap_remove(who.index(state.readers.len()))),
            Step::Read(who, items) => {
                let who = who.index(state.readers.len());
                for _ in 0..*items {
                    state.readers[who] = match state.next(state.readers[who]) {
                        Expected::Nothing => break,
                        Expected::Event(n) => n,
                        Expected::Lost(gap) => gap.to,
                    };
                }
            }
            Step::Borrow(who) => {
                let who = who.index(state.readers.len());
                state.readers[who] = state.head();
            }
            Step::Close => state.closed = true,
        }
        state
    }
}

/// A tree that was launched and is not driven: from then on its only events are the test's.
struct Journaled {
    tree: Arc<Tree>,
    /// The last event of the launch; numbers of the model are counted from there.
    base: u64,
    readers: Vec<EventStream>,
    /// Its tasks never get a turn.
    _runtime: Runtime,
}

fn event(n: u64, child: u32) -> Event {
    Event {
        kind: EventKind::ChildRunning,
        child: ChildKey { index: child, epoch: 0 },
        row: Row { generation: n, ..Row::DECLARED },
        cause: Cause::Start,
        next: Next::Nothing,
        numbers: [n as u32; 4],
        detail: n
            .is_multiple_of(2)
            .then(|| Arc::new(Detail { text: Some(n.to_string().into()), ..Detail::default() })),
    }
}

impl Journaled {
    fn reader(&self, after: u64) -> EventStream {
        EventStream::new(Arc::clone(&self.tree), after)
    }

    /// What a reader gets next, in the model's numbers.
    fn read(&mut self, who: usize, model: &Model) -> Expected {
        match self.readers[who].try_next() {
            None => Expected::Nothing,
            Some(EventItem::Gap(gap)) => self.lost(gap),
            Some(EventItem::Event(found)) => self.given(&found, model),
        }
    }

    fn lost(&self, Gap { from, to }: Gap) -> Expected {
        Expected::Lost(Gap { from: from - self.base, to: to - self.base })
    }

    fn given(&self, found: &StampedEvent, model: &Model) -> Expected {
        let n = found.sequence - self.base;
        assert_eq!(found.event, event(n, model.emitted[n as usize - 1]));
        Expected::Event(n)
    }

    /// A reader has everything lent that is there: all of it in its order, by pages.
    fn borrow(&mut self, who: usize, model: &Model) {
        loop {
            let cursor = self.readers[who].position() - self.base;
            match self.readers[who].try_next_batch() {
                None => return assert_eq!(model.next(cursor), Expected::Nothing),
                Some(EventBatch::Gap(gap)) => assert_eq!(self.lost(gap), model.next(cursor)),
                Some(EventBatch::Events(events)) => {
                    assert_eq!(events.len(), events.iter().count());
                    let expected = (cursor + 1..).map(|n| model.next(n - 1));
                    events.iter().zip(expected).for_each(|(found, expected)| {
                        assert_eq!(self.given(found, model), expected);
                    });
                    let last = events.last_sequence();
                    assert_eq!(last, self.readers[who].position());
                    let is_whole = last.is_multiple_of(PAGE as u64) || last == self.base + model.head();
                    assert!(is_whole, "more of the page is there than was lent");
                }
            }
        }
    }
}

impl StateMachineTest for Journaled {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime is made");
        let inside = runtime.enter();
        let names = (1..=CHILDREN).map(|n| format!("c{n}"));
        let children =
            names.map(|name| ChildSpec::service(name, |ctx| async move { _ = ctx.stopping().await }));
        let bounds = Bounds { events: KEPT as usize, page: PAGE, ..Bounds::default() };
        let spec = SupervisorSpec::root(children).panic_hook(false);
        let (tree, _) = prepare(spec, Registry::new(), &bounds).expect("the spec is sound");
        tree.launch();
        drop(inside);
        Self { base: tree.journal.head(), tree, readers: Vec::new(), _runtime: runtime }
    }

    fn apply(mut journal: Self, after: &Model, step: Step) -> Self {
        match step {
            Step::Emit(events) => {
                let from = after.head() - events.len() as u64;
                let events =
                    (from + 1..).zip(events).map(|(n, child)| Effect::Emit(event(n, child))).collect();
                journal.tree.brain().apply(&journal.tree, 0, events);
            }
            Step::Subscribe => journal.readers.push(journal.reader(journal.tree.snapshot().sequence())),
            Step::Resume(share) => {
                let position = share.index(after.emitted.len() + 1) as u64;
                journal.readers.push(journal.reader(journal.base + position));
            }
            Step::Leave(who) => drop(journal.readers.swap_remove(who.index(journal.readers.len()))),
            Step::Read(who, items) => {
                let who = who.index(journal.readers.len());
                for _ in 0..items {
                    let expected = after.next(journal.readers[who].position() - journal.base);
                    assert_eq!(journal.read(who, after), expected);
                    if expected == Expected::Nothing {
                        break;
                    }
                }
            }
            Step::Borrow(who) => journal.borrow(who.index(journal.readers.len()), after),
            Step::Close => journal.tree.journal.close(),
        }
        journal
    }

    fn check_invariants(journal: &Self, model: &Model) {
        let positions: Vec<u64> =
            journal.readers.iter().map(|reader| reader.position() - journal.base).collect();
        assert_eq!(positions, model.readers);
        // What is in a snapshot and what follows it are cut at one point: each row is as of the head.
        let snapshot = journal.tree.snapshot();
        assert_eq!(snapshot.sequence(), journal.base + model.head());
        for row in snapshot.iter().filter(|row| row.key != ChildKey::ROOT) {
            let last = model.last_about(row.key.index);
            if last > 0 {
                assert_eq!((row.as_of, row.row.generation), (journal.base + last, last), "{}", row.path);
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
    fn every_reader_gets_each_event_or_the_exact_gap(sequential 1..60 => Journaled);
}
