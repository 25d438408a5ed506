//! People who send commands and look at the tree, several at a time.

use std::sync::Arc;
use std::time::Duration;

use supervisor_testkit::Random;
use tokio::time::{Instant, timeout};
use tokio_supervisor::{ChildSpec, SupervisorError, SupervisorHandle};

use crate::tree;
use crate::world::{Counts, Rule, World};

/// A read that takes longer waited for somebody. Generous: the machine may be busy with others.
const READ: Duration = Duration::from_secs(30);

const GROUPS: [&str; 8] = ["/tasks", "/all", "/rest", "/brittle", "/mixed", "/threads", "/programs", "/pool"];

/// Sends random commands until the storm is over. `longest` is how long one may take.
pub(crate) async fn person(world: Arc<World>, handle: SupervisorHandle, number: u64, longest: Duration) {
    let mut random = world.random("person", number);
    while world.goes_on_after(Duration::from_millis(random.below(30))).await {
        if random.percent(50) {
            look(&world, &handle, &mut random).await;
            continue;
        }
        let (what, asked) = command(&world, &handle, &mut random);
        match timeout(longest, asked).await {
            Ok(answer) => {
                Counts::add(&world.counts.commands);
                match answer {
                    Ok(()) => {}
                    Err(SupervisorError::Ended { .. }) => return world.tree_has_ended(&what),
                    Err(_) => Counts::add(&world.counts.refused),
                }
            }
            Err(_) => world.violated(Rule::Other, format!("{what} was not answered within {longest:?}")),
        }
    }
}

type Asked = std::pin::Pin<Box<dyn Future<Output = Result<(), SupervisorError>> + Send>>;

/// Draws a command and gives it a name.
fn command(world: &Arc<World>, handle: &SupervisorHandle, random: &mut Random) -> (String, Asked) {
    let group = GROUPS[random.below(8) as usize];
    let somebody = somebody(handle, random);
    let spec = child(world, random);
    let handle = handle.clone();
    let (by, why) = ("a person", "the soak");
    /// Names a command and boxes it.
    macro_rules! ask {
        ($what:expr, $call:expr) => {
            ($what, Box::pin(async move { $call.await.map(|_| ()) }))
        };
    }
    match random.below(22) {
        0..3 => ask!(format!("restart {somebody}"), handle.restart_child(somebody, by, why)),
        3 => ask!(format!("pause {somebody}"), handle.pause_child(somebody, by, why)),
        4..10 => ask!(format!("resume {somebody}"), handle.resume_child(somebody, by, why)),
        10 => ask!(format!("quarantine {somebody}"), handle.quarantine_child(somebody, by, why)),
        11 => ask!(format!("remove {somebody}"), handle.remove_child(somebody, by, why)),
        12 => ask!(format!("terminate {somebody}"), handle.terminate_child(somebody)),
        13 => ask!(format!("start again {somebody}"), handle.start_again(somebody)),
        14 => ask!(format!("delete {somebody}"), handle.delete_child(somebody)),
        15 if random.percent(30) => ask!(format!("restart {group}"), handle.restart_child(group, by, why)),
        15 => ask!(format!("resume {group}"), handle.resume_child(group, by, why)),
        16 if random.percent(30) => ask!(format!("pause {group}"), async move {
            handle.pause_child(group, by, why).await?;
            handle.resume_child(group, by, why).await
        }),
        16 | 17 => ask!(format!("add {spec:?} under {group}"), handle.add_child_spec(group, spec, by, why)),
        18 => ask!(format!("start {spec:?} under {group}"), handle.start_child(group, spec)),
        19 => ask!("start a numbered one".to_owned(), handle.start_numbered("/pool", spec.named("n"))),
        _ => ask!("run once".to_owned(), async move {
            let name = format!("once-{}", handle.subscribe_events().position());
            handle.run_once("/pool", name, tokio::time::sleep(Duration::from_millis(30))).await
        }),
    }
}

/// One of those who are there, groups and who must go on left out; now and then nobody.
fn somebody(handle: &SupervisorHandle, random: &mut Random) -> String {
    let snapshot = handle.snapshot();
    let leaves = snapshot
        .iter()
        .map(|row| row.path.as_str())
        .filter(|path| path.matches('/').count() > 1 && !path.starts_with("/sparks"));
    let leaves: Vec<&str> = leaves.collect();
    match random.pick(&leaves) {
        Some(path) if !random.percent(2) => (*path).to_owned(),
        _ => "/nobody".to_owned(),
    }
}

/// A child with one of few names, so that names come again.
fn child(world: &Arc<World>, random: &mut Random) -> ChildSpec {
    let number = random.below(24);
    tree::task(world, &format!("x{number}"), random.below(45))
}

/// Looks at the tree: reads wait for nobody.
async fn look(world: &World, handle: &SupervisorHandle, random: &mut Random) {
    let began = Instant::now();
    let somebody = somebody(handle, random);
    let what = match random.below(6) {
        0 => format!("{:?}", handle.child(&*somebody).map(|child| child.state)),
        1 => {
            format!("{:?}", handle.children(GROUPS[random.below(8) as usize]).map(|children| children.len()))
        }
        2 => format!("{:?}", handle.logs(&*somebody).map(|lines| lines.len())),
        3 => format!("{:?}", handle.exits(&*somebody)),
        4 => format!("{:?}", handle.health()),
        _ => format!("{:?}", handle.current_state()),
    };
    Counts::add(&world.counts.reads);
    if began.elapsed() > READ {
        world.violated(
            Rule::Other,
            format!("a read took {:?}: {}", began.elapsed(), &what[..what.len().min(200)]),
        );
    }
    if !handle.is_alive() {
        world.tree_has_ended("a look");
    }
}
