//! The log file of a program.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Hours;
use crate::SupervisorPath;
use crate::life::words;

words! {
    /// The log file that is not there.
    NoLog {
        /// Nothing is written.
        Off = "off",
    }
}

/// What a program prints, in a file: `off`, or where and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`off` or a mapping with `file`, `dir`, `max_size_mb`, `max_age_hours`, `keep`, `total_mb`, `compress` and `timestamps`"
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogManifest {
    /// `off`: it is not written to a file, whatever the defaults say.
    Word(NoLog),
    /// It is written.
    Kept(LogFileManifest),
}

/// The log file of a program: where it is, when it is rotated, and what is kept of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogFileManifest {
    /// The file, of this program alone. A relative one is taken from where the stack file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Instead of `file`: the directory in which each program has the file of its path, such as `DIR/shop/web.log` of
    /// `/shop/web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// The file is rotated before it is larger than this, in MiB. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size_mb: Option<NonZeroU32>,
    /// The file is rotated when a line comes and it is older than this, in hours. Default: however old it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_hours: Option<Hours>,
    /// How many rotated files are kept; 0 means none. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// The most that all rotated files of the program may have together, in MiB; the oldest are removed. Default: what
    /// `keep` allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_mb: Option<NonZeroU32>,
    /// Whether rotated files are compressed with gzip. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// Whether the time is written before each line, as `2026-11-22T19:23:56.123Z`. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<bool>,
}

impl LogManifest {
    /// What is to be written, if anything is.
    pub fn kept(&self) -> Option<&LogFileManifest> {
        match self {
            Self::Word(NoLog::Off) => None,
            Self::Kept(kept) => Some(kept),
        }
    }

    /// The same, to be changed.
    pub fn kept_mut(&mut self) -> Option<&mut LogFileManifest> {
        match self {
            Self::Word(NoLog::Off) => None,
            Self::Kept(kept) => Some(kept),
        }
    }

    /// Whether it names a file or a directory.
    pub(super) fn says_where(&self) -> bool {
        self.kept().is_some_and(LogFileManifest::says_where)
    }

    /// What a child says over what its supervisor's defaults say.
    pub(super) fn over(self, above: Self) -> Self {
        match (self, above) {
            (Self::Kept(own), Self::Kept(above)) => Self::Kept(own.over(above)),
            (own, _) => own,
        }
    }
}

impl LogFileManifest {
    /// Where the program at `path` writes. `None`: it is not said.
    pub fn path_of(&self, path: &SupervisorPath) -> Option<PathBuf> {
        let below = || self.dir.as_ref().map(|dir| format!("{dir}{path}.log"));
        self.file.clone().or_else(below).map(PathBuf::from)
    }

    /// Where this is wrong by itself: the key below `log`, and a sentence.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let bad =
            |text: &Option<String>| text.as_ref().is_some_and(|text| text.is_empty() || text.contains('\0'));
        let is_folder = self.file.as_ref().is_some_and(|file| file.ends_with('/'));
        [
            (bad(&self.file) || is_folder, "file", "`log.file` must be the path of a file"),
            (bad(&self.dir), "dir", "`log.dir` must be the path of a directory"),
            (
                self.file.is_some() && self.dir.is_some(),
                "dir",
                "`log.file` and `log.dir` are both there; keep one",
            ),
        ]
        .into_iter()
        .filter(|(wrong, ..)| *wrong)
        .map(|(_, key, message)| (key, message))
        .collect()
    }

    const fn says_where(&self) -> bool {
        self.file.is_some() || self.dir.is_some()
    }

    fn over(self, above: Self) -> Self {
        let (file, dir) = if self.says_where() { (self.file, self.dir) } else { (above.file, above.dir) };
        Self {
            file,
            dir,
            max_size_mb: self.max_size_mb.or(above.max_size_mb),
            max_age_hours: self.max_age_hours.or(above.max_age_hours),
            keep: self.keep.or(above.keep),
            total_mb: self.total_mb.or(above.total_mb),
            compress: self.compress.or(above.compress),
            timestamps: self.timestamps.or(above.timestamps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(json: &str) -> LogManifest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_child_goes_before_the_defaults_key_by_key_and_says_where_by_itself() {
        let above = r#"{"dir": "/logs", "keep": 2, "compress": false}"#;
        for (own, both) in [
            (r#"{"keep": 3}"#, r#"{"dir": "/logs", "keep": 3, "compress": false}"#),
            (
                r#"{"file": "/x", "timestamps": true}"#,
                r#"{"file": "/x", "keep": 2, "compress": false, "timestamps": true}"#,
            ),
            (r#""off""#, r#""off""#),
        ] {
            assert_eq!(log(own).over(log(above)), log(both), "{own}");
        }
        assert_eq!(log(above).over(log(r#""off""#)), log(above));
    }

    #[test]
    fn a_program_has_the_file_that_is_named_or_that_of_its_path() {
        let path = SupervisorPath::parse("/shop/web").unwrap();
        let of = |json: &str| log(json).kept().unwrap().path_of(&path);
        assert_eq!(of(r#"{"file": "x.log"}"#), Some("x.log".into()));
        assert_eq!(of(r#"{"dir": "/var/log"}"#), Some("/var/log/shop/web.log".into()));
        assert_eq!(of(r#"{"dir": "logs/"}"#), Some("logs/shop/web.log".into()));
        assert_eq!(of(r#"{"keep": 1}"#), None);
    }
}
