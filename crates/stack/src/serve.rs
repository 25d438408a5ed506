//! The control socket of a stack.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use supervisor_api::wire::{canonical_json, config_version};
use supervisor_control::{
    AuditConfig, AuditOptions, Bind, Config, Control, Instance, ServeError, Surroundings,
};
use tokio_supervisor::SupervisorHandle;

use crate::file::Stack;

/// Where the control socket of a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SocketAt {
    /// `NAME.sock` in the first sound one of the [default places](Surroundings::socket_places).
    #[default]
    Default,
    /// At this path; its directory must be there, and be ours alone.
    Path(PathBuf),
}

impl Stack {
    /// Serves the control socket of a running tree of this stack, also while that still starts. The target's id is the
    /// name of the stack. What is asked of it is recorded in `audit` in the directory of the [`Instance`], which must
    /// be one of this stack's name.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made. The sentence says what to do.
    pub async fn serve(
        &self,
        handle: SupervisorHandle,
        instance: &Instance,
        at: &SocketAt,
    ) -> Result<Control, ServeError> {
        let name = &self.manifest.name;
        let bind = match at {
            SocketAt::Default => Bind::by_name(name.clone(), Surroundings::of_this_process()),
            SocketAt::Path(path) => Bind::at(path),
        };
        let mut config = Config::new(name.as_str(), self.config_version(), bind);
        config.audit = AuditConfig::Directory(AuditOptions::new(instance.directory().join("audit")));
        config.specs = Some(self.specs());
        Control::serve(handle, config).await
    }

    /// Which version of its spec this is: the same for files that say the same.
    pub fn config_version(&self) -> Arc<str> {
        // Every key of a manifest is text, so it has a JSON form.
        let json = serde_json::to_value(&self.manifest).unwrap_or_default();
        config_version(&Sha256::digest(canonical_json(&json)).into())
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
