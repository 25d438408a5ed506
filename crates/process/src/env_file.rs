//! Files from which a program gets variables, as systemd's `EnvironmentFile=` reads them, but for what that lets pass
//! in silence.
//!
//! A line is `NAME=value`, with or without `export ` before it. Empty lines and those that begin with `#` say nothing.
//! A value in single quotes is taken as it is; in double quotes `\` makes a plain character of the next `"`, `\`, `$` or
//! `` ` ``; one without quotes ends where the line does, without the blanks around it. Nothing is expanded. A value may be
//! secret, so no error has anything of a line but its number and the name of its variable.

use std::path::PathBuf;

use supervisor_api::manifest::{EnvFileManifest, is_shell_name};

use crate::small_file;
use crate::spec::ProgramSpec;
use crate::start_error::StartError;

/// The largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// Names and values in the order in which they stand.
pub(crate) type Variables = Vec<(String, String)>;

/// A file from which a program gets variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvFile {
    pub(crate) path: PathBuf,
    /// Whether the program may not start without it.
    pub(crate) required: bool,
}

impl EnvFile {
    pub(crate) fn of(manifest: &EnvFileManifest) -> Vec<Self> {
        let files = manifest.files().iter();
        files.map(|file| Self { path: file.path().into(), required: file.required() }).collect()
    }

    /// What stands in it. The error is a sentence that names the file and the line.
    fn read(&self) -> Result<Variables, String> {
        let shown = self.path.display();
        let text = match small_file::read(&self.path, LARGEST) {
            Ok(Some(text)) => text,
            Ok(None) if !self.required => return Ok(Variables::new()),
            Ok(None) => {
                return Err(format!(
                    "`{shown}`: no such file or directory; make it, or say `required: false`"
                ));
            }
            Err(why) => return Err(format!("`{shown}`: {why}")),
        };
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        let variables = lines.filter_map(|(at, line)| {
            variable(line).map_err(|why| format!("`{shown}`, line {}: {why}", at + 1)).transpose()
        });
        variables.collect()
    }
}

impl ProgramSpec {
    /// What stands in its files with variables now.
    ///
    /// # Errors
    ///
    /// A sentence that names the program, the key, the file and the line.
    pub(crate) async fn read_env_files(&self) -> Result<Variables, String> {
        if self.env_files.is_empty() {
            return Ok(Variables::new());
        }
        let files = self.env_files.clone();
        // A file may be on a disk that is slow.
        let read = tokio::task::spawn_blocking(move || {
            files.iter().map(EnvFile::read).collect::<Result<Vec<_>, _>>().map(|read| read.concat())
        });
        let read = read.await.map_err(|error| error.to_string()).flatten();
        read.map_err(|why| {
            let program = self.program.to_string_lossy().into_owned();
            StartError::System { program, what: "env_file", why }.to_string()
        })
    }

    /// The same program with these variables, which were read from its files, below its own.
    pub(crate) fn with_read(mut self, read: &Variables) -> Self {
        self.environment.splice(..0, read.iter().cloned());
        self.env_files.clear();
        self
    }
}

/// The variable of a line, if it has one.
fn variable(line: &[u8]) -> Result<Option<(String, String)>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=').ok_or("it has no `=`; write `NAME=value`")?;
    if !is_shell_name(name) {
        return Err("what is before its `=` is no name of a variable: letters, digits and `_`, and no blank"
            .to_owned());
    }
    let value = unquoted(value.trim_start()).map_err(|why| format!("the value of {name} {why}"))?;
    if value.contains('\0') {
        return Err(format!("the value of {name} has a NUL character"));
    }
    Ok(Some((name.to_owned(), value)))
}

/// The value without its quotes. The error is the rest of a sentence about it.
fn unquoted(text: &str) -> Result<String, &'static str> {
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return Ok(text.to_owned());
    };
    let mut value = String::new();
    let mut rest = text[1..].chars();
    while let Some(next) = rest.next() {
        match next {
            _ if next == quote => {
                let after = rest.as_str().trim_start();
                let nothing = after.is_empty() || after.starts_with('#') && after.len() < rest.as_str().len();
                return nothing.then_some(value).ok_or("goes on after its closing quote; quote all of it");
            }
            '\\' if quote == '"' => match rest.next() {
                Some(plain @ ('"' | '\\' | '$' | '`')) => value.push(plain),
                other => value.extend(std::iter::once('\\').chain(other)),
            },
            _ => value.push(next),
        }
    }
    Err("has a quote that is not closed in its line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_variable_or_says_nothing() {
        for (line, value) in [
            ("A=b", "b"),
            ("  export A = b", ""),
            ("export A=b", "b"),
            ("A=", ""),
            ("A= b c \r", "b c"),
            ("A=b # c", "b # c"),
            ("A=$HOME ${X} \\n", "$HOME ${X} \\n"),
            ("A='it is \\n $x \"y\"'", "it is \\n $x \"y\""),
            ("A=\" \\\"q\\\" \\$x \\\\ \\n 'y' \"", " \"q\" $x \\ \\n 'y' "),
            ("A='b' # c", "b"),
            ("A=it's", "it's"),
            ("A=b=c", "b=c"),
        ] {
            let expected = (!line.contains("A =")).then(|| Some(("A".to_owned(), value.to_owned())));
            assert_eq!(variable(line.as_bytes()).ok(), expected, "{line}");
        }
        for line in ["", "  ", "# A=b", "   #", "\r"] {
            assert_eq!(variable(line.as_bytes()), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_its_value() {
        for (line, words) in [
            ("canary", "no `=`"),
            ("1A=canary", "no name of a variable"),
            ("=canary", "no name of a variable"),
            ("A B=canary", "no name of a variable"),
            ("A='canary", "the value of A has a quote that is not closed"),
            ("A=\"canary\\\"", "not closed"),
            ("A='canary'x", "after its closing quote"),
            ("A='canary'#x", "after its closing quote"),
            ("A=canary\0", "NUL"),
        ] {
            let why = variable(line.as_bytes()).unwrap_err();
            assert!(why.contains(words) && !why.contains("canary"), "{line}: {why}");
        }
        assert!(variable(b"A=\xff").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn a_file_is_regular_and_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, required| EnvFile { path: dir.path().join(name), required };
        std::fs::write(dir.path().join("large"), vec![b'#'; (1 << 20) + 1]).unwrap();
        std::fs::write(dir.path().join("two"), "A=1\n\nB='canary\n").unwrap();
        std::fs::write(dir.path().join("good"), "A=1\nA=2").unwrap();
        let refused = |name, required| file(name, required).read().unwrap_err();
        assert!(refused("absent", true).contains("required: false"));
        assert_eq!(file("absent", false).read(), Ok(vec![]));
        assert_eq!(file("good/below", false).read(), Ok(vec![]));
        assert!(refused(".", false).contains("no regular file"));
        assert!(refused("large", true).contains("larger than 1048576 bytes"));
        assert!(
            refused("two", true)
                .ends_with("/two`, line 3: the value of B has a quote that is not closed in its line")
        );
        let both = [("A".to_owned(), "1".to_owned()), ("A".to_owned(), "2".to_owned())];
        assert_eq!(file("good", true).read().unwrap(), both);
    }
}
