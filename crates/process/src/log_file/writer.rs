//! The lines on their way to a file, and the thread that writes them.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::LogFile;
use super::rotated::tidy;
use super::target::{Batch, Target};
use crate::output::OutputLine;
use crate::worker::{COMPRESSOR, Worker};

/// The most bytes of lines that wait for the disk, beside those that are being written.
const WAITING: usize = 1024 * 1024;

/// How long a thread waits for more before it ends.
const IDLE: Duration = Duration::from_secs(1);

/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What lines are lost to as long as the disk has said nothing.
const TOO_SLOW: &str = "the disk is too slow";

/// The files that are written, each once, however many programs write to it.
static WRITERS: Mutex<Option<HashMap<PathBuf, Weak<Writer>>>> = Mutex::new(None);

/// What is told of a file: how many lines were lost to it so far, and what happened.
pub(crate) type Tell = Arc<dyn Fn(u64, &str) + Send + Sync>;

/// A file, and the lines that wait for it.
pub(crate) struct Writer {
    state: Mutex<State>,
    bell: Condvar,
    /// Rung when everything was written.
    done: Notify,
    /// Somebody is about to look after the rotated files.
    tidies: AtomicBool,
}

struct State {
    rules: LogFile,
    /// Whole lines.
    waiting: Vec<u8>,
    /// Whether there is a thread.
    thread: bool,
    /// Whether it has lines that are not written.
    writing: bool,
    /// Lines that were lost and are not told in the file.
    untold: u64,
    /// All lines that were lost.
    lost: u64,
    /// What the last try failed with, while nothing can be written.
    trouble: Option<String>,
    /// Trouble was told, and its end was not.
    in_trouble: bool,
    tell: Option<Tell>,
}

impl Writer {
    /// The writer of this file, which begins to go by these rules. `tell` hears of trouble from now on.
    pub(crate) fn of(rules: &LogFile, tell: Tell) -> Arc<Self> {
        let key = std::path::absolute(&rules.path).unwrap_or_else(|_| rules.path.clone());
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let writers = writers.get_or_insert_default();
        writers.retain(|_, writer| writer.strong_count() > 0);
        if let Some(writer) = writers.get(&key).and_then(Weak::upgrade) {
            let mut state = writer.lock();
            let changed = state.rules != *rules;
            state.rules = rules.clone();
            state.tell = Some(tell);
            drop(state);
            if changed {
                writer.tidy_soon(&COMPRESSOR);
            }
            return writer;
        }
        let writer = Arc::new(Self::new(rules.clone(), tell));
        writers.insert(key, Arc::downgrade(&writer));
        // What a process that was killed has left there.
        writer.tidy_soon(&COMPRESSOR);
        writer
    }

