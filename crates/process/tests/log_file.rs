//! A log file gets every line, whole and in order, and never holds anybody up.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{Bench, end, sh, until};
use flate2::read::GzDecoder;
use supervisor_api::Exit;
use supervisor_process::{LogFile, ProgramSpec};
use tempfile::TempDir;

/// Runs a program to its end.
async fn run(spec: ProgramSpec) -> Bench {
    let bench = Bench::new();
    assert_eq!(end(bench.start(spec)).await, Exit::Completed);
    bench
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Waits until the file says this, and nothing else.
async fn says(path: &Path, expected: &str) {
    until(&format!("{expected:?} in {}", path.display()), || text(path) == expected).await;
}

/// The names in a directory, in order.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a rotated file holds.
fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let mut file = File::open(path).unwrap();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => GzDecoder::new(file).read_to_string(&mut text).unwrap(),
        false => file.read_to_string(&mut text).unwrap(),
    };
    text
}

/// The numbers up to `last` as a program prints them, and its text.
fn count(last: u32) -> (String, String) {
    (format!("seq 1 {last}"), (1..=last).map(|number| format!("{number}\n")).collect())
}

/// In memory where that can be: a compressed file is synced, which on a disk that others write to takes as long as they
/// have written.
fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("logs/web.log");
    (dir, path)
}

