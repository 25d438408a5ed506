//! Command lines of systemd.

use std::collections::BTreeSet;

use supervisor_yaml::printable;

use super::super::Refusal;
use super::super::ini::Entry;
use super::super::sheet::{Child, Sheet, Value};
use super::super::text::Text;
use super::super::words::{Quoting, quoted, split};
use super::Specifiers;

/// A line of `ExecStart`.
pub(super) struct Command {
    words: Vec<String>,
    /// Whether its failure counts as none.
    forgiven: bool,
}

impl Command {
    pub(super) fn read(line: &str) -> Result<Vec<Self>, Refusal> {
        let mut commands = Vec::new();
        for line in apart(line) {
            let words = split(line, Quoting::C).ok_or("a quote or an escape in it is not closed")?;
            if !words.is_empty() {
                commands.push(Self::of(words)?);
            }
        }
        if commands.is_empty() { Err("it has no command".to_owned()) } else { Ok(commands) }
    }

    fn of(mut words: Vec<String>) -> Result<Self, Refusal> {
        let bare = words[0].trim_start_matches('-').to_owned();
        let forgiven = bare.len() < words[0].len();
        if bare.starts_with(['@', ':', '+', '!', '|']) {
            return Err(format!(
                "`{}` before a command has no counterpart; write the command without it",
                printable(&bare[..1])
            ));
        }
        if bare.is_empty() {
            return Err("it has no command".to_owned());
        }
        words[0] = bare;
        Ok(Self { words, forgiven })
    }

    /// The signal, if it is `kill -SIGNAL $MAINPID`.
    pub(super) fn kills_with(&self) -> Option<&str> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let (program, rest) = words.split_first()?;
        let (pid, signal) = rest.split_last()?;
        let is_it = program.rsplit('/').next() == Some("kill") && matches!(*pid, "$MAINPID" | "${MAINPID}");
        match signal {
            _ if !is_it => None,
            ["-s" | "--signal", signal] => Some(signal),
            [signal] => signal.strip_prefix("--signal=").or_else(|| signal.strip_prefix('-')),
            [] => Some("TERM"),
            _ => None,
        }
    }

    /// Whether a name in it stands for a variable of the program.
    fn has_variables(&self) -> bool {
        self.words.iter().any(|word| word.replace("$$", "").contains('$'))
    }

    /// Its words.
    fn plain(&self, specifiers: &mut Specifiers<'_>) -> Result<Value, Refusal> {
        let words: Result<Vec<Text>, _> =
            self.words.iter().map(|word| specifiers.fill(&word.replace("$$", "$"))).collect();
        Ok(Value::texts(words?))
    }

    /// The variables whose values systemd splits into words.
    pub(super) fn split_names(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter(|word| is_split(word)).map(|word| &word[1..])
    }

    /// As a shell runs it, to which the variables look as systemd sees them.
    fn shell(&self, specifiers: &mut Specifiers<'_>, script: &mut Script) -> Result<(), Refusal> {
        for (at, word) in self.words.iter().enumerate() {
            script.line.push_str(if at == 0 { "" } else { " " });
            script.add(&specifiers.fill(word)?);
        }
        Ok(())
    }
}

/// What a shell runs, and its arguments: what is known only when the stack file is read is one of these, and never a part of
/// what is run.
#[derive(Default)]
struct Script {
    line: String,
    arguments: Vec<Text>,
}

impl Script {
    fn add(&mut self, word: &Text) {
        if let Some(said) = word.said() {
            self.line.push_str(&for_a_shell(said));
            return;
        }
        for piece in word.pieces() {
            match piece.said() {
                Some(said) => self.line.push_str(&in_a_word(said)),
                None => {
                    let known = self.arguments.iter().position(|argument| *argument == piece);
                    let at = known.unwrap_or_else(|| {
                        self.arguments.push(piece);
                        self.arguments.len() - 1
                    });
                    self.line.push_str(&format!("\"${{{}}}\"", at + 1));
                }
            }
        }
    }

    fn words(self) -> Value {
        let name = (!self.arguments.is_empty()).then(|| Text::from("sh"));
        let begin = [Text::from("sh"), Text::from("-c"), Text::from(self.line)];
        Value::texts(begin.into_iter().chain(name).chain(self.arguments))
    }
}

/// What several lines are with us. Several are run one after the other, as long as they end well.
pub(super) fn all(commands: &[Command], specifiers: &mut Specifiers<'_>) -> Result<Value, Refusal> {
    let splits = |command: &Command| command.words.iter().any(|word| is_split(word));
    let mut script = Script::default();
    script.line.push_str(if commands.iter().any(splits) { "set -f; " } else { "" });
    match commands {
        [one] if !one.has_variables() && !one.forgiven => return one.plain(specifiers),
        [one] if !one.forgiven => {
            script.line.push_str("exec ");
            one.shell(specifiers, &mut script)?;
        }
        many => {
            for (at, command) in many.iter().enumerate() {
                script.line.push_str(if at == 0 { "" } else { " && " });
                script.line.push_str(if command.forgiven { "{ " } else { "" });
                command.shell(specifiers, &mut script)?;
                script.line.push_str(if command.forgiven { " || true; }" } else { "" });
            }
        }
    }
    Ok(script.words())
}

