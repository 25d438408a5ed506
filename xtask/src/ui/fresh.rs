//! Whether the built pages are what their sources give.
//!
//! `ui/dist/made-from` holds a hash over everything that the pages are built from, and one over the pages. The first
//! tells that a source was changed and not built, the second that a page was changed by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::Outcome;

/// The files and folders that the pages are made from, seen from `ui`.
const SOURCES: &[&str] = &[
    "../docs/stack.schema.json",
    "index.html",
    "licences.ts",
    "package-lock.json",
    "package.json",
    "public",
    "src",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

/// The file with the hashes.
const MADE_FROM: &str = "made-from";

const REMEDY: &str = "run `cargo xtask ui`";

/// Files by their path with `/` between its parts.
type Files = BTreeMap<String, Vec<u8>>;

/// Writes the hashes into the built pages.
pub(super) fn note(ui: &Path, dist: &Path) -> Outcome {
    let file = dist.join(MADE_FROM);
    let text = hashes(&sources(ui)?, &pages(dist)?);
    fs::write(&file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

/// Why the hashes do not fit; `None` when they do.
pub(super) fn problem(ui: &Path, dist: &Path) -> Option<String> {
    let fresh = sources(ui).and_then(|sources| Ok(hashes(&sources, &pages(dist)?)));
    let noted = fs::read_to_string(dist.join(MADE_FROM));
    match (fresh, noted) {
        (Ok(fresh), Ok(noted)) => {
            let other = noted.lines().zip(fresh.lines()).find(|(noted, fresh)| noted != fresh);
            let what = match other.map(|(_, fresh)| fresh.starts_with("sources")) {
                None if noted == fresh => return None,
                Some(true) => "its sources were changed since it was built",
                _ => "it was changed by hand",
            };
            Some(format!("ui/dist is stale: {what}; {REMEDY}"))
        }
        (Err(problem), _) => Some(format!("{problem}; {REMEDY}")),
        (_, Err(error)) => Some(format!("ui/dist/{MADE_FROM} cannot be read ({error}); {REMEDY}")),
    }
}

/// Where the committed pages differ from pages that were built just now.
pub(super) fn difference(dist: &Path, again: &Path) -> Result<Option<String>, String> {
    let (committed, built) = (pages(dist)?, pages(again)?);
    let mut names: Vec<_> = committed.keys().chain(built.keys()).collect();
    names.sort();
    let other = names.into_iter().find(|name| committed.get(*name) != built.get(*name));
    Ok(other.map(|name| format!("ui/dist/{name} is not what is built from the sources; {REMEDY}")))
}

fn hashes(sources: &Files, pages: &Files) -> String {
    format!("sources {}\npages {}\n", hash(sources), hash(pages))
}

fn sources(ui: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    for name in SOURCES {
        collect(&ui.join(name), name, &mut files)?;
    }
    Ok(files)
}

fn pages(dist: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    collect(dist, "", &mut files)?;
    files.remove(MADE_FROM);
    Ok(files)
}

fn collect(path: &Path, name: &str, files: &mut Files) -> Outcome {
    let broken = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if !path.is_dir() {
        files.insert(name.to_owned(), fs::read(path).map_err(broken)?);
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let own = entry.file_name().to_string_lossy().into_owned();
        let name = if name.is_empty() { own } else { format!("{name}/{own}") };
        collect(&entry.path(), &name, files)?;
    }
    Ok(())
}

/// One hash over names, lengths and bytes.
fn hash(files: &Files) -> String {
    let mut all = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            all.update((part.len() as u64).to_be_bytes());
            all.update(part);
        }
    }
    all.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A dashboard with all its sources and one built page.
    struct Ui(PathBuf);

    impl Ui {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-fresh-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            let ui = Self(root.join("ui"));
            for source in SOURCES {
                let folder = matches!(*source, "src" | "public");
                ui.write(&if folder { format!("{source}/deep/a.ts") } else { (*source).into() }, "one");
            }
            ui.write("dist/index.html", "page");
            note(&ui.0, &ui.0.join("dist")).unwrap();
            ui
        }

        fn write(&self, name: &str, text: &str) {
            let file = self.0.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }

        fn problem(&self) -> Option<String> {
            problem(&self.0, &self.0.join("dist"))
        }
    }

    impl Drop for Ui {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    #[test]
    fn pages_that_were_built_from_these_sources_are_fresh() {
        let ui = Ui::new("fresh");
        assert_eq!(ui.problem(), None);
        ui.write("tests/unit/a.test.ts", "a test is no source");
        assert_eq!(ui.problem(), None);
    }

    #[test]
    fn a_source_that_is_changed_added_or_taken_away_makes_them_stale() {
        let changed = |name: &str, change: &dyn Fn(&Ui)| {
            let ui = Ui::new(name);
            change(&ui);
            ui.problem().unwrap()
        };
        for problem in [
            changed("changed", &|ui| ui.write("src/deep/a.ts", "two")),
            changed("locked", &|ui| ui.write("package-lock.json", "two")),
            changed("added", &|ui| ui.write("src/b.ts", "")),
            changed("moved", &|ui| {
                fs::rename(ui.0.join("src/deep/a.ts"), ui.0.join("src/deep/b.ts")).unwrap()
            }),
        ] {
            assert_eq!(
                problem,
                "ui/dist is stale: its sources were changed since it was built; run `cargo xtask ui`"
            );
        }
        let gone = changed("gone", &|ui| fs::remove_file(ui.0.join("index.html")).unwrap());
        assert!(gone.contains("index.html cannot be read"), "{gone}");
    }

    #[test]
    fn a_page_that_was_changed_by_hand_is_found() {
        let ui = Ui::new("hand");
        ui.write("dist/index.html", "other");
        assert!(ui.problem().unwrap().contains("was changed by hand"));
        ui.write("dist/index.html", "page");
        assert_eq!(ui.problem(), None);
        ui.write("dist/evil.js", "");
        assert!(ui.problem().unwrap().contains("was changed by hand"));
    }

    #[test]
    fn pages_without_hashes_are_stale() {
        let ui = Ui::new("bare");
        fs::remove_file(ui.0.join("dist").join(MADE_FROM)).unwrap();
        assert!(ui.problem().unwrap().contains("made-from cannot be read"));
    }

    #[test]
    fn pages_that_were_built_again_are_compared_byte_by_byte() {
        let ui = Ui::new("again");
        ui.write("again/index.html", "page");
        let difference = || difference(&ui.0.join("dist"), &ui.0.join("again")).unwrap();
        assert_eq!(difference(), None);
        ui.write("again/index.html", "pag3");
        assert!(difference().unwrap().starts_with("ui/dist/index.html is not what is built"));
        ui.write("again/index.html", "page");
        ui.write("again/new.js", "");
        assert!(difference().unwrap().starts_with("ui/dist/new.js is not what is built"));
    }
}
