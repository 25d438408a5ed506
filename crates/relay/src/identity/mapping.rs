//! Which proof is whose, and who may do what.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use supervisor_api::wire::UnixNanos;

use super::secret::Fingerprint;
use crate::rights::{Pattern, Principal, Role};

/// The longest name of somebody, in bytes.
const LONGEST_NAME: usize = 256;

/// Tokens, certificates and roles, as a file names them.
///
/// Somebody is *mapped* when a role names it. Who is not mapped, but has proved who it is, looks at everything and
/// changes nothing, unless [`unmapped`](Self::unmapped) says otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Mapping {
    tokens: HashMap<Fingerprint, Holder>,
    certificates: HashMap<String, Arc<str>>,
    refused: HashSet<Fingerprint>,
    roles: Vec<Rule>,
    unmapped: Option<Role>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) identity: Arc<str>,
    pub(super) expires_at: Option<UnixNanos>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    who: Pattern,
    targets: String,
    role: Role,
}

/// Why something cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// It is no SHA-256.
    #[error("what is given for {0:?} is no SHA-256; write its 64 hexadecimal digits")]
    NoDigest(String),
    /// It cannot be the name of somebody.
    #[error(
        "{0:?} cannot be the name of somebody; take 1 to 256 bytes of text that is not blank, without control characters"
    )]
    BadName(String),
    /// Two have the same.
    #[error("{0:?} and {1:?} have the same token or certificate; give each its own")]
    Shared(String, String),
}

impl Default for Mapping {
    fn default() -> Self {
        Self::new()
    }
}

impl Mapping {
    /// Nobody has a token, no certificate has another name than its own, and who is not mapped is a viewer of all.
    pub fn new() -> Self {
        Self {
            tokens: HashMap::new(),
            certificates: HashMap::new(),
            refused: HashSet::new(),
            roles: Vec::new(),
            unmapped: Some(Role::Viewer),
        }
    }

    /// Who shows the token with this SHA-256 (of its text, 64 hexadecimal digits) is `identity`, until
    /// `expires_at_unix_seconds`. [`Secret::fresh`](super::Secret::fresh) makes tokens.
    ///
    /// # Errors
    ///
    /// When it is no SHA-256, the name is none, or the token is somebody else's.
    pub fn with_token(
        mut self,
        sha256: &str,
        identity: impl Into<String>,
        expires_at_unix_seconds: Option<u64>,
    ) -> Result<Self, MappingError> {
        let identity = name(identity.into())?;
        let digest = Fingerprint::read(sha256).ok_or_else(|| MappingError::NoDigest(identity.to_string()))?;
        let expires_at = expires_at_unix_seconds.map(|at| UnixNanos(at.saturating_mul(1_000_000_000)));
        let before = self.tokens.insert(digest, Holder { identity: Arc::clone(&identity), expires_at });
        only_one(before.map(|holder| holder.identity), &identity)?;
        Ok(self)
    }

    /// Who shows a certificate with this name is `identity`. The name of a certificate is told at
    /// [`Identities`](super::Identities); without this it is the identity.
    ///
    /// # Errors
    ///
    /// When the name is none, or the certificate is somebody else's.
    pub fn with_certificate(
        mut self,
        certificate: impl Into<String>,
        identity: impl Into<String>,
    ) -> Result<Self, MappingError> {
        let identity = name(identity.into())?;
        let before = self.certificates.insert(certificate.into(), Arc::clone(&identity));
        only_one(before, &identity)?;
        Ok(self)
    }

    /// The certificate with this SHA-256 (of its DER; 64 hexadecimal digits, colons allowed) proves nothing any more.
    ///
    /// # Errors
    ///
    /// When it is no SHA-256.
    pub fn without_certificate(mut self, sha256: &str) -> Result<Self, MappingError> {
        let digest = Fingerprint::read(sha256).ok_or_else(|| MappingError::NoDigest(sha256.to_owned()))?;
        self.refused.insert(digest);
        Ok(self)
    }

    /// Whose name fits has at least this role on the targets whose ids fit. `*` in a pattern is any text.
    #[must_use]
    pub fn with_role(
        mut self,
        identities: impl Into<String>,
        targets: impl Into<String>,
        role: Role,
    ) -> Self {
        self.roles.push(Rule { who: Pattern::new(identities), targets: targets.into(), role });
        self
    }

