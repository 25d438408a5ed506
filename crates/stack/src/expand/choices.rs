//! What is chosen where a file is read.

use std::collections::BTreeMap;
use std::fmt;

/// What is chosen where a stack file is read, and not in it: the values of its `variables`.
///
/// A value is that of [`Self::set`], else that of the environment, else the default in the file. Values are no secrets:
/// they are part of what the file says, and are shown with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Choices {
    set: BTreeMap<String, String>,
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
        f.debug_struct("Choices").field("set", &self.set).finish_non_exhaustive()
    }
}
