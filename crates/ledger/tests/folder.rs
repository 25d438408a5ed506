//! The directory: ours alone, without links, with one writer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use common::{home, segments};
use supervisor_ledger::{Error, Folder, Ledger, Options, Reader, verify};

fn open(path: &Path) -> Result<Ledger, Error> {
    Ledger::open(path, &Options::default())
}

fn refused(path: &Path) -> String {
    let error = open(path).unwrap_err();
    assert!(matches!(error, Error::Unsafe { .. } | Error::Io { .. }), "{error:?}");
    error.to_string()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn what_is_made_is_for_this_user_only() {
    let home = home();
    let path = home.path.join("deep/deeper");
    open(&path).unwrap().commit("x").unwrap();
    for made in [&home.path, &home.path.join("deep"), &path] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
    for file in fs::read_dir(&path).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    assert_eq!(segments(&path), ["segment-0000000001.jsonl"]);
}

#[test]
fn a_second_writer_is_refused_and_told_who_writes() {
    let home = home();
    let first = open(&home.path).unwrap();
    let error = open(&home.path).unwrap_err();
    assert!(
        matches!(&error, Error::InUse { holder: Some(pid), .. } if *pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains("is in use by process"), "{error}");
    // Readers come and go.
    first.commit("x").unwrap();
    assert_eq!(verify(&home.path).unwrap().records, 1);
    assert_eq!(Reader::open(&home.path).unwrap().count(), 1);
    drop(first);
    open(&home.path).unwrap();
}

#[test]
fn a_directory_or_file_that_others_have_rights_to_is_refused_with_the_remedy() {
    let home = home();
    drop(open(&home.path).unwrap());
    for rights in [0o750, 0o701, 0o770] {
        fs::set_permissions(&home.path, fs::Permissions::from_mode(rights)).unwrap();
        let text = refused(&home.path);
        let remedy = format!("(mode {rights:o}); take them away (chmod 700 {})", home.path.display());
        assert!(text.contains(&remedy), "{text}");
    }
    fs::set_permissions(&home.path, fs::Permissions::from_mode(0o700)).unwrap();
    let file = home.path.join("segment-0000000001.jsonl");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let text = refused(&home.path);
    assert!(text.contains(&format!("chmod 600 {}", file.display())), "{text}");
}

#[test]
fn a_directory_below_one_that_everybody_may_write_to_is_refused_unless_that_is_sticky() {
    let home = home();
    let above = home.path.parent().unwrap();
    fs::set_permissions(above, fs::Permissions::from_mode(0o777)).unwrap();
    let text = refused(&home.path);
    assert!(text.contains("everybody may write to it"), "{text}");
    fs::set_permissions(above, fs::Permissions::from_mode(0o1777)).unwrap();
    open(&home.path).unwrap();
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let home = home();
    drop(open(&home.path).unwrap());
    let us = fs::metadata(&home.path).unwrap().uid();
    // Only root can give a directory away; everybody else finds one of root's.
    let (path, owner) = if us == 0 { (home.path.clone(), 12_345) } else { ("/usr".into(), 0) };
    if us == 0 {
        chown(&path, Some(owner), None).unwrap();
    }
    let text = refused(&path);
    assert!(text.contains(&format!("{} is not safe", path.display())), "{text}");
    assert!(text.contains(&format!("it belongs to user {owner}")), "{text}");
}

#[test]
fn a_link_in_place_of_the_directory_is_refused() {
    let home = home();
    drop(open(&home.path).unwrap());
    let link = home.path.parent().unwrap().join("link");
    symlink(&home.path, &link).unwrap();
    let text = refused(&link);
    assert!(text.contains("it is a link or a file, not a directory"), "{text}");
    // A dangling one too, and nothing is made where it leads.
    let nowhere = home.path.parent().unwrap().join("nowhere");
    fs::remove_file(&link).unwrap();
    symlink(&nowhere, &link).unwrap();
    refused(&link);
    assert!(!nowhere.exists());
    // One further up is no other place than where it leads.
    let through = home.path.parent().unwrap().join("through");
    symlink(home.path.parent().unwrap(), &through).unwrap();
    open(&through.join("audit")).unwrap();
}

#[test]
fn a_link_pipe_or_directory_in_place_of_a_file_is_refused_and_holds_nobody_up() {
    type Make = fn(&Path);
    let strange: [(&str, Make); 3] = [
        ("it is a link", |path| symlink("/etc/hostname", path).unwrap()),
        ("it is not a regular file", |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        }),
        ("it is not a regular file", |path| fs::create_dir(path).unwrap()),
    ];
    for (why, make) in strange {
        let home = home();
        drop(open(&home.path).unwrap());
        make(&home.path.join("segment-0000000002.jsonl"));
        let error = open(&home.path).unwrap_err().to_string();
        assert!(error.contains("segment-0000000002.jsonl") && error.contains(why), "{error}");
        let error = verify(&home.path).unwrap_err().to_string();
        assert!(error.contains("segment-0000000002.jsonl") && error.contains(why), "{error}");
    }
    let home = home();
    drop(open(&home.path).unwrap());
    fs::remove_file(home.path.join("lock")).unwrap();
    symlink("/tmp/elsewhere", home.path.join("lock")).unwrap();
    let text = refused(&home.path);
    assert!(text.contains("cannot open the lock"), "{text}");
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let home = home();
    drop(open(&home.path).unwrap());
    for name in ["notes.txt", "segment-1.jsonl", "segment-0000000009.jsonl.bak"] {
        fs::write(home.path.join(name), "not ours").unwrap();
    }
    open(&home.path).unwrap().commit("x").unwrap();
    assert_eq!(verify(&home.path).unwrap().segments, 1);
    assert_eq!(fs::read_to_string(home.path.join("notes.txt")).unwrap(), "not ours");
}

#[test]
fn a_path_that_names_no_directory_is_refused() {
    for path in ["/", "..", "/tmp/.."] {
        let error = Folder::for_writing(path).unwrap_err();
        assert!(error.to_string().contains("give its full path"), "{error}");
    }
    let home = home();
    fs::write(&home.path, "a file").unwrap();
    assert!(refused(&home.path).contains("it is a link or a file"));
    assert!(Folder::for_writing(home.path.join("below")).is_err());
}
