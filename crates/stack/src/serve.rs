//! What a run shows of itself: its control socket, its dashboard and its health endpoint.
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
use crate::dashboard::{Dashboard, DashboardAt, DashboardError, DashboardPort};
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

/// What a run shows of itself beside what its file says. By default all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doors {
    /// Where the control socket is; `None`: there is none.
    pub socket: Option<SocketAt>,
    /// Where the dashboard is.
    pub dashboard: DashboardAt,
}

impl Default for Doors {
    fn default() -> Self {
        Self { socket: Some(SocketAt::Default), dashboard: DashboardAt::Default }
    }
}

impl Doors {
    /// With this control socket, or with none.
    #[must_use]
    pub fn socket(self, socket: Option<SocketAt>) -> Self {
        Self { socket, ..self }
    }

    /// With the dashboard there.
    #[must_use]
    pub fn dashboard(self, dashboard: DashboardAt) -> Self {
        Self { dashboard, ..self }
    }
}

/// Everything that a run shows of itself, bound and proved before anything was started. Who connects waits until it is
/// served.
#[derive(Debug)]
pub struct Prepared {
    control: Option<supervisor_control::Prepared>,
    health: Option<HealthPort>,
    dashboard: Option<DashboardPort>,
    /// Why there is no dashboard although one is wanted.
    no_dashboard: Option<DashboardError>,
    live: Arc<Live>,
}

/// What a run shows of itself. Dropping it closes all of it; the tree is not concerned.
#[derive(Debug)]
#[non_exhaustive]
pub struct Serving {
    /// The control server, also when it is for this process alone. `None` when there is no directory for its records.
    pub control: Option<Control>,
    /// The dashboard, unless it is off or could not be had.
    pub dashboard: Option<Dashboard>,
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
    /// The dashboard cannot be where it was asked for.
    #[error(transparent)]
    Dashboard(#[from] DashboardError),
}

impl Stack {
    /// Binds what a run of this stack shows of itself, and proves the directory of its audit. Nothing is started.
    ///
    /// `instance` is the [`Instance`] of this stack's name: what is asked of the target is recorded in its directory
    /// unless the file says otherwise. `None`: there is neither a control socket nor a dashboard.
    ///
    /// A dashboard that nobody asked for by its address is no reason for an error: see
    /// [`Prepared::no_dashboard`].
    ///
    /// # Errors
    ///
    /// When something cannot be bound, or nothing could be recorded. The sentence says what to do; nothing is left
    /// behind.
    pub async fn prepare(
        &self,
        instance: Option<&Instance>,
        doors: &Doors,
    ) -> Result<Prepared, PrepareError> {
        let health = match self.health {
            Some(address) => Some(HealthPort::bind(address).await?),
            None => None,
        };
        let state = instance.map(Instance::directory);
        let at = self.dashboard_at(doors);
        let mut control = match (state, &doors.socket) {
            (Some(state), Some(socket)) => Some(self.control(state, Some(socket)).await?),
            _ => None,
        };
        let (dashboard, no_dashboard) = match self.dashboard(state, at, &mut control).await {
            Ok(dashboard) => (dashboard, None),
            Err(error) if *at == DashboardAt::Default => (None, Some(error)),
            Err(error) => return Err(error.into()),
        };
        if let (None, Some(state)) = (&control, state) {
            // A run of this process may still apply its file again. Who needs it is told that it cannot be had.
            let made = self.control(state, None).await;
            control = made.inspect_err(|error| tracing::warn!("nothing can be commanded: {error}")).ok();
        }
        Ok(Prepared { control, health, dashboard, no_dashboard, live: Arc::clone(&self.live) })
    }

    fn dashboard_at<'a>(&'a self, doors: &'a Doors) -> &'a DashboardAt {
        if doors.dashboard == DashboardAt::Default { &self.dashboard } else { &doors.dashboard }
    }

    /// Binds the port of the dashboard, and sees to it that there is a control server for it.
    async fn dashboard(
        &self,
        state: Option<&Path>,
        at: &DashboardAt,
        control: &mut Option<supervisor_control::Prepared>,
    ) -> Result<Option<DashboardPort>, DashboardError> {
        let Some(state) = state else {
            return if *at == DashboardAt::Off { Ok(None) } else { Err(DashboardError::NoState) };
        };
        let Some(port) = DashboardPort::bind(at, state).await? else { return Ok(None) };
        if control.is_none() {
            let made = self.control(state, None).await;
            *control = Some(made.map_err(|error| DashboardError::Control(error.to_string()))?);
        }
        Ok(Some(port))
    }

    /// Makes the control server; without a socket it is there for this process alone.
    async fn control(
        &self,
        state: &Path,
        socket: Option<&SocketAt>,
    ) -> Result<supervisor_control::Prepared, PrepareError> {
        let config = self.config(state, socket);
        if let AuditConfig::Directory(options) = &config.audit {
            options.prove()?;
        }
        Ok(Control::prepare(config).await?)
    }

    /// How the control server serves.
    fn config(&self, state: &Path, socket: Option<&SocketAt>) -> Config {
        let name = &self.manifest.name;
        let said = self.manifest.control.clone().unwrap_or_default();
        let bind = socket.map(|at| match (at, &said.path) {
            (SocketAt::Path(path), _) => Bind::at(path),
            (SocketAt::Default, Some(path)) => Bind::at(path),
            (SocketAt::Default, None) => Bind::by_name(name.clone(), Surroundings::of_this_process()),
        });
        let bind = bind.map(|bind| control::bound(&said, bind));
        let id = said.target_id.as_deref().unwrap_or(name.as_str());
        let mut config = Config::new(id, self.config_version(), bind);
        config.specs = Some(self.specs());
        control::apply(&said, &self.control, state, &mut config);
        if socket.is_none() {
            // A relay elsewhere finds a target by its socket.
            config.registration = None;
        }
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
        self.control.as_ref().and_then(supervisor_control::Prepared::path)
    }

    /// Where the dashboard listens.
    pub fn dashboard(&self) -> Option<SocketAddr> {
        self.dashboard.as_ref().map(DashboardPort::address)
    }

    /// Why there is no dashboard although nobody has turned it off.
    pub fn no_dashboard(&self) -> Option<&DashboardError> {
        self.no_dashboard.as_ref()
    }

    /// A new link by which the user of this process signs in to the dashboard, once and within 10 minutes. It is a
    /// secret: it is shown to a person, and written nowhere. `None` without a dashboard.
    pub fn login_link(&self) -> Option<String> {
        self.dashboard.as_ref().and_then(DashboardPort::link)
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
        let control = self.control.map(|control| control.serve(handle.clone()));
        let dashboard = self.dashboard.zip(control.as_ref()).and_then(|(port, control)| {
            // The port is bound and told its address before.
            port.serve(control).inspect_err(|error| tracing::warn!("there is no dashboard: {error}")).ok()
        });
        let health = self.health.and_then(|port| {
            let served = port.serve(handle, self.live);
            served.inspect_err(|error| tracing::warn!("there is no health endpoint: {error}")).ok()
        });
        Serving { control, dashboard, health }
    }

    /// Closes everything: no tree will be served.
    pub async fn close(self) {
        if let Some(control) = self.control {
            control.close().await;
        }
    }
}

impl Serving {
    /// Closes everything. Whoever has asked for the end of the tree is told of it, and so is every browser that shows
    /// it; only then are they told that this ends.
    pub async fn close(self) {
        drop(self.health);
        if let Some(control) = self.control {
            control.close().await;
        }
        if let Some(dashboard) = self.dashboard {
            dashboard.close().await;
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
