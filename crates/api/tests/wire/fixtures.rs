//! What was written by hand decodes, and encodes to the same value.

use std::collections::BTreeSet;

use supervisor_api::wire::{Command, ErrorCode, Method, Request, Stage, Stream, WireError};
use supervisor_api::{SupervisorError, SupervisorPath};

use crate::{KINDS, lines, value};

#[test]
fn what_we_write_reads_back_and_writes_the_same() {
    for (name, again) in KINDS {
        for (at, line) in lines(name).iter().enumerate() {
            let again = again(line).unwrap_or_else(|error| panic!("{name}:{}: {error}", at + 1));
            assert_eq!(again, value(line), "{name}:{}", at + 1);
        }
    }
}

#[test]
fn what_others_write_is_read_and_written_as_ours() {
    let mut pairs = 0;
    for (name, again) in KINDS {
        if !["requests", "responses", "pushes", "client_messages"].contains(name) {
            continue;
        }
        let (seen, ours) = (lines(&format!("{name}.seen")), lines(&format!("{name}.written")));
        assert_eq!(seen.len(), ours.len(), "{name}");
        for (at, (seen, ours)) in seen.iter().zip(&ours).enumerate() {
            let read = again(seen).unwrap_or_else(|error| panic!("{name}:{}: {error}", at + 1));
            assert_eq!(read, value(ours), "{name}:{}", at + 1);
            assert_eq!(again(ours), Ok(value(ours)), "{name}:{}: ours is what we write", at + 1);
            pairs += 1;
        }
    }
    assert!(pairs >= 20, "{pairs}");
}

#[test]
fn every_method_is_among_the_requests() {
    let asked: BTreeSet<String> = lines("requests")
        .iter()
        .map(|line| Request::read(line.as_bytes()).unwrap().method().to_string())
        .collect();
    let mut all: BTreeSet<String> =
        Command::ALL.iter().map(|command| Method::Command(*command).to_string()).collect();
    all.extend(Stream::ALL.iter().map(|stream| Method::Subscribe(*stream).to_string()));
    let others = [Method::Hello, Method::State, Method::Why, Method::WhatIf, Method::Plan];
    all.extend(others.iter().map(Method::to_string));
    assert_eq!(asked, all);
}

#[test]
fn every_code_stands_at_each_of_its_stages_with_its_retryable() {
    let told: BTreeSet<(String, String, bool)> = lines("errors")
        .iter()
        .map(|line| serde_json::from_str::<WireError>(line).unwrap())
        .map(|error| (error.code.to_string(), error.stage.to_string(), error.retryable))
        .collect();
    let table: BTreeSet<(String, String, bool)> = ErrorCode::ALL
        .iter()
        .flat_map(|code| code.stages().iter().map(|stage| (*code, *stage)))
        .map(|(code, stage)| (code.to_string(), stage.to_string(), code.is_retryable()))
        .collect();
    assert_eq!(told, table);
    let stages: BTreeSet<_> = Stage::ALL.iter().map(|stage| stage.to_string()).collect();
    assert_eq!(told.into_iter().map(|(_, stage, _)| stage).collect::<BTreeSet<_>>(), stages);
}

#[test]
fn every_refusal_of_the_library_has_its_code_in_the_table() {
    let path = SupervisorPath::root();
    let refusals = [
        SupervisorError::InvalidSpec(Vec::new()),
        SupervisorError::StartFailed { path: path.clone(), exit: supervisor_api::Exit::failed("x") },
        SupervisorError::ChildNotFound { asked: "x".into(), nearest: Vec::new() },
        SupervisorError::InvalidTransition { message: "x".into() },
        SupervisorError::MaxChildren { path: path.clone(), max: 1 },
        SupervisorError::NotPermitted { path, command: "restart_child" },
        SupervisorError::Timeout,
    ];
    for refusal in refusals {
        let error = WireError::from(&refusal);
        assert_eq!(error.code.as_str(), refusal.code());
        assert!(error.code.known().is_some(), "{refusal}");
        assert_eq!(error.retryable, refusal.is_retryable(), "{refusal}");
    }
}

#[test]
fn only_these_stages_refuse_the_request_itself() {
    let refusing: Vec<_> =
        Stage::ALL.iter().filter(|stage| stage.refuses_the_request()).map(|s| s.as_str()).collect();
    assert_eq!(
        refusing,
        ["protocol_parse", "ipc_read", "subscription", "peer_credentials", "size_limit", "rate_limit"]
    );
}

#[test]
fn the_seven_commands_of_the_contract_are_offered_and_three_need_a_person() {
    let names: Vec<_> = Command::CONTRACT.iter().map(|command| command.as_str()).collect();
    assert_eq!(
        names,
        [
            "restart_child",
            "pause_child",
            "resume_child",
            "quarantine_child",
            "remove_child",
            "add_child",
            "shutdown_tree"
        ]
    );
    let dangerous: Vec<_> =
        Command::CONTRACT.iter().filter(|c| c.needs_confirmation()).map(|c| c.as_str()).collect();
    assert_eq!(dangerous, ["remove_child", "add_child", "shutdown_tree"]);
}
