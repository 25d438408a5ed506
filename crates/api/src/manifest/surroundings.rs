//! As whom a program runs, and what it is started with.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Account, ChildManifest};
use crate::life::words;

/// The permissions that files of a program are made without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Umask(u32);

impl Umask {
    /// Reads octal digits: `022`, `0022` and `22` are the same. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let mask = digits.then(|| u32::from_str_radix(text, 8).ok()).flatten();
        mask.filter(|mask| *mask <= 0o777).map(Self).ok_or_else(|| {
            let shown = text.escape_debug();
            format!("'{shown}' is no umask; write octal digits from `000` to `777`, for example `027`")
        })
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Umask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for Umask {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Umask {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(input)?).map_err(D::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Umask {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Umask".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The permissions that files are made without, in octal digits.",
            "pattern": "^0?[0-7]{1,3}$"
        })
    }
}

words! {
    /// An input that is no file.
    StdinWord {
        /// Nothing: it has ended before it begins.
        Null = "null",
        /// A pipe that stays open and to which nobody writes, for programs that end when their input does.
        Pipe = "pipe",
    }
}

/// What a program reads: `null`, `pipe`, or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`null`, `pipe` or a mapping with `file`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StdinManifest {
    /// No file.
    Word(StdinWord),
    /// A file.
    File(StdinFile),
}

/// The file that a program reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StdinFile {
    /// The path of a file or a device, read from its beginning by each run. A relative one is taken from `working_dir`.
    /// It is opened with the rights of the supervisor, whatever `user` says.
    pub file: String,
}

/// What of this is wrong in a manifest: the key, and a sentence.
pub(super) fn problems(child: &ChildManifest) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    for (key, account) in [("user", &child.user), ("group", &child.group)] {
        if let Some(Account::Name(name)) = account
            && (name.is_empty() || name.contains([':', '\n', '\0']))
        {
            problems.push((key, format!("`{key}` must be a name or a number, for example `{key}: nobody`")));
        }
    }
    if let Some(StdinManifest::File(StdinFile { file })) = &child.stdin
        && (file.is_empty() || file.contains('\0'))
    {
        problems.push(("stdin.file", "`stdin.file` must be the path of a file".to_owned()));
    }
    if child.terminal == Some(true) && child.stdin.is_some() {
        problems
            .push(("stdin", "a program with a `terminal` reads from that; remove one of the two".to_owned()));
    }
    if child.nice.is_some_and(|nice| !(-20..=19).contains(&nice)) {
        problems.push(("nice", "`nice` must be a whole number from -20 to 19".to_owned()));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_is_octal_with_any_number_of_leading_zeros() {
        for (text, bits) in [("022", 0o22), ("0022", 0o22), ("22", 0o22), ("0", 0), ("777", 0o777)] {
            assert_eq!(Umask::parse(text).map(Umask::bits), Ok(bits), "{text}");
        }
        for bad in ["", "8", "028", "1000", "00022", "0o22", "-1", "+22", "u=rwx"] {
            assert!(Umask::parse(bad).unwrap_err().contains("octal digits"), "{bad}");
        }
        let umask: Umask = serde_json::from_str(r#""27""#).unwrap();
        assert_eq!(serde_json::to_string(&umask).unwrap(), r#""0027""#);
        assert!(serde_json::from_str::<Umask>("18").is_err(), "a number has lost its digits");
    }
}
