//! The soak as a whole: warm up, storm, shutdown, and what is left.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_supervisor::{Supervisor, SupervisorHandle, SupervisorSpec};

use crate::census::{Holdings, census, no_orphans, no_zombies, soon};
use crate::tasks::SCRIPTED;
use crate::tree::{LONGEST_STOP, tree};
use crate::world::{Rule, World};
use crate::{killer, people, program, readers, scopes};

/// Threads of the runtime.
const WORKERS: usize = 4;
const PEOPLE: u64 = 6;
/// Names that people give to children of groups, and the most children of the pool.
const ADDED: u32 = 24 * 8;
/// Beside what is computed: the machine may be busy with others. Nobody waits for it unless something does not hold.
const SLACK: Duration = Duration::from_secs(60);

/// How much more memory the storm may take after the warm-up: the lines of each child's log come slowly to their
/// 256 KiB, each child's exits to their hundred, and the allocator keeps what it once had.
const GROWTH_PER_CHILD_KIB: u64 = 256 + 16;
const GROWTH_KIB: u64 = 24 * 1024;

/// What the soak found.
pub(crate) struct Summary {
    world: Arc<World>,
    seconds: u64,
    children: usize,
    growth_kib: i64,
}

impl Summary {
    /// Whether everything held.
    pub(crate) fn held(&self) -> bool {
        self.world.violations().0 == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (violations, texts) = self.world.violations();
        for text in texts {
            writeln!(f, "violated: {text}")?;
        }
        let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.world.counts;
        writeln!(
            f,
            "also: runs={} events={} gaps={} folds={} reads={} refused={} scopes={}",
            count(&counts.runs),
            count(&counts.events),
            count(&counts.gaps),
            count(&counts.folds),
            count(&counts.reads),
            count(&counts.refused),
            count(&counts.scopes),
        )?;
        write!(
            f,
            "soak: seconds={} children={} restarts={} kills={} panics={} commands={} orphans={} zombies={} doubles={} \
             rss_growth_kib={} violations={violations}",
            self.seconds,
            self.children,
            count(&counts.restarts),
            count(&counts.kills),
            count(&counts.panics),
            count(&counts.commands),
            self.world.count(Rule::Orphan),
            self.world.count(Rule::Zombie),
            self.world.count(Rule::Double),
            self.growth_kib,
        )
    }
}

/// Runs the whole soak.
pub(crate) fn run(seed: u64, storm: Duration) -> Result<Summary, String> {
    let broken = |what: &str, error: &dyn fmt::Display| format!("{what}: {error}");
    let dir = tempfile::tempdir().map_err(|error| broken("there is no folder for locks", &error))?;
    supervisor_process::guardian::start(supervisor_process::guardian::Helper::ThisBinary)
        .map_err(|error| broken("there is no guardian", &error))?;
    quiet_scripted_panics();
    let world = Arc::new(World::new(seed, dir.path().to_owned()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_keep_alive(Duration::from_millis(100))
        .enable_all()
        .build()
        .map_err(|error| broken("there is no runtime", &error))?;
    let (children, growth_kib) = runtime.block_on(soak(&world, storm))?;
    Ok(Summary { world, seconds: storm.as_secs(), children, growth_kib })
}

/// Panics of the script are not shown; every other is.
fn quiet_scripted_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text =
            payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        if !text.is_some_and(|text| text.starts_with(SCRIPTED)) {
            before(info);
        }
    }));
}

async fn soak(world: &Arc<World>, storm: Duration) -> Result<(usize, i64), String> {
    first_program(world).await?;
    let quiet = Holdings::now();
    let spec = tree(world);
    let bound = spec.stop_bound().map_err(|findings| format!("the tree has mistakes: {findings:?}"))?;
    // Those who were added stop one after the other too.
    let longest = bound.at_most + LONGEST_STOP * ADDED + SLACK;
    let handle = Supervisor::launch(spec).map_err(|error| format!("the tree does not start: {error}"))?;
    let children = handle.snapshot().len() - 1;
    // A program has two pipes and a process descriptor; a probe, a look at /proc and a start have a few for a moment.
    let most = (quiet.descriptors + 12 * 6 + 64, quiet.thread_count() + 3 + 4 + 64);
    let makers = [
        tokio::spawn(killer::killer(Arc::clone(world))),
        tokio::spawn(scopes::scopes(Arc::clone(world))),
        tokio::spawn(census(Arc::clone(world), most)),
        tokio::spawn(readers::folder(Arc::clone(world), handle.clone())),
    ];
    let persons =
        (0..PEOPLE).map(|n| tokio::spawn(people::person(Arc::clone(world), handle.clone(), n, longest)));
    let persons: Vec<_> = persons.collect();
    let readers = [
        tokio::spawn(readers::eager(Arc::clone(world), handle.events_after(0))),
        tokio::spawn(readers::lazy(Arc::clone(world), handle.clone())),
    ];
    let growth = weather(world, storm).await;
    let most = GROWTH_KIB + GROWTH_PER_CHILD_KIB * children as u64;
    if u64::try_from(growth).is_ok_and(|growth| growth > most) {
        world.violated(
            Rule::Other,
            format!("memory grew by {growth} KiB after the warm-up, more than {most}"),
        );
    }
    world.end();
    shut_down(world, &handle, longest).await;
    for task in makers.into_iter().chain(persons).chain(readers) {
        ended(world, task).await;
    }
    drop(handle);
    nothing_is_left(world, &quiet).await;
    Ok((children, growth))
}

