//! The tree of the soak: every role, strategy and order, tasks, threads and programs.

use std::sync::Arc;
use std::time::Duration;

use tokio_supervisor::{
    Backoff, ChildSpec, Criticality, OnExhausted, OnStartFailure, ReadinessMode, RestartType, Role,
    StartOrder, StopOrder, Strategy, SupervisorSpec,
};

use crate::program;
use crate::tasks::{self, Habits};
use crate::world::World;

/// The longest that a child of the soak is waited for before it is unresponsive: grace and `abort_wait`.
pub(crate) const LONGEST_STOP: Duration = ms(300 + 300);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Words that all children of the soak take.
fn defaults(child: ChildSpec) -> ChildSpec {
    let backoff = Backoff::exponential(ms(5), ms(100));
    child.backoff(backoff).grace(ms(300)).abort_wait(ms(300)).ready_within(ms(1_000))
}

/// A child that reports nothing, whatever the defaults say.
fn immediate(child: ChildSpec) -> ChildSpec {
    child.readiness(ReadinessMode::Immediate)
}

/// A task, managed if `number` says so.
pub(crate) fn task(world: &Arc<World>, name: &str, number: u64) -> ChildSpec {
    let habits = Habits { explicit: number % 3 == 1, beats: number % 4 == 2, managed: number % 5 == 4 };
    let factory = tasks::factory(world, habits);
    let mut child =
        if habits.managed { ChildSpec::managed(name, factory) } else { ChildSpec::service(name, factory) };
    child = defaults(child);
    child = if habits.explicit { child.ready_within(ms(1_000)) } else { immediate(child) };
    if habits.beats {
        child = child.heartbeat(ms(150), ms(150), 2);
    }
    match number % 9 {
        3 => child.role(Role::Worker),
        5 => child.role(Role::Job).retry(true),
        6 => child.criticality(Criticality::Optional).budget(4, ms(3_000)),
        7 => child.restart(RestartType::Temporary),
        _ => child,
    }
}

/// A supervisor that never gives up.
fn group(name: &str, children: impl IntoIterator<Item = ChildSpec>) -> SupervisorSpec {
    SupervisorSpec::new(name).unlimited().on_start_failure(OnStartFailure::Retry).children(children)
}

fn some(world: &Arc<World>, prefix: &str, count: u64, from: u64) -> Vec<ChildSpec> {
    (0..count).map(|number| task(world, &format!("{prefix}{number}"), from + number)).collect()
}

/// The whole tree.
pub(crate) fn tree(world: &Arc<World>) -> SupervisorSpec {
    let blocking = (0..3)
        .map(|number| defaults(ChildSpec::blocking(format!("b{number}"), tasks::block(world))))
        .map(immediate);
    let programs = (0..8).map(|number| defaults(program::child(world, &format!("p{number}"), number, "")));
    let mixed = [
        task(world, "base", 0),
        defaults(program::child(world, "store", 2, "")).depends_on(["base"]),
        task(world, "front", 1).depends_on(["store"]).restart_dependants(true),
        task(world, "edge", 8).depends_on(["front"]),
        immediate(ChildSpec::sidecar("side", "front", tasks::factory(world, Habits::default()))),
    ];
    let brittle = SupervisorSpec::new("brittle")
        .budget(3, ms(1_500))
        .on_exhausted(OnExhausted::Escalate)
        .on_start_failure(OnStartFailure::Retry)
        .children(some(world, "w", 4, 0));
    let spark = ChildSpec::service("spark", tasks::spark(world)).backoff(Backoff::none());
    SupervisorSpec::root(
        [
            group("sparks", [immediate(spark)]),
            group("tasks", some(world, "t", 18, 0)),
            group("all", some(world, "a", 4, 1)).strategy(Strategy::OneForAll),
            group("rest", some(world, "r", 5, 2)).strategy(Strategy::RestForOne).stop(StopOrder::Concurrent),
            brittle,
            group("mixed", mixed).order(StartOrder::Dependencies).stop(StopOrder::Concurrent),
            group("threads", blocking).stop(StopOrder::Concurrent),
            group("programs", programs),
            group("pool", []).dynamic(48),
        ]
        .map(|group| defaults(ChildSpec::supervisor(group)).grace_infinity().ready_eventually()),
    )
    .unlimited()
    .on_start_failure(OnStartFailure::Retry)
    .defaults(defaults)
    .seed(world.seed)
    .stuck_after(Some(Duration::from_secs(30)))
}
