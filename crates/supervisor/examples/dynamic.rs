//! Children that come and go: a dynamic supervisor, one task per session, and futures that run once.
//!
//! Run it with `cargo run -p tokio-supervisor --example dynamic`. It ends by itself.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorError, SupervisorSpec};

async fn session(ctx: ChildContext) {
    ctx.phase("talking");
    ctx.stopping().await;
}

#[tokio::main]
async fn main() -> Result<(), SupervisorError> {
    let sessions = SupervisorSpec::new("sessions").dynamic(3);
    let handle = Supervisor::start(SupervisorSpec::root([ChildSpec::supervisor(sessions)])).await?;

    let mut started = Vec::new();
    for _ in 0..3 {
        let child = handle.start_numbered("/sessions", ChildSpec::worker("session", session)).await?;
        println!("{} is {}", child.path, child.state);
        started.push(child);
    }
    if let Err(refusal) = handle.start_numbered("/sessions", ChildSpec::worker("session", session)).await {
        println!("refused: {refusal}");
    }

    // Children of a dynamic supervisor are named by their key, which names exactly one child for ever.
    let ended = handle.terminate_child(&started[0]).await?;
    println!("{} was {} and is {}", ended.path, ended.state_before, ended.state_after);

    let (answer, question) = tokio::sync::oneshot::channel();
    handle
        .run_once("/sessions", "question", async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            // Whoever asked may have gone.
            answer.send(6 * 7).ok();
        })
        .await?;
    println!("the one-shot says {:?}", question.await.ok());

    let counts = handle.count_children("/sessions")?;
    println!("{} children, {} of them active", counts.specs, counts.active);
    handle.shutdown("dynamic", "the example is over").await?;
    Ok(())
}
