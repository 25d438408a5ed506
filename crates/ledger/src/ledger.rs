//! The face: open, append, wait.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::batch::Batch;
use crate::clock::Stamp;
use crate::disk::Disk;
use crate::error::Error;
use crate::flaw::TornTail;
use crate::folder::Folder;
use crate::head::{Head, not_json};
use crate::line::{ENVELOPE, MAX_LINE};
use crate::options::{OnDamage, Options};
use crate::queue::{Health, Queue};
use crate::reader::Record;
use crate::recovery::{self, Recovered};
use crate::segments::Segments;
use crate::verify::Mark;

/// A ledger open for writing. Shared by reference or in an `Arc` among any number of threads and tasks.
///
/// One thread of its own does all writing. Dropping the ledger writes and syncs what was appended, without telling
/// anybody whether that worked, and waits for it; [`Ledger::close`] tells. Opening, closing and dropping hold the
/// thread; everything else that does says so.
pub struct Ledger {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    torn: Option<TornTail>,
    place: String,
    /// Locked as long as this lives, also when nothing is written.
    _disk: Arc<dyn Disk>,
}

impl Ledger {
    /// Opens the ledger in a directory, or begins one. The whole ledger is read and checked, an end that a crash
    /// cut short is removed, and the last segment is made durable.
    ///
    /// # Errors
    ///
    /// What [`Folder::for_writing`] refuses; [`Error::Damaged`] if a line in the middle is bad, unless
    /// [`OnDamage::ReadOnly`] was chosen; [`Error::Options`]; [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        Self::open_on(Arc::new(Folder::for_writing(path)?), options, drop)
    }

    /// Opens the ledger on any [`Disk`]. Each record that is there is handed to `visit`, oldest first: who keeps
    /// a state that follows from the records needs no second pass.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`], but for what a [`Folder`] refuses.
    pub fn open_on(disk: Arc<dyn Disk>, options: &Options, visit: impl FnMut(Record)) -> Result<Self, Error> {
        options.check()?;
        let found = recovery::read(&disk, options.on_damage == OnDamage::Refuse, visit)?;
        if let Some(flaw) = found.flaw {
            return match options.on_damage {
                OnDamage::Refuse => Err(Error::Damaged(Box::new(flaw))),
                OnDamage::ReadOnly => {
                    let queue = Queue::new(found.head, options.segment_bytes, Health::ReadOnly { flaw });
                    Ok(Self {
                        queue: Arc::new(queue),
                        writer: None,
                        torn: None,
                        place: disk.place(),
                        _disk: disk,
                    })
                }
            };
        }
        let Recovered { mut segments, mut head, torn } = found.recover(Arc::clone(&disk))?;
        if head.segment == 0 {
            let mut chunks = Vec::new();
            head.add_header(&mut chunks)?;
            segments.commit(&chunks)?;
        }
        let place = disk.place();
        let queue = Arc::new(Queue::new(head, options.segment_bytes, Health::Sound));
        let writer = start_writer(Arc::clone(&queue), segments, options.total_bytes)
            .map_err(|error| Error::io("start the writer of", place.clone(), error))?;
        Ok(Self { queue, writer: Some(writer), torn, place, _disk: disk })
    }

    /// Appends a record. It is not written yet: it is when somebody waits for a ticket, when 1 MiB waits, and when
    /// the ledger is closed. Never blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::NotJson`]; [`Error::TooLong`]; [`Error::Behind`] if 32 MiB wait to be written;
    /// [`Error::ReadOnly`]; [`Error::Ended`]. The record was not appended then.
    pub fn append<T: Serialize + ?Sized>(&self, body: &T) -> Result<Ticket, Error> {
        let body = raw(body)?;
        let (sequence, stamp, batch) = self.queue.append(&body)?;
        Ok(Ticket::new(&self.queue, sequence, stamp, batch))
    }

    /// Appends a record and holds the thread until it is durable. Returns its sequence.
    ///
    /// # Errors
    ///
    /// As [`Ledger::append`] and [`Ticket::wait`].
    pub fn commit<T: Serialize + ?Sized>(&self, body: &T) -> Result<u64, Error> {
        self.append(body)?.wait()
    }

    /// A ticket for everything that was appended before this call. On a broken ledger it is an attempt to mend it,
    /// also if nothing was appended.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]; [`Error::Ended`].
    pub fn sync(&self) -> Result<Ticket, Error> {
        let (sequence, batch) = self.queue.barrier()?;
        Ok(Ticket::new(&self.queue, sequence, Stamp::now(), batch))
    }

    /// How the ledger is.
    pub fn health(&self) -> Health {
        self.queue.health()
    }

    /// How many records were appended since the ledger was opened, and lost to failed writes and syncs. Their
    /// tickets have said so; who drops tickets looks here.
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// The last line that is on the disk. Kept elsewhere, it shows later whether the ledger was cut off before it.
    pub fn durable(&self) -> Mark {
        let Head { sequence, hash, .. } = self.queue.durable();
        Mark { sequence, hash }
    }

    /// The end that a crash had cut short, and that was removed when the ledger was opened.
    pub fn removed(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Writes and syncs what was appended, and ends.
    ///
    /// # Errors
    ///
    /// What [`Ticket::wait`] says of the last records.
    pub fn close(self) -> Result<(), Error> {
        if self.writer.is_none() {
            return Ok(());
        }
        self.sync()?.wait().map(drop)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has told those who waited.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ledger").field("place", &self.place).field("health", &self.health()).finish()
    }
}

