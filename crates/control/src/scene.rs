//! A tree and its dispatcher, for the tests of this crate that need virtual time and what is private.

use std::path::Path;

use supervisor_socket::{Bind, Peer};
use tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorHandle, SupervisorSpec};

use crate::caller::{Caller, Role};
use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::feed::{Line, Pushed};

pub(crate) fn service(name: &str) -> ChildSpec {
    ChildSpec::service(name, |ctx: ChildContext| async move {
        ctx.stopping().await;
    })
}

pub(crate) async fn serve(spec: SupervisorSpec) -> (SupervisorHandle, Dispatcher) {
    let (handle, dispatcher) = launch(spec).await;
    handle.started().await.unwrap();
    (handle, dispatcher)
}

/// A tree that may still start.
pub(crate) async fn launch(spec: SupervisorSpec) -> (SupervisorHandle, Dispatcher) {
    let handle = Supervisor::launch(spec).unwrap();
    let config = Config::new("shop", "0123456789abcdef", Bind::at("/run/shop.sock"));
    let dispatcher = Dispatcher::open(handle.clone(), &config, Path::new("/run/shop.sock")).await.unwrap();
    (handle, dispatcher)
}

pub(crate) fn admin() -> Caller {
    Caller { peer: Peer { uid: 0, gid: 0, pid: None }, role: Role::Admin, connection: 1, frame_bytes: 0 }
}

/// The line of what is pushed.
pub(crate) fn bytes(pushed: Pushed) -> Line {
    match pushed {
        Pushed::Line(line) => line,
        Pushed::State(mut state) => {
            let mut line = Vec::new();
            while state.portion(&mut line) {}
            line.into()
        }
    }
}

pub(crate) async fn restart(handle: &SupervisorHandle, child: &str) {
    handle.restart_child(child, "test", "again").await.unwrap();
}
