//! Which target is meant.

use std::path::{Path, PathBuf};

use supervisor_client::{Surroundings, targets};

use super::fault::Fault;

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
