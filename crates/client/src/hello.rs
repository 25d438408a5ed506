//! Who a target says it is.

use supervisor_api::wire::{Method, Registration};

/// The answer to `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// What it tells a relay, or would tell one; its id is among that.
    pub registration: Registration,
    /// Methods beyond those of the contract.
    pub capabilities: Vec<String>,
    /// What this user may do: `viewer`, `operator`, `admin`. `None`: the target does not say.
    pub role: Option<String>,
}

impl Hello {
    /// The target's id.
    pub fn target_id(&self) -> &str {
        &self.registration.target_id
    }

    /// Whether the target has a method beyond those of the contract.
    pub fn has(&self, method: Method) -> bool {
        self.capabilities.iter().any(|name| *name == method.to_string())
    }
}
