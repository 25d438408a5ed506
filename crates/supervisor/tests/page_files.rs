//! The pages name files of the repository; each is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a path in a page begins.
const BEGINNINGS: &[&str] = &["crates/", "docs/", "examples/", "xtask/", "LICENSE-"];

fn pages(root: &Path) -> Vec<PathBuf> {
    let folders = [root.to_owned(), root.join("docs")];
    let entries = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    entries.map(|entry| entry.path()).filter(is_page).collect()
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut named = 0;
    for page in pages(&root) {
        let text = fs::read_to_string(&page).unwrap();
        for word in text.split(|c: char| c.is_whitespace() || "`()|,;".contains(c)) {
            let word = word.trim_end_matches(['.', ':']);
            if BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)) {
                assert!(root.join(word).exists(), "{}: {word} does not exist", page.display());
                named += 1;
            }
        }
    }
    assert!(named > 40, "only {named} files were found in the pages");
}
