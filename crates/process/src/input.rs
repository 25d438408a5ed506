//! What a program reads as its standard input.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use supervisor_api::manifest::{StdinManifest, StdinWord};

use crate::start_error::{from, reason};
use crate::terminal::Terminal;

/// What a program reads as its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Input {
    /// Nothing: its input has ended before it begins.
    #[default]
    Null,
    /// A file or a device, opened anew for each run, from its beginning. A relative path is taken from the working
    /// directory. It is opened with the supervisor's rights, whatever user the program runs as.
    File(PathBuf),
    /// A pipe to which nobody writes, and that stays open until the program has ended. For programs that end when their
    /// input does.
    Pipe,
    /// A terminal of 80 columns and 24 rows, at which nobody types. It is the controlling terminal of the program, which
    /// leads a session of its own, and takes what the program prints on both streams: all of it counts as `stdout`. `TERM`
    /// is `dumb` unless a variable says otherwise.
    Terminal,
}

/// An input that can be given to a child.
#[derive(Debug)]
pub(crate) enum Opened {
    Null,
    File(File),
    Pipe,
    Terminal(Terminal),
}

impl Input {
    pub(crate) fn of(manifest: &StdinManifest) -> Self {
        match manifest {
            StdinManifest::Word(StdinWord::Null) => Self::Null,
            StdinManifest::Word(StdinWord::Pipe) => Self::Pipe,
            StdinManifest::File(said) => Self::File(PathBuf::from(&said.file)),
        }
    }

    /// The key of a file that says it.
    pub(crate) const fn key(&self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Null | Self::File(_) | Self::Pipe => "stdin",
        }
    }

    /// Opens it. The error is a sentence that names the path.
    pub(crate) fn open(&self, working_dir: Option<&Path>) -> Result<Opened, String> {
        match self {
            Self::Null => Ok(Opened::Null),
            Self::Pipe => Ok(Opened::Pipe),
            Self::Terminal => Terminal::open().map(Opened::Terminal),
            Self::File(path) => {
                let path = from(working_dir, path);
                let shown = path.display();
                open(&path).map(Opened::File).map_err(|why| format!("`{shown}`: {why}"))
            }
        }
    }
}

/// Opens a file without waiting: a pipe in the file system would wait for somebody who writes.
fn open(path: &Path) -> Result<File, String> {
    let why = |error: std::io::Error| reason(&error);
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(why)?;
    let is = file.metadata().map_err(why)?.file_type();
    if !is.is_file() && !is.is_char_device() {
        return Err("it is neither a file nor a device; name one".to_owned());
    }
    let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| reason(&error.into()))?;
    let blocking = flags.difference(rustix::fs::OFlags::NONBLOCK);
    rustix::fs::fcntl_setfl(&file, blocking).map_err(|error| reason(&error.into()))?;
    Ok(file)
}
