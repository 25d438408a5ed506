//! Where secrets are looked for.

use std::path::Path;

use supervisor_stack::Stack;
use tokio_supervisor::EventKind;

use super::programs::shell;
use super::tree::{Tree, block, of};

/// A program that tells its secrets, and one more that a header of its probe refers to.
const KEYS: &str = "environment: [{name: A, secret_ref: \"${a}\"}, {name: B, secret_ref: \"${B_KEY}\"}], \
                    secrets: [{name: a, key: A_KEY}]";

fn write(dir: &Path, name: &str, text: &str) {
    let file = dir.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

/// Launches a file in this folder, with these places.
fn with(dir: &Path, places: &str, keys: &str) -> Tree {
    let child = shell("a", "echo \"$A,$B\"; exec sleep 1000", keys);
    write(dir, "stack.yaml", &format!("version: 1\nname: s\nsecrets_from: {places}\nchildren:\n{child}"));
    let stack = Stack::read(dir.join("stack.yaml")).unwrap_or_else(|error| panic!("{error}"));
    of(&stack)
}

#[test]
pub(crate) fn secrets_come_from_the_files_of_a_directory_at_each_start() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "vault/A_KEY", "one\n");
        write(dir.path(), "other/A_KEY", "never\n");
        write(dir.path(), "other/B_KEY", "two");
        let mut tree = with(dir.path(), "[{directory: vault}, {directory: other}]", KEYS);
        assert_eq!(tree.said("/a").await, "one,two");
        write(dir.path(), "vault/A_KEY", "new\n");
        tree.handle.restart_child("/a", "test", "it was changed").await.unwrap();
        assert_eq!(tree.said("/a").await, "new,two");
        let registry_alone = with(
            dir.path(),
            "[environment]",
            &KEYS.replace("A_KEY", "CARGO_PKG_NAME").replace("B_KEY", "PATH"),
        );
        let mut tree = registry_alone;
        assert_eq!(tree.said("/a").await, format!("supervisor-stack,{}", std::env::var("PATH").unwrap()));
    });
}

#[test]
pub(crate) fn a_secret_that_is_in_no_place_is_a_failed_start_that_says_what_each_one_said() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "vault/B_KEY", "canary");
        let places = "[{directory: vault}, credentials, {command: [sh, -c, 'echo sealed >&2; exit 4', '{key}']}, environment]";
        let mut tree = with(dir.path(), places, KEYS);
        let failed = tree.until("/a", EventKind::ChildStartFailed).await.to_string();
        for words in [
            "the secret 'a' is required and there is no A_KEY: the directory `",
            "vault` has none; the credentials of systemd: CREDENTIALS_DIRECTORY is not set; name some with LoadCredential=",
            "; the command `sh`: exit code 4: sealed; the supervisor's environment has none",
        ] {
            assert!(failed.contains(words), "{failed}");
        }
        assert!(!failed.contains("canary"), "{failed}");
    });
}

#[test]
pub(crate) fn a_command_is_asked_for_each_key_and_has_its_time() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let command = "{command: [sh, -c, 'echo \"it is $1\"', '-', '<{key}>']}";
        let mut tree = with(dir.path(), &format!("[{command}]"), KEYS);
        assert_eq!(tree.said("/a").await, "it is <A_KEY>,it is <B_KEY>");
        let slow = "[{command: [sh, -c, 'sleep 1000', '{key}'], timeout_secs: 0.05}]";
        let mut tree = with(dir.path(), slow, KEYS);
        let failed = tree.until("/a", EventKind::ChildStartFailed).await.to_string();
        assert!(failed.contains("the command `sh`: not done within 50ms, killed"), "{failed}");
    });
}

#[test]
fn headers_of_probes_and_tasks_have_secrets_from_there_too() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "vault/TOKEN", "hunter2\n");
        let (url, mut questions) = super::probes::serve(vec!["200 OK\r\n\r\n"]).await;
        let keys = format!(
            "readiness: {{http: {{url: \"{url}\", headers: [{{name: X-Token, secret_ref: \"${{TOKEN}}\"}}]}}}}"
        );
        let mut tree = with(dir.path(), "[{directory: vault}]", &keys);
        tree.until("/a", EventKind::ChildRunning).await;
        let question = questions.recv().await.unwrap();
        assert!(question.contains("X-Token: hunter2\r\n"), "{question}");
    });
}

/// What a run was started with, it keeps.
#[test]
fn places_cannot_change_while_it_runs_and_bad_ones_are_told() {
    let file = |places: &str| format!("version: 1\nname: s\nsecrets_from: {places}\nchildren: []\n");
    for (places, words) in [
        ("[]", "nobody could have a secret"),
        ("[{}]", "needs a `directory` or a `command`"),
        ("[{command: [pass, show]}]", "put `{key}` into one of its arguments"),
        ("[vault]", "environment"),
        ("[{directry: x}]", "did you mean `directory`?"),
    ] {
        let refused = Stack::parse("s.yaml", file(places)).unwrap_err().to_string();
        assert!(refused.contains(words) && refused.contains("s.yaml:3:"), "{places}: {refused}");
    }
}