#[tokio::test]
async fn a_file_and_its_directory_are_for_this_user_alone_and_runs_append_to_it() {
    let (_dir, path) = folder();
    let spec = |script: &str| sh(script).log_file(LogFile::at(&path));
    run(spec("echo one")).await;
    says(&path, "one\n").await;
    run(spec("echo two >&2; printf '\\033[1mlast'")).await;
    until("both streams", || text(&path).lines().count() == 3).await;
    let mut lines: Vec<_> = text(&path).lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["\\x1b[1mlast", "two"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[tokio::test]
async fn a_full_file_is_rotated_and_compressed_and_no_line_is_lost_or_cut() {
    let (_dir, path) = folder();
    let (script, expected) = count(60_000);
    let file = LogFile::at(&path).max_size(50_000).keep(1000);
    run(sh(&script).log_file(file)).await;
    let dir = path.parent().unwrap();
    let packed = || names(dir).iter().filter(|name| name.ends_with(".gz")).count();
    // 348 894 bytes are six files of 50 000 that are full, and one that is not.
    until("six compressed files", || packed() == 6 && names(dir).len() == 7).await;
    until("the last line", || text(&path).ends_with("\n60000\n")).await;
    let mut found = String::new();
    let mut rotated = names(dir);
    // `web.log` sorts before `web.log.000001`, and is the newest.
    rotated.rotate_left(1);
    for name in &rotated {
        let text = unpacked(&dir.join(name));
        assert!(text.len() <= 50_000 && text.ends_with('\n'), "{name}: {}", text.len());
        found.push_str(&text);
    }
    assert_eq!(found, expected);
    assert_eq!(rotated[0], "web.log.000001.gz");
}

#[tokio::test]
async fn only_so_many_rotated_files_and_so_many_bytes_are_kept() {
    let (_dir, path) = folder();
    let dir = path.parent().unwrap().to_owned();
    let plain = LogFile::at(&path).max_size(50_000).compress(false);
    let (script, _) = count(60_000);
    run(sh(&script).log_file(plain.clone().keep(2))).await;
    until("the last line", || text(&path).ends_with("\n60000\n")).await;
    assert_eq!(names(&dir), ["web.log", "web.log.000005", "web.log.000006"]);
    run(sh("true").log_file(plain.clone().total(60_000))).await;
    // The rules of the run that begins hold, also for what is there.
    until("one file", || names(&dir) == ["web.log", "web.log.000006"]).await;
    run(sh("true").log_file(plain.keep(0))).await;
    until("none", || names(&dir) == ["web.log"]).await;
}

#[tokio::test]
async fn a_file_that_is_old_is_rotated_when_a_line_comes() {
    let (_dir, path) = folder();
    let rules = LogFile::at(&path).compress(false);
    run(sh("echo old").log_file(rules.clone())).await;
    says(&path, "old\n").await;
    run(sh("echo new").log_file(rules.clone().max_age(Duration::from_secs(3600)))).await;
    says(&path, "old\nnew\n").await;
    run(sh("echo newer").log_file(rules.max_age(Duration::from_nanos(1)))).await;
    says(&path, "newer\n").await;
    assert_eq!(text(&path.with_extension("log.000001")), "old\nnew\n");
}

#[tokio::test]
async fn a_line_that_is_longer_than_a_file_has_one_of_its_own() {
    let (_dir, path) = folder();
    let script = "echo a; printf '%0999d\\n' 0; echo b";
    run(sh(script).log_file(LogFile::at(&path).max_size(100).compress(false))).await;
    says(&path, "b\n").await;
    assert_eq!(text(&path.with_extension("log.000001")), "a\n");
    assert_eq!(text(&path.with_extension("log.000002")).len(), 1000);
}

#[tokio::test]
async fn a_file_that_was_renamed_or_removed_is_made_anew() {
    let (_dir, path) = folder();
    let line = |text: &str| sh(&format!("echo {text}")).log_file(LogFile::at(&path));
    run(line("one")).await;
    says(&path, "one\n").await;
    fs::rename(&path, path.with_extension("old")).unwrap();
    run(line("two")).await;
    says(&path, "two\n").await;
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    run(line("three")).await;
    says(&path, "three\n").await;
}

#[tokio::test]
async fn a_file_is_looked_for_by_its_name_while_a_program_goes_on() {
    let (dir, path) = folder();
    let go = dir.path().join("go");
    rustix::fs::mknodat(rustix::fs::CWD, &go, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let spec = sh("echo one; cat \"$GO\"").env("GO", go.to_str().unwrap()).log_file(LogFile::at(&path));
    let bench = Bench::new();
    let running = bench.start(spec);
    says(&path, "one\n").await;
    fs::rename(&path, path.with_extension("1")).unwrap();
    fs::write(&go, "two\n").unwrap();
    says(&path, "two\n").await;
    assert_eq!(text(&path.with_extension("1")), "one\n");
    assert_eq!(end(running).await, Exit::Completed);
}

#[tokio::test]
async fn what_a_killed_supervisor_left_is_put_in_order() {
    let (_dir, path) = folder();
    let dir = path.parent().unwrap();
    fs::create_dir(dir).unwrap();
    fs::write(dir.join("web.log"), "half a li").unwrap();
    fs::write(dir.join("web.log.000001.gz.part"), "half").unwrap();
    fs::write(dir.join("web.log.000001"), "whole\n").unwrap();
    fs::write(dir.join("web.log.000002"), "compressed already\n").unwrap();
    fs::write(dir.join("web.log.000002.gz"), "x").unwrap();
    let others = ["web.log.1", "web.log.old", "web.log.000001.bak", "web2.log.000001", "web.log.00000a"];
    for name in others {
        fs::write(dir.join(name), "not ours").unwrap();
    }
    run(sh("echo next").log_file(LogFile::at(&path))).await;
    says(&path, "half a li\nnext\n").await;
    let mut expected = vec!["web.log", "web.log.000001.gz", "web.log.000002.gz"];
    expected.extend(others);
    expected.sort_unstable();
    until("in order", || names(dir) == expected).await;
    assert_eq!(unpacked(&dir.join("web.log.000001.gz")), "whole\n");
    assert_eq!(text(&dir.join("web.log.000002.gz")), "x", "what is whole is left alone");
}

#[tokio::test]
async fn two_programs_with_one_file_do_not_mix_their_lines() {
    let (_dir, path) = folder();
    let spec =
        |word: &str| sh(&format!("yes {} | head -n 3000", word.repeat(100))).log_file(LogFile::at(&path));
    let (one, two) = (Bench::new().start(spec("a")), Bench::new().start(spec("b")));
    assert_eq!((end(one).await, end(two).await), (Exit::Completed, Exit::Completed));
    until("all lines", || text(&path).lines().count() == 6000).await;
    let (a, b) = ("a".repeat(100), "b".repeat(100));
    assert!(text(&path).lines().all(|line| line == a || line == b));
}

/// A FIFO that is open for reading, of which nothing is read: what writes to it stands still as on a disk that does
/// not answer.
fn stuck(path: &Path) -> File {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(path.metadata().unwrap().file_type().is_fifo());
    // For both: so that it can be opened before there is a writer.
    File::options().read(true).write(true).open(path).unwrap()
}

#[tokio::test]
async fn a_disk_that_stands_still_holds_up_no_program_and_what_is_lost_is_told() {
    let (dir, path) = folder();
    let mut disk = stuck(&path);
    let (script, _) = count(600_000);
    let bench = run(sh(&script).log_file(LogFile::at(&path))).await;
    assert_eq!(bench.seen().lines.len(), 600_000, "every line came to whoever keeps it");
    let told = bench.until("told", |seen| !seen.log_file.is_empty()).await.log_file;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("web.log cannot be written fast enough"), "{told:?}");
    // Meanwhile the file of another one is written.
    let other = dir.path().join("other.log");
    run(sh("echo other").log_file(LogFile::at(&other))).await;
    says(&other, "other\n").await;
    // The disk comes back.
    let read = tokio::task::spawn_blocking(move || {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        while !bytes.ends_with(b"the disk is too slow\n") {
            let length = disk.read(&mut chunk).unwrap();
            bytes.extend_from_slice(&chunk[..length]);
        }
        String::from_utf8(bytes).unwrap()
    });
    let text = tokio::time::timeout(common::LONG, read).await.unwrap().unwrap();
    let (lines, note) = text.trim_end().rsplit_once('\n').unwrap();
    let kept = lines.lines().zip(1..).map(|(line, number)| assert_eq!(line, number.to_string())).count();
    let lost = 600_000 - kept;
    assert!(lost > 0 && kept > 100_000, "{kept}");
    assert_eq!(note, format!("supervisor: {lost} lines were not written: the disk is too slow"));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_and_written_as_soon_as_it_can_be() {
    let (_dir, path) = folder();
    fs::create_dir_all(&path).unwrap();
    let bench = Bench::new();
    let script = "echo first; seq 1 600000; exec sleep 60";
    let running = bench.start(sh(script).log_file(LogFile::at(&path).max_size(100 << 20)));
    let told = bench.until("told", |seen| !seen.log_file.is_empty()).await.log_file;
    assert!(told[0].1.contains("web.log cannot be written: is a directory"), "{told:?}");
    bench.until("all lines", |seen| seen.lines.len() == 600_001).await;
    fs::remove_dir(&path).unwrap();
    let told = bench.until("well again", |seen| seen.log_file.len() == 2).await.log_file;
    assert!(told[1].1.contains("is written again"), "{told:?}");
    let text = text(&path);
    let kept = text.lines().count() - 1;
    let lost = 600_001 - kept as u64;
    assert!(text.starts_with("first\n1\n2\n") && lost > 0, "{lost}");
    let note = format!("supervisor: {lost} lines were not written: is a directory");
    assert_eq!((text.lines().last().unwrap(), told[1].0), (note.as_str(), lost));
    bench.kill();
    end(running).await;
}

#[tokio::test]
async fn on_a_full_disk_a_program_goes_on() {
    let bench = Bench::new();
    let running = bench.start(sh("seq 1 1000; exec sleep 60").log_file(LogFile::at("/dev/full")));
    let seen = bench.until("told", |seen| !seen.log_file.is_empty() && seen.lines.len() == 1000).await;
    let [(0, told)] = &seen.log_file[..] else { panic!("{:?}", seen.log_file) };
    assert!(told.contains("/dev/full cannot be written: no space left on device"), "{told}");
    bench.kill();
    end(running).await;
}

/// Where the small disk of a test is, in a namespace in which nobody else sees it.
const MOUNT_AT: &str = "TEST_MOUNT_AT";

#[test]
fn a_disk_that_was_full_has_whole_lines_and_the_number_of_those_it_lacks() {
    if !skip::is_root("a_disk_that_was_full_has_whole_lines_and_the_number_of_those_it_lacks") {
        return;
    }
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|done| done.status.success()) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let test = ["--exact", "a_program_on_a_small_disk", "--ignored", "--nocapture"];
    let mut inside = Command::new("unshare");
    inside.arg("--mount").arg(std::env::current_exe().unwrap()).args(test).env(MOUNT_AT, dir.path());
    let done = inside.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "it is what the other test starts in a namespace of its own"]
async fn a_program_on_a_small_disk() {
    let Some(disk) = std::env::var_os(MOUNT_AT).map(PathBuf::from) else { return };
    let options = ["-t", "tmpfs", "-o", "size=256k,mode=0700", "none"];
    assert!(Command::new("mount").args(options).arg(&disk).status().unwrap().success());
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![b'x'; 230 * 1024]).unwrap();
    let path = disk.join("web.log");
    let bench = Bench::new();
    let rules = LogFile::at(&path).max_size(50_000).keep(2).compress(false);
    let running = bench.start(sh("seq 1 500000; exec sleep 60").log_file(rules));
    bench.until("all lines", |seen| seen.lines.len() == 500_000 && !seen.log_file.is_empty()).await;
    let told = bench.seen().log_file;
    assert!(told[0].1.contains("no space left on device"), "{told:?}");
    fs::remove_file(&ballast).unwrap();
    let told = bench.until("well again", |seen| seen.log_file.len() == 2).await.log_file;
    let lost = told[1].0;
    assert!(lost > 0, "{told:?}");
    let mut texts = names(&disk);
    texts.rotate_left(1);
    let all: String = texts.iter().map(|name| text(&disk.join(name))).collect();
    let mut lines: Vec<&str> = all.lines().collect();
    let note = format!("supervisor: {lost} lines were not written: no space left on device");
    assert_eq!(lines.pop(), Some(note.as_str()));
    let numbers: Vec<u64> = lines.iter().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "in order, each once");
    assert_eq!(numbers.last().unwrap() + lost, 500_000);
    bench.kill();
    end(running).await;
}

#[tokio::test]
async fn a_symbolic_link_is_not_followed() {
    let (dir, path) = folder();
    fs::create_dir(path.parent().unwrap()).unwrap();
    let precious = dir.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    std::os::unix::fs::symlink(&precious, &path).unwrap();
    let bench = Bench::new();
    let running = bench.start(sh("echo x; exec sleep 60").log_file(LogFile::at(&path)));
    let told = bench.until("told", |seen| !seen.log_file.is_empty()).await.log_file;
    assert!(told[0].1.contains("it is a symbolic link, which is not followed"), "{told:?}");
    assert_eq!(text(&precious), "mine");
    bench.kill();
    end(running).await;
}
