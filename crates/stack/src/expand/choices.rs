//! What is chosen where a file is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is chosen where a stack file is read, and not in it: the values of its `variables`, and the
/// `profiles` of which children are there.
///
/// A value is that of [`Self::set`], else that of the environment, else the default in the file. Values are no secrets:
/// they are part of what the file says, and are shown with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Choices {
    set: BTreeMap<String, String>,
    profiles: BTreeSet<String>,
    environment: BTreeMap<String, String>,
}

impl Choices {
    /// With the environment of this process, as it is now.
    pub fn of_this_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::default().environment(std::env::vars_os().filter_map(text))
    }

    /// Gives a variable this value. One that the file does not declare is a mistake.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(name.into(), value.into());
        self
    }

    /// Takes the values of variables that are not set from here. Default: there is no environment.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = variables.into_iter().collect();
        self
    }

    /// Selects a profile. One that no child of the file is in is a mistake.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profiles.insert(name.into());
        self
    }

    /// The profiles that are selected.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &str> + Clone {
        self.profiles.iter().map(String::as_str)
    }

    /// The names that were set.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().map(String::as_str)
    }

    /// The value of a variable, if it is not for its default.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.set.get(name).or_else(|| self.environment.get(name)).map(String::as_str)
    }
}

/// Without the environment, in which there may be secrets.
impl fmt::Debug for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choices")
            .field("set", &self.set)
            .field("profiles", &self.profiles)
            .finish_non_exhaustive()
    }
}
