//! A child that blocks: a thread of its own, named after its path, asked to stop like any other.
//!
//! Run it with `cargo run -p tokio-supervisor --example blocking`. It ends by itself.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use tokio_supervisor::{ChildContext, ChildSpec, Severity, Supervisor, SupervisorError, SupervisorSpec};

/// Computes in small steps and looks between them whether it has to stop.
fn index(ctx: ChildContext) -> Result<(), String> {
    let thread = std::thread::current().name().unwrap_or("?").to_owned();
    ctx.log(Severity::Info, "indexing", [("thread", thread)]);
    let mut pages = 0u64;
    while !ctx.wait_stopping(Duration::from_millis(20)) {
        pages += 100;
        ctx.gauge("pages", pages as f64);
        if pages == 500 && ctx.generation() == 1 {
            return Err("page 500 is torn".to_owned());
        }
    }
    ctx.log(Severity::Info, "stopped between two pages", [("pages", pages.to_string())]);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), SupervisorError> {
    let tree = SupervisorSpec::root([ChildSpec::blocking("indexer", index)]);
    let handle = Supervisor::start(tree).await?;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let child = handle.child("indexer")?;
    println!("run {}, {} pages so far", child.state.generation, child.gauges.get("pages").unwrap_or(&0.0));
    if let Some(failure) = child.state.last_failure {
        println!("the run before {failure}");
    }
    handle.shutdown("blocking", "the example is over").await?;
    for line in handle.logs("indexer")? {
        println!("{line}");
    }
    Ok(())
}
