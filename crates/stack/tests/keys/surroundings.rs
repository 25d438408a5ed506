//! As whom a program runs, and what it is started with.

use supervisor_stack::Stack;
use tokio_supervisor::EventKind;

use crate::programs::shell;
use crate::skip;
use crate::tree::{block, launch, of};

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
        // What it prints may come before its number does.
        tree.until("/a", EventKind::ChildReady).await;
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

#[test]
pub(crate) fn variables_come_from_files_that_are_read_at_each_start() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        file("all.env", "A=all\nB=all\nC=all\nD=all\n");
        file("one.env", "# of one\nexport B='one'\nC=one\nD=one\n");
        file("two.env", "C=\"two\"\nD=$two\n");
        let script = "echo $A $B $C $D $E; exec sleep 1000";
        let probe = "readiness: {exec: [sh, -c, 'test \"$D\" = own && test \"$C\" = two']}";
        let keys = format!(
            "env_file: [one.env, {{file: two.env}}, {{file: absent.env, required: false}}], \
             environment: [{{name: D, value: own}}], {probe}"
        );
        let defaults = "supervisor: {defaults: {env_file: all.env, environment: [{name: E, value: e}]}}";
        let text = format!("version: 1\nname: env\n{defaults}\nchildren:\n{}", shell("a", script, &keys));
        let stack = dir.path().join("stack.yaml");
        std::fs::write(&stack, text).unwrap();
        let mut tree = of(&Stack::read(&stack).unwrap());
        assert_eq!(tree.said("/a").await, "all one two own e");
        tree.until("/a", EventKind::ChildReady).await;
        file("one.env", "B=new\n");
        tree.handle.restart_child("/a", "test", "it was changed").await.unwrap();
        assert_eq!(tree.said("/a").await, "all new two own e");
    });
}

#[test]
pub(crate) fn a_file_with_variables_that_cannot_be_read_is_a_failed_start() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.env");
        std::fs::write(&path, "A=1\nB canary\n").unwrap();
        let absent = dir.path().join("absent.env");
        for (file, words) in [
            (&path, "bad.env`, line 2: it has no `=`"),
            (&absent, "absent.env`: no such file or directory; make it, or say `required: false`"),
        ] {
            let keys = format!("role: job, env_file: {{file: {}, required: true}}", file.display());
            let mut tree = launch("", &shell("a", "echo up", &keys));
            let failed =
                tree.event(|event| event.path.as_str() == "/a" && event.event.detail.is_some()).await;
            let told = failed.to_string();
            assert!(told.contains("env_file: `") && told.contains(words), "{told}");
            assert!(!told.contains("canary"), "{told}");
        }
    });
}

#[test]
pub(crate) fn a_health_probe_sees_what_its_run_has_read() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.env");
        std::fs::write(&path, "A=first\n").unwrap();
        let seen = dir.path().join("seen");
        let check = format!("echo \"$A\" >> {}", seen.display());
        let keys = format!(
            "env_file: {}, health_check: {{exec: [sh, -c, '{check}'], check_interval_secs: 0.02}}",
            path.display()
        );
        let mut tree = launch("", &shell("a", "echo $A; exec sleep 1000", &keys));
        assert_eq!(tree.said("/a").await, "first");
        std::fs::write(&path, "A=second\n").unwrap();
        let lines = |many: usize| {
            let text = std::fs::read_to_string(&seen).unwrap_or_default();
            text.ends_with('\n') && text.lines().count() >= many
        };
        while !lines(3) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let text = std::fs::read_to_string(&seen).unwrap();
        assert!(text.lines().all(|line| line == "first"), "{text}");
    });
}

#[test]
pub(crate) fn a_program_has_a_terminal_where_that_is_said() {
    block(async {
        let script = "test -t 0 && test -t 1 && test -t 2 && echo $(stty size) $TERM || echo none";
        for (keys, said) in [
            ("terminal: true", "24 80 dumb"),
            ("terminal: true, environment: [{name: TERM, value: linux}]", "24 80 linux"),
            ("terminal: false", "none"),
        ] {
            let mut tree = launch("", &shell("a", script, &format!("role: job, {keys}")));
            assert_eq!(tree.said("/a").await, said, "{keys}");
        }
    });
}
