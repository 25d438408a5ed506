//! Command lines, split into words.

/// How a format writes a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// As a POSIX shell does, without anything but quotes and backslashes.
    Shell,
    /// As systemd does: a backslash is C's, in quotes and outside.
    C,
}

/// The words of a line. `None` when a quote is not closed.
pub(super) fn split(line: &str, quoting: Quoting) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some('\''), c) if quoting == Quoting::Shell => word.get_or_insert_default().push(c),
            (_, '\\') => {
                let next = chars.next()?;
                let word = word.get_or_insert_default();
                match quoting {
                    // Within double quotes it escapes these alone.
                    Quoting::Shell if quote.is_some() && !"\"\\$`\n".contains(next) => {
                        word.extend(['\\', next])
                    }
                    Quoting::Shell => word.push(next),
                    Quoting::C => word.push(match next {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'v' => '\u{b}',
                        's' => ' ',
                        'x' | 'u' | 'U' | '0'..='7' => coded(next, &mut chars)?,
                        other => other,
                    }),
                }
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return None;
    }
    words.extend(word);
    Some(words)
}

/// A character by its number: `\x20`, `\u00e9`, `\040`.
fn coded(letter: char, rest: &mut std::str::Chars<'_>) -> Option<char> {
    let (first, many, radix) = match letter {
        'x' => (None, 2, 16),
        'u' => (None, 4, 16),
        'U' => (None, 8, 16),
        digit => (Some(digit), 2, 8),
    };
    let digits: String = first.into_iter().chain(rest.take(many)).collect();
    u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32).filter(|c| *c != '\0')
}

/// A word as a shell has to see it to leave it as it is.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What is no program of its own, but for `exec`.
const BUILT_IN: &[&str] = &[
    ".", ":", "alias", "bg", "case", "cd", "command", "eval", "exit", "export", "fg", "for", "function",
    "hash", "if", "jobs", "local", "read", "readonly", "return", "set", "shift", "source", "time", "times",
    "trap", "type", "ulimit", "umask", "unset", "until", "wait", "while",
];

/// Whether a shell would do more with the line than split it into words.
pub(super) fn needs_a_shell(line: &str) -> bool {
    let assigns = line.split_whitespace().next().is_some_and(|first| {
        first.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    });
    let first = line.split_whitespace().next().unwrap_or_default();
    assigns
        || BUILT_IN.contains(&first)
        || first == "exec" && line.split_whitespace().nth(1).is_none_or(|next| next.starts_with('-'))
        || line.contains([
            '$', '`', '|', '&', ';', '<', '>', '(', ')', '*', '?', '[', ']', '{', '}', '~', '#', '!', '\n',
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_shell_and_of_systemd() {
        let shell = |line| split(line, Quoting::Shell);
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            shell(r#"a 'b c' "d \" e" f\ g '' h"i"j"#),
            words(&["a", "b c", "d \" e", "f g", "", "hij"])
        );
        assert_eq!(shell(r#""a\nb" 'c\d'"#), words(&["a\\nb", "c\\d"]));
        assert_eq!((shell("a 'b"), shell("a\\")), (None, None));
        assert_eq!(split(r"a\x20b 'c\td' \101\u00e9", Quoting::C), words(&["a b", "c\td", "Aé"]));
        assert_eq!((split(r"\x0", Quoting::C), split(r"\x00", Quoting::C)), (None, None));
        assert_eq!(
            (quoted("a b'c"), quoted("./x-1"), quoted("")),
            ("'a b'\\''c'".into(), "./x-1".into(), "''".into())
        );
        assert!(needs_a_shell("a && b") && needs_a_shell("A=1 b") && needs_a_shell("echo $HOME"));
        assert!(needs_a_shell("cd x") && needs_a_shell("exec -a web x") && needs_a_shell("exec"));
        assert!(!needs_a_shell("./web --port=80 -- x") && !needs_a_shell("exec ./web"));
    }
}
