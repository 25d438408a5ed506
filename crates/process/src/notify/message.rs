//! What a program says: lines of `NAME=VALUE`, as `sd_notify` sends them.

use std::time::Duration;

use crate::text::printable;

/// A message longer than this is dropped as a whole.
pub(crate) const MAX_MESSAGE: usize = 4096;
/// The longest status that is kept, in bytes.
const MAX_STATUS: usize = 200;

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// `READY=1`: it does its work, for the first time or after it has read its configuration anew.
    Ready,
    /// `RELOADING=1`: it reads its configuration anew.
    Reloading,
    /// `STOPPING=1`: it ends by itself.
    Stopping,
    /// `STATUS=…`, made safe to show.
    Status(String),
    /// `WATCHDOG=1`: a sign of life.
    Alive,
    /// `WATCHDOG=trigger`: it has failed and knows it.
    Failed,
    /// `MAINPID=…`: this process is the one that counts.
    MainPid(i32),
    /// Something that is not done here, by name.
    NotDone(&'static str),
}

/// Reads a message. `None` when it is no text. Lines of other names mean nothing here and are left out.
pub(crate) fn parse(message: &[u8]) -> Option<Vec<Word>> {
    let text = std::str::from_utf8(message).ok()?;
    Some(text.split('\n').filter_map(word).collect())
}

fn word(line: &str) -> Option<Word> {
    let (name, value) = line.split_once('=')?;
    match (name, value) {
        ("READY", "1") => Some(Word::Ready),
        ("RELOADING", "1") => Some(Word::Reloading),
        ("STOPPING", "1") => Some(Word::Stopping),
        ("STATUS", status) => Some(Word::Status(printable(status.as_bytes(), MAX_STATUS).0)),
        ("WATCHDOG", "1") => Some(Word::Alive),
        ("WATCHDOG", "trigger") => Some(Word::Failed),
        ("MAINPID", pid) => pid.parse().ok().filter(|pid| *pid > 0).map(Word::MainPid),
        ("FDSTORE" | "FDSTOREREMOVE", _) => Some(Word::NotDone("FDSTORE")),
        ("EXTEND_TIMEOUT_USEC", _) => Some(Word::NotDone("EXTEND_TIMEOUT_USEC")),
        ("WATCHDOG_USEC", _) => Some(Word::NotDone("WATCHDOG_USEC")),
        _ => None,
    }
}

/// A time as `WATCHDOG_USEC` has it.
pub(crate) fn micros(time: Duration) -> String {
    time.as_micros().max(1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_word_and_what_means_nothing_here_is_left_out() {
        let said = parse(b"READY=1\nSTATUS=serving \x1b[31m3 of 4\nMAINPID=42\nERRNO=2\nX_OWN=1\nBARRIER=1")
            .unwrap();
        let status = Word::Status("serving \\x1b[31m3 of 4".into());
        assert_eq!(said, [Word::Ready, status, Word::MainPid(42)]);
        let said = parse(b"RELOADING=1\nSTOPPING=1\nWATCHDOG=1\nWATCHDOG=trigger\nFDSTORE=1").unwrap();
        let expected = [Word::Reloading, Word::Stopping, Word::Alive, Word::Failed, Word::NotDone("FDSTORE")];
        assert_eq!(said, expected);
        assert_eq!(parse(b"EXTEND_TIMEOUT_USEC=5").unwrap(), [Word::NotDone("EXTEND_TIMEOUT_USEC")]);
    }

    #[test]
    fn garbage_is_no_word() {
        for garbage in [
            "",
            "\n\n",
            "READY",
            "READY=0",
            "ready=1",
            " READY=1",
            "MAINPID=x",
            "MAINPID=-5",
            "MAINPID=0",
            "MAINPID=99999999999",
            "=",
            "=1",
        ] {
            assert_eq!(parse(garbage.as_bytes()), Some(vec![]), "{garbage:?}");
        }
        assert_eq!(parse(b"READY=1\n\xff"), None);
        let Some([Word::Status(status)]) = parse(format!("STATUS={}", "\u{1f600}".repeat(999)).as_bytes())
            .as_deref()
            .map(|words| <&[Word; 1]>::try_from(words).unwrap())
            .cloned()
        else {
            panic!()
        };
        assert_eq!(status.len(), MAX_STATUS);
    }
}
