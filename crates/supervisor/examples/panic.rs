//! Panics are contained: in the future, in the factory, in the drop, in the `Display` of an error, in a
//! spawned task. Each is an exit with message and source location, and costs nobody else anything.
//!
//! Run it with `cargo run -p tokio-supervisor --example panic`. It ends by itself.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::fmt;
use std::time::Duration;

use tokio_supervisor::{ChildSpec, Lifecycle, Supervisor, SupervisorError, SupervisorSpec};

struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("in the Display of an error")
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in the drop of the future");
    }
}

/// Panics where it is called, unless `condition` holds.
#[track_caller]
fn check(condition: bool, message: &str) {
    assert!(condition, "{message}");
}

#[tokio::main]
async fn main() -> Result<(), SupervisorError> {
    // The library hands every panic on to the hook that was there before. Here that would only be noise.
    std::panic::set_hook(Box::new(|_| {}));

    let tree = SupervisorSpec::root([
        ChildSpec::job("future", |_| async { check(false, "in the future") }),
        ChildSpec::job("factory", |_| {
            check(false, "in the factory");
            async {}
        }),
        ChildSpec::job("display", |_| async { Err::<(), _>(Unprintable) }),
        ChildSpec::job("drop", |_| {
            let bomb = Bomb;
            async move {
                let _bomb = bomb;
            }
        }),
        ChildSpec::job("spawned", |ctx| async move {
            ctx.spawn(async { check(false, "in a spawned task") });
            ctx.stopping().await;
        }),
        ChildSpec::service("neighbour", |ctx| async move {
            ctx.stopping().await;
        }),
    ]);
    let handle = Supervisor::start(tree).await?;
    while handle.children("/")?.iter().any(|child| {
        child.state.lifecycle_state == Lifecycle::Running && child.state.child_path.as_str() != "/neighbour"
    }) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for child in handle.children("/")? {
        let end = child.state.last_failure.map_or_else(|| "is well".to_owned(), |exit| exit.to_string());
        println!("{:12} {:10} {end}", child.state.child_path.as_str(), child.state.lifecycle_state.as_str());
    }
    handle.shutdown("panic", "the example is over").await?;
    Ok(())
}
