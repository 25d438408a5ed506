//! Looking.

use crate::shop::Shop;

/// The cells of a table, without what differs between runs.
fn words(line: &str) -> Vec<&str> {
    line.trim_start_matches(['├', '└', '│', '─', ' ']).split_whitespace().take(4).collect()
}

#[test]
fn the_verbs_that_look_tell_what_is() {
    let shop = Shop::up();
    let tree = shop.say(&["tree"]);
    assert_eq!(tree.code, Some(0), "{}", tree.err);
    let rows: Vec<_> = tree.out.lines().map(words).collect();
    for row in [
        ["TREE", "STATE", "READY", "HEALTH"],
        ["web", "running", "ready", "unknown"],
        ["mail", "running", "ready", "unknown"],
        ["broken", "quarantined", "unreported", "unknown"],
        ["prepare", "completed", "unreported", "unknown"],
        ["one", "running", "ready", "unknown"],
    ] {
        assert!(rows.contains(&row.to_vec()), "{row:?} is not in\n{}", tree.out);
    }
    assert!(tree.out.contains("last failure: failed: exit code 3"), "{}", tree.out);

    let status = shop.say(&["status"]);
    assert!(
        status.out.starts_with("shop is degraded\n9 children: 1 completed, 1 quarantined, 7 running\n"),
        "{}",
        status.out
    );
    assert!(status.out.contains("\n/broken  quarantined  "), "{}", status.out);
    for name in ["/mail", "mail"] {
        let status = shop.say(&["status", name]);
        let fact = |name: &str, value: &str| status.out.lines().any(|line| words(line) == [name, value]);
        assert!(fact("state", "running") && status.out.contains("depends on"), "{}", status.out);
        let value = |name: &str| status.out.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let pid = value("process").unwrap_or_default();
        assert!(std::fs::exists(format!("/proc/{pid}/status")).unwrap(), "no process {pid}\n{}", status.out);
        assert!(value("since").is_some_and(|since| since.ends_with(" ago")), "{}", status.out);
    }

    let health = shop.say(&["health"]);
    assert_eq!(
        (health.code, health.out.as_str()),
        (Some(0), "degraded: /broken is quarantined\n"),
        "{}",
        health.err
    );
    assert_eq!(shop.say(&["health", "--strict"]).code, Some(1));

    let why = shop.say(&["why", "/broken"]);
    assert!(
        why.out.starts_with("/broken is quarantined. First: /broken ended: failed: exit code 3"),
        "{}",
        why.out
    );
    assert!(why.out.lines().count() > 3 && why.out.contains("budget"), "{}", why.out);

    let logs = shop.say(&["logs", "/broken"]);
    assert_eq!(logs.out.matches("| no disk").count(), 2, "{}", logs.out);
    assert!(!logs.out.contains("web is up") && shop.say(&["logs", "/"]).out.contains("web is up"));

    let events = shop.say(&["events", "--filter", "path=/broken", "--filter", "type=ChildFailed"]);
    assert_eq!(events.out.lines().count(), 2, "{}", events.out);
    let first: u64 = events.out.split_whitespace().next().unwrap().parse().unwrap();
    let since = shop.say(&["events", "--since", &first.to_string()]);
    assert!(since.out.trim_start().starts_with(&format!("{first} ")), "{}", since.out);
}

#[test]
fn the_only_target_is_found_where_it_is_by_default() {
    if std::fs::read_dir("/run/tokio-supervisor").is_ok_and(|mut entries| entries.next().is_some()) {
        return;
    }
    let shop = Shop::up();
    let tree = shop.command(&["tree"]).env_remove("SUPERVISOR_SOCKET").output().unwrap();
    assert_eq!(tree.status.code(), Some(0), "{}", String::from_utf8_lossy(&tree.stderr));
}
