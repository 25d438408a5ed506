//! Files from which a program gets variables.

use serde::{Deserialize, Serialize};

/// One file with variables, or several of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "the path of a file, a mapping with `file` and `required`, or a list of these")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EnvFileManifest {
    /// One.
    One(EnvFile),
    /// Several; a later one goes before an earlier one.
    Many(Vec<EnvFile>),
}

/// One file with variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "the path of a file, or a mapping with `file` and `required`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EnvFile {
    /// A file without which the program does not start.
    Path(String),
    /// A file that may be missing.
    Said(EnvFileEntry),
}

/// A file with variables, and whether it must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvFileEntry {
    /// The path of the file. A relative one is taken from where the stack file is.
    pub file: String,
    /// Whether the program may not start without it. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

impl EnvFile {
    /// The path of the file.
    pub fn path(&self) -> &str {
        match self {
            Self::Path(path) => path,
            Self::Said(entry) => &entry.file,
        }
    }

    /// The same, to be changed.
    pub fn path_mut(&mut self) -> &mut String {
        match self {
            Self::Path(path) => path,
            Self::Said(entry) => &mut entry.file,
        }
    }

    /// Whether the program may not start without it.
    pub fn required(&self) -> bool {
        match self {
            Self::Path(_) => true,
            Self::Said(entry) => entry.required.unwrap_or(true),
        }
    }
}

impl EnvFileManifest {
    /// The files in their order.
    pub fn files(&self) -> &[EnvFile] {
        match self {
            Self::One(file) => std::slice::from_ref(file),
            Self::Many(files) => files,
        }
    }

    /// The same, to be changed.
    pub fn files_mut(&mut self) -> &mut [EnvFile] {
        match self {
            Self::One(file) => std::slice::from_mut(file),
            Self::Many(files) => files,
        }
    }

    /// The files of `above` and then those of `own`; one that is in both counts where `own` has it.
    pub(super) fn over(own: Self, above: Self) -> Self {
        let files = own.files();
        let new = |file: &&EnvFile| files.iter().all(|mine| mine.path() != file.path());
        Self::Many(above.files().iter().filter(new).chain(files).cloned().collect())
    }

    /// What of this is wrong by itself, as a sentence.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let bad = |file: &EnvFile| {
            let path = file.path();
            path.is_empty() || path.ends_with('/') || path.contains('\0')
        };
        self.files().iter().any(bad).then_some("each item of `env_file` must be the path of a file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(json: &str) -> EnvFileManifest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_file_is_a_path_or_says_that_it_may_be_missing() {
        let all = files(r#"["a", {"file": "b"}, {"file": "c", "required": false}]"#);
        let said: Vec<_> = all.files().iter().map(|file| (file.path(), file.required())).collect();
        assert_eq!(said, [("a", true), ("b", true), ("c", false)]);
        assert_eq!(files(r#""a""#).files(), files(r#"["a"]"#).files());
        assert_eq!(files(r#"["a", ""]"#).problem(), files(r#""a/""#).problem());
        assert!(files(r#""a/""#).problem().is_some() && all.problem().is_none());
    }

    #[test]
    fn files_of_the_defaults_come_first_and_each_once() {
        let above = files(r#"["a", "b"]"#);
        let both = EnvFileManifest::over(files(r#"[{"file": "a", "required": false}, "c"]"#), above.clone());
        assert_eq!(both, files(r#"["b", {"file": "a", "required": false}, "c"]"#));
        assert_eq!(EnvFileManifest::over(both.clone(), above), both, "the defaults are taken once");
    }
}
