//! `bench-ractor ROW N`: measures a row with [`ractor`].
//!
//! It has no restart policy. Its documentation leaves to the supervisor's handler what becomes of a child that has
//! failed, so ours starts it again there, at once. What a child does stands in `post_start`: a failure there is told
//! to the supervisor, one in `pre_start` is not. The children have names, which `ractor` keeps in its registry.

use std::collections::HashMap;
use std::process::ExitCode;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use supervisor_bench_kit::peer::{self, Child, Peer};
use supervisor_bench_kit::program::{self, Refusals, Rows};
use supervisor_bench_kit::{Latch, name};

const ROWS: Rows = &[
    ("W1", peer::start::<Tree>),
    ("W2", peer::latency::<Tree>),
    ("W3", peer::storm::<Tree>),
    ("W4-at-once", peer::stop::<Tree>),
    ("W7", peer::idle::<Tree>),
];

const CANNOT: Refusals = &[("W4-in-order", "ractor stops the children of an actor all at once")];

fn main() -> ExitCode {
    program::peer("ractor", ROWS, CANNOT)
}

struct Tree {
    root: ActorRef<()>,
    children: usize,
    /// The supervisor was told of the end of each.
    ended: &'static Latch,
}

impl Peer for Tree {
    async fn start(children: usize, child: Child) -> Result<Self, String> {
        let ended = Latch::leaked(children);
        let plan = Plan { children, child, ended };
        let (root, _) = Actor::spawn(Some("root".to_owned()), Root, plan).await.map_err(said)?;
        Ok(Self { root, children, ended })
    }

    async fn stop(self) -> Result<Option<usize>, String> {
        self.root.stop_children_and_wait(None, None).await;
        self.ended.wait().await;
        Ok(Some(self.children))
    }
}

/// What the supervisor is started with.
struct Plan {
    children: usize,
    child: Child,
    ended: &'static Latch,
}

struct Root;

/// What the supervisor knows of its children.
struct Known {
    plan: Plan,
    places: HashMap<ActorId, usize>,
}

impl Known {
    async fn spawn(&mut self, place: usize, root: ActorRef<()>) -> Result<(), ActorProcessingErr> {
        let worker = Worker { place, child: self.plan.child };
        let (actor, _) = Actor::spawn_linked(Some(name(place)), worker, (), root.into()).await?;
        self.places.insert(actor.get_id(), place);
        Ok(())
    }
}

impl Actor for Root {
    type Msg = ();
    type State = Known;
    type Arguments = Plan;

    async fn pre_start(&self, myself: ActorRef<()>, plan: Plan) -> Result<Known, ActorProcessingErr> {
        let children = plan.children;
        let mut known = Known { plan, places: HashMap::with_capacity(children) };
        for place in 0..children {
            known.spawn(place, myself.clone()).await?;
        }
        Ok(known)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        known: &mut Known,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, _) => match known.places.remove(&actor.get_id()) {
                Some(place) => known.spawn(place, myself).await,
                None => Ok(()),
            },
            SupervisionEvent::ActorTerminated(..) => {
                known.plan.ended.arrive();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

struct Worker {
    place: usize,
    child: Child,
}

impl Actor for Worker {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn post_start(&self, _: ActorRef<()>, (): &mut ()) -> Result<(), ActorProcessingErr> {
        Ok(self.child.begin(self.place).await?)
    }
}

fn said(error: impl ToString) -> String {
    error.to_string()
}
