//! The project's Rust files, as tokens: what stands in a comment or a string is not code.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use crate::shell;

/// Folders that hold Rust code of ours.
const FOLDERS: &[&str] = &["benches", "crates", "examples", "fuzz", "xtask"];

/// One Rust file.
pub(crate) struct Source {
    /// Relative to the workspace's root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) tokens: TokenStream,
}

/// Reads every Rust file of the project, in the order of their paths.
pub(crate) fn all() -> Result<Vec<Source>, String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let folder = shell::root().join(folder);
        if folder.is_dir() {
            collect(&folder, &mut files)?;
        }
    }
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(broken)?);
        if kind.is_dir() && entry.file_name() != "target" {
            collect(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Source, String> {
    let path = file.strip_prefix(shell::root()).unwrap_or(file).to_string_lossy().into_owned();
    let text = fs::read_to_string(file).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let tokens = tokens(&text).map_err(|problem| format!("{path}{problem}"))?;
    Ok(Source { path, tokens })
}

/// Splits Rust text into tokens. The error starts with the place, `:LINE: …`.
pub(crate) fn tokens(text: &str) -> Result<TokenStream, String> {
    text.parse().map_err(|error: proc_macro2::LexError| format!(":{}: {error}", error.span().start().line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_among_the_sources() {
        assert!(all().unwrap().iter().any(|source| source.path == "xtask/src/source.rs"));
    }

    #[test]
    fn text_that_is_not_rust_is_an_error_with_its_line() {
        let problem = tokens("fn a() {}\nfn b() { \"").unwrap_err();
        assert!(problem.starts_with(":2:"), "{problem}");
    }
}
