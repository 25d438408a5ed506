//! Every exit code, and what is said with it. 0 is everywhere else.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use supervisor_api::wire::*;
use supervisor_socket::Standing;

use crate::shop::{Said, Shop, binary, home, socket};
use crate::target::World;

const RESTART: [&str; 4] = ["restart", "/api", "--reason", "x"];

/// A target that answers every command so.
fn answering(
    error: WireError,
    how: fn(&ControlCommandRequest, WireError, UnixNanos) -> ControlCommandResult,
) -> Shop {
    Shop::after(|world| {
        world.obey =
            Arc::new(move |world, asked| how(asked, error.clone().on(world.target_id()), UnixNanos(1)));
    })
}

#[test]
fn refused_or_failed_1_with_code_and_reason() {
    let refused = WireError::new(ErrorCode::ValidationFailed, "it is being removed; wait");
    let shop = answering(refused, ControlCommandResult::rejected);
    shop.say(&RESTART).fails(1, &["supervisor: validation_failed: it is being removed; wait"]);
    let lines = shop.json(&RESTART).lines();
    assert_eq!(lines[0]["result"]["status"], "rejected");
    assert_eq!((&lines[1]["type"], lines[1]["exit_code"].as_u64()), (&"error".into(), Some(1)));
    assert_eq!(lines[1]["error"]["code"], "validation_failed");

    let failed = WireError::new(ErrorCode::CommandFailed, "/api did not start: failed: exit code 1");
    answering(failed, ControlCommandResult::failed)
        .say(&RESTART)
        .fails(1, &["command_failed: /api did not start"]);
    // An answer that is not `ok`.
    let fast = WireError::new(ErrorCode::RateLimitExceeded, "again in 40 ms");
    answering(fast, ControlCommandResult::rejected)
        .say(&RESTART)
        .fails(1, &["rate_limit_exceeded: again in 40 ms"]);
}

#[test]
fn an_unknown_child_1_with_the_nearest_names_and_an_ambiguous_one_with_all() {
    let shop = Shop::after(|world| {
        world.edit(|state| {
            let mut twin = state.topology.nodes[1].clone();
            twin.path = crate::target::path("/jobs/db");
            state.topology.nodes.push(twin);
        });
    });
    shop.say(&["status", "/jobs/mial"])
        .fails(1, &["there is no child /jobs/mial", "did you mean /jobs/mail"]);
    shop.say(&["why", "nightli"]).fails(1, &["did you mean nightly?"]);
    shop.say(&["logs", "zzzzzz"]).fails(1, &["`supervisor tree` shows all"]);
    shop.say(&["pause", "db", "--reason", "x"]).fails(1, &["called 'db': /db, /jobs/db; give the path"]);
    assert_eq!(shop.world(|world| world.commands.len()), 0);
}

#[test]
fn a_wrong_command_line_2() {
    let shop = Shop::after(|_| {});
    for args in [
        &["restart", "/api"][..],
        &["restart", "--reason", "x"],
        &["restart", "/api", "--reason", " "],
        &["restart", "/api", "--reason", "x", "--by", ""],
        &["restart", "/api", "--reason", "x", "--command-id", ""],
        &["restart", "", "--reason", "x"],
        &["status", "/a//b"],
        &["tree", "--output", "xml"],
        &["tree", "--timeout", "0"],
        &["tree", "--timeout", "-1"],
        &["tree", "--timeout", "1e999"],
        &["events", "--since", "abc"],
        &["events", "--filter", "severity"],
        &["events", "--filter", "sevrity=error"],
        &["events", "--filter", "severity=eror"],
        &["events", "--filter", "type=ChildFial"],
        &["events", "--filter", "path=api"],
        &["audit"],
    ] {
        shop.say(args).fails(2, &[]);
    }
    shop.say(&["events", "--since", "abc"]).fails(2, &["give the number of an event, such as 120"]);
    shop.say(&["events", "--filter", "severity=eror"]).fails(2, &["did you mean error?"]);
    shop.say(&["events", "--filter", "sevrity=error"]).fails(2, &["there is severity"]);
}

/// Whether the places of root hold somebody else's sockets, which every target here would be mixed with.
fn is_crowded() -> bool {
    std::fs::read_dir("/run/tokio-supervisor").is_ok_and(|mut entries| entries.next().is_some())
}

