//! What stands under `control:`.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_api::report::{AuditState, RegistrationPhase};
use supervisor_stack::SocketAt;

use crate::served::{Place, answer, command, connect, exchange, hello, result, stack_text};
use crate::skip::is_root;
use crate::stranger::STRANGER;
use crate::tree::block;

#[test]
pub(crate) fn the_socket_is_where_the_file_says_and_the_flag_goes_before_it() {
    block(async {
        let place = Place::new();
        let served = place.control("").await;
        assert_eq!(served.socket(), place.path("s.sock"));
        assert_eq!(served.ask(vec![hello()]).await[0]["ok"], true);
        served.close().await;
        let elsewhere = SocketAt::Path(place.path("other.sock"));
        let top = format!("control: {{path: {}}}", place.text("s.sock"));
        let served = place.serve_at(&top, &elsewhere).await.unwrap();
        assert_eq!(served.socket(), place.path("other.sock"));
        assert!(!place.path("s.sock").exists());
    });
}

#[test]
pub(crate) fn the_file_of_the_socket_has_the_permissions_that_are_said() {
    block(async {
        let place = Place::new();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        for (keys, expected) in [("", 0o600), ("permissions: 0660", 0o660), ("permissions: \"0666\"", 0o666)]
        {
            let served = place.control(keys).await;
            assert_eq!(mode(&served.socket()), expected, "{keys}");
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn a_dead_socket_is_replaced_unless_the_file_says_create_new() {
    block(async {
        let place = Place::new();
        drop(UnixListener::bind(place.path("s.sock")).unwrap());
        let top = format!("control: {{path: {}, bind_mode: create_new}}", place.text("s.sock"));
        let refused = place.serve(&top).await.err().unwrap().to_string();
        assert!(refused.contains("exists already"), "{refused}");
        let served = place.control("bind_mode: replace_stale").await;
        assert_eq!(served.ask(vec![hello()]).await[0]["ok"], true);
    });
}

#[test]
pub(crate) fn the_target_is_known_by_the_id_and_the_name_that_are_said() {
    block(async {
        let place = Place::new();
        for (keys, id, name) in [
            ("", "keys", "keys"),
            ("target_id: \"shop 7\"", "shop 7", "shop 7"),
            ("target_id: x, display_name: \"The Shop\"", "x", "The Shop"),
        ] {
            let served = place.control(keys).await;
            let registration = served.ask(vec![hello()]).await[0]["result"]["registration"].clone();
            assert_eq!(
                (&registration["target_id"], &registration["display_name"]),
                (&json!(id), &json!(name))
            );
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn s04_others_have_the_role_that_the_file_gives_to_their_user_or_group() {
    if !is_root("s04_others_have_the_role_that_the_file_gives_to_their_user_or_group") {
        return;
    }
    block(async {
        let place = Place::new();
        // An id is carried out once, also across the runs of a stack.
        let asked = |id: &str| vec![hello(), command(id, "restart_child", Value::Null)];
        for (roles, role, restart) in [
            ("{uid: 54321, role: viewer}", "viewer", "authz_denied"),
            ("{gid: 54321, role: operator}", "operator", "completed"),
            ("{uid: 54321, role: viewer}, {gid: 54321, role: admin}", "admin", "completed"),
        ] {
            let served = place.control(&format!("permissions: \"0666\", roles: [{roles}]")).await;
            let answers = served.ask_as_stranger(asked(role)).await;
            assert_eq!((answers[0]["result"]["role"].as_str(), result(&answers[1])), (Some(role), restart));
            served.close().await;
        }
        // A name is a number: root's is 0, which is not the stranger's.
        let served = place.control("permissions: \"0666\", roles: [{uid: root, role: viewer}]").await;
        assert_eq!(result(&served.ask_as_stranger(vec![hello()]).await[0]), "peer_cred_uid_mismatch");
    });
}

#[test]
pub(crate) fn s05_who_asks_through_a_relay_is_shown_by_the_name_that_it_says() {
    if !is_root("s05_who_asks_through_a_relay_is_shown_by_the_name_that_it_says") {
        return;
    }
    block(async {
        let place = Place::new();
        for (relay, shown) in [("true", "ann"), ("false", "uid 54321 (says 'ann')")] {
            let roles = format!("roles: [{{uid: {STRANGER}, role: operator, relay: {relay}}}]");
            let served = place.control(&format!("permissions: \"0666\", {roles}")).await;
            let answers = served.ask_as_stranger(vec![command(shown, "restart_child", Value::Null)]).await;
            assert_eq!(result(&answers[0]), "completed");
            let state = served.ask(vec![json!({"request_id": "s", "method": "state"})]).await.remove(0);
            let by = format!("\"requested_by\":{}", json!(shown));
            assert!(state.to_string().contains(&by), "{by} is not in {state}");
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn s15_others_add_only_programs_that_are_allowed() {
    if !is_root("s15_others_add_only_programs_that_are_allowed") {
        return;
    }
    block(async {
        let place = Place::new();
        let program = Path::new("/bin/sleep").canonicalize().unwrap();
        let add = |id: &str| {
            let child = json!({"name": id, "kind": "process", "command": [program, "1000"]});
            vec![command(id, "add_child", child)]
        };
        let open = "permissions: \"0666\", roles: [{uid: 54321, role: admin}]";
        let served = place.control(open).await;
        assert_eq!(result(&served.ask_as_stranger(add("b")).await[0]), "authz_denied");
        assert_eq!(result(&served.ask(add("c")).await[0]), "completed", "the owner may");
        served.close().await;
        let served = place.control(&format!("{open}, allow_programs: [{}]", program.display())).await;
        assert_eq!(result(&served.ask_as_stranger(add("d")).await[0]), "completed");
        served.close().await;
    });
}

#[test]
pub(crate) fn the_relay_is_told_at_its_socket_with_the_lease_and_as_often_as_it_is_said() {
    block(async {
        let place = Place::new();
        let relay = UnixListener::bind(place.path("relay.sock")).unwrap();
        let told = tokio::task::spawn_blocking(move || {
            // Unless it is said the next one comes when half of the lease is over: all of these would take too long.
            let lines: Vec<Value> = (0..30)
                .map(|_| {
                    let (stream, _) = relay.accept().unwrap();
                    let line = answer(&stream).unwrap();
                    let ack =
                        json!({"ok": true, "retryable": false, "status": "registered", "target_id": "keys"});
                    exchange(&stream, &ack.to_string());
                    line
                })
                .collect();
            (lines, relay)
        });
        let registration = "lease_secs: 7, heartbeat_secs: 0.05";
        let keys = format!("registration: {{relay: {}, {registration}}}", place.text("relay.sock"));
        let served = place.control(&keys).await;
        let (lines, _relay) = told.await.unwrap();
        for line in &lines {
            assert_eq!((&line["lease_seconds"], &line["target_id"]), (&json!(7), &json!("keys")));
            assert_eq!(line["ipc_path"], place.text("s.sock"));
        }
        let state = served.ask(vec![json!({"request_id": "s", "method": "state"})]).await.remove(0);
        let health = &state["result"]["state"]["health"];
        assert_eq!(health["registration"]["phase"], RegistrationPhase::Registered.as_str());
        assert_eq!(health["registration"]["relay"], place.text("relay.sock"));
        assert_eq!((&health["audit"]["state"], &health["tree"]), (&json!("sound"), &json!("healthy")));
        assert!(state.to_string().contains("TargetRegistered"), "an event told of it: {state}");
    });
}

/// The files of an audit with their sizes, in order.
fn segments(directory: &Path) -> Vec<(PathBuf, u64)> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), path.metadata().unwrap().len())).collect()
}

#[test]
pub(crate) fn commands_are_recorded_where_the_file_says_or_not_at_all() {
    block(async {
        let place = Place::new();
        let asked = || vec![command("1", "restart_child", Value::Null)];
        let by_default = place.path("state/tokio-supervisor/keys/audit");
        let served = place.control("audit: off").await;
        assert_eq!(result(&served.ask(asked()).await[0]), "completed");
        assert_eq!(served.serving.control.as_ref().unwrap().audit().state, AuditState::Off);
        assert!(!by_default.exists());
        served.close().await;
        let served = place.control(&format!("audit: {{path: {}}}", place.text("book"))).await;
        assert_eq!(result(&served.ask(asked()).await[0]), "completed");
        assert!(segments(&place.path("book"))[0].1 > 0 && !by_default.exists());
        served.close().await;
        let served = place.control("").await;
        assert_eq!(result(&served.ask(asked()).await[0]), "completed");
        assert!(segments(&by_default)[0].1 > 0);
    });
}

#[test]
pub(crate) fn s12_with_fail_open_a_command_that_cannot_be_recorded_is_carried_out() {
    block(async {
        for (fail_open, came_to) in [("false", "audit_write_failed"), ("true", "completed")] {
            let place = Place::new();
            // A file of the ledger's that is none: the directory is good, and nothing can be recorded in it.
            let book = place.path("book");
            std::fs::create_dir(&book).unwrap();
            std::fs::set_permissions(&book, std::fs::Permissions::from_mode(0o700)).unwrap();
            std::fs::create_dir(book.join("segment-0000000001.jsonl")).unwrap();
            let audit = format!("audit: {{path: {}, fail_open: {fail_open}}}", place.text("book"));
            let served = place.control(&audit).await;
            let health = served.serving.control.as_ref().unwrap().audit();
            assert_eq!(
                (health.state, health.fail_open.to_string().as_str()),
                (AuditState::Broken, fail_open)
            );
            let answers = served.ask(vec![command("1", "restart_child", Value::Null)]).await;
            assert_eq!(result(&answers[0]), came_to, "{}", answers[0]);
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn files_of_the_audit_end_at_their_size_and_the_oldest_are_dropped() {
    block(async {
        let place = Place::new();
        let limits = "limits: {commands_burst: 100000, commands_per_sec: 1000000}";
        let audit = format!("audit: {{path: {}, segment_mib: 1, total_mib: 2}}", place.text("book"));
        let served = place.control(&format!("{audit}, {limits}")).await;
        let long = "x".repeat(4000);
        let requests = (0..700).map(|number| {
            let mut request = command(&format!("c{number}"), "pause_child", Value::Null);
            request["params"]["reason"] = json!(long);
            request
        });
        let answers = served.ask(requests.collect()).await;
        assert!(answers.iter().all(|answer| result(answer) == "completed"));
        let files = segments(&place.path("book"));
        assert!(files.len() >= 2 && files.iter().all(|(_, size)| *size <= 1 << 20), "{files:?}");
        assert!(files.iter().map(|(_, size)| size).sum::<u64>() <= 2 << 20, "{files:?}");
        assert!(!files[0].0.ends_with("segment-0000000001.jsonl"), "the first is dropped: {files:?}");
    });
}

#[test]
pub(crate) fn s08_there_are_as_many_connections_as_the_limits_say() {
    block(async {
        let place = Place::new();
        for keys in ["max_connections: 2", "max_connections_per_user: 2"] {
            let served = place.control(&format!("limits: {{{keys}}}")).await;
            let ask = |connection: &_| exchange(connection, &hello().to_string()).unwrap();
            let connections: Vec<_> = (0..3).map(|_| connect(&served.socket())).collect();
            assert_eq!(
                (&ask(&connections[0])["ok"], &ask(&connections[1])["ok"]),
                (&json!(true), &json!(true))
            );
            assert_eq!(result(&answer(&connections[2]).unwrap()), "rate_limit_exceeded", "{keys}");
            drop(connections);
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn s08_some_connections_are_kept_for_admins() {
    if !is_root("s08_some_connections_are_kept_for_admins") {
        return;
    }
    block(async {
        let place = Place::new();
        let open = "permissions: \"0666\", roles: [{uid: 54321, role: viewer}]";
        for (reserved, came_to) in [(1, "rate_limit_exceeded"), (0, "nothing")] {
            let limits = format!("limits: {{max_connections: 1, reserved_for_admins: {reserved}}}");
            let served = place.control(&format!("{open}, {limits}")).await;
            assert_eq!(result(&served.ask_as_stranger(vec![hello()]).await[0]), came_to);
            // The one place is free when the server has seen that the stranger is gone.
            let comes_in = async { while served.ask(vec![hello()]).await[0]["ok"] != true {} };
            tokio::time::timeout(Duration::from_secs(60), comes_in).await.expect("an admin does not come in");
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn s07_a_peer_has_the_time_that_the_limits_say() {
    block(async {
        let place = Place::new();
        // It is done so often that the default, ten seconds each, would take too long.
        const TIMES: usize = 7;
        let served = place.control("limits: {frame_secs: 0.1}").await;
        for _ in 0..TIMES {
            let half = connect(&served.socket());
            std::io::Write::write_all(&mut &half, b"{\"request_id\":").unwrap();
            let said = answer(&half).unwrap();
            assert_eq!(said["error"]["code"], "incomplete_frame", "{said}");
        }
        served.close().await;

        let served = place.control("limits: {idle_secs: 0.1}").await;
        assert_eq!(answer(&connect(&served.socket())), None, "closed without a word");
        served.close().await;

        let served = place.control("limits: {idle_secs: infinity, write_secs: 0.1}").await;
        let line = format!("{}\n", json!({"request_id": "s", "method": "state"}));
        for _ in 0..TIMES {
            let slow = connect(&served.socket());
            slow.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            // It asks and does not read, until nobody takes its questions any more.
            while std::io::Write::write_all(&mut &slow, line.as_bytes()).is_ok() {}
            let control = served.serving.control.as_ref().unwrap();
            while control.counts().open > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
}

#[test]
pub(crate) fn s06_a_request_that_adds_a_child_is_as_large_as_the_limits_say() {
    block(async {
        let place = Place::new();
        let tags: Vec<_> = (0..10_000).map(|number| format!("tag-{number}")).collect();
        let add =
            || vec![command("1", "add_child", json!({"name": "b", "kind": "async_worker", "tags": tags}))];
        assert!(add()[0].to_string().len() > 100 * 1024);
        for (kib, came_to) in [(64, "frame_too_large"), (256, "completed")] {
            let served = place.control(&format!("limits: {{manifest_kib: {kib}}}")).await;
            assert_eq!(result(&served.ask(add()).await[0]), came_to);
            let long = format!("{}{}", stack_text(""), "# a long comment\n".repeat(8_000));
            let plan = json!({"request_id": "p", "method": "plan", "params": {"stack": long}});
            let answer = &served.ask(vec![plan]).await[0];
            let too_long = answer["error"]["code"] == "frame_too_large";
            assert_eq!(too_long, came_to == "frame_too_large", "{answer}");
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn s09_a_user_commands_as_often_as_the_limits_say() {
    block(async {
        let place = Place::new();
        for (limits, expected) in [
            ("commands_burst: 2, commands_per_sec: 1", ["completed", "completed", "rate_limit_exceeded"]),
            (
                "commands_burst: 1, commands_per_sec: 1",
                ["completed", "rate_limit_exceeded", "rate_limit_exceeded"],
            ),
            ("commands_burst: 1, commands_per_sec: 1000000", ["completed"; 3]),
        ] {
            let served = place.control(&format!("audit: off, limits: {{{limits}}}")).await;
            let commands = ["1", "2", "3"].map(|id| command(id, "pause_child", Value::Null));
            let answers = served.ask(commands.to_vec()).await;
            assert_eq!(answers.iter().map(result).collect::<Vec<_>>(), expected, "{limits}");
            served.close().await;
        }
    });
}

#[test]
pub(crate) fn s09_a_stranger_is_told_so_as_often_as_the_limits_say() {
    if !is_root("s09_a_stranger_is_told_so_as_often_as_the_limits_say") {
        return;
    }
    block(async {
        let place = Place::new();
        let served = place.control("permissions: \"0666\", limits: {refusals_per_min: 2}").await;
        let answers = served.ask_as_stranger(vec![hello(); 3]).await;
        let codes: Vec<_> = answers.iter().map(result).collect();
        assert_eq!(codes, ["peer_cred_uid_mismatch", "peer_cred_uid_mismatch", "rate_limit_exceeded"]);
    });
}