/// The promise that a record will be durable. Resolves when it is, with its sequence, or when it is certain that it
/// was lost.
///
/// A thread calls [`Ticket::wait`]. A task awaits the ticket; nothing of a runtime is needed, and dropping the
/// ticket loses nothing but the answer. Under Tokio's paused time a task that awaits a ticket looks idle, and time
/// leaps forward: there call `wait` in `spawn_blocking`, which holds the time still.
#[must_use = "the record is durable only when the ticket has resolved"]
pub struct Ticket {
    sequence: u64,
    stamp: Stamp,
    batch: Arc<Batch>,
    queue: Arc<Queue>,
    place: Option<usize>,
}

impl Ticket {
    pub(crate) fn new(queue: &Arc<Queue>, sequence: u64, stamp: Stamp, batch: Arc<Batch>) -> Self {
        Self { sequence, stamp, batch, queue: Arc::clone(queue), place: None }
    }

    /// The sequence of the record; of [`Ledger::sync`], of the last record before it. It belongs to the record only
    /// if the ticket resolves well: a record that is lost leaves its place to the next.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The wall clock when the record was appended, as it stands in its line; of [`Ledger::sync`], when that was called.
    /// In Unix nanoseconds; 0: the clock was before 1970.
    pub fn recorded_at_unix_nanos(&self) -> u64 {
        self.stamp.recorded_at_unix_nanos
    }

    /// Holds the thread until the record is durable. Everybody who waits at the same time shares one sync.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: this record and all others that were not durable yet are lost. The next sync tries to go on.
    /// After a crash in this state they can still turn up. [`Error::Ended`].
    pub fn wait(self) -> Result<u64, Error> {
        self.queue.hurry(&self.batch);
        self.batch.wait().map(|()| self.sequence)
    }
}

impl Future for Ticket {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ticket = &mut *self;
        if ticket.place.is_none() {
            ticket.queue.hurry(&ticket.batch);
        }
        ticket.batch.poll(context, &mut ticket.place).map_ok(|()| ticket.sequence)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ticket").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

fn raw<T: Serialize + ?Sized>(body: &T) -> Result<Box<RawValue>, Error> {
    let body = serde_json::value::to_raw_value(body).map_err(not_json)?;
    let bytes = body.get().len();
    if bytes > MAX_LINE - ENVELOPE {
        return Err(Error::TooLong { bytes });
    }
    // Only raw JSON that the caller brought along can have one, between its tokens.
    if body.get().contains('\n') {
        return Err(Error::NotJson { why: "raw JSON with a line feed would take more than one line".into() });
    }
    Ok(body)
}

fn start_writer(
    queue: Arc<Queue>,
    mut segments: Segments,
    total_bytes: u64,
) -> std::io::Result<JoinHandle<()>> {
    let run = move || {
        let end = End(queue);
        while let Some(work) = end.0.next() {
            match segments.commit(&work.chunks) {
                Ok(()) => end.0.succeeded(&work, segments.retain(total_bytes)),
                Err(error) => {
                    // At once, so that what is lost does not turn up after a crash. If that fails too, the next
                    // commit begins with it.
                    let _ = segments.cut_back();
                    end.0.failed(&work, &error);
                }
            }
        }
    };
    std::thread::Builder::new().name("ledger".into()).spawn(run)
}

/// Tells everybody when the writer is gone, however it goes.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}