#[test]
fn no_target_3_with_what_helps() {
    let home = home();
    let missing = home.path().join("x.sock");
    let said: Said = binary(home.path()).args(["tree", "--socket"]).arg(&missing).output().unwrap().into();
    said.fails(3, &["there is no socket", "x.sock", "start its target"]);
    drop(UnixListener::bind(&missing).unwrap());
    let said: Said = binary(home.path()).args(["health", "--socket"]).arg(&missing).output().unwrap().into();
    said.fails(3, &["nobody listens on"]);
    for no_socket in [home.path(), Path::new("/proc/self/exe")] {
        let said: Said =
            binary(home.path()).args(["tree", "--socket"]).arg(no_socket).output().unwrap().into();
        said.fails(3, &["is no socket; give the path of a target's socket"]);
    }
    if !is_crowded() {
        let dead = socket(home.path(), "dead");
        drop(UnixListener::bind(dead).unwrap());
        let said: Said = binary(home.path()).arg("tree").output().unwrap().into();
        said.fails(3, &["no target runs here", "supervisor run FILE", "--socket PATH"]);
        let said: Said = binary(home.path()).args(["tree", "--output", "json"]).output().unwrap().into();
        assert_eq!(said.json()["error"]["code"], "no_target");
    }
}

#[test]
fn the_only_target_is_found_and_of_several_all_are_listed_2() {
    if is_crowded() {
        return;
    }
    let shop = Shop::after(|_| {});
    let tree = || -> Said {
        binary(shop.home.path()).arg("tree").env("SUPERVISOR_SOCKET", "").output().unwrap().into()
    };
    assert_eq!(tree().code, Some(0));
    let said: Said = binary(shop.home.path()).args(["tree", "--socket", ""]).output().unwrap().into();
    said.fails(2, &["leave `--socket` out"]);
    let dead = socket(shop.home.path(), "dead");
    drop(UnixListener::bind(dead).unwrap());
    assert_eq!(tree().code, Some(0), "a dead socket is no target");
    let _other = UnixListener::bind(socket(shop.home.path(), "bank")).unwrap();
    tree().fails(2, &["several targets run here", "bank.sock", "shop.sock"]);
}

#[test]
fn not_permitted_4() {
    let stranger = Shop::of(World::shop(), Standing::Stranger);
    stranger.say(&["tree"]).fails(4, &["peer_cred_uid_mismatch: your user may not connect here"]);

    let denied = WireError::new(ErrorCode::AuthzDenied, "a viewer may not restart");
    let shop = answering(denied, ControlCommandResult::rejected);
    shop.say(&RESTART).fails(4, &["authz_denied: a viewer may not restart"]);
}

#[test]
fn timed_out_5() {
    let shop = Shop::after(|_| {});
    shop.world(|world| world.silent = true);
    shop.say(&["tree", "--timeout", "0.2"]).fails(5, &["within 0.2 s"]);
    shop.say(&["events", "--follow", "--timeout", "0.2"]).fails(5, &[]);

    let late = WireError::new(ErrorCode::CommandTimeout, "the tree does not answer");
    answering(late, ControlCommandResult::failed).say(&RESTART).fails(5, &["command_timeout"]);

    let shop = Shop::after(|world| {
        world.obey = Arc::new(|_, asked| ControlCommandResult::accepted(asked));
    });
    let args = [&RESTART[..], &["--timeout", "2"]].concat();
    let said = shop.say(&args);
    said.fails(5, &["within 2 s"]);
    // On a machine that is too busy it does not come as far as that.
    if shop.world(|world| !world.commands.is_empty()) {
        said.fails(5, &["the command may go on", "supervisor status"]);
    }
}

#[test]
fn an_outcome_that_is_not_known_1_with_a_way_to_ask_again() {
    let mut shop = Shop::after(|world| {
        world.obey = Arc::new(|world, asked| {
            world.silent = true;
            ControlCommandResult::accepted(asked)
        });
    });
    let mut command = shop.command(&RESTART);
    command
        .args(["--command-id", "c-1"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    shop.until("it is sent", |world| world.silent);
    shop.dies();
    let said = Said::from(child.wait_with_output().unwrap());
    said.fails(1, &["whether it was carried out is not known", "--command-id c-1"]);
}
