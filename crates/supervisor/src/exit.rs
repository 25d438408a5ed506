//! What a run may return.

use std::cell::Cell;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use supervisor_api::Exit;

/// The longest text of an error that is kept, in bytes.
const LONGEST: usize = 8 * 1024;

/// Anything that says how a run ended.
///
/// `()` and `Ok(..)` end well, `Err(..)` is a failure with the error's text (with what it was caused by,
/// where the error's alternate form `{:#}` shows that), and an [`Exit`] says it itself. After a request to
/// stop, an end that is [`Exit::Completed`] counts as [`Exit::Stopped`] (D22). A text longer than 8 KiB is
/// cut. A panic in `Display` is the run's panic (D14).
pub trait IntoExit {
    /// The exit.
    fn into_exit(self) -> Exit;
}

impl IntoExit for () {
    fn into_exit(self) -> Exit {
        Exit::Completed
    }
}

impl IntoExit for Exit {
    fn into_exit(self) -> Exit {
        self
    }
}

/// For runs that never return.
impl IntoExit for std::convert::Infallible {
    fn into_exit(self) -> Exit {
        match self {}
    }
}

impl<T: IntoExit, E: Display> IntoExit for Result<T, E> {
    fn into_exit(self) -> Exit {
        match self {
            Ok(end) => end.into_exit(),
            Err(error) => Exit::failed(text_of(&error)),
        }
    }
}

thread_local! {
    static LAST: Cell<Last> = const { Cell::new(Last { draft: String::new(), text: None }) };
}

/// The last text on this thread. Who fails and fails does so in the same words: they are written where the last ones were,
/// and kept once.
#[derive(Default)]
struct Last {
    draft: String,
    text: Option<Arc<str>>,
}

/// The text of an error, as much of it as is kept.
fn text_of(error: &impl Display) -> Arc<str> {
    // One that panics costs the draft, and one within another has its own.
    let Last { mut draft, text } = LAST.take();
    draft.clear();
    // Whoever fails to show himself has shown what there is.
    let _ = write!(draft, "{error:#}");
    let draft = cut(draft, LONGEST);
    let text = text.filter(|text| **text == *draft).unwrap_or_else(|| Arc::from(draft.as_str()));
    if draft.capacity() <= 2 * LONGEST {
        LAST.with(|last| last.set(Last { draft, text: Some(Arc::clone(&text)) }));
    }
    text
}

/// At most `longest` bytes of a text, with a mark where it was cut.
pub(crate) fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let mut end = longest;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_returns_says_how_it_ended() {
        assert_eq!(().into_exit(), Exit::Completed);
        assert_eq!(Ok::<_, String>(()).into_exit(), Exit::Completed);
        assert_eq!(Err::<(), _>("no disk").into_exit(), Exit::failed("no disk"));
        let killed = Exit::Killed { signal: 9, by_us: true };
        assert_eq!(Ok::<_, String>(killed.clone()).into_exit(), killed);
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let Exit::Failed { error } = Err::<(), _>("é".repeat(LONGEST)).into_exit() else { panic!() };
        assert!(error.len() <= LONGEST + '…'.len_utf8() && error.ends_with('…'));
    }
}
