//! The tokens of pages on disk, so that a page goes on by itself when its relay was killed and started again.
//!
//! The file has digests, from which nobody makes a token, and when each ends. Whose they are and what they may do is said
//! by the relay that reads them: always the person who signs in by its links.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use supervisor_api::wire::UnixNanos;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::Instant;

use super::links::TOKEN;
use super::secret::Fingerprint;
use super::{Identities, nanos};
use crate::file;
use crate::rights::Principal;

/// The format of the file.
const VERSION: u32 = 1;
/// More than the file has with all the tokens there may be.
const LARGEST: u64 = 1 << 20;

/// What stands in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    version: u32,
    tokens: Vec<Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    sha256: String,
    until_unix_nanos: UnixNanos,
}

/// The tokens of pages are kept until this is dropped.
#[derive(Debug)]
#[must_use = "they are kept as long as this is there"]
pub struct KeptLogins(AbortHandle);

impl Drop for KeptLogins {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Identities {
    /// Lets in who signed in by a link and whose token stands in this file, as `who`, and writes into it from now on who
    /// signs in. A file that is no good is told of in the log; whoever signed in needs another link then.
    ///
    /// The directory must be one that nobody else may write in. Of each token the file has the digest and the end, which
    /// is 12 hours from the sign-in at the latest, also when the clock was set.
    pub async fn keep_logins(&self, path: PathBuf, who: Principal) -> KeptLogins {
        let from = path.clone();
        match spawn_blocking(move || read(&from)).await {
            Ok(Ok(kept)) => kept.iter().for_each(|kept| self.recall(kept, &who)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    "{} cannot be used: {error}; who signed in before needs a new link",
                    path.display()
                );
            }
            // It neither panics nor is aborted.
            Err(_) => {}
        }
        let identities = self.clone();
        KeptLogins(tokio::spawn(async move { identities.write_logins(path).await }).abort_handle())
    }

    fn recall(&self, kept: &Kept, who: &Principal) {
        let Some(token) = Fingerprint::read(&kept.sha256) else { return };
        let left = kept.until_unix_nanos.0.saturating_sub((self.0.wall)().0);
        let left = Duration::from_nanos(left).min(TOKEN);
        if !left.is_zero() {
            self.0.links.put(token, who.clone(), Instant::now() + left);
        }
    }

    /// Writes the file whenever somebody has signed in.
    async fn write_logins(&self, path: PathBuf) {
        let mut used = self.0.links.used();
        let path = Arc::<Path>::from(path);
        loop {
            let (page, path) = (self.page(), Arc::clone(&path));
            let written = spawn_blocking(move || file::replace(&path, &serde_json::to_vec(&page)?)).await;
            if let Ok(Err(error)) = written {
                tracing::warn!("who signed in cannot be kept: {error}; after a restart they need a new link");
            }
            // The sender is ours.
            let _ = used.changed().await;
        }
    }

    fn page(&self) -> Page {
        let (now, wall) = (Instant::now(), (self.0.wall)().0);
        let kept = |(token, until): (Fingerprint, Instant)| Kept {
            sha256: token.hex(),
            until_unix_nanos: UnixNanos(wall.saturating_add(nanos(until - now))),
        };
        Page { version: VERSION, tokens: self.0.links.tokens().into_iter().map(kept).collect() }
    }
}

fn read(path: &Path) -> io::Result<Vec<Kept>> {
    let Page { version, tokens } = serde_json::from_slice(&file::read(path, LARGEST)?)?;
    if version != VERSION {
        return Err(file::of_another_version(version, VERSION));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::identity::tests::{code_in, identities};
    use crate::identity::{Proof, Secret};
    use crate::rights::Role;

    fn owner() -> Principal {
        Principal::new("owner").with("*", Role::Admin)
    }

    fn sign_in(identities: &Identities) -> Secret {
        let code = identities.login_code(owner()).unwrap();
        identities.trade(&code_in(&code)).unwrap().unwrap().token
    }

    fn knows(identities: &Identities, token: &Secret) -> bool {
        identities.guest(Proof::Token(token.digest())).is_some_and(|guest| *guest.who() == owner())
    }

    /// Written by hand, so that nothing of it hangs on how quick a disk is.
    fn file(token: &Secret, until: u64) -> (tempfile::TempDir, PathBuf) {
        let folder = crate::played::folder();
        let path = folder.path().join("logins.json");
        let kept = Kept { sha256: token.sha256(), until_unix_nanos: UnixNanos(until) };
        let page = Page { version: VERSION, tokens: vec![kept] };
        file::replace(&path, &serde_json::to_vec(&page).unwrap()).unwrap();
        (folder, path)
    }

    #[tokio::test(start_paused = true)]
    async fn s20_who_signed_in_is_known_again_for_what_is_left_of_twelve_hours() {
        let (first, _) = identities();
        let token = sign_in(&first);
        let until = first.page().tokens[0].until_unix_nanos.0;
        let (folder, path) = file(&token, until);
        advance(TOKEN / 2).await;
        let (second, set) = identities();
        set.store(TOKEN.as_secs() / 2, std::sync::atomic::Ordering::Relaxed);
        let kept = second.keep_logins(path.clone(), owner()).await;
        assert!(knows(&second, &token));
        let left = second.page().tokens[0].until_unix_nanos.0;
        assert_eq!(left, until, "it is not longer for having been read");
        advance(TOKEN / 2).await;
        assert!(!knows(&second, &token));
        drop((kept, folder));
    }

    #[tokio::test(start_paused = true)]
    async fn s20_a_clock_that_was_set_back_lets_nobody_in_for_longer() {
        let (identities, _) = identities();
        let token = Secret::fresh().unwrap();
        let (_folder, path) = file(&token, u64::MAX);
        let _kept = identities.keep_logins(path, owner()).await;
        assert!(knows(&identities, &token));
        advance(TOKEN).await;
        assert!(!knows(&identities, &token));
    }
}
