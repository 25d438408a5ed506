//! A service that fails now and then, and what its supervisor makes of it.
//!
//! Run it with `cargo run -p tokio-supervisor --example quickstart`. It ends by itself.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use tokio_supervisor::{
    Backoff, ChildContext, ChildSpec, EventItem, Supervisor, SupervisorError, SupervisorSpec,
};

/// Works for a while; the first two times it fails.
async fn fetch(ctx: ChildContext) -> Result<(), String> {
    let work = tokio::time::sleep(Duration::from_millis(200));
    match ctx.run_until_stopped(work).await {
        None => Ok(()),
        Some(()) if ctx.generation() < 3 => Err("the server hung up".to_owned()),
        Some(()) => {
            ctx.progress("connected");
            ctx.stopping().await;
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), SupervisorError> {
    let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1));
    let tree = SupervisorSpec::root([
        ChildSpec::service("clock", |ctx| async move {
            ctx.stopping().await;
        }),
        ChildSpec::service("fetch", fetch).backoff(backoff),
    ])
    .budget(5, Duration::from_secs(60));

    let handle = Supervisor::start(tree).await?;
    let mut events = handle.events_after(0);
    let printer = tokio::spawn(async move {
        while let Some(EventItem::Event(event)) = events.next().await {
            println!("{event}");
        }
    });

    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("-- {:?}", handle.child("fetch")?.progress);
    let report = handle.shutdown("quickstart", "that was all").await?;
    // The events end with the tree.
    printer.await.ok();
    println!("-- {report}");
    Ok(())
}
