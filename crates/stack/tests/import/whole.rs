//! Whole stacks: what was made of them, and what was not carried over, to the letter.
//!
//! Each has a folder in `whole/`, with the files, and with `expected.yaml` and `left.txt`. `UPDATE_EXPECTED=1 cargo test -p
//! supervisor-stack --test import` writes these two anew; read what it wrote.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use supervisor_stack::Format;

use super::made_of;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/whole").join(name)
}

/// Reads a stack of these files. The file that is made is a stack that can be read: `made_of` looks.
#[track_caller]
fn stack(name: &str, files: &[&str]) {
    let folder = folder(name);
    let texts: Vec<_> =
        files.iter().map(|file| (*file, std::fs::read_to_string(folder.join(file)).unwrap())).collect();
    let texts: Vec<_> = texts.iter().map(|(file, text)| (*file, text.as_str())).collect();
    let made = made_of(Format::of(files[0]).unwrap(), &texts);
    let left = made.left.iter().fold(String::new(), |mut all, left| {
        let _ = writeln!(all, "{}:{left}", files[left.file]);
        all
    });
    for (file, made) in [("expected.yaml", &made.text), ("left.txt", &left)] {
        let path = folder.join(file);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, made).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(*made, expected, "{}", path.display());
    }
}

#[test]
fn a_procfile_of_rails() {
    stack("rails", &["Procfile"]);
}

#[test]
fn a_procfile_with_names_and_quotes_as_people_type_them() {
    stack("odd-procfile", &["Procfile.dev"]);
}

#[test]
fn a_container_of_laravel_under_supervisord() {
    stack("laravel", &["supervisord.conf"]);
}

#[test]
fn groups_of_supervisord_in_two_files() {
    stack("groups", &["supervisord.conf", "mail.conf"]);
}

#[test]
fn processes_of_supervisord_that_count() {
    stack("shards", &["shards.ini"]);
}

#[test]
fn a_shop_under_process_compose() {
    stack("shop", &["process-compose.yaml"]);
}

#[test]
fn a_nightly_run_under_process_compose() {
    stack("pipeline", &["pc.yaml"]);
}

#[test]
fn a_unit_of_gunicorn() {
    stack("gunicorn", &["shop-web.service"]);
}

#[test]
fn three_units_that_wait_for_each_other() {
    stack("units", &["web.service", "db.service", "migrate.service"]);
}

#[test]
fn a_template_of_units() {
    stack("template", &["worker@.service"]);
}
