//! Where a target may listen (`security.md` 24).

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use supervisor_api::wire::{ErrorCode, RegistrationRefusal};
use supervisor_socket::Surroundings;

/// The directories below which targets may listen.
#[derive(Debug, Clone)]
pub(crate) struct Allowed(Vec<PathBuf>);

impl Allowed {
    /// These, with all that lies below them.
    pub(crate) fn below(directories: Vec<PathBuf>) -> Self {
        Self(directories)
    }

    /// Where targets of this user listen when nobody says otherwise.
    pub(crate) fn by_default(surroundings: &Surroundings) -> Vec<PathBuf> {
        let places = surroundings.socket_places();
        places.into_iter().map(|place| place.base.join(place.below)).collect()
    }

    /// The socket at `path`, without links, if it is one of `uid` in an allowed directory. It may wait for a disk.
    pub(crate) fn socket(&self, path: &Path, uid: u32) -> Result<PathBuf, RegistrationRefusal> {
        let refuse = |code, message: &str| Err(RegistrationRefusal::new(code, message));
        let shown = path.display();
        let real = match std::fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => return refuse(ErrorCode::InvalidIpcPath, &nothing_there(path, &error)),
        };
        // Links in the allowed directories are the operator's, so they are followed.
        let allowed = self.0.iter().filter_map(|directory| std::fs::canonicalize(directory).ok());
        if !allowed.into_iter().any(|directory| real.starts_with(&directory) && real != directory) {
            let message = format!(
                "{shown} is not in a directory where this relay takes targets from: {}; listen there, or add the \
                 directory to `socket_directories`",
                self.shown()
            );
            return refuse(ErrorCode::IpcPathNotAllowed, &message);
        }
        let found = match std::fs::symlink_metadata(&real) {
            Ok(found) => found,
            Err(error) => return refuse(ErrorCode::InvalidIpcPath, &nothing_there(path, &error)),
        };
        if !found.file_type().is_socket() {
            return refuse(
                ErrorCode::InvalidIpcPath,
                &format!("{shown} is no socket; listen before you register"),
            );
        }
        if found.uid() != uid {
            let message = format!(
                "the socket {shown} belongs to uid {}, and uid {uid} registers it; register as its owner",
                found.uid()
            );
            return refuse(ErrorCode::TargetIdOwnerMismatch, &message);
        }
        Ok(real)
    }

    fn shown(&self) -> String {
        let all: Vec<_> = self.0.iter().map(|directory| directory.display().to_string()).collect();
        all.join(", ")
    }
}

fn nothing_there(path: &Path, error: &io::Error) -> String {
    format!("the socket {} cannot be looked at: {error}; listen before you register", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let root = std::fs::canonicalize(std::env::temp_dir()).unwrap();
        tempfile::Builder::new().prefix("relay-").tempdir_in(root).unwrap()
    }

    #[test]
    fn s24_a_path_counts_for_where_it_leads_and_not_for_how_it_is_written() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        for name in ["run", "run-evil", "other"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let _sockets: Vec<_> = ["run/a.sock", "run-evil/b.sock", "other/c.sock"]
            .map(|name| UnixListener::bind(at(name)).unwrap())
            .into();
        symlink(at("other/c.sock"), at("run/link.sock")).unwrap();
        symlink(at("other"), at("run/sub")).unwrap();
        symlink(at("run"), at("alias")).unwrap();
        std::fs::write(at("run/file"), "").unwrap();

        let uid = std::fs::metadata(folder.path()).unwrap().uid();
        let allowed = Allowed::below(vec![at("run")]);
        let code = |name: &str| allowed.socket(&at(name), uid).map_err(|refusal| refusal.code.to_string());
        assert_eq!(code("run/a.sock"), Ok(at("run/a.sock")));
        assert_eq!(code("alias/a.sock"), Ok(at("run/a.sock")), "a link that leads inside is good");
        for bad in [
            "run/../other/c.sock",
            "run/link.sock",
            "run/sub/c.sock",
            "run-evil/b.sock",
            "other/c.sock",
            "run",
        ] {
            assert_eq!(code(bad), Err("ipc_path_not_allowed".to_owned()), "{bad}");
        }
        for bad in ["run/file", "run/none.sock", "run/a.sock/deeper", "nowhere/x.sock"] {
            assert_eq!(code(bad), Err("invalid_ipc_path".to_owned()), "{bad}");
        }
        let foreign = allowed.socket(&at("run/a.sock"), uid + 1).unwrap_err();
        assert!(foreign.code.is(ErrorCode::TargetIdOwnerMismatch), "{foreign}");
    }

    #[test]
    fn s24_an_allowed_directory_may_be_a_link_of_the_operator() {
        let folder = folder();
        let real = folder.path().join("real");
        std::fs::create_dir(&real).unwrap();
        let _listener = UnixListener::bind(real.join("a.sock")).unwrap();
        symlink(&real, folder.path().join("link")).unwrap();
        let uid = std::fs::metadata(folder.path()).unwrap().uid();
        let allowed = Allowed::below(vec![folder.path().join("link"), folder.path().join("absent")]);
        assert_eq!(allowed.socket(&real.join("a.sock"), uid).unwrap(), real.join("a.sock"));
    }
}