    /// What those may do with every target who have proved who they are and whom no role names. `None`: nothing, not
    /// even look. Default: [`Role::Viewer`].
    #[must_use]
    pub fn unmapped(mut self, role: Option<Role>) -> Self {
        self.unmapped = role;
        self
    }

    /// Somebody with this name, and what it may.
    pub fn principal(&self, identity: &str) -> Principal {
        let who = Principal::new(identity);
        let mut rules = self.roles.iter().filter(|rule| rule.who.fits(identity)).peekable();
        match (rules.peek(), self.unmapped) {
            (None, Some(role)) => who.with("*", role),
            _ => rules.fold(who, |who, rule| who.with(rule.targets.as_str(), rule.role)),
        }
    }

    pub(super) fn holder(&self, token: Fingerprint) -> Option<&Holder> {
        self.tokens.get(&token)
    }

    /// Whose the certificate with this name is.
    pub(super) fn owner<'a>(&'a self, certificate: &'a str) -> &'a str {
        self.certificates.get(certificate).map_or(certificate, |identity| identity)
    }

    pub(super) fn refuses(&self, certificate: Fingerprint) -> bool {
        self.refused.contains(&certificate)
    }
}

fn only_one(before: Option<Arc<str>>, now: &str) -> Result<(), MappingError> {
    match before {
        Some(before) if *before != *now => Err(MappingError::Shared(before.to_string(), now.to_owned())),
        _ => Ok(()),
    }
}

fn name(name: String) -> Result<Arc<str>, MappingError> {
    if is_name(&name) { Ok(name.into()) } else { Err(MappingError::BadName(name)) }
}

/// Whether somebody can be called so.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && !name.trim().is_empty() && !name.chars().any(char::is_control)
}

impl fmt::Debug for Mapping {
    /// How many there are of each, and nothing of what anybody can prove.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("tokens", &self.tokens.len())
            .field("certificates", &self.certificates.len())
            .field("refused", &self.refused.len())
            .field("roles", &self.roles)
            .field("unmapped", &self.unmapped)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    #[test]
    fn s20_roles_are_by_name_and_target_and_who_has_none_may_look() {
        let mapping = Mapping::new()
            .with_role("ann", "*", Role::Operator)
            .with_role("ann", "shop-*", Role::Admin)
            .with_role("team-*", "bank", Role::Viewer);
        let role = |who: &str, target: &str| mapping.principal(who).role_on(target);
        assert_eq!(role("ann", "bank"), Some(Role::Operator));
        assert_eq!(role("ann", "shop-eu"), Some(Role::Admin));
        assert_eq!(role("team-x", "bank"), Some(Role::Viewer));
        assert_eq!(role("team-x", "shop-eu"), None, "who is mapped has what is mapped");
        assert_eq!(role("bob", "anything"), Some(Role::Viewer));
        assert_eq!(role("annabel", "shop-eu"), Some(Role::Viewer));
        assert_eq!(mapping.unmapped(None).principal("bob").highest(), None);
    }

    #[test]
    fn s20_what_cannot_be_mapped_is_told_with_its_name() {
        let digest = Secret::fresh().unwrap().sha256();
        let with = |sha256: &str, name: &str| Mapping::new().with_token(sha256, name, None);
        assert_eq!(with("abc", "ann").unwrap_err(), MappingError::NoDigest("ann".to_owned()));
        for bad in ["", " ", "a\nb", "\u{0}", &"x".repeat(257)] {
            assert_eq!(with(&digest, bad).unwrap_err(), MappingError::BadName(bad.to_owned()));
        }
        let shared = with(&digest, "ann").unwrap().with_token(&digest, "bob", None).unwrap_err();
        assert_eq!(shared, MappingError::Shared("ann".to_owned(), "bob".to_owned()));
        let shared = Mapping::new().with_certificate("c", "ann").unwrap().with_certificate("c", "bob");
        assert_eq!(shared.unwrap_err(), MappingError::Shared("ann".to_owned(), "bob".to_owned()));
        assert!(Mapping::new().without_certificate("12:34").is_err());
    }
}