/// The first program brings the threads and descriptors that stay; what is held after it is the measure.
async fn first_program(world: &Arc<World>) -> Result<(), String> {
    let first = SupervisorSpec::root([program::child(world, "first", 0, "+first+")]);
    let handle = Supervisor::start(first).await.map_err(|error| format!("no program can be run: {error}"))?;
    handle.shutdown("the soak", "warm now").await.map_err(|error| error.to_string())?;
    drop(handle);
    no_orphans(world, &format!("{}+first+", world.mark), SLACK).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

/// Lets the storm go on, and says how much memory grew after its first third.
async fn weather(world: &World, storm: Duration) -> i64 {
    let warm = storm / 3;
    tokio::time::sleep(warm).await;
    let before = peak(Duration::from_millis(500)).await;
    let (mut left, mut last) = (storm - warm, before);
    while !left.is_zero() {
        let pause = left.min(Duration::from_secs(10));
        tokio::time::sleep(pause).await;
        left -= pause;
        last = peak(Duration::from_millis(500)).await;
        tell(world, last, left);
    }
    i64::try_from(last).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX)
}

/// The most memory within a while: single looks fall between a flood and its end.
async fn peak(span: Duration) -> u64 {
    let mut most = 0;
    for _ in 0..5 {
        most = most.max(Holdings::now().rss_kib);
        tokio::time::sleep(span / 5).await;
    }
    most
}

#[expect(clippy::print_stdout, reason = "this program talks to a developer at a terminal")]
fn tell(world: &World, rss_kib: u64, left: Duration) {
    let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{} s left: {} runs, {} kills, {} commands, {} MiB, {} violations",
        left.as_secs(),
        count(&world.counts.runs),
        count(&world.counts.kills),
        count(&world.counts.commands),
        rss_kib / 1024,
        world.violations().0,
    );
}

/// The shutdown keeps its bound, and names whoever did not stop.
async fn shut_down(world: &World, handle: &SupervisorHandle, longest: Duration) {
    let began = Instant::now();
    if world.seed.is_multiple_of(3) {
        let (second, by) = (handle.clone(), "the soak");
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            // The tree may have ended before.
            let _ = second.skip_graces(by, "a second signal").await;
        });
    }
    let asked = tokio::time::timeout(longest, handle.shutdown_tree("the soak", "the storm is over")).await;
    let living = world.leases.living();
    match asked {
        Err(_) => world.violated(Rule::Other, format!("the shutdown takes longer than {longest:?}")),
        Ok(Err(error)) => world.violated(Rule::Other, format!("the shutdown was refused: {error}")),
        Ok(Ok(tokio_supervisor::CommandResult::Shutdown { result })) => {
            let named: Vec<_> = result.reconcile.unresponsive.iter().map(ToString::to_string).collect();
            for path in living.iter().filter(|path| !path.starts_with("/scope")) {
                if !named.contains(path) {
                    let after = began.elapsed();
                    world.violated(
                        Rule::Other,
                        format!("{path} lives after {after:?} and was not named: {named:?}"),
                    );
                }
            }
        }
        Ok(Ok(other)) => world.violated(Rule::Other, format!("the shutdown was answered by {other:?}")),
    }
}

/// A part of the soak has come to its end, and not by a panic of its own.
async fn ended(world: &World, task: JoinHandle<()>) {
    match tokio::time::timeout(SLACK, task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => world.violated(Rule::Other, format!("a part of the soak failed: {error}")),
        Err(_) => world.violated(
            Rule::Other,
            "a part of the soak waits for ever: a command without answer, or a stream without end",
        ),
    }
}

/// After the end there is no task, process, lease, thread or descriptor of the tree.
async fn nothing_is_left(world: &World, quiet: &Holdings) {
    no_orphans(world, &world.mark, SLACK).await;
    no_zombies(world).await;
    if !soon(SLACK, || world.leases.living().is_empty()).await {
        world.violated(Rule::Orphan, format!("tasks live on: {:?}", world.leases.living()));
    }
    let metrics = tokio::runtime::Handle::current().metrics();
    if !soon(SLACK, || metrics.num_alive_tasks() == 0).await {
        world.violated(Rule::Other, format!("{} tasks are left on the runtime", metrics.num_alive_tasks()));
    }
    let flat =
        |now: &Holdings| now.descriptors <= quiet.descriptors && now.thread_count() <= quiet.thread_count();
    if !soon(SLACK, || flat(&Holdings::now())).await {
        world.violated(Rule::Other, format!("held before {quiet:?}, and now {:?}", Holdings::now()));
    }
    let doubles = fs::read_to_string(world.dir.join(program::DOUBLES)).unwrap_or_default();
    for line in doubles.lines() {
        world.violated(Rule::Double, line);
    }
}
