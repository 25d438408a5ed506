//! What a run shows of itself: its control socket and its health endpoint.
//!
//! ```text
//!  prepare: every address is bound, every directory is proved ──► launch ──► serve
//!     └── something is wrong: nothing was started
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use supervisor_api::manifest::StackManifest;
use supervisor_api::report::AuditHealth;
use supervisor_api::wire::{canonical_json, config_version};
use supervisor_control::{
    AuditConfig, AuditPlaceError, Bind, Config, Control, Instance, ServeError, Surroundings,
};
use tokio_supervisor::SupervisorHandle;

use crate::control;
use crate::file::Stack;
use crate::health::{HealthEndpoint, HealthError, HealthPort};
use crate::launch::Live;

/// Where the control socket of a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SocketAt {
    /// At `control.path` of the file; else `NAME.sock` in the first sound one of the
    /// [default places](Surroundings::socket_places).
    #[default]
    Default,
    /// At this path; its directory must be there, and be ours alone.
    Path(PathBuf),
}

/// Everything that a run shows of itself, bound and proved before anything was started. Who connects waits until it is
/// served.
#[derive(Debug)]
pub struct Prepared {
    control: Option<supervisor_control::Prepared>,
    health: Option<HealthPort>,
    live: Arc<Live>,
}

/// What a run shows of itself. Dropping it closes all of it; the tree is not concerned.
#[derive(Debug)]
#[non_exhaustive]
pub struct Serving {
    /// The control socket, if one was asked for.
    pub control: Option<Control>,
    /// The health endpoint, if the file has one.
    pub health: Option<HealthEndpoint>,
}

/// Why a run cannot show what it is to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The control socket cannot be made.
    #[error(transparent)]
    Control(#[from] ServeError),
    /// Commands cannot be recorded where they are to be.
    #[error(transparent)]
    Audit(#[from] AuditPlaceError),
    /// The health endpoint cannot be made.
    #[error(transparent)]
    Health(#[from] HealthError),
}

impl Stack {
    /// Binds what a run of this stack shows of itself, and proves the directory of its audit. Nothing is started.
    ///
    /// `control` says where the control socket is, and gives the [`Instance`] of this stack's name: what is asked of the
    /// target is recorded in its directory unless the file says otherwise. `None`: there is no socket.
    ///
    /// # Errors
    ///
    /// When something cannot be bound, or nothing could be recorded. The sentence says what to do; nothing is left
    /// behind.
    pub async fn prepare(&self, control: Option<(&Instance, &SocketAt)>) -> Result<Prepared, PrepareError> {
        let health = match self.health {
            Some(address) => Some(HealthPort::bind(address).await?),
            None => None,
        };
        let control = match control {
            Some((instance, at)) => {
                let config = self.config(instance.directory(), at);
                if let AuditConfig::Directory(options) = &config.audit {
                    options.prove()?;
                }
                Some(Control::prepare(config).await?)
            }
            None => None,
        };
        Ok(Prepared { control, health, live: Arc::clone(&self.live) })
    }

    /// How the control socket is served.
    fn config(&self, state: &Path, at: &SocketAt) -> Config {
        let name = &self.manifest.name;
        let said = self.manifest.control.clone().unwrap_or_default();
        let bind = match (at, &said.path) {
            (SocketAt::Path(path), _) => Bind::at(path),
            (SocketAt::Default, Some(path)) => Bind::at(path),
            (SocketAt::Default, None) => Bind::by_name(name.clone(), Surroundings::of_this_process()),
        };
        let id = said.target_id.as_deref().unwrap_or(name.as_str());
        let mut config = Config::new(id, self.config_version(), control::bound(&said, bind));
        config.specs = Some(self.specs());
        control::apply(&said, &self.control, state, &mut config);
        config
    }

    /// Which version of its spec this is: the same for files that say the same.
    pub fn config_version(&self) -> Arc<str> {
        version_of(&self.manifest)
    }
}

pub(crate) fn version_of(manifest: &StackManifest) -> Arc<str> {
    // Every key of a manifest is text, so it has a JSON form.
    let json = serde_json::to_value(manifest).unwrap_or_default();
    config_version(&Sha256::digest(canonical_json(&json)).into())
}

impl Prepared {
    /// How the audit is, if there is a control socket. One on a disk that is full or broken is told of here, and the run
    /// can begin all the same.
    pub fn audit(&self) -> Option<AuditHealth> {
        self.control.as_ref().map(supervisor_control::Prepared::audit)
    }

    /// Where the control socket is.
    pub fn socket(&self) -> Option<&Path> {
        self.control.as_ref().map(supervisor_control::Prepared::path)
    }

    /// Where the health endpoint listens.
    pub fn health(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(HealthPort::address)
    }

    /// Serves a tree of the stack, also while it still starts.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn serve(self, handle: &SupervisorHandle) -> Serving {
        Serving {
            control: self.control.map(|control| control.serve(handle.clone())),
            health: self.health.map(|health| health.serve(handle, self.live)),
        }
    }

    /// Closes everything: no tree will be served.
    pub async fn close(self) {
        if let Some(control) = self.control {
            control.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Arc<str> {
        Stack::parse("demo.yaml", text).unwrap().config_version()
    }

    #[test]
    fn files_that_say_the_same_have_one_version_and_others_another() {
        let one =
            version("version: 1\nname: demo\nchildren:\n  - {name: a, kind: process, command: [\"true\"]}\n");
        let same = version(
            "# a comment\nname: demo\nversion: 1\nchildren:\n- kind: process\n  name: a\n  command: ['true']\n",
        );
        let other = version(
            "version: 1\nname: demo\nchildren:\n  - {name: a, kind: process, command: [\"false\"]}\n",
        );
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(one.len(), 16);
    }
}
