//! The files that a log file leaves behind: their names, how many are kept, and their compression.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::LogFile;

/// Digits of a number, so that names sort as numbers do.
const DIGITS: usize = 6;

/// One rotated file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Compressed,
    /// The beginning of a compressed one.
    Part,
}

impl Form {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Compressed => ".gz",
            Self::Part => ".gz.part",
        }
    }
}

struct Rotated {
    number: u64,
    form: Form,
    bytes: u64,
}

/// `web.log.000007`, `web.log.000007.gz` or `web.log.000007.gz.part`.
fn name(of: &Path, number: u64, form: Form) -> PathBuf {
    let mut name = of.as_os_str().to_owned();
    name.push(format!(".{number:0DIGITS$}{}", form.suffix()));
    name.into()
}

/// The number and the form in the name of a file beside `web.log`.
fn parse(of: &OsStr, name: &OsStr) -> Option<(u64, Form)> {
    let rest = name.as_bytes().strip_prefix(of.as_bytes())?.strip_prefix(b".")?;
    let rest = std::str::from_utf8(rest).ok()?;
    let (digits, suffix) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let form =
        [Form::Plain, Form::Compressed, Form::Part].into_iter().find(|form| form.suffix() == suffix)?;
    let number = digits.len() >= DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    number.then(|| digits.parse().ok()).flatten().map(|number| (number, form))
}

/// All rotated files of `path`, the newest first; of one number the compressed one first.
fn list(path: &Path) -> io::Result<Vec<Rotated>> {
    let Some(own) = path.file_name() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?;
        let Some((number, form)) = parse(own, &entry.file_name()) else { continue };
        // One that is gone by now is none.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            // What it takes on the disk, or will when it is written back.
            found.push(Rotated { number, form, bytes: metadata.size() });
        }
    }
    found.sort_by_key(|file| (std::cmp::Reverse(file.number), file.form != Form::Compressed));
    Ok(found)
}

/// The directory of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives the file the next number, and removes what is too much then.
pub(super) fn rotate(rules: &LogFile) -> io::Result<()> {
    let path = &rules.path;
    let last = list(path)?.first().map_or(0, |newest| newest.number);
    match fs::rename(path, name(path, last + 1, Form::Plain)) {
        // Somebody else has done it, or removed it.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => remove_old(rules),
    }
}

/// Removes the oldest files until there are no more, and no more bytes, than are kept.
fn remove_old(rules: &LogFile) -> io::Result<()> {
    let (mut kept, mut bytes, mut last) = (0, 0_u64, None);
    for file in list(&rules.path)? {
        if file.form == Form::Part {
            continue;
        }
        if last != Some(file.number) {
            kept += 1;
            last = Some(file.number);
        }
        bytes = bytes.saturating_add(file.bytes);
        if kept > rules.keep || rules.total.is_some_and(|total| bytes > total) {
            remove(&name(&rules.path, file.number, file.form))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Does what was put off, and what an earlier process did not come to: compresses, removes halves, and what is too much.
pub(super) fn tidy(rules: &LogFile) -> io::Result<()> {
    let path = &rules.path;
    for half in list(path)?.iter().filter(|file| file.form == Form::Part) {
        remove(&name(path, half.number, Form::Part))?;
    }
    remove_old(rules)?;
    while let Some(number) = next_to_compress(rules)? {
        compress(path, number)?;
        remove_old(rules)?;
    }
    Ok(())
}

/// The newest file that is to be compressed: an old one may be removed before its turn comes. One whose compressed form is
/// there is only removed: that form was whole before it got its name.
fn next_to_compress(rules: &LogFile) -> io::Result<Option<u64>> {
    if !rules.compress {
        return Ok(None);
    }
    let files = list(&rules.path)?;
    let compressed = |number| files.iter().any(|file| file.number == number && file.form == Form::Compressed);
    for file in files.iter().filter(|file| file.form == Form::Plain) {
        if !compressed(file.number) {
            return Ok(Some(file.number));
        }
        remove(&name(&rules.path, file.number, Form::Plain))?;
    }
    Ok(None)
}

/// `web.log.000007` becomes `web.log.000007.gz`, at no time less than whole.
fn compress(path: &Path, number: u64) -> io::Result<()> {
    let [plain, part, whole] =
        [Form::Plain, Form::Part, Form::Compressed].map(|form| name(path, number, form));
    let mut from = match File::open(&plain) {
        // It was too much in the meantime.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let written = write_compressed(&mut from, &part);
    if written.is_err() {
        // Such as on a full disk, where its room is wanted.
        remove(&part)?;
    }
    written?;
    fs::rename(&part, &whole)?;
    remove(&plain)
}

fn write_compressed(from: &mut File, part: &Path) -> io::Result<()> {
    let metadata = from.metadata()?;
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(metadata.mode() & 0o777)
        .custom_flags(libc::O_NOFOLLOW)
        .open(part)?;
    let mut encoder = GzEncoder::new(to, Compression::default());
    io::copy(from, &mut encoder)?;
    let to = encoder.finish()?;
    // By its time one sees when its last line was written.
    to.set_modified(metadata.modified()?)?;
    // The lines are removed next, and must not be in memory alone.
    to.sync_all()
}
