//! A Procfile: `NAME: COMMAND` in each line, which a shell runs.

use super::sheet::{Child, Sheet, Value};
use super::words::{Quoting, needs_a_shell, split};
use super::{At, ImportError, Refusal};

/// The first port that foreman gives, and how far they are apart.
const PORTS: (usize, usize) = (5000, 100);

pub(super) fn read(text: &str) -> Result<Sheet, ImportError> {
    let mut sheet = Sheet {
        head: vec![
            "A program gets PATH, HOME, LANG and a few more of the supervisor's environment, what is in .env beside this \
             file, and what is named under its `environment`. foreman gives it all of its own."
                .to_owned(),
            "PORT is what foreman gives: 5000 to the first program, and 100 more to each that follows. It goes before a PORT in \
             .env, from which foreman counts instead of 5000: if there is one, count from it here."
                .to_owned(),
            "A program that ends is started again. foreman would end all of them.".to_owned(),
        ],
        ..Sheet::default()
    };
    sheet.supervisor.set("stop", Value::plain("concurrent"));
    sheet.supervisor.set_in("defaults", "env_file", dotenv());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = At { file: 0, line: number + 1 };
        let Some((name, command)) =
            line.split_once(':').filter(|(name, _)| !name.contains(char::is_whitespace))
        else {
            return Err(
                at.error("it is not `NAME: COMMAND`; a program is one line, and a comment begins with `#`")
            );
        };
        sheet.make_room(at, 1)?;
        let mut child = Child::program(at, name);
        let command = shell_or_words(command.trim(), &["sh", "-c"]).map_err(|why| at.error(why))?;
        child.keys.set("command", command);
        if name == "release" {
            child.notes.push("Heroku runs `release` once for each deployment, so it is a job.".to_owned());
            child.keys.set("role", Value::plain("job"));
        }
        let port = PORTS.0 + PORTS.1 * sheet.children.len();
        child.keys.variable("PORT", port.to_string()).map_err(|why| at.error(why))?;
        sheet.children.push(child);
    }
    Ok(sheet)
}

/// The file of variables that such tools read if it is there.
pub(super) fn dotenv() -> Value {
    Value::List(vec![Value::Map(vec![("file", Value::text(".env")), ("required", Value::plain(false))])])
}

/// A command line that another tool gives to a shell: the words of it where that makes no difference.
pub(super) fn shell_or_words(line: &str, shell: &[&str]) -> Result<Value, Refusal> {
    if line.is_empty() {
        return Err("there is no command".to_owned());
    }
    if needs_a_shell(line) {
        return Ok(Value::texts(shell.iter().copied().chain([line])));
    }
    let mut words = split(line, Quoting::Shell)
        .filter(|words| !words.is_empty())
        .ok_or("a quote in the command is not closed, or it ends with a backslash")?;
    // Of itself a shell would stay before the program; there is none here.
    if words[0] == "exec" && words.len() > 1 {
        words.remove(0);
    }
    Ok(Value::texts(words))
}
