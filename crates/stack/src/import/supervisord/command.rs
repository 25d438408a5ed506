//! `command`: supervisord puts the values of names in first, and splits it into words then.

use super::super::sheet::{Child, Sheet, Value};
use super::super::text::Text;
use super::super::words::{Quoting, quoted, split};
use super::super::{Carried, Refusal};
use super::{Names, Process};

/// Around a name whose value is split. No command has these characters.
const MARKS: [char; 2] = ['\u{1}', '\u{2}'];

/// The words of a command. Where the value of a variable can be several, a shell splits it.
pub(super) fn set(
    child: &mut Child,
    sheet: &mut Sheet,
    names: &Names<'_>,
    command: &str,
    process: Process,
) -> Carried {
    if command.contains(MARKS) {
        return Err("a control character in `command` cannot be carried over".to_owned());
    }
    let marked = marked(command);
    let words = split(&marked, Quoting::Shell).ok_or("a quote in `command` is not closed")?;
    if words.is_empty() {
        return Err("there is no command".to_owned());
    }
    if marked.contains(MARKS) {
        let words = by_a_shell(child, sheet, names, &words, process)?;
        child.keys.set("command", Value::texts(words));
        return Ok(());
    }
    let words: Result<Vec<Text>, Refusal> =
        words.iter().map(|word| names.fill(sheet, word, process)).collect();
    child.keys.set("command", Value::texts(words?));
    Ok(())
}

/// With marks around the variables outside of quotes.
fn marked(command: &str) -> String {
    let (mut out, mut rest, mut quote, mut escaped) = (String::new(), command, None, false);
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix("%(ENV_").and_then(|after| after.split_once(")s"));
        if let (None, false, Some((name, after))) = (quote, escaped, name) {
            out.extend([MARKS[0]]);
            out.push_str(name);
            out.extend([MARKS[1]]);
            rest = after;
            continue;
        }
        match (quote, c) {
            _ if escaped => escaped = false,
            // A `%` that is doubled begins no name.
            (_, '%') if rest.starts_with("%%") => {
                out.push(c);
                rest = &rest[1..];
            }
            (Some('\''), '\\') => {}
            (_, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// What has names that are filled in is an argument of the shell, and no part of what it runs.
fn by_a_shell(
    child: &mut Child,
    sheet: &mut Sheet,
    names: &Names<'_>,
    words: &[String],
    process: Process,
) -> Result<Vec<Text>, Refusal> {
    let mut script = "set -f; exec".to_owned();
    let mut arguments = Vec::new();
    for word in words {
        script.push(' ');
        if word.is_empty() {
            script.push_str("''");
        }
        // Said, a name, said, a name, and so on.
        for (at, piece) in word.split(MARKS).enumerate().filter(|(_, piece)| !piece.is_empty()) {
            if at % 2 == 1 {
                sheet.declare(piece, None)?;
                script.push_str(&format!("${{{piece}}}"));
                let mut value = Text::default();
                value.name(piece)?;
                child.keys.variable_if_none(piece, value)?;
                let note = format!(
                    "A shell splits {piece} into words. A quote in its value stands for itself; supervisord took it for one."
                );
                if !child.notes.contains(&note) {
                    child.notes.push(note);
                }
            } else if piece.contains('%') {
                arguments.push(names.fill(sheet, piece, process)?);
                script.push_str(&format!("\"${{{}}}\"", arguments.len()));
            } else {
                script.push_str(&quoted(piece));
            }
        }
    }
    let name = (!arguments.is_empty()).then(|| Text::from("sh"));
    let begin = [Text::from("sh"), Text::from("-c"), Text::from(script)];
    Ok(begin.into_iter().chain(name).chain(arguments).collect())
}
