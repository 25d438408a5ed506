//! The keys under `control:`, and what they make of the control socket.

use std::path::Path;
use std::time::Duration;

use supervisor_api::Finding;
use supervisor_api::manifest::{
    AuditKept, AuditManifest, ControlLimits, ControlManifest, RegistrationManifest, RoleManifest,
    SocketBindMode, SocketPermissions,
};
use supervisor_api::wire::target_id_problem;
use supervisor_control::{
    AllowedPrograms, AuditConfig, AuditOptions, Bind, BindMode, Caps, Config, Deadlines, Rate,
    RegistrationConfig, Roles,
};

use supervisor_process::accounts::{GROUPS, USERS};

const KIB: usize = 1024;
const MIB: u64 = 1024 * 1024;

/// What of the keys had to be looked up on this machine, once, when the file was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    roles: Roles,
    programs: AllowedPrograms,
}

/// Looks up what has to be looked up, and says what is wrong or doubtful.
pub(crate) fn settle(control: &ControlManifest) -> (Settled, Vec<Finding>) {
    let id = control.target_id.as_deref().and_then(target_id_problem);
    let relay = control.registration.as_ref().and_then(|said| registration(said).problem());
    let mut findings: Vec<Finding> = doubts(control)
        .into_iter()
        .chain(id.map(|problem| error("control.target_id", problem)))
        .chain(relay.map(|problem| error("control.registration", problem)))
        .chain(too_few(control.limits.unwrap_or_default()))
        .chain(too_small(control.audit.as_ref()))
        .chain(no_place("control.path", control.path.as_deref()))
        .chain(no_place("control.audit.path", audit_path(control)))
        .collect();
    let roles = roles(&control.roles, &mut findings);
    let programs = programs(&control.allow_programs, &mut findings);
    (Settled { roles, programs }, findings)
}

fn error(key: &'static str, message: impl Into<String>) -> Finding {
    Finding { path: "/".to_owned(), key, message: message.into(), warning: false }
}

/// Keys that each make sense and together keep everybody out.
fn doubts(control: &ControlManifest) -> Option<Finding> {
    let doubt = |key, message: &str| Some(Finding { warning: true, ..error(key, message) });
    let open = control.permissions.unwrap_or(SocketPermissions::User) != SocketPermissions::User;
    if !open && !control.roles.is_empty() {
        return doubt(
            "control.roles",
            "has users who cannot open the socket: its permissions are 0600; write `permissions: \"0660\"` for \
             this user's group, or \"0666\"",
        );
    }
    if open && control.path.is_none() {
        return doubt(
            "control.permissions",
            "is of no use by itself: others may not enter the default directory; give a `path` in one that they may \
             enter",
        );
    }
    None
}

fn too_few(limits: ControlLimits) -> Option<Finding> {
    let Caps { total, reserved, .. } = caps(limits, Caps::default());
    (reserved > total).then(|| {
        let message = format!("is {reserved}, more than `max_connections`, which is {total}; lower it");
        error("control.limits.reserved_for_admins", message)
    })
}

fn too_small(audit: Option<&AuditManifest>) -> Option<Finding> {
    let AuditManifest::Kept(kept) = audit? else { return None };
    let options = audit_options(kept, Path::new(""));
    let [total, segment] = [options.total_bytes, options.segment_bytes].map(|bytes| bytes / MIB);
    let message = format!(
        "{total} MiB in total hold no file of {segment} MiB; raise `total_mib`, or lower `segment_mib`"
    );
    (total < segment).then(|| error("control.audit", message))
}

fn audit_path(control: &ControlManifest) -> Option<&str> {
    match &control.audit {
        Some(AuditManifest::Kept(kept)) => kept.path.as_deref(),
        _ => None,
    }
}

/// A path that names nothing.
fn no_place(key: &'static str, path: Option<&str>) -> Option<Finding> {
    let path = path?;
    let nothing = path.trim().is_empty() || path.contains('\0');
    nothing.then(|| error(key, "is not a path; write one, or leave the key out"))
}

fn roles(said: &[RoleManifest], findings: &mut Vec<Finding>) -> Roles {
    let mut roles = Roles::new();
    for one in said {
        match with_role(roles.clone(), one) {
            Ok(more) => roles = more,
            Err(problem) => findings.push(error("control.roles", problem)),
        }
    }
    roles
}

fn with_role(roles: Roles, said: &RoleManifest) -> Result<Roles, String> {
    let role = said.role;
    match (&said.uid, &said.gid, said.relay) {
        (Some(user), None, Some(true)) => Ok(roles.relay(USERS.number(user)?, role)),
        (Some(user), None, _) => Ok(roles.user(USERS.number(user)?, role)),
        (None, Some(_), Some(true)) => Err(format!(
            "the item with `role: {}` makes a relay of a group; a relay is one user: give its `uid`",
            said.role
        )),
        (None, Some(group), _) => Ok(roles.group(GROUPS.number(group)?, role)),
        (Some(_), Some(_), _) => {
            Err(format!("the item with `role: {}` has both `uid` and `gid`; make it two items", said.role))
        }
        (None, None, _) => {
            Err(format!("the item with `role: {}` says nobody; give it a `uid` or a `gid`", said.role))
        }
    }
}

