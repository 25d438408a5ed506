//! Which target is meant.

use std::path::{Path, PathBuf};

use supervisor_client::{Surroundings, targets};
use supervisor_stack::RunOf;

use super::fault::Fault;
use super::screen::safe;

/// The socket that was named, or that of the run that a stack text is for.
pub(super) async fn find_run(named: Option<&Path>, text: &str) -> Result<PathBuf, Fault> {
    let Some(run) = RunOf::text(text).filter(|_| named.is_none()) else { return find(named).await };
    if let Some(socket) = run.socket {
        return Ok(socket);
    }
    let file = format!("{}.sock", run.name);
    let found = targets(&Surroundings::of_this_process()).await;
    found.into_iter().find(|path| path.file_name().is_some_and(|name| *name == *file)).ok_or_else(|| {
        Fault::no_target(format!(
            "the stack `{}` does not run here: nobody listens on a socket {file} in the default places; start it with \
             `supervisor run FILE`, or name its socket with `--socket PATH`",
            safe(&run.name)
        ))
    })
}

/// The socket that was named, or that of the only target in the default places.
pub(super) async fn find(named: Option<&Path>) -> Result<PathBuf, Fault> {
    // A variable that is empty counts as unset.
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return Ok(path.to_owned());
    }
    let surroundings = Surroundings::of_this_process();
    let found = targets(&surroundings).await;
    match &found[..] {
        [only] => Ok(only.clone()),
        [] => {
            let places = surroundings.socket_places();
            let places: Vec<_> = places.iter().map(|place| place.path().display().to_string()).collect();
            Err(Fault::no_target(format!(
                "no target runs here: nobody listens on a socket in {}; start one with `supervisor run FILE`, or name \
                 its socket with `--socket PATH`",
                places.join(" or ")
            )))
        }
        several => {
            let list: Vec<_> =
                several.iter().map(|path| format!("\n  --socket {}", path.display())).collect();
            Err(Fault::usage(format!("several targets run here; say which one:{}", list.concat())))
        }
    }
}
