//! What the kit shows of a tree: what is doubtful about it, how long it takes to stop, what a simulation finds, and
//! what it does when its children misbehave. In a test the same calls are expectations.
//!
//! ```sh
//! cargo run -p supervisor-testkit --example test_a_tree
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use supervisor_testkit::{Run, Script, TestTree, lint, secs, simulate};
use tokio_supervisor::{ChildSpec, RestartType, Strategy, SupervisorSpec};

/// The policy of the tree. A program gives it real children.
fn app(db: ChildSpec, web: ChildSpec, mail: ChildSpec) -> SupervisorSpec {
    let front = SupervisorSpec::new("front").children([web, mail]).strategy(Strategy::OneForAll);
    let front = ChildSpec::supervisor(front).restart(RestartType::Transient);
    SupervisorSpec::root([db.grace(secs(10)), front.depends_on(["db"])])
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let spec = app(
        ChildSpec::service("db", Run::healthy().ignores_stop().play()),
        ChildSpec::service("web", Script::default().runs(1..=2, Run::fails_after(secs(3), "boom")).play()),
        ChildSpec::service(
            "mail",
            Script::default().run(3, Run::fails_after(secs(1), "no such host")).play(),
        ),
    );

    println!("doubtful:");
    lint(&spec).iter().for_each(|finding| println!("  {finding}"));
    if let Ok(bound) = spec.stop_bound() {
        println!("stopping takes at most {:?}", bound.at_most);
    }
    println!("simulated: {}\n", simulate(&spec, 100));

    let mut tree = TestTree::start(spec).await;
    tree.advance(secs(60)).await;
    tree.expect_in_order(["front/web: running → backoff (failed: boom)", "front/mail: running → backoff"]);
    let report = tree.stop().await;
    println!("{}\n{report}", tree.trace());
}
