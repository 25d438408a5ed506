//! Small trees whose owner goes away in the middle: nothing of them stays (D16).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_supervisor::{ChildSpec, Supervisor, SupervisorSpec};

use crate::census::{no_orphans, soon};
use crate::world::{Counts, Rule, World};
use crate::{program, tree};

/// A hard stop waits for nobody; the last of its runs is gone when a poll that hangs has come to an end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes trees and drops them, until the storm is over.
pub(crate) async fn scopes(world: Arc<World>) {
    let mut random = world.random("scopes", 0);
    for number in 0_u64.. {
        if !world.goes_on_after(Duration::from_millis(random.below(1_500))).await {
            return;
        }
        let name = format!("scope{number}");
        let mark = format!("+{name}+");
        let spec = SupervisorSpec::root([
            tree::task(&world, &format!("{name}-a"), random.below(45)),
            tree::task(&world, &format!("{name}-b"), random.below(45)),
            program::child(&world, &format!("{name}-p"), random.below(12), &mark),
            ChildSpec::supervisor(SupervisorSpec::new(format!("{name}-n")).child(tree::task(
                &world,
                &format!("{name}-c"),
                random.below(45),
            ))),
        ]);
        let scoped = match Supervisor::scoped(spec.unlimited()) {
            Ok(scoped) => scoped,
            Err(error) => {
                return world.violated(Rule::Other, format!("{name} could not be launched: {error}"));
            }
        };
        sleep(Duration::from_millis(random.below(400))).await;
        let handle = scoped.handle();
        if random.percent(20) {
            // The owner goes away in the middle of a shutdown.
            let asked = handle.clone();
            tokio::spawn(async move { asked.shutdown("the soak", "half a shutdown").await });
            sleep(Duration::from_millis(random.below(100))).await;
        }
        drop(scoped);
        if tokio::time::timeout(PATIENCE, handle.join()).await.is_err() {
            world.violated(
                Rule::Other,
                format!("{name} did not end within {PATIENCE:?} after its owner went away"),
            );
        }
        no_orphans(&world, &format!("{}{mark}", world.mark), PATIENCE).await;
        let part = format!("/{name}-");
        let lives = || world.leases.living().iter().any(|path| path.starts_with(&part));
        if !soon(PATIENCE, || !lives()).await {
            world.violated(Rule::Orphan, format!("a task of {name} lives on: {:?}", world.leases.living()));
        }
        Counts::add(&world.counts.scopes);
    }
}
