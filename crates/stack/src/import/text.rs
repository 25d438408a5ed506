//! Texts in which names stand for values.

use super::Refusal;

/// A text: what was said, and names of variables of the stack file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Piece {
    Said(String),
    Name(String),
}

impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(vec![Piece::Said(text.into())])
    }
}

impl Text {
    /// Adds what means itself.
    pub(super) fn say(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Said(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Piece::Said(text.to_owned())),
        }
    }

    /// Adds a name that stands for its value.
    pub(super) fn name(&mut self, name: &str) -> Result<(), Refusal> {
        if matches!(self.0.last(), Some(Piece::Said(before)) if before.ends_with('$')) {
            return Err(format!("a `$` stands before the variable {name}, which a stack file cannot say"));
        }
        self.0.push(Piece::Name(name.to_owned()));
        Ok(())
    }

    /// Adds another text.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), Refusal> {
        other.0.iter().try_for_each(|piece| match piece {
            Piece::Name(name) => self.name(name),
            Piece::Said(text) => {
                self.say(text);
                Ok(())
            }
        })
    }

    /// What it is made of: each is a name, or was said.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|piece| Self(vec![piece.clone()]))
    }

    /// The names in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Said(_) => None,
        })
    }

    /// The name that is all of it.
    pub(super) fn only_name(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Name(name)] => Some(name),
            _ => None,
        }
    }

    /// The text of it, if there is no name in it.
    pub(super) fn said(&self) -> Option<&str> {
        match &self.0[..] {
            [] => Some(""),
            [Piece::Said(text)] => Some(text),
            _ => None,
        }
    }

    /// As it stands in a stack file, in which these names are variables.
    pub(super) fn written(&self, is_name: &dyn Fn(&str) -> bool) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Name(name) => out.extend(["${", name, "}"]),
                Piece::Said(text) => escape(&mut out, text, is_name),
            }
        }
        out
    }
}

/// What looks like a name and is none, such as one of a shell, gets a `$` more.
fn escape(out: &mut String, mut rest: &str, is_name: &dyn Fn(&str) -> bool) {
    while let Some(at) = rest.find("${") {
        let after = &rest[at + 2..];
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        out.push_str(&rest[..at]);
        out.push_str(if name.is_some() { "$${" } else { "${" });
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_a_name_stays_as_it_is() {
        let mut text = Text::from("a ${PORT} ${HOME} ${x${PORT} ");
        text.name("PORT").unwrap();
        let written = text.written(&|name| name == "PORT");
        assert_eq!(written, "a $${PORT} ${HOME} ${x$${PORT} ${PORT}");
        assert_eq!(Text::from("${A}").written(&|_| false), "${A}");
        assert!(Text::from("costs $").name("PRICE").is_err());
    }
}