/// A shell splits a value at its spaces, and systemd honours the quotes in it, too. Lines are those with the commands.
pub(super) fn tell_of_quotes<'a>(
    sheet: &mut Sheet,
    child: &mut Child,
    commands: impl Iterator<Item = &'a Command>,
    lines: &[&Entry],
) {
    let names: BTreeSet<&str> = commands.flat_map(Command::split_names).collect();
    for name in names {
        let value = child.keys.variable_of(name).and_then(Text::said);
        if value.is_some_and(|value| !value.contains(['\'', '"', '\\'])) {
            continue;
        }
        let asked = format!("${name}");
        let line = lines.iter().find(|entry| entry.value.split_whitespace().any(|word| word == asked));
        match (value, line) {
            (Some(_), Some(entry)) => {
                let why = format!(
                    "a shell splits ${name} at its spaces, and takes the quotes in it as they are; write out its words"
                );
                sheet.leave(entry.at, format!("Service.{}", entry.key), why);
            }
            _ => child.notes.push(format!(
                "A shell splits {name} into words at its spaces. A quote in its value stands for itself; systemd took it for one."
            )),
        }
    }
}

/// The commands of a line: a `;` that is a word of its own stands between them, unless it has a quote or a backslash.
fn apart(line: &str) -> Vec<&str> {
    let (mut all, mut begin, mut quote, mut escaped, mut before) = (Vec::new(), 0, None, false, ' ');
    for (at, c) in line.char_indices() {
        let ends = line[at + c.len_utf8()..].chars().next().is_none_or(char::is_whitespace);
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ';') if before.is_whitespace() && ends => {
                all.push(&line[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    all.push(&line[begin..]);
    all
}

/// `$NAME` alone is split into words; `${NAME}` and parts of words are not.
fn is_split(word: &str) -> bool {
    word.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// A word with its variables, as a shell has to read it.
fn for_a_shell(word: &str) -> String {
    match word {
        "" => "''".to_owned(),
        word if is_split(word) => word.to_owned(),
        word => in_a_word(word),
    }
}

/// A part of a word.
fn in_a_word(word: &str) -> String {
    let (mut out, mut said, mut rest) = (String::new(), String::new(), word);
    while let Some((before, after)) = rest.split_once('$') {
        said.push_str(before);
        rest = after;
        let named = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        if let Some(after) = after.strip_prefix('$') {
            said.push('$');
            rest = after;
        } else if let Some((name, after)) = named {
            if !said.is_empty() {
                out.push_str(&quoted(&std::mem::take(&mut said)));
            }
            out.push_str(&format!("\"${{{name}}}\""));
            rest = after;
        } else {
            said.push('$');
        }
    }
    said.push_str(rest);
    if !said.is_empty() {
        out.push_str(&quoted(&said));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_as_systemd_does() {
        for (word, shell) in [
            ("--port=${PORT}", "--port=\"${PORT}\""),
            ("$ARGS", "$ARGS"),
            ("a$ARGS", "'a$ARGS'"),
            ("$$HOME", "'$HOME'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("${A}b c", "\"${A}\"'b c'"),
        ] {
            assert_eq!(for_a_shell(word), shell, "{word}");
        }
    }

    #[test]
    fn a_semicolon_alone_stands_between_commands() {
        let words = |line: &str| {
            let commands = Command::read(line).unwrap();
            commands.into_iter().map(|command| command.words.join("|")).collect::<Vec<_>>()
        };
        assert_eq!(words("/a x ; /b 'y ; z' ;"), ["/a|x", "/b|y ; z"]);
        assert_eq!(words(r"/find . -exec rm {} \; "), ["/find|.|-exec|rm|{}|;"]);
        assert_eq!(words(r#"/a ';' b; ";""#), ["/a|;|b;|;"]);
    }

    #[test]
    fn a_reload_by_a_signal_is_seen() {
        let signal = |line: &str| Command::read(line).unwrap()[0].kills_with().map(str::to_owned);
        assert_eq!(signal("/bin/kill -HUP $MAINPID").as_deref(), Some("HUP"));
        assert_eq!(signal("kill -s USR1 ${MAINPID}").as_deref(), Some("USR1"));
        assert_eq!(signal("/bin/kill $MAINPID").as_deref(), Some("TERM"));
        assert_eq!((signal("/bin/kill -HUP 1"), signal("/usr/sbin/nginx -s reload")), (None, None));
    }
}
