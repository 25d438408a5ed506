//! Manifests as YAML text, for `add_child`. The only file that knows the YAML parser.
//!
//! Strict: no aliases, no merge keys, no tags that mean nothing here, no key twice; `no` and `on` are text.

use serde_saphyr::{Error, MergeKeyPolicy, options};
use supervisor_api::manifest::ChildManifest;
use supervisor_api::{Finding, SupervisorError, nearest};

use crate::handle::IntoManifest;

/// The longest text that is read, in bytes (`security.md` 6).
const LONGEST: usize = 8 * 1024 * 1024;

impl IntoManifest for &str {
    fn into_manifest(self) -> Result<ChildManifest, SupervisorError> {
        read(self).map_err(|message| {
            let finding = Finding { path: "manifest".into(), key: "", message, warning: false };
            SupervisorError::InvalidSpec(vec![finding])
        })
    }
}

impl IntoManifest for String {
    fn into_manifest(self) -> Result<ChildManifest, SupervisorError> {
        self.as_str().into_manifest()
    }
}

impl IntoManifest for &String {
    fn into_manifest(self) -> Result<ChildManifest, SupervisorError> {
        self.as_str().into_manifest()
    }
}

fn read(text: &str) -> Result<ChildManifest, String> {
    if text.len() > LONGEST {
        return Err(format!("the text has {} bytes; a manifest has at most {LONGEST}", text.len()));
    }
    let mut limits = serde_saphyr::options::AliasLimits::default();
    limits.max_total_replayed_events = 0;
    limits.max_replay_stack_depth = 0;
    limits.max_alias_expansions_per_anchor = 0;
    let options = options! {
        merge_keys: MergeKeyPolicy::Error,
        alias_limits: limits,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| sentence(&error))
}

/// The parser's words, with what would have been right where a key is unknown.
fn sentence(error: &Error) -> String {
    let words = error.without_snippet().to_string();
    let unknown = words.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`'));
    let Some((key, rest)) = unknown else { return words };
    let (names, place) = rest.split_once(" at line ").unwrap_or((rest, "?"));
    let known: Vec<&str> = names.split(|c: char| !c.is_ascii_lowercase() && c != '_').collect();
    let known = known.into_iter().filter(|name| !matches!(*name, "" | "expected" | "one" | "of" | "or"));
    let hint = match nearest(key, known).as_slice() {
        [] => String::new(),
        near => format!("; did you mean `{}`?", near.join("` or `")),
    };
    format!("unknown key `{key}` at line {place}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read(text).unwrap_err()
    }

    #[test]
    fn the_smallest_manifest_is_a_name_and_a_kind() {
        let manifest = read("name: worker\nkind: async_worker\n").unwrap();
        assert_eq!(manifest.name.as_str(), "worker");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_name() {
        let message = refused("name: a\nkind: async_worker\nrestart_polciy: permanent\n");
        assert!(message.contains("did you mean `restart_policy`"), "{message}");
        assert!(message.contains("line 3"), "{message}");
    }

    #[test]
    fn bad_input_of_every_kind_is_refused() {
        for text in [
            "",
            "\n\n",
            "[",
            &"[".repeat(200_000),
            "name: a",
            "name: a\nkind: async_worker\nname: b\n",
            "name: ..\nkind: async_worker\n",
            "name: \"a\\u202eb\"\nkind: async_worker\n",
            "name: a\nkind: async_worker\nready_within_secs: -1\n",
            "name: a\nkind: async_worker\nready_within_secs: 1e999\n",
            "name: a\nkind: async_worker\nretry: yes\n",
            "name: a\nkind: async_worker\n---\nname: b\nkind: async_worker\n",
            "x: &x [a]\nname: a\nkind: async_worker\ntags: *x\n",
            "name: a\n\tkind: async_worker\n",
            "name: a\0\nkind: async_worker\n",
        ] {
            let message = refused(text);
            assert!(!message.is_empty(), "{:?}", &text[..text.len().min(40)]);
        }
    }
}
