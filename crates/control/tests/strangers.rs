//! Other users, against a socket that everybody can reach.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;
#[path = "common/stranger.rs"]
mod stranger;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use common::{command_request, config, shop};
use serde_json::{Value, json};
use skip::is_root;
use stranger::{STRANGER, as_stranger};
use supervisor_control::{Config, Control, Role, Roles};
use supervisor_socket::Bind;
use tokio_supervisor::{Supervisor, SupervisorHandle};

const HOUR: Duration = Duration::from_secs(3_600);

/// A tree behind a socket that everybody can reach.
async fn open_to_all(config: Config) -> (SupervisorHandle, Control, tempfile::TempDir) {
    let directory = tempfile::Builder::new().prefix("control-").tempdir().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let handle = Supervisor::start(shop()).await.unwrap();
    let mut config = config;
    config.bind =
        Some(Bind::at(directory.path().canonicalize().unwrap().join("shop.sock")).permissions(0o666));
    let control = Control::serve(handle.clone(), config).await.unwrap();
    (handle, control, directory)
}

fn hello() -> Value {
    json!({"request_id": "1", "method": "hello"})
}

#[tokio::test]
async fn s04_s09_a_stranger_is_told_so_and_five_times_at_once() {
    if !is_root("s04_s09_a_stranger_is_told_so_and_five_times_at_once") {
        return;
    }
    // However long the seven take, none of them is one that may be told again.
    let mut config = config();
    config.failed_authentications.every = HOUR;
    let (_handle, control, _directory) = open_to_all(config).await;
    let answers = as_stranger(control.path().unwrap(), vec![hello(); 7]).await;
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes[..5], ["peer_cred_uid_mismatch"; 5]);
    assert_eq!(codes[5..], ["rate_limit_exceeded"; 2]);
    assert_eq!((&answers[0]["request_id"], &answers[0]["ok"]), (&json!("invalid-request"), &json!(false)));
    assert_eq!(answers[0]["error"]["stage"], "peer_credentials");
    assert!(answers[6]["error"]["retry_after_ms"].as_u64().unwrap() > 1_000, "{}", answers[6]);
}

#[tokio::test]
async fn s04_where_groups_are_named_it_is_the_group_that_is_missing() {
    if !is_root("s04_where_groups_are_named_it_is_the_group_that_is_missing") {
        return;
    }
    let mut config = config();
    config.roles = Roles::new().group(STRANGER + 1, Role::Viewer);
    let (_handle, control, _directory) = open_to_all(config).await;
    let answers = as_stranger(control.path().unwrap(), vec![hello()]).await;
    assert_eq!(answers[0]["error"]["code"], "peer_cred_gid_not_allowed");
}

#[tokio::test]
async fn s04_s14_a_role_given_by_group_holds_over_the_socket() {
    if !is_root("s04_s14_a_role_given_by_group_holds_over_the_socket") {
        return;
    }
    let mut config = config();
    config.roles = Roles::new().group(STRANGER, Role::Operator);
    let (handle, control, _directory) = open_to_all(config).await;
    let answers = as_stranger(
        control.path().unwrap(),
        vec![
            hello(),
            command_request("1", "restart_child", "/db"),
            command_request("2", "remove_child", "/web"),
        ],
    )
    .await;
    assert_eq!(answers[0]["result"]["role"], "operator");
    assert_eq!(answers[1]["result"]["result"]["status"], "completed");
    assert_eq!(answers[2]["result"]["result"]["error"]["code"], "authz_denied");
    assert_eq!(handle.child("/db").unwrap().state.generation, 2);
    assert!(handle.child("/web").is_ok());
}
