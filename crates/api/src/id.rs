//! Names of children and paths in a tree.
//!
//! A segment is 1-64 characters of `[A-Za-z0-9_][A-Za-z0-9._-]*`; a path is `/` or `/seg/seg…`, at
//! most [`SupervisorPath::MAX_DEPTH`] deep. Both compare by bytes.

use std::borrow::Borrow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an id or a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text has no characters.
    #[error("an id must not be empty; write 1 to 64 characters of A-Z a-z 0-9 _ . -")]
    Empty,
    /// The segment is longer than 64 characters.
    #[error("the id '{0}…' has {1} characters; an id has at most 64")]
    TooLong(String, usize),
    /// A character that no id may have. Control and direction characters are shown escaped.
    #[error(
        "the id '{0}' has the character {1} at position {2}; an id is made of A-Z a-z 0-9 _ . - and starts with a letter, a digit or _"
    )]
    BadCharacter(String, String, usize),
    /// A path that does not begin with `/`.
    #[error("the path '{0}' must begin with '/'")]
    NotAbsolute(String),
    /// Two slashes in a row.
    #[error("the path '{0}' has an empty segment ('//')")]
    EmptySegment(String),
    /// More segments than a tree may be deep.
    #[error("the path '{0}…' has {1} segments; a tree is at most 16 deep")]
    TooDeep(String, usize),
}

/// The name of a child among its siblings: the last segment of its path.
// Kept with a slash before it: that is the path of a child of the root, so the two share one text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(Arc<str>);

impl ChildId {
    /// The most characters an id may have.
    pub const MAX_LEN: usize = 64;

    /// Checks `text` against the grammar of ids.
    pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
        let text = text.as_ref();
        check_segment(text)?;
        let mut kept = [b'/'; 1 + Self::MAX_LEN];
        let kept = &mut kept[..=text.len()];
        kept[1..].copy_from_slice(text.as_bytes());
        // An id is ASCII, so nothing of it is lost, and one allocation does.
        Ok(Self(Arc::from(&*String::from_utf8_lossy(kept))))
    }

    /// The id as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0[1..]
    }
}

fn check_segment(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    // Bytes first: the common case is a good short name, and one pass proves it.
    let bad = text.bytes().enumerate().find(|&(at, byte)| {
        !(byte.is_ascii_alphanumeric() || byte == b'_' || (at > 0 && (byte == b'.' || byte == b'-')))
    });
    if let Some((at, _)) = bad {
        let found = text[at..].chars().next().unwrap_or('\0');
        return Err(IdError::BadCharacter(shown(text), format!("'{}'", escaped(found)), at + 1));
    }
    if text.len() > ChildId::MAX_LEN {
        return Err(IdError::TooLong(text[..16].to_owned(), text.len()));
    }
    Ok(())
}

/// Text that is safe to print: no control or direction characters, cut at 64.
fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(64).map(escaped).collect();
    if text.chars().nth(64).is_some() {
        out.push('…');
    }
    out
}

fn escaped(c: char) -> String {
    let harmless = c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
    if harmless { c.to_string() } else { c.escape_unicode().to_string() }
}

/// A place in the tree: `/` is the root supervisor, `/a/b` is child `b` of supervisor `a`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SupervisorPath(Arc<str>);

/// A path is found by its text in a map.
impl Borrow<str> for SupervisorPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl SupervisorPath {
    /// The most segments a path may have.
    pub const MAX_DEPTH: usize = 16;

    /// The root supervisor, `/`.
    pub fn root() -> Self {
        static ROOT: LazyLock<Arc<str>> = LazyLock::new(|| "/".into());
        Self(Arc::clone(&ROOT))
    }

    /// Reads a path. One trailing slash is tolerated, `//` is refused.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, IdError> {
        let text = text.as_ref();
        let Some(rest) = text.strip_prefix('/') else {
            return Err(IdError::NotAbsolute(shown(text)));
        };
        if rest.is_empty() {
            return Ok(Self::root());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut depth = 0;
        for segment in rest.split('/') {
            if segment.is_empty() {
                return Err(IdError::EmptySegment(shown(text)));
            }
            check_segment(segment)?;
            depth += 1;
        }
        if depth > Self::MAX_DEPTH {
            return Err(IdError::TooDeep(shown(&text[..text.len().min(32)]), depth));
        }
        Ok(Self(Arc::from(&text[..rest.len() + 1])))
    }

    /// The path of child `id` of this supervisor.
    pub fn child(&self, id: &ChildId) -> Self {
        if self.is_root() { Self(Arc::clone(&id.0)) } else { Self([&*self.0, &*id.0].concat().into()) }
    }

