//! Who may see and do what (`security.md` 20, 21).

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use supervisor_api::wire::Command;

/// What somebody may do with a target. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May look.
    Viewer,
    /// May restart, pause, resume and quarantine children.
    Operator,
    /// May also add and remove children, and end the tree.
    Admin,
}

impl Role {
    /// The word in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role that a command needs. What changes who is in the tree, or ends it, is an admin's.
    pub const fn needed_for(command: Command) -> Self {
        match command {
            Command::RestartChild
            | Command::PauseChild
            | Command::ResumeChild
            | Command::QuarantineChild
            | Command::SignalChild => Self::Operator,
            // A command of a later version may be anything.
            _ => Self::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Somebody, and what it may do with which targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    identity: String,
    roles: Vec<(Pattern, Role)>,
}

/// Names of targets or people: `*` stands for any text, everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Principal {
    /// Somebody who may not even look. `identity` is what was proved, for people and the audit.
    pub fn new(identity: impl Into<String>) -> Self {
        Self { identity: identity.into(), roles: Vec::new() }
    }

    /// Has at least this role on the targets whose ids fit; `*` in the pattern stands for any text.
    #[must_use]
    pub fn with(mut self, pattern: impl Into<String>, role: Role) -> Self {
        self.roles.push((Pattern::new(pattern), role));
        self
    }

    /// Who it is, as proved.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What it may do with a target: the highest role of those that fit. `None`: it does not see it.
    pub fn role_on(&self, target_id: &str) -> Option<Role> {
        let fitting = self.roles.iter().filter(|(pattern, _)| pattern.fits(target_id));
        fitting.map(|(_, role)| *role).max()
    }

    /// The highest role that it has on any target.
    pub fn highest(&self) -> Option<Role> {
        self.roles.iter().map(|(_, role)| *role).max()
    }
}

impl Pattern {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether this is the pattern of the whole name.
    pub(crate) fn fits(&self, id: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| id.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The first place is the best: it leaves the most for what follows.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_a_pattern_fits_as_a_whole_and_a_star_is_any_text() {
        let fits = |pattern: &str, id: &str| Pattern::new(pattern).fits(id);
        for (pattern, id) in [
            ("*", ""),
            ("*", "prod / eu 1"),
            ("shop", "shop"),
            ("shop-*", "shop-"),
            ("shop-*", "shop-eu"),
            ("*-eu", "shop-eu"),
            ("a*b*c", "axxbyybc"),
            ("a*a", "aa"),
            ("**", "x"),
        ] {
            assert!(fits(pattern, id), "{pattern} {id}");
        }
        for (pattern, id) in [
            ("", "x"),
            ("shop", "shop-eu"),
            ("shop", "Shop"),
            ("shop-*", "shop"),
            ("shop-*", "my-shop-eu"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
            ("*x*x", "x"),
        ] {
            assert!(!fits(pattern, id), "{pattern} {id}");
        }
    }

    #[test]
    fn s20_the_highest_role_that_fits_counts_and_without_one_there_is_nothing_to_see() {
        let ann = Principal::new("ann").with("*", Role::Viewer).with("shop-*", Role::Admin);
        assert_eq!(ann.role_on("bank"), Some(Role::Viewer));
        assert_eq!(ann.role_on("shop-eu"), Some(Role::Admin));
        assert_eq!(Principal::new("bob").role_on("shop"), None);
        assert_eq!(Principal::new("bob").with("shop", Role::Operator).role_on("shop-eu"), None);
    }

    #[test]
    fn s20_dangerous_commands_need_an_admin() {
        for command in Command::ALL.iter().copied() {
            let role = if command.needs_confirmation() { Role::Admin } else { Role::Operator };
            assert_eq!(Role::needed_for(command), role, "{command}");
        }
    }
}
