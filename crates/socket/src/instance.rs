//! One instance of a name at a time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use supervisor_api::ChildId;

use crate::directory::{Directory, DirectoryError};
use crate::places::Surroundings;

const LOCK: &str = "lock";

/// Why a name cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// The directory of the name's state is not used.
    #[error("the lock of the stack cannot be kept: {0}; set XDG_STATE_HOME to keep it elsewhere")]
    Directory(#[from] DirectoryError),
    /// Nothing says where state is kept.
    #[error(
        "there is no directory for the state of `{name}`; set HOME or XDG_STATE_HOME to an absolute path"
    )]
    NoHome {
        /// The name.
        name: ChildId,
    },
    /// Another process has it.
    #[error("`{name}` runs already{}; stop it, or run this one under another name", process(*.pid))]
    Taken {
        /// The name.
        name: ChildId,
        /// Who has it; `None` when it has not said so, or is in another pid namespace.
        pid: Option<u32>,
    },
    /// The lock cannot be opened, taken or written.
    #[error("the lock {} cannot be used: {error}", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

impl InstanceError {
    /// The wire's word for it, of stage `ipc_bind`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory(error) => error.code(),
            Self::NoHome { .. } | Self::Failed { .. } => "ipc_path_metadata_failed",
            Self::Taken { .. } => "ipc_bind_failed",
        }
    }
}

/// ` as process 42`, when that is known.
pub(crate) fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" as process {pid}")).unwrap_or_default()
}

/// The right to be the only running instance of a name. It ends when the value is dropped, or with the process.
///
/// It is a lock (`flock`) on the file `lock` in the directory of the name's state, and holds for all who keep their
/// state in the same place: the same user with the same `XDG_STATE_HOME`. The file stays; it names the holder.
#[derive(Debug)]
pub struct Instance {
    file: File,
    directory: Directory,
}

impl Instance {
    /// Takes the name, or says at once who has it. Creates the directory of its state, mode 0700.
    ///
    /// # Errors
    ///
    /// When the name is taken, or its directory fails the checks that a socket's directory has to pass.
    pub fn claim(name: &ChildId, surroundings: &Surroundings) -> Result<Self, InstanceError> {
        let place =
            surroundings.state_place(name).ok_or_else(|| InstanceError::NoHome { name: name.clone() })?;
        let directory = Directory::open_place(&place)?;
        let failed = |error: io::Error| InstanceError::Failed { path: place.path().join(LOCK), error };
        let file = open(&directory).map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(InstanceError::Taken { name: name.clone(), pid: holder(&file) });
            }
            Err(error) => return Err(failed(error.into())),
        }
        // The lock holds without it. On a full disk a second holder cannot be told who has the name.
        let _ = sign(&file);
        Ok(Self { file, directory })
    }

    /// The directory of the name's state. It is ours, and written by nobody else.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Instance {
    /// Takes the signature back before the lock ends, so that the next holder is not taken for this one.
    fn drop(&mut self) {
        // When that fails the old number stays, and is believed only while such a process lives.
        let _ = self.file.set_len(0);
        // Closing the file would do, but for a program that is being started and has not executed yet: it has a copy.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

fn open(directory: &Directory) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, LOCK, flags, Mode::RUSR | Mode::WUSR)?.into())
}

fn sign(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

/// The living process that has signed the lock.
fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    let pid: u32 = text.trim().parse().ok()?;
    Path::new("/proc").join(pid.to_string()).exists().then_some(pid)
}