    fn new(rules: LogFile, tell: Tell) -> Self {
        Self {
            state: Mutex::new(State {
                rules,
                waiting: Vec::new(),
                thread: false,
                writing: false,
                untold: 0,
                lost: 0,
                trouble: None,
                in_trouble: false,
                tell: Some(tell),
            }),
            bell: Condvar::new(),
            done: Notify::new(),
            tidies: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line. Never waits: where there is no room for it, it is counted.
    pub(crate) fn push(self: &Arc<Self>, line: &OutputLine) {
        let mut state = self.lock();
        let told = state.take(line);
        self.run(&mut state);
        drop(state);
        self.bell.notify_one();
        if let Some(told) = told {
            told.tell();
        }
    }

    /// Sees to it that there is a thread while there are lines.
    fn run(self: &Arc<Self>, state: &mut State) {
        if state.thread || state.waiting.is_empty() {
            return;
        }
        let writer = Arc::clone(self);
        let name = "write-log-file".to_owned();
        // Where there can be no thread now, the next line tries it again.
        match std::thread::Builder::new().name(name).spawn(move || writer.work()) {
            Ok(_) => state.thread = true,
            Err(error) => state.trouble = Some(format!("no thread can be started: {error}")),
        }
    }

    /// Writes lines until there were none for a while.
    fn work(self: Arc<Self>) {
        let mut target = Target::default();
        while let Some(lines) = self.next() {
            let mut batch = Batch::new(lines);
            loop {
                let rules = self.lock().rules.clone();
                match target.write(&mut batch, &rules) {
                    Ok(rotated) => {
                        if rotated {
                            self.tidy_soon(&COMPRESSOR);
                        }
                        break self.written();
                    }
                    Err(error) => self.failed(&error),
                }
            }
        }
    }

    /// The lines that wait. `None`: there were none for a while, and the thread is over.
    fn next(&self) -> Option<Vec<u8>> {
        let state = self.lock();
        let waited = self.bell.wait_timeout_while(state, IDLE, |state| state.waiting.is_empty());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            state.thread = false;
            return None;
        }
        state.writing = true;
        let lines = std::mem::take(&mut state.waiting);
        // Those were written before the lines that are lost, and this is their place.
        state.note_losses();
        Some(lines)
    }

    fn written(&self) {
        let mut state = self.lock();
        state.writing = false;
        let told = state.recovered();
        if state.waiting.is_empty() {
            self.done.notify_waiters();
        }
        drop(state);
        if let Some(told) = told {
            told.tell();
        }
    }

    /// Tells it, and waits until it is worth another try.
    fn failed(&self, error: &io::Error) {
        let mut state = self.lock();
        let told = state.cannot(crate::start_error::reason(error));
        drop(state);
        if let Some(told) = told {
            told.tell();
        }
        let _ = self.bell.wait_timeout_while(self.lock(), RETRY, |_| true);
    }

    /// Has the rotated files looked after, on a thread that may take its time.
    fn tidy_soon(self: &Arc<Self>, worker: &'static Worker) {
        if self.tidies.swap(true, Ordering::AcqRel) {
            return;
        }
        let writer = Arc::clone(self);
        worker.post(move || {
            // Said before the look, so that what is rotated after it is looked at again.
            writer.tidies.store(false, Ordering::Release);
            let rules = writer.lock().rules.clone();
            match tidy(&rules) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let path = rules.path.display();
                    let told =
                        writer.lock().told(format!("the rotated files of {path} are not in order: {error}"));
                    told.tell();
                }
                _ => {}
            }
        });
    }

    /// Whether everything was written.
    fn is_done(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && !state.writing
    }

    async fn wait_until_done(&self) {
        loop {
            let done = self.done.notified();
            if self.is_done() {
                return;
            }
            done.await;
        }
    }
}

/// Something to tell, once nothing is locked.
struct Told {
    tell: Option<Tell>,
    lost: u64,
    text: String,
}

impl Told {
    fn tell(self) {
        if let Some(tell) = self.tell {
            tell(self.lost, &self.text);
        }
    }
}

impl State {
    fn told(&self, text: String) -> Told {
        Told { tell: self.tell.clone(), lost: self.lost, text }
    }

    /// Takes a line, or counts it. The first that is lost is told.
    fn take(&mut self, line: &OutputLine) -> Option<Told> {
        let stamp = if self.rules.timestamps { timestamp() } else { String::new() };
        let line = format!("{stamp}{line}\n");
        if self.waiting.len() + line.len() <= WAITING {
            self.note_losses();
            self.waiting.extend_from_slice(line.as_bytes());
            return None;
        }
        self.untold += 1;
        self.lost += 1;
        if self.in_trouble {
            return None;
        }
        self.in_trouble = true;
        let path = self.rules.path.display();
        Some(self.told(format!("{path} cannot be written fast enough: {TOO_SLOW}; lines are lost to it")))
    }

    /// Puts what was lost into the file, where it would have been.
    fn note_losses(&mut self) {
        let lines = match std::mem::take(&mut self.untold) {
            0 => return,
            1 => "1 line was".to_owned(),
            many => format!("{many} lines were"),
        };
        let stamp = if self.rules.timestamps { timestamp() } else { String::new() };
        let why = self.trouble.as_deref().unwrap_or(TOO_SLOW);
        let note = format!("{stamp}supervisor: {lines} not written: {why}\n");
        self.waiting.extend_from_slice(note.as_bytes());
    }

