//! Where the secrets of a stack are looked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::Finding;
use supervisor_api::manifest::{SecretsManifest, SecretsPlace, SecretsWord, StackManifest};
use supervisor_process::secrets;
use tokio_supervisor::Registry;

/// How long a command may take that is asked for a secret.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is wrong with the places that a file names.
pub(crate) fn problems(manifest: &StackManifest) -> Vec<Finding> {
    let finding = |message| Finding { path: "/".to_owned(), key: "secrets_from", message, warning: false };
    match &manifest.secrets_from {
        Some(places) if places.is_empty() => {
            vec![finding(
                "has no place, so nobody could have a secret; name one, or leave the key out".to_owned(),
            )]
        }
        places => {
            let problems = places.iter().flatten().filter_map(SecretsManifest::problem);
            problems.map(finding).collect()
        }
    }
}

/// The same registry with the places that a stack names, after those it has.
pub(crate) fn looked_for(registry: Registry, places: &[SecretsManifest]) -> Registry {
    places.iter().fold(registry, |registry, place| match place {
        SecretsManifest::Word(SecretsWord::Environment) => registry.secrets_from_environment(),
        SecretsManifest::Word(SecretsWord::Credentials) => registry
            .secrets_from("the credentials of systemd", async |key: String| secrets::of_systemd(&key).await),
        SecretsManifest::Place(SecretsPlace { directory: Some(directory), .. }) => {
            let place: Arc<PathBuf> = Arc::new(directory.into());
            registry.secrets_from(format!("the directory `{directory}`"), move |key| {
                let place = Arc::clone(&place);
                async move { secrets::in_directory(&*place, &key).await }
            })
        }
        SecretsManifest::Place(SecretsPlace { command, timeout_secs, .. }) => {
            let words: Arc<[String]> = command.iter().flatten().cloned().collect();
            let limit = timeout_secs.map_or(TIMEOUT, |limit| limit.duration());
            let program = words.first().cloned().unwrap_or_default();
            registry.secrets_from(format!("the command `{program}`"), move |key| {
                let words = Arc::clone(&words);
                async move { secrets::of_command(&words, limit, &key).await }
            })
        }
    })
}