    /// The supervisor above, or `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        match self.0.rfind('/') {
            Some(0) | None => Some(Self::root()),
            Some(at) => Some(Self(Arc::from(&self.0[..at]))),
        }
    }

    /// The last segment, or `None` at the root.
    pub fn id(&self) -> Option<ChildId> {
        match self.0.rfind('/') {
            _ if self.is_root() => None,
            Some(0) | None => Some(ChildId(Arc::clone(&self.0))),
            Some(at) => Some(ChildId(Arc::from(&self.0[at..]))),
        }
    }

    /// The last segment as text, or `None` at the root.
    pub fn last_segment(&self) -> Option<&str> {
        if self.is_root() { None } else { self.0.rsplit('/').next() }
    }

    /// How many segments the path has; the root has none.
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { self.0.bytes().filter(|b| *b == b'/').count() }
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        &*self.0 == "/"
    }

    /// Whether `self` is `other` or lies above it.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_root()
            || other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text itself, for tables that keep many names.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

macro_rules! text_like {
    ($name:ident, $read:path) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                $read(text)
            }
        }
        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                $read(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                $read(text)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(input)?;
                $read(&*text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_like!(ChildId, ChildId::new);
text_like!(SupervisorPath, SupervisorPath::parse);

#[cfg(feature = "schema")]
mod schema {
    use super::{ChildId, SupervisorPath};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for ChildId {
        fn schema_name() -> Cow<'static, str> {
            "ChildId".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "string",
                "description": "The name of a child among its siblings.",
                "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"
            })
        }
    }

    impl JsonSchema for SupervisorPath {
        fn schema_name() -> Cow<'static, str> {
            "SupervisorPath".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "string",
                "description": "A place in the tree: / is the root supervisor.",
                "pattern": "^/$|^(/[A-Za-z0-9_][A-Za-z0-9._-]{0,63}){1,16}/?$"
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_grammar() {
        for good in ["a", "_x", "A-b.c_9", "0", &"x".repeat(64)] {
            assert!(ChildId::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "-a", ".a", "a b", "a/b", "é", "a\0", "\u{202e}a", "<img>", &"x".repeat(65)]
        {
            assert!(ChildId::new(bad).is_err(), "{bad:?}");
        }
        assert!(ChildId::new("__proto__").is_ok(), "an id like any other: it is data");
    }

    #[test]
    fn a_refused_id_is_shown_without_its_control_characters() {
        let error = ChildId::new("a\u{202e}b").unwrap_err().to_string();
        assert!(error.contains("\\u{202e}") && !error.contains('\u{202e}'), "{error}");
    }

    #[test]
    fn paths_parse_and_print() {
        let path = SupervisorPath::parse("/a/b/").unwrap();
        assert_eq!(path.as_str(), "/a/b");
        assert_eq!(path.parent().unwrap().as_str(), "/a");
        assert_eq!(path.parent().unwrap().parent().unwrap(), SupervisorPath::root());
        assert_eq!(SupervisorPath::root().parent(), None);
        assert_eq!(path.id().unwrap().as_str(), "b");
        assert_eq!(SupervisorPath::root().child(&ChildId::new("a").unwrap()).as_str(), "/a");
        assert_eq!(path.depth(), 2);
        assert_eq!(path.parent().unwrap().id().unwrap().to_string(), "a");
        assert_eq!(SupervisorPath::root().id(), None);
        for bad in ["", "a", "//", "/a//b", "/a/..", "/a b"] {
            assert!(SupervisorPath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(SupervisorPath::parse("/a".repeat(16)).is_ok());
        assert!(SupervisorPath::parse("/a".repeat(17)).is_err());
    }

    #[test]
    fn a_child_of_the_root_and_its_id_share_one_text() {
        let id = ChildId::new("a").unwrap();
        let path = SupervisorPath::root().child(&id);
        assert!(Arc::ptr_eq(&id.0, &path.0) && Arc::ptr_eq(&id.0, &path.id().unwrap().0));
        assert_eq!((id.as_str(), format!("{id} {id:?}").as_str()), ("a", r#"a "a""#));
        let below = path.child(&id);
        assert_eq!((below.as_str(), below.id()), ("/a/a", Some(id)));
    }

    #[test]
    fn a_path_contains_what_lies_below_it() {
        let path = |text| SupervisorPath::parse(text).unwrap();
        assert!(path("/a").contains(&path("/a/b")));
        assert!(!path("/a").contains(&path("/ab")));
        assert!(SupervisorPath::root().contains(&path("/x")));
    }
}
