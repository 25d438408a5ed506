//! Where the secrets of a stack are looked for.

use serde::{Deserialize, Serialize};

use super::units::Seconds;
use crate::life::words;

words! {
    /// A place for secrets that needs nothing else said of it.
    SecretsWord {
        /// The supervisor's own environment: a variable that is called like the key.
        Environment = "environment",
        /// The credentials that systemd gives to the supervisor: one that is called like the key.
        Credentials = "credentials",
    }
}

/// A place where secrets are looked for: `environment`, `credentials`, a directory or a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`environment`, `credentials`, or a mapping with `directory` or `command`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SecretsManifest {
    /// One that is known by a word.
    Word(SecretsWord),
    /// A directory or a command.
    Place(SecretsPlace),
}

/// A directory or a command that has secrets: one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretsPlace {
    /// A directory with a file for each secret, called like its key. A relative path is taken from where the stack file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// A program and its arguments, run with the supervisor's rights and environment for each key, which replaces `{key}` in
    /// these words. What it prints is the secret; when it prints nothing there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// How long the command may take. Default: 10 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<Seconds>,
}

/// What stands for the key in the words of a command.
const KEY: &str = "{key}";

impl SecretsManifest {
    /// What is wrong with it, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self::Place(SecretsPlace { directory, command, timeout_secs }) = self else { return None };
        let sentence = match (directory, command) {
            (Some(_), Some(_)) => "has a `directory` and a `command`; make two places of them",
            (None, None) => "needs a `directory` or a `command`",
            (Some(path), None) if path.is_empty() => "has an empty `directory`; name one",
            (Some(_), None) if timeout_secs.is_some() => {
                "has a `timeout_secs`, and that is for a `command`; leave it out"
            }
            (None, Some(words)) if words.first().is_none_or(String::is_empty) => {
                "has an empty `command`; name a program"
            }
            (None, Some(words)) if !words.iter().skip(1).any(|word| word.contains(KEY)) => {
                "has a `command` that cannot know which secret is meant; put `{key}` into one of its arguments"
            }
            _ => return None,
        };
        Some(format!("a place of `secrets_from` {sentence}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_a_directory_or_a_command() {
        for good in [
            r#""environment""#,
            r#""credentials""#,
            r#"{"directory":"secrets"}"#,
            r#"{"command":["pass","show","app/{key}"],"timeout_secs":2.5}"#,
        ] {
            let read: SecretsManifest = serde_json::from_str(good).unwrap();
            assert_eq!(read.problem(), None, "{good}");
            assert_eq!(serde_json::to_string(&read).unwrap(), good);
        }
        for (bad, words) in [
            (r"{}", "needs a `directory` or a `command`"),
            (r#"{"directory": "a", "command": ["b", "{key}"]}"#, "make two places"),
            (r#"{"directory": ""}"#, "name one"),
            (r#"{"directory": "a", "timeout_secs": 1}"#, "is for a `command`"),
            (r#"{"command": []}"#, "name a program"),
            (r#"{"command": ["", "{key}"]}"#, "name a program"),
            (r#"{"command": ["{key}", "x"]}"#, "put `{key}` into one of its arguments"),
        ] {
            let read: SecretsManifest = serde_json::from_str(bad).unwrap();
            let said = read.problem().unwrap();
            assert!(said.contains(words), "{bad}: {said}");
        }
        assert!(serde_json::from_str::<SecretsManifest>(r#""vault""#).is_err());
    }
}
