//! Runs that block: a thread each, named after the child's path.

use std::sync::Arc;

use supervisor_api::Exit;
use tokio::sync::oneshot;

use super::{Run, managed};
use crate::contain::{contain, drop_quietly};
use crate::context::ChildContext;
use crate::exit::IntoExit;

/// Runs of a function that blocks.
pub(crate) fn blocking<F, R>(work: F) -> Arc<dyn Run>
where
    F: Fn(ChildContext) -> R + Send + Sync + 'static,
    R: IntoExit + 'static,
{
    let work = Arc::new(work);
    managed(move |ctx| on_thread(ctx, Arc::clone(&work)))
}

async fn on_thread<F, R>(ctx: ChildContext, work: Arc<F>) -> Exit
where
    F: Fn(ChildContext) -> R + Send + Sync + 'static,
    R: IntoExit + 'static,
{
    let (done, exit) = oneshot::channel();
    let thread = std::thread::Builder::new().name(ctx.path().to_string());
    let span = ctx.span();
    let spawned = thread.spawn(move || {
        let runtime = ctx.runtime();
        let _inside = runtime.enter();
        let exit = contain(|| span.in_scope(|| work(ctx).into_exit())).unwrap_or_else(|panic| panic);
        // Gone before the end is told: the function may be the last to hold what it captured.
        drop_quietly(work);
        // Nobody listens when the runtime is gone; then nobody asks how it ended either.
        let _ = done.send(exit);
    });
    match spawned {
        Ok(_) => exit.await.unwrap_or_else(|_| Exit::failed("its thread ended without a word")),
        Err(error) => Exit::failed(format!("no thread could be started for it: {error}")),
    }
}
