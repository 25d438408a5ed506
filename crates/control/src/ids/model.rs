//! The table against a list that is searched from end to end.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use supervisor_api::wire::{Command, ControlCommandResult, UnixNanos};
use tokio::time::Instant;

use super::digest::BodyDigest;
use super::table::{Claimed, Limits, Standing, Table};
use crate::audit::tests::{asked, completed};

const LIMITS: Limits = Limits { keep: Duration::from_secs(100), ids: 6, running: 5, running_of_one: 3 };

#[derive(Debug, Clone)]
enum Step {
    Claim { uid: u32, id: u8, body: u8 },
    Settle { uid: u32, id: u8, result: u64 },
    Lose { uid: u32, id: u8 },
    Free { uid: u32, id: u8 },
    Recall { uid: u32, id: u8, body: u8, age: u64, result: Option<u64> },
    Wait { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (uid, id, body) = (0..4_u32, 0..6_u8, 0..2_u8);
    let key = || (uid.clone(), id.clone());
    let step = prop_oneof![
        6 => (key(), body.clone()).prop_map(|((uid, id), body)| Step::Claim { uid, id, body }),
        5 => (key(), any::<u64>()).prop_map(|((uid, id), result)| Step::Settle { uid, id, result }),
        1 => key().prop_map(|(uid, id)| Step::Lose { uid, id }),
        1 => key().prop_map(|(uid, id)| Step::Free { uid, id }),
        1 => (key(), body, 0..150_u64, any::<Option<u64>>())
            .prop_map(|((uid, id), body, age, result)| Step::Recall { uid, id, body, age, result }),
        1 => (0..60_u64).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 0..200)
}

/// What is known of one id.
#[derive(Debug, Clone)]
struct Line {
    uid: u32,
    id: u8,
    body: u8,
    /// `None`: it runs. `Some(None)`: it is lost.
    result: Option<Option<u64>>,
    /// When it is forgotten, and the how manieth it was to end.
    term: (u64, u64),
    recalled: bool,
}

#[derive(Debug, Default)]
struct Model {
    lines: Vec<Line>,
    now: u64,
    ended: u64,
}

impl Model {
    fn at(&self, uid: u32, id: u8) -> Option<usize> {
        self.lines.iter().position(|line| (line.uid, line.id) == (uid, id))
    }

    fn over(&self, uid: u32) -> usize {
        self.lines.iter().filter(|line| line.uid == uid && line.result.is_some()).count()
    }

    fn claim(&mut self, uid: u32, id: u8, body: u8) -> String {
        self.lines.retain(|line| line.result.is_none() || line.term.0 > self.now);
        if let Some(at) = self.at(uid, id) {
            let line = &self.lines[at];
            return match line.result {
                _ if line.body != body => "conflict".into(),
                None => "runs".into(),
                Some(None) => "lost".into(),
                Some(Some(result)) => format!("over {result}"),
            };
        }
        let running = |own: &dyn Fn(u32) -> bool| {
            self.lines.iter().filter(|line| line.result.is_none() && own(line.uid)).count()
        };
        let (own, all) = (running(&|other| other == uid), running(&|_| true));
        if own >= LIMITS.running_of_one {
            return format!("busy {own}");
        }
        if all >= LIMITS.running {
            return format!("busy {all}");
        }
        self.lines.push(Line { uid, id, body, result: None, term: (0, 0), recalled: false });
        "new".into()
    }

    fn end(&mut self, uid: u32, id: u8, result: Option<u64>, term: u64) {
        let Some(at) = self.at(uid, id) else { return };
        let line = &mut self.lines[at];
        if line.result.is_some() {
            return;
        }
        self.ended += 1;
        (line.result, line.term) = (Some(result), (term, self.ended));
        if self.lines.iter().filter(|line| line.result.is_some()).count() <= LIMITS.ids {
            return;
        }
        let most = (0..4).max_by_key(|uid| (self.over(*uid), *uid)).unwrap();
        let of_most = self.lines.iter().filter(|line| line.uid == most && line.result.is_some());
        let oldest = of_most.map(|line| line.term).min().unwrap();
        self.lines.retain(|line| line.result.is_none() || line.term != oldest);
    }

    fn recall(&mut self, uid: u32, id: u8, body: u8, age: u64, result: Option<u64>) {
        let left = LIMITS.keep.as_secs().saturating_sub(age);
        if left == 0 {
            return;
        }
        match self.at(uid, id) {
            Some(at) if self.lines[at].recalled => drop(self.lines.remove(at)),
            Some(_) => return,
            None => {}
        }
        self.lines.push(Line { uid, id, body, result: None, term: (0, 0), recalled: true });
        self.end(uid, id, result, self.now + left);
    }
}

fn outcome(result: u64) -> Arc<ControlCommandResult> {
    let asked = asked("x", Command::RestartChild);
    Arc::new(ControlCommandResult { completed_at_unix_nanos: Some(UnixNanos(result)), ..completed(&asked) })
}

fn said(claimed: &Claimed<()>) -> String {
    match claimed {
        Claimed::New => "new".into(),
        Claimed::Same(Standing::Runs(())) => "runs".into(),
        Claimed::Same(Standing::Lost) => "lost".into(),
        Claimed::Same(Standing::Over(result)) => {
            format!("over {}", result.completed_at_unix_nanos.unwrap().0)
        }
        Claimed::Conflict => "conflict".into(),
        Claimed::Busy { running } => format!("busy {running}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s11_the_table_says_what_a_plain_list_says(steps in steps()) {
        let start = Instant::now();
        let mut table = Table::new(LIMITS);
        let mut model = Model::default();
        for step in steps {
            let now = start + Duration::from_secs(model.now);
            let name = |id: u8| Arc::<str>::from(format!("c-{id}"));
            let digest = |uid, id, body: u8| BodyDigest::of(uid, &name(id), &body.to_string());
            match step {
                Step::Claim { uid, id, body } => {
                    let claimed = table.claim(now, uid, &name(id), digest(uid, id, body), ());
                    prop_assert_eq!(said(&claimed), model.claim(uid, id, body));
                }
                Step::Settle { uid, id, result } => {
                    table.settle(now, uid, &name(id), outcome(result));
                    model.end(uid, id, Some(result), model.now + LIMITS.keep.as_secs());
                }
                Step::Lose { uid, id } => {
                    table.lose(now, uid, &name(id));
                    model.end(uid, id, None, model.now + LIMITS.keep.as_secs());
                }
                Step::Free { uid, id } => {
                    table.free(uid, &name(id));
                    model.lines.retain(|line| (line.uid, line.id) != (uid, id) || line.result.is_some());
                }
                Step::Recall { uid, id, body, age, result } => {
                    let age_of = Duration::from_secs(age);
                    table.recall(now, age_of, uid, &name(id), digest(uid, id, body), result.map(outcome));
                    model.recall(uid, id, body, age, result);
                }
                Step::Wait { seconds } => model.now += seconds,
            }
            let running = model.lines.iter().filter(|line| line.result.is_none()).count();
            prop_assert_eq!((table.running(), table.over()), (running, model.lines.len() - running));
            prop_assert!(table.over() <= LIMITS.ids && table.running() <= LIMITS.running);
        }
    }
}
