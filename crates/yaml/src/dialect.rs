//! What one kind of file is, beyond the schema of its types.

use serde_json::Value as Json;

/// One kind of file.
#[derive(Debug)]
pub struct Dialect {
    /// What it is called: `a stack file`.
    pub name: &'static str,
    /// What an empty one is told that it needs.
    pub needs: &'static str,
    /// What there is instead of naming a value and using it again, after "write it out"; may be empty.
    pub instead_of_aliases: &'static str,
    /// Where its keys can be looked up, when they are too many for a message.
    pub keys_are_in: &'static str,
    /// The type of the whole file in the schema.
    pub root: &'static str,
    /// The type of what stands in the file as a tree and is told by `name`, if there is one.
    pub child: Option<&'static str>,
    /// Other spellings of keys: type, spelling, key.
    pub key_aliases: &'static [(&'static str, &'static str, &'static str)],
    /// Other spellings of words: type, spelling, word.
    pub word_aliases: &'static [(&'static str, &'static str, &'static str)],
    /// What is shown after the name of a required key that is missing: type, key. Empty: nothing.
    pub example: fn(&str, &str) -> &'static str,
    /// What stands for a required value of the file that is missing or wrong, so that the rest can be read.
    pub placeholders: fn() -> Vec<(&'static str, Json)>,
    /// Whether a text of this type is good; the error is a sentence.
    pub text: fn(&str, &str) -> Result<(), String>,
}
