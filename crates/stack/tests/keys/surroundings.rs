//! As whom a program runs, and what it is started with.

use tokio_supervisor::EventKind;

use crate::programs::shell;
use crate::skip;
use crate::tree::{block, launch};

#[test]
pub(crate) fn a_program_runs_as_the_user_and_the_group_that_are_said() {
    if !skip::is_root("a_program_runs_as_the_user_and_the_group_that_are_said") {
        return;
    }
    block(async {
        let script = "echo $(id -u) $(id -g) $(id -G) $USER";
        let own = "role: job, working_dir: /, ";
        for (keys, said) in [
            ("user: nobody", "65534 65534 65534 nobody"),
            ("user: nobody, group: 54319", "65534 54319 54319 nobody"),
            ("user: 54319, group: daemon", "54319 1 1"),
        ] {
            let mut tree = launch("", &shell("a", script, &format!("{own}{keys}")));
            assert_eq!(tree.said("/a").await, said, "{keys}");
        }
    });
}

#[test]
pub(crate) fn a_user_that_is_not_known_is_a_failed_start() {
    block(async {
        let mut tree = launch("", &shell("a", "echo up", "role: job, user: no-such-user"));
        let failed = tree.event(|event| event.path.as_str() == "/a" && event.event.detail.is_some()).await;
        assert!(failed.to_string().contains("user: 'no-such-user' is no user of /etc/passwd"), "{failed}");
    });
}

#[test]
pub(crate) fn files_are_made_without_the_umask_and_the_cpu_is_shared_as_nice_says() {
    block(async {
        let mut tree = launch("", &shell("a", "echo $(umask) $(nice)", "role: job, umask: 027, nice: 3"));
        assert_eq!(tree.said("/a").await, "0027 3");
    });
}

#[test]
pub(crate) fn privileges_are_gained_only_where_that_is_said() {
    block(async {
        let script = "grep NoNewPrivs: /proc/self/status";
        for (keys, said) in [("role: job", "1"), ("role: job, no_new_privs: false", "0")] {
            let mut tree = launch("", &shell("a", script, keys));
            assert_eq!(tree.said("/a").await, format!("NoNewPrivs:\t{said}"), "{keys}");
        }
    });
}

#[test]
pub(crate) fn a_program_reads_what_is_said() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("in"), "from a file\n").unwrap();
        let beside = format!("stdin: {{file: in}}, working_dir: {}", dir.path().display());
        let script = "read line || line='end of input'; echo $line";
        for (keys, said) in [
            ("stdin: null", "end of input"),
            ("tags: [stdin is not said]", "end of input"),
            ("stdin: {file: /proc/sys/kernel/ostype}", "Linux"),
            (&beside, "from a file"),
        ] {
            let mut tree = launch("", &shell("a", script, &format!("role: job, {keys}")));
            assert_eq!(tree.said("/a").await, said, "{keys}");
        }
        let mut tree = launch("", &shell("a", "echo up; exec cat", "stdin: pipe"));
        assert_eq!(tree.said("/a").await, "up");
        let pid = tree.handle.child("/a").unwrap().pid.unwrap();
        let input = std::fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
        assert!(input.display().to_string().starts_with("pipe:"), "{}", input.display());
        tree.stop().await;
        let ended = tree.until("/a", EventKind::ChildStopped).await;
        assert_eq!(
            ended.event.row.generation, 1,
            "`cat` would have ended with its input, and have been restarted: {ended}"
        );
    });
}
