//! The task that follows a target: the only one that writes what sessions read of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::{ConnectionState, DashboardState, Stream, TreeView};
use supervisor_client::{Follower, Happening, Settings, View, Way};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::yield_now;

use super::Target;
use crate::counts::Counts;

/// How often a target is asked that pushes nothing.
const POLL: Duration = Duration::from_secs(2);

/// Follows the target that is reached so, on which a process of `uid` has to listen, as long as its lease runs. After that
/// it shows what was known last, until it is dropped.
///
/// All there is of the target is asked for at first: what it still keeps is there for browsers that resume.
pub(crate) async fn follow(target: Arc<Target>, way: Way, uid: u32, settings: Settings, counts: Counts) {
    let mut follower =
        Follower::new(way, settings).events_from(1).logs(Some(1)).polled(POLL).listened_by(uid);
    target.connection(ConnectionState::Connecting);
    let mut waiting: Option<Waiting> = None;
    while !target.is_expired() {
        if waiting.is_none() && target.is_wanted() && known(&target, &follower).is_some() {
            waiting = Some(Box::pin(target.turn()));
        }
        tokio::select! {
            happening = follower.next() => take_in(&target, &happening, &follower, &counts),
            () = target.wanted() => {}
            turn = turn_of(&mut waiting) => {
                waiting = None;
                if let Some(state) = known(&target, &follower) {
                    target.render(state);
                }
                pass_on(turn).await;
            }
        }
    }
    let Some(last) = known(&target, &follower).cloned() else { return };
    drop((follower, waiting));
    loop {
        let turn = target.turn().await;
        target.render(&last);
        pass_on(turn).await;
        target.wanted().await;
    }
}

/// The place in the line of those who render. It is kept while other things happen.
type Waiting = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// The turn that is waited for; for ever when none is.
async fn turn_of(waiting: &mut Option<Waiting>) -> Option<OwnedSemaphorePermit> {
    match waiting {
        Some(waiting) => waiting.await,
        None => std::future::pending().await,
    }
}

/// Ends a turn, but not before everybody who has something else to do was there: the next target to render may be the
/// next task in the line of this thread.
async fn pass_on(turn: Option<OwnedSemaphorePermit>) {
    yield_now().await;
    drop(turn);
}

/// The state that is known of this target.
fn known<'a>(target: &Target, follower: &'a Follower) -> Option<&'a DashboardState> {
    tree(follower).filter(|tree| tree.target_id() == target.id()).map(TreeView::state)
}

fn tree(follower: &Follower) -> Option<&TreeView> {
    match follower.view() {
        View::Current(tree) | View::Stale { tree, .. } => Some(tree),
        View::Unknown => None,
    }
}

fn take_in(target: &Target, happening: &Happening, follower: &Follower, counts: &Counts) {
    let is_ours = tree(follower).is_none_or(|tree| tree.target_id() == target.id());
    match happening {
        Happening::Unreachable { why, .. } => {
            tracing::debug!("the target {} cannot be reached: {why}", target.id());
            target.connection(ConnectionState::Unavailable);
        }
        Happening::Disconnected { why, .. } => {
            tracing::debug!("the connection to the target {} is lost: {why}", target.id());
            target.connection(ConnectionState::Reconnecting);
        }
        // It registered under one name and speaks under another; nothing that it says is shown.
        _ if !is_ours => {
            target.connection(ConnectionState::Unavailable);
        }
        Happening::Connected(_) | Happening::Resumed(_) | Happening::Restarted(_) => {
            let is_same = matches!(happening, Happening::Resumed(_));
            target.connected(tree(follower).and_then(epoch), is_same);
            target.connection(ConnectionState::Connected);
        }
        Happening::Event(event) => {
            counts.record(Stream::Events);
            target.event(event, follower.line());
        }
        Happening::Log(log) => {
            counts.record(Stream::Logs);
            target.log(log, follower.line());
        }
        Happening::Delta(delta) => target.delta(delta),
        Happening::Gap { stream, gap } => {
            counts.lost(*stream, (gap.to + 1).saturating_sub(gap.from));
            target.lost(*stream, gap.to);
        }
        Happening::Refreshed => target.new_state(),
        _ => {}
    }
}

/// The name of a target's life: when it began, as it says itself. It outlives the relay.
fn epoch(tree: &TreeView) -> Option<Arc<str>> {
    let health = tree.state().health.as_ref()?;
    Some(health.started_at_unix_nanos.to_string().into())
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::bench::registration;
    use crate::hub::Bell;
    use crate::played::{Target as Played, World, folder};

    #[tokio::test(start_paused = true)]
    async fn s24_who_listens_as_another_user_is_not_shown() {
        let folder = folder();
        let us = rustix::process::geteuid().as_raw();
        let played = Played::start(&folder.path().join("shop.sock"), World::shop()).await;
        for (uid, expected) in [(us, ConnectionState::Connected), (us + 1, ConnectionState::Unavailable)] {
            let target = Arc::new(Target::new(&registration("shop"), 1 << 20, Arc::<Bell>::default()));
            let way = Way::from(played.path());
            let task =
                tokio::spawn(follow(Arc::clone(&target), way, uid, Settings::default(), Counts::default()));
            let until = Instant::now() + Duration::from_secs(5);
            while Instant::now() < until {
                sleep(Duration::from_millis(10)).await;
                let is_known = target.seen().ring.epoch().is_some();
                assert!(!is_known || uid == us);
            }
            assert_eq!(target.seen().connection(), expected);
            task.abort();
        }
    }

    /// Each is rendered in milliseconds, all of them in seconds: meanwhile a browser that comes waits for its list.
    #[tokio::test]
    async fn s22_who_wants_something_small_does_not_wait_until_all_targets_are_rendered() {
        const TARGETS: usize = 20;
        let folder = folder();
        let us = rustix::process::geteuid().as_raw();
        let bell = Arc::new(Bell::new(1));
        let (mut targets, mut played) = (Vec::new(), Vec::new());
        for at in 0..TARGETS {
            let path = folder.path().join(format!("{at}.sock"));
            played.push(Played::start(&path, World::shop()).await);
            let target = Arc::new(Target::new(&registration("shop"), 1 << 20, Arc::clone(&bell)));
            tokio::spawn(follow(
                Arc::clone(&target),
                Way::from(&*path),
                us,
                Settings::default(),
                Counts::default(),
            ));
            targets.push(target);
        }
        let is_known = |target: &Arc<Target>| target.seen().ring.epoch().is_some();
        while !targets.iter().all(is_known) {
            yield_now().await;
        }
        let rendered =
            || targets.iter().filter(|target| target.state(&mut target.seen(), 0).is_some()).count();
        let mut before = rendered();
        assert_eq!(before, 0, "and from now on all are wanted");
        while before < TARGETS {
            // Another task has its turn, behind those that are there.
            tokio::spawn(async {}).await.unwrap();
            let now = rendered();
            assert!(now - before <= 4, "{} at once", now - before);
            before = now;
        }
    }
}
