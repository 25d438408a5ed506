//! The environment of a program: empty, plus what may be inherited, plus what its spec says.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// What a program inherits when the supervisor has it. `LC_*` stands for every name with that beginning.
pub const INHERITED: [&str; 10] =
    ["PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM"];

/// The variable by which a run is known. Every process of the run that has not cleared its environment has
/// it.
pub(crate) const RUN: &str = "SUPERVISOR_RUN";

/// The variable that tells a program that it, and none of its children, is to say `WATCHDOG=1`. Empty, it is filled in
/// between fork and exec.
pub(crate) const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// Where programs are looked for when there is no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Names and values, each name once.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// The environment made of `host` (what the supervisor has) and `own` (what the spec says, which wins).
pub(crate) fn build<'a>(
    host: impl IntoIterator<Item = (OsString, OsString)>,
    own: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Environment {
    let mut environment: Environment = host.into_iter().filter(|(name, _)| is_inherited(name)).collect();
    environment.extend(own.into_iter().map(|(name, value)| (name.into(), value.into())));
    environment.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
    environment
}

/// The `PATH` of an environment made by [`build`].
pub(crate) fn path(environment: &Environment) -> &OsStr {
    environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str)
}

fn is_inherited(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    INHERITED.iter().any(|word| match word.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => name == word.as_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn only_what_is_listed_is_inherited() {
        let host = host(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("AWS_SECRET", "x"),
            ("HOMER", "x"),
            ("LD_PRELOAD", "x"),
        ]);
        let names: Vec<_> = build(host, []).into_keys().collect();
        assert_eq!(names, ["LC_ALL", "PATH"]);
    }

    #[test]
    fn what_the_spec_says_wins() {
        let environment = build(host(&[("HOME", "/root")]), [("HOME", "/srv"), ("PORT", "80")]);
        assert_eq!(environment[OsStr::new("HOME")], "/srv");
        assert_eq!(environment[OsStr::new("PORT")], "80");
    }

    #[test]
    fn there_is_always_a_path() {
        assert_eq!(path(&build([], [])), DEFAULT_PATH);
        assert_eq!(path(&build([], [("PATH", "/opt/bin")])), "/opt/bin");
    }
}
