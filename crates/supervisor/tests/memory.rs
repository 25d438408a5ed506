//! What a child costs in memory. Alone in its file, because it measures the memory of its process; and on one
//! thread, because the allocator keeps an arena for each, whose unused part would count as the children's.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{idle, start};
use tokio_supervisor::{ChildSpec, SupervisorSpec};

const MANY: usize = 100_000;

/// Bytes of memory that this process has for itself. Its program is left out: the system takes pages of that away and
/// brings them back as it likes.
fn own() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = |key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    };
    size("RssAnon:") + size("VmSwap:")
}

fn crashes_once(name: String, restarted: &Arc<AtomicUsize>) -> ChildSpec {
    let restarted = Arc::clone(restarted);
    ChildSpec::service(name, move |ctx| {
        let restarted = Arc::clone(&restarted);
        async move {
            if ctx.generation() == 1 {
                tokio::task::yield_now().await;
                return Err("crash");
            }
            restarted.fetch_add(1, Ordering::AcqRel);
            idle(ctx).await;
            Ok(())
        }
    })
}

#[tokio::test]
async fn a_child_that_crashed_and_came_back_costs_less_than_a_kilobyte_and_a_half() {
    let before = own();
    let restarted = Arc::new(AtomicUsize::new(0));
    let children = (0..MANY).map(|n| crashes_once(format!("child-{n}"), &restarted));
    let _tree = start(SupervisorSpec::root(children).unlimited()).await;
    // Counted by the children themselves: a snapshot of all of them has a size of its own.
    while restarted.load(Ordering::Acquire) < MANY {
        tokio::task::yield_now().await;
    }
    let per_child = (own() - before) / MANY;
    println!("{per_child} bytes per child");
    assert!(per_child < 1500, "{per_child} bytes per child");
}
