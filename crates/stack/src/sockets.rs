//! Each address at which the supervisor listens for programs is one program's alone.

use supervisor_api::manifest::{ChildManifest, ListenAddress, StackManifest};
use supervisor_api::{Finding, SupervisorPath};

/// Programs that would listen where another one does. One that says an address twice is found elsewhere.
pub(crate) fn shared(manifest: &StackManifest) -> Vec<Finding> {
    let mut taken: Vec<(ListenAddress, SupervisorPath)> = Vec::new();
    let mut findings = Vec::new();
    let mut due = vec![(SupervisorPath::root(), &manifest.children[..])];
    let mut next = 0;
    while let Some((above, children)) = due.get(next).cloned() {
        for child in children {
            let path = above.child(&child.name);
            findings.extend(look(&path, child, &taken));
            let own = child.sockets.iter().filter_map(|socket| ListenAddress::parse(&socket.listen).ok());
            taken.extend(own.map(|address| (address, path.clone())));
            due.push((path, child.children.as_deref().unwrap_or_default()));
        }
        next += 1;
    }
    findings
}

fn look(
    path: &SupervisorPath,
    child: &ChildManifest,
    taken: &[(ListenAddress, SupervisorPath)],
) -> Vec<Finding> {
    let find = |listen: &str| {
        let address = ListenAddress::parse(listen).ok()?;
        let other = taken.iter().find(|(known, other)| known.overlaps(&address) && other != path);
        other.map(|(_, other)| other)
    };
    let sentence = |listen: &str| {
        let other = find(listen)?;
        let shown = listen.escape_debug();
        Some(format!(
            "'{shown}' is where the supervisor listens for {other} already; give each its own address"
        ))
    };
    let said = child.sockets.iter().filter_map(|socket| sentence(&socket.listen));
    let found =
        said.map(|message| Finding { path: path.to_string(), key: "sockets", message, warning: false });
    found.collect()
}
