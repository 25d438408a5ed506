//! Real file systems that are full or read-only, in a mount namespace of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use supervisor_api::report::AuditState;
use supervisor_ledger::verify;

use super::*;

/// Says to the copy of this program that it is in a namespace of its own, and where it may mount.
const MOUNT_AT: &str = "SUPERVISOR_CONTROL_TEST_MOUNT_AT";

fn mount(arguments: &[&str], at: &Path) {
    let done = Command::new("mount").args(arguments).arg(at).status().unwrap();
    assert!(done.success(), "mount {arguments:?} {}", at.display());
}

/// Runs the other test in a mount namespace of its own. Who may not make one has the disks of `broken.rs`, which
/// fail in the same ways.
#[test]
fn s12_a_file_system_that_is_full_or_read_only_refuses_commands_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|done| done.status.success()) {
        return;
    }
    let done = Command::new("unshare")
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "audit::tests::files::the_target_on_a_small_file_system",
            "--ignored",
            "--nocapture",
        ])
        .env(MOUNT_AT, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(start_paused = true)]
#[ignore = "it is what the other test starts in a namespace of its own"]
async fn the_target_on_a_small_file_system() {
    let Some(root) = std::env::var_os(MOUNT_AT).map(PathBuf::from) else { return };
    mount(&["-t", "tmpfs", "-o", "size=128k,mode=0700", "none"], &root);
    let path = root.join("audit");
    let once = open(&path).await;
    assert!(carry_out(&once, 7, "first").await.1);

    let filler = root.join("filler");
    let full = std::fs::write(&filler, vec![b'x'; 1 << 20]);
    assert!(full.is_err(), "128 KiB hold no MiB");
    let refused = 'full: {
        // The page that is begun may still have room.
        for number in 0..100 {
            let (result, done) = carry_out(&once, 7, &format!("full-{number}")).await;
            if let Err(error) = result {
                assert!(!done);
                break 'full error;
            }
        }
        panic!("it is never full")
    };
    assert!(refused.message.contains("No space left on device"), "{refused}");
    std::fs::remove_file(&filler).unwrap();
    until("it heals", || once.audit().health().state == AuditState::Sound).await;
    assert!(carry_out(&once, 7, "room").await.1);

    // Nobody can make a file system read-only that is written to, so it is opened so.
    once.close().await;
    mount(&["-o", "remount,ro"], &root);
    let once = open(&path).await;
    let health = once.audit().health();
    assert!(health.refuses_commands && health.problem.unwrap().contains("Read-only file system"));
    assert!(!carry_out(&once, 7, "read-only").await.1);
    mount(&["-o", "remount,rw"], &root);
    until("it heals", || once.audit().health().state == AuditState::Sound).await;
    assert!(carry_out(&once, 7, "read-only").await.1);
    assert!(!carry_out(&once, 7, "first").await.1, "what was done before is known again");
    once.close().await;
    verify(&path).unwrap();
}
