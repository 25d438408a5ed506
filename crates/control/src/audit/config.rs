//! Whether and where is recorded what is asked of a target.

use std::path::PathBuf;

use supervisor_ledger::{Error, Folder};

/// Whether and where is recorded what is asked of a target.
#[derive(Debug, Clone)]
pub enum AuditConfig {
    /// Nothing is recorded; health says so. A command id is carried out once as long as the target runs, and again
    /// after it was started anew.
    Off,
    /// Everything is recorded in a directory.
    Directory(AuditOptions),
}

/// Where is recorded, how much, and what happens when that is not possible.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuditOptions {
    /// The directory. It is made when it is missing, belongs to this user alone, and to one target at a time.
    pub directory: PathBuf,
    /// Whether commands are carried out also when they cannot be recorded. Default: no. Health says so when it is
    /// chosen, whether or not it has come to that.
    pub fail_open: bool,
    /// A segment that would grow beyond this many bytes is ended, and the next one begins. Default: 8 MiB.
    pub segment_bytes: u64,
    /// When all segments together have more than this many bytes, the oldest are dropped. Default: 256 MiB. The
    /// command ids that are remembered across a restart of the target are in the segments too.
    pub total_bytes: u64,
}

impl AuditOptions {
    /// Makes the directory and finds out whether records can be kept in it: that it is this user's alone, and that
    /// nobody else records there. For those who start nothing when that is not so.
    ///
    /// # Errors
    ///
    /// What is wrong with the directory, and what helps. A full disk is no error here.
    pub fn prove(&self) -> Result<(), AuditPlaceError> {
        Folder::for_writing(&self.directory).map(drop).map_err(AuditPlaceError)
    }

    /// In this directory, with the defaults.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), fail_open: false, segment_bytes: 8 << 20, total_bytes: 256 << 20 }
    }
}

/// An audit cannot be kept where it is wanted.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the audit cannot be kept: {0}")]
pub struct AuditPlaceError(Error);
