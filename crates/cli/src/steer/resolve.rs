//! From what somebody typed to a path.

use supervisor_api::wire::DashboardState;
use supervisor_api::{SupervisorPath, nearest};

use super::fault::Fault;

/// The path of the node that is meant: a path as it stands, or the only node with this id.
pub(super) fn resolve(state: &DashboardState, asked: &str) -> Result<SupervisorPath, Fault> {
    if asked.trim().is_empty() {
        return Err(Fault::usage("the path is blank; name a child, such as /web"));
    }
    let paths: Vec<&SupervisorPath> = state.topology.nodes.iter().map(|node| &node.path).collect();
    if asked.starts_with('/') {
        let path = SupervisorPath::parse(asked).map_err(|error| Fault::usage(error.to_string()))?;
        return if paths.contains(&&path) { Ok(path) } else { Err(unknown(&paths, asked)) };
    }
    let mut found = paths.iter().filter(|path| path.last_segment() == Some(asked));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok((*only).clone()),
        (None, _) => Err(unknown(&paths, asked)),
        (Some(first), Some(second)) => {
            let all: Vec<_> = [first, second].into_iter().chain(found).map(|path| path.as_str()).collect();
            Err(Fault::failed(format!(
                "several children are called '{asked}': {}; give the path",
                all.join(", ")
            )))
        }
    }
}

fn unknown(paths: &[&SupervisorPath], asked: &str) -> Fault {
    let is_path = asked.starts_with('/');
    let others = paths.iter().filter(|path| !path.is_root());
    let names = others.filter_map(|path| if is_path { Some(path.as_str()) } else { path.last_segment() });
    let like = match nearest(asked, names) {
        like if like.is_empty() => "`supervisor tree` shows all".to_owned(),
        like => format!("did you mean {}?", like.join(" or ")),
    };
    Fault::failed(format!("there is no child {asked}; {like}"))
}
