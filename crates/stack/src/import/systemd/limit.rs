//! Limits of a unit, and switches that are off.

use super::super::Refusal;
use super::super::amount::{mebibytes, number, span, truth};

/// Whether it turns something off that is off anyway.
pub(super) fn is_off(key: &str, value: &str) -> bool {
    const SWITCHES: &[&str] = &[
        "Private",
        "Protect",
        "DynamicUser",
        "RemoveIPC",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "Delegate",
        "TTYReset",
        "TTYVHangup",
        "TTYVTDisallocate",
        "SendSIGHUP",
        "RootDirectoryStartOnly",
        "NonBlocking",
        "MountAPIVFS",
        "CPUSchedulingResetOnFork",
        "RuntimeDirectoryPreserve",
        "SetLoginEnvironment",
    ];
    let is_switch = key.ends_with("Accounting") || SWITCHES.iter().any(|switch| key.starts_with(switch));
    is_switch && truth(value) == Ok(false)
}

/// What reads an amount.
type Reader = fn(&str) -> Result<u64, Refusal>;

/// What a limit is with us.
pub(super) fn limit(key: &str, value: &str) -> Result<Option<(&'static str, u64)>, Refusal> {
    let (ours, read): (_, Reader) = match key {
        "LimitNOFILE" => ("max_file_descriptors", number),
        "LimitNPROC" => ("max_user_processes", number),
        "LimitCPU" => ("max_cpu_secs", whole_seconds),
        "LimitCORE" => ("max_core_mb", mebibytes),
        "LimitFSIZE" => ("max_file_size_mb", mebibytes),
        "LimitAS" => ("max_address_space_mb", mebibytes),
        "LimitMEMLOCK" => ("max_locked_memory_mb", mebibytes),
        "LimitSTACK" => ("max_stack_mb", mebibytes),
        "MemoryMax" | "MemoryLimit" => ("max_memory_mb", mebibytes),
        "MemoryHigh" => ("high_memory_mb", mebibytes),
        "TasksMax" => ("max_processes", number),
        _ => return Ok(None),
    };
    // Of `soft:hard` the hard one: both are set alike.
    let value = value.rsplit(':').next().unwrap_or(value);
    if value == "infinity" {
        return Err("a limit that is not said is that of the supervisor".to_owned());
    }
    Ok(Some((ours, read(value)?)))
}

fn whole_seconds(text: &str) -> Result<u64, Refusal> {
    let seconds = span(text)?.ok_or("a limit has an end")?;
    Ok(seconds.ceil() as u64)
}
