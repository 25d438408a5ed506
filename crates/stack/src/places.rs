//! Where the files are that a stack names: beside its own.

use std::path::Path;

use supervisor_api::manifest::{
    ChildManifest, DefaultsManifest, EnvFileManifest, LogManifest, SecretsManifest, SecretsPlace,
    StackManifest,
};

/// Has every relative path of a log file, of a file with variables and of a directory with secrets begin in `folder`.
pub(crate) fn place(manifest: &mut StackManifest, folder: Option<&Path>) {
    let Some(folder) = folder else { return };
    for place in manifest.secrets_from.iter_mut().flatten() {
        if let SecretsManifest::Place(SecretsPlace { directory: Some(directory), .. }) = place
            && !directory.is_empty()
        {
            *directory = placed(folder, directory);
        }
    }
    let defaults = |defaults: Option<&mut DefaultsManifest>| {
        if let Some(defaults) = defaults {
            place_all(folder, defaults.log.as_mut(), defaults.env_file.as_mut());
        }
    };
    defaults(manifest.supervisor.as_mut().and_then(|supervisor| supervisor.defaults.as_mut()));
    let mut due: Vec<&mut ChildManifest> = manifest.children.iter_mut().collect();
    while let Some(child) = due.pop() {
        place_all(folder, child.log.as_mut(), child.env_file.as_mut());
        defaults(child.defaults.as_mut());
        due.extend(child.children.iter_mut().flatten());
    }
}

fn place_all(folder: &Path, log: Option<&mut LogManifest>, files: Option<&mut EnvFileManifest>) {
    let kept = log.and_then(LogManifest::kept_mut);
    let log = kept.map(|kept| [&mut kept.file, &mut kept.dir].into_iter().flatten());
    let files = files.map(|files| files.files_mut().iter_mut().map(|file| file.path_mut()));
    let paths = log.into_iter().flatten().chain(files.into_iter().flatten());
    // An empty one stays what it is, and is refused.
    for path in paths.filter(|path| !path.is_empty()) {
        *path = placed(folder, path);
    }
}

/// The folder of a file that is named by text is text, but for what cannot be shown.
fn placed(folder: &Path, path: &str) -> String {
    folder.join(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_where_the_file_is() {
        let text = r#"{"version": 1, "name": "a",
            "secrets_from": ["environment", {"directory": "secrets"}, {"directory": "/abs"}],
            "supervisor": {"defaults": {"log": {"dir": "logs"}, "env_file": "all.env"}},
            "children": [{"name": "a", "kind": "process", "log": {"file": "/abs/x"},
                "env_file": ["/abs/y", "a.env", {"file": "b.env", "required": false}]}]}"#;
        let mut manifest: StackManifest = serde_json::from_str(text).unwrap();
        place(&mut manifest, Some(Path::new("/srv/shop")));
        let secrets = serde_json::to_string(&manifest.secrets_from).unwrap();
        assert_eq!(secrets, r#"["environment",{"directory":"/srv/shop/secrets"},{"directory":"/abs"}]"#);
        let defaults = manifest.supervisor.unwrap().defaults.unwrap();
        assert_eq!(defaults.log.unwrap().kept().unwrap().dir.as_deref(), Some("/srv/shop/logs"));
        assert_eq!(defaults.env_file.unwrap().files()[0].path(), "/srv/shop/all.env");
        let own = &manifest.children[0];
        assert_eq!(own.log.as_ref().unwrap().kept().unwrap().file.as_deref(), Some("/abs/x"));
        let files: Vec<_> = own.env_file.as_ref().unwrap().files().iter().map(|file| file.path()).collect();
        assert_eq!(files, ["/abs/y", "/srv/shop/a.env", "/srv/shop/b.env"]);
    }
}
