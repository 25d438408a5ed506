//! The file with the link of a running dashboard.
//!
//! A link is good once, so whoever wants to come in later finds a new one there. It lies in the directory of the stack's
//! state, which only its user and root may enter, and is theirs alone; both could do without it what it lets them do.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use supervisor_api::ChildId;
use supervisor_control::Surroundings;
use supervisor_relay::{LoginCode, file};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::port::Guests;

const NAME: &str = "dashboard";
/// More than a link has.
const LONGEST: u64 = 1_024;
/// How long a dashboard may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the link of a stack with this directory is.
pub(super) fn place(state: &Path) -> PathBuf {
    state.join(NAME)
}

/// Keeps a link that is good in a file, until it is dropped; then the file is removed.
#[derive(Debug)]
pub(super) struct LinkFile {
    file: Arc<Kept>,
    renewing: AbortHandle,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    /// Nothing is written any more. Held while something is.
    ended: Mutex<bool>,
}

impl LinkFile {
    /// The first link is there when this returns, so whoever was told that there is a dashboard finds one.
    pub(super) async fn keep(path: PathBuf, guests: Guests) -> Self {
        let file = Arc::new(Kept { path, ended: Mutex::new(false) });
        let used = guests.identities.login_codes_used();
        write(&file, &guests).await;
        let renewing = tokio::spawn(renew(Arc::clone(&file), guests, used)).abort_handle();
        Self { file, renewing }
    }
}

impl Drop for LinkFile {
    fn drop(&mut self) {
        self.renewing.abort();
        *self.file.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // Who has removed it before has done the same.
        let _ = fs::remove_file(&self.file.path);
    }
}

/// Writes another link whenever one was used, and before the last is too old.
async fn renew(file: Arc<Kept>, guests: Guests, mut used: watch::Receiver<u64>) {
    loop {
        tokio::select! {
            // The identities live as long as the dashboard.
            _ = used.changed() => {}
            () = sleep(LoginCode::lifetime() / 2) => {}
        }
        write(&file, &guests).await;
    }
}

/// Writes a new link. A disk that does not answer holds up nothing else.
async fn write(file: &Arc<Kept>, guests: &Guests) {
    let (file, guests) = (Arc::clone(file), guests.clone());
    let written = tokio::task::spawn_blocking(move || file.write(&guests.link()?)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!("the link to the dashboard cannot be kept: {error}");
    }
}

impl Kept {
    /// Who reads sees the old link or the new one.
    fn write(&self, link: &str) -> io::Result<()> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return Ok(());
        }
        file::replace(&self.path, format!("{link}\n").as_bytes())
    }
}

/// The link to the dashboard of a stack that runs.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginLink {
    /// The name of the stack.
    pub stack: ChildId,
    /// The link. It is good once, and for some minutes.
    pub link: String,
}

/// The links to the dashboards of the stacks that run as this user and keep their state in the same place, by the names
/// of the stacks.
///
/// Blocks: files are read, and every port is tried for up to a second.
///
/// # Errors
///
/// When the directory of the states is there and cannot be read.
pub fn login_links(surroundings: &Surroundings) -> io::Result<Vec<LoginLink>> {
    let Some(folder) = states(surroundings) else { return Ok(Vec::new()) };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: Vec<_> = entries.flatten().filter_map(|entry| of_state(&entry.path())).collect();
    found.sort_by(|a, b| a.stack.cmp(&b.stack));
    Ok(found)
}

/// The directory in which every stack has its own.
fn states(surroundings: &Surroundings) -> Option<PathBuf> {
    let of_one = surroundings.state_place(&ChildId::new("any").ok()?)?;
    Some(of_one.path().parent()?.to_owned())
}

fn of_state(state: &Path) -> Option<LoginLink> {
    let stack = ChildId::new(state.file_name()?.to_str()?).ok()?;
    let link = String::from_utf8(file::read(&place(state), LONGEST).ok()?).ok()?;
    let link = link.trim_end().to_owned();
    let address: SocketAddr = link.strip_prefix("http://")?.split_once('/')?.0.parse().ok()?;
    // One that was killed has left its link behind.
    TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    Some(LoginLink { stack, link })
}
