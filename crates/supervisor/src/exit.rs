//! What a run may return.

use std::fmt::Display;

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
            Err(error) => Exit::failed(cut(format!("{error:#}"), LONGEST)),
        }
    }
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
