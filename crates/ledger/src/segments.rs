//! The files behind a ledger, as its writer sees them.
//!
//! Order is everything here. A segment is synced before the next one is made, and the name of the next one before
//! anything else happens: whatever a crash leaves, only the last segment can have an end that was cut short.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile, segment_name, write_all_at};
use crate::error::Error;
use crate::head::Chunk;

/// A segment and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) segment: u64,
    pub(crate) bytes: u64,
}

/// The segments, open at their end.
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    /// Every segment there is, oldest first. The last one is written to.
    extents: VecDeque<Extent>,
    file: Option<Box<dyn DiskFile>>,
    /// Everything up to here is on the disk and was acknowledged.
    durable: Extent,
    /// Whether something may stand behind `durable`.
    suspect: bool,
}

impl Segments {
    /// Goes on behind the last of `extents`, which must be on the disk. No extents: the first segment is to come.
    pub(crate) fn new(disk: Arc<dyn Disk>, extents: VecDeque<Extent>) -> Self {
        let durable = extents.back().copied().unwrap_or(Extent { segment: 0, bytes: 0 });
        Self { disk, extents, file: None, durable, suspect: false }
    }

    /// Writes all of this and makes it durable. After an error none of it counts: it is cut off before anything
    /// else is written.
    pub(crate) fn commit(&mut self, chunks: &[Chunk]) -> Result<(), Error> {
        if self.suspect {
            self.cut_back()?;
        }
        if chunks.is_empty() {
            return Ok(());
        }
        self.suspect = true;
        for chunk in chunks {
            if self.current() != Some(chunk.segment) {
                self.begin(chunk.segment)?;
            }
            self.write(&chunk.bytes)?;
            self.sync()?;
        }
        self.durable = self.extents.back().copied().unwrap_or(self.durable);
        self.suspect = false;
        Ok(())
    }

    /// Removes what was written and not acknowledged. The newest goes first, so that no gap can arise.
    pub(crate) fn cut_back(&mut self) -> Result<(), Error> {
        while let Some(last) = self.extents.back().filter(|last| last.segment > self.durable.segment) {
            self.file = None;
            self.remove(last.segment)?;
            self.extents.pop_back();
        }
        if self.durable.segment > 0 {
            let durable = self.durable;
            let file = self.file()?;
            // Cutting makes the last block dirty again, and so it is written anew: a failed write may have
            // destroyed it.
            let cut = file.truncate(durable.bytes).and_then(|()| file.sync());
            cut.map_err(|error| self.error("cut back", durable.segment, error))?;
            self.extents.pop_back();
            self.extents.push_back(durable);
        }
        self.suspect = false;
        Ok(())
    }

    /// Drops the oldest segments as long as all together are larger than `total_bytes`.
    pub(crate) fn retain(&mut self, total_bytes: u64) -> Result<(), Error> {
        let mut total: u64 = self.extents.iter().map(|extent| extent.bytes).sum();
        while total > total_bytes && self.extents.len() > 1 {
            let oldest = self.extents[0];
            self.remove(oldest.segment)?;
            self.extents.pop_front();
            total -= oldest.bytes;
        }
        Ok(())
    }

    fn current(&self) -> Option<u64> {
        self.extents.back().map(|extent| extent.segment)
    }

    fn begin(&mut self, segment: u64) -> Result<(), Error> {
        // Before the attempt: a file that is made although an error is returned must be removed too.
        self.extents.push_back(Extent { segment, bytes: 0 });
        self.file = None;
        let file = self.disk.create(&segment_name(segment));
        self.file = Some(file.map_err(|error| self.error("make", segment, error))?);
        self.disk.sync().map_err(|error| Error::io("sync the directory", self.disk.place(), error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(end) = self.extents.back().copied() else { return Ok(()) };
        let written = write_all_at(self.file()?, end.bytes, bytes);
        written.map_err(|error| self.error("write", end.segment, error))?;
        if let Some(end) = self.extents.back_mut() {
            end.bytes += bytes.len() as u64;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        let synced = self.file()?.sync();
        synced.map_err(|error| self.error("sync", self.current().unwrap_or(0), error))
    }

    /// The file of the last segment.
    fn file(&mut self) -> Result<&dyn DiskFile, Error> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let segment = self.current().unwrap_or(0);
                let opened = self.disk.open(&segment_name(segment), Access::Write);
                opened.map_err(|error| self.error("open", segment, error))?
            }
        };
        Ok(&**self.file.insert(file))
    }

    /// One at a time and synced each: a crash must not bring back one from between two that are gone.
    fn remove(&self, segment: u64) -> Result<(), Error> {
        match self.disk.remove(&segment_name(segment)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.error("remove", segment, error)),
        }
        self.disk.sync().map_err(|error| Error::io("sync the directory", self.disk.place(), error))
    }

    fn error(&self, action: &'static str, segment: u64, error: io::Error) -> Error {
        Error::io(action, format!("{}/{}", self.disk.place(), segment_name(segment)), error)
    }
}