/// Each is looked up by itself, so that every mistake is told.
fn programs(said: &[String], findings: &mut Vec<Finding>) -> AllowedPrograms {
    let refused = said.iter().filter_map(|program| AllowedPrograms::new([program.into()]).err());
    findings.extend(refused.map(|problem| {
        let problem = problem.to_string();
        error("control.allow_programs", problem.strip_prefix("allow_programs: ").unwrap_or(&problem))
    }));
    AllowedPrograms::new(said.iter().map(Into::into)).unwrap_or_default()
}

fn registration(said: &RegistrationManifest) -> RegistrationConfig {
    let mut config = RegistrationConfig::new(&said.relay);
    if let Some(lease) = said.lease_secs {
        config.lease_seconds = lease.get().into();
        config.heartbeat = Duration::from_secs(config.lease_seconds) / 2;
    }
    if let Some(heartbeat) = said.heartbeat_secs {
        config.heartbeat = heartbeat.duration();
    }
    config
}

/// How the socket is bound, but for where.
pub(crate) fn bound(control: &ControlManifest, bind: Bind) -> Bind {
    let mode = match control.bind_mode {
        Some(SocketBindMode::CreateNew) => BindMode::CreateNew,
        Some(SocketBindMode::ReplaceStale) | None => BindMode::ReplaceStale,
    };
    bind.mode(mode).permissions(control.permissions.unwrap_or(SocketPermissions::User).mode())
}

/// Puts what the file says into the configuration of the socket. `state` is the directory of the stack's state.
pub(crate) fn apply(control: &ControlManifest, settled: &Settled, state: &Path, config: &mut Config) {
    if let Some(name) = &control.display_name {
        config.display_name.clone_from(name);
    }
    config.roles = settled.roles.clone();
    config.allow_programs = settled.programs.clone();
    config.registration = control.registration.as_ref().map(registration);
    config.audit = audit(control.audit.as_ref(), state);
    limit(control.limits.unwrap_or_default(), config);
}

fn audit(said: Option<&AuditManifest>, state: &Path) -> AuditConfig {
    match said {
        Some(AuditManifest::Word(_)) => AuditConfig::Off,
        Some(AuditManifest::Kept(kept)) => AuditConfig::Directory(audit_options(kept, state)),
        None => AuditConfig::Directory(audit_options(&AuditKept::default(), state)),
    }
}

fn audit_options(kept: &AuditKept, state: &Path) -> AuditOptions {
    let mut options = AuditOptions::new(kept.path.as_ref().map_or_else(|| state.join("audit"), Into::into));
    options.fail_open = kept.fail_open.unwrap_or(options.fail_open);
    options.segment_bytes = kept.segment_mib.map_or(options.segment_bytes, |mib| u64::from(mib.get()) * MIB);
    options.total_bytes = kept.total_mib.map_or(options.total_bytes, |mib| u64::from(mib.get()) * MIB);
    options
}

fn caps(limits: ControlLimits, default: Caps) -> Caps {
    let many = |said: Option<u32>, default: usize| said.map_or(default, |number| number as usize);
    let total = many(limits.max_connections.map(Into::into), default.total);
    Caps {
        total,
        per_uid: many(limits.max_connections_per_user.map(Into::into), default.per_uid),
        // Who lowers the total leaves room for others all the same.
        reserved: many(limits.reserved_for_admins, default.reserved.min(total / 2)),
    }
}

fn limit(limits: ControlLimits, config: &mut Config) {
    config.caps = caps(limits, config.caps);
    let Deadlines { frame, idle, write } = config.deadlines;
    config.deadlines = Deadlines {
        frame: limits.frame_secs.map_or(frame, |said| said.duration()),
        idle: limits.idle_secs.map_or(idle, |said| said.duration()),
        write: limits.write_secs.map_or(write, |said| said.duration()),
    };
    config.manifest_bytes = limits.manifest_kib.map_or(config.manifest_bytes, |kib| kib as usize * KIB);
    if let Some(number) = limits.commands_per_sec {
        config.mutations.every = Duration::from_secs(1) / number.get();
    }
    if let Some(burst) = limits.commands_burst {
        config.mutations.burst = burst.get();
    }
    if let Some(number) = limits.refusals_per_min {
        config.failed_authentications =
            Rate { every: Duration::from_secs(60) / number.get(), burst: number.get() };
    }
}
