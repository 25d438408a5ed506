//! A tree of supervisors: dependencies, readiness, a group restart, an escalation that stays below.
//!
//! Run it with `cargo run -p tokio-supervisor --example tree`. It ends by itself.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use tokio_supervisor::{
    ChildContext, ChildSpec, EventItem, StartOrder, Strategy, Supervisor, SupervisorError, SupervisorSpec,
};

async fn idle(ctx: ChildContext) {
    ctx.stopping().await;
}

/// Says that it is ready when it is.
async fn database(ctx: ChildContext) {
    ctx.phase("recovering");
    tokio::time::sleep(Duration::from_millis(200)).await;
    ctx.phase("serving");
    ctx.ready();
    ctx.stopping().await;
    ctx.phase("flushing");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Fails once, so that everybody behind it is restarted with it.
async fn parser(ctx: ChildContext) -> Result<(), &'static str> {
    if ctx.generation() == 1 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        return Err("a line without an end");
    }
    ctx.stopping().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), SupervisorError> {
    let pipeline = SupervisorSpec::new("pipeline").strategy(Strategy::RestForOne).children([
        ChildSpec::service("reader", idle),
        ChildSpec::service("parser", parser),
        ChildSpec::service("writer", idle),
    ]);
    let tree = SupervisorSpec::root([
        ChildSpec::service("web", idle).depends_on(["db"]),
        ChildSpec::service("db", database).ready_within(Duration::from_secs(5)),
        ChildSpec::supervisor(pipeline).depends_on(["db"]),
        ChildSpec::job("migrate", |ctx| async move {
            ctx.progress("7 of 7 tables");
        })
        .depends_on(["db"]),
    ])
    .order(StartOrder::Dependencies);

    let handle = Supervisor::start(tree).await?;
    let mut events = handle.events_after(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    while let Some(EventItem::Event(event)) = events.try_next() {
        println!("{event}");
    }

    println!("\nthe tree:");
    for row in handle.snapshot().iter() {
        println!("{:18} {:10} run {}", row.path.as_str(), row.row.lifecycle.as_str(), row.row.generation);
    }

    println!("\nstopping, in reverse order:");
    let mut events = handle.subscribe_events();
    handle.shutdown("tree", "the example is over").await?;
    while let Some(EventItem::Event(event)) = events.next().await {
        println!("{event}");
    }
    Ok(())
}