    /// A try to write has failed. The first failure is told.
    fn cannot(&mut self, why: String) -> Option<Told> {
        let path = self.rules.path.display().to_string();
        let first = self.trouble.is_none();
        let text = format!(
            "{path} cannot be written: {why}; {WAITING} bytes of lines wait for it, what is more is lost"
        );
        self.trouble = Some(why);
        self.in_trouble = true;
        first.then(|| self.told(text))
    }

    /// Lines were written. When none waits any more, the end of trouble is told: on a disk that is always a little too slow
    /// there is none.
    fn recovered(&mut self) -> Option<Told> {
        self.note_losses();
        self.trouble = None;
        if !self.waiting.is_empty() {
            return None;
        }
        let was = std::mem::take(&mut self.in_trouble);
        let (path, lost) = (self.rules.path.display(), self.lost);
        was.then(|| self.told(format!("{path} is written again; {lost} lines were lost to it so far")))
    }
}

/// The time, before a line.
fn timestamp() -> String {
    let now = i128::from(tokio_supervisor::unix_nanos());
    jiff::Timestamp::from_nanosecond(now).map(|now| format!("{now:.3} ")).unwrap_or_default()
}

/// Waits until what programs have printed is in their log files, and for at most this long. Returns the files that it
/// is not in, with the reason.
///
/// Whoever ends the process calls it when the last program has ended: lines that wait for the disk are lost with it.
pub async fn flush_log_files(within: Duration) -> Vec<(PathBuf, String)> {
    let writers: Vec<(PathBuf, Arc<Writer>)> = {
        let writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let writers = writers.iter().flatten();
        writers.filter_map(|(path, writer)| Some((path.clone(), writer.upgrade()?))).collect()
    };
    let deadline = tokio::time::Instant::now() + within;
    let mut left = Vec::new();
    for (path, writer) in writers {
        if tokio::time::timeout_at(deadline, writer.wait_until_done()).await.is_err() {
            let why = writer.lock().trouble.clone().unwrap_or_else(|| TOO_SLOW.to_owned());
            left.push((path, why));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Stream;

    fn state() -> State {
        let writer = Writer::new(LogFile::at("/x/web.log"), Arc::new(|_, _| {}));
        writer.state.into_inner().unwrap()
    }

    fn line(text: &str) -> OutputLine {
        OutputLine { stream: Stream::Stdout, text: text.into(), truncated: false }
    }

    #[test]
    fn lines_without_room_are_counted_and_their_loss_has_its_place() {
        let mut state = state();
        let long = "x".repeat(16 * 1024);
        let mut told = Vec::new();
        for _ in 0..70 {
            told.extend(state.take(&line(&long)).map(|told| told.text));
        }
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(state.waiting.len() <= WAITING);
        assert_eq!((state.lost, state.untold), (7, 7));
        state.waiting.clear();
        assert!(state.take(&line("next")).is_none());
        let text = String::from_utf8(state.waiting.clone()).unwrap();
        assert_eq!(text, "supervisor: 7 lines were not written: the disk is too slow\nnext\n");
        assert_eq!((state.lost, state.untold), (7, 0));
        assert!(state.recovered().is_none(), "lines wait");
        state.waiting.clear();
        assert!(state.recovered().unwrap().text.contains("7 lines were lost"));
        assert!(state.recovered().is_none(), "told once");
    }

    #[test]
    fn the_first_failure_is_told_and_its_end() {
        let mut state = state();
        let why = || "No space left on device".to_owned();
        assert!(state.cannot(why()).unwrap().text.contains("/x/web.log cannot be written: No space left"));
        assert!(state.cannot(why()).is_none());
        assert!(state.recovered().is_some());
        assert!(state.cannot(why()).is_some());
    }

    #[test]
    fn the_time_before_a_line_is_that_of_the_world() {
        let mut state = state();
        state.rules.timestamps = true;
        state.take(&line("x"));
        let text = String::from_utf8(state.waiting).unwrap();
        let (time, rest) = text.split_once(' ').unwrap();
        assert_eq!((time.len(), rest), ("2026-11-22T19:23:56.123Z".len(), "x\n"));
        assert!(time.parse::<jiff::Timestamp>().unwrap() > jiff::Timestamp::UNIX_EPOCH);
    }
}
