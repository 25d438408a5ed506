//! Which run a text belongs to.

use std::path::PathBuf;

use supervisor_yaml::{Node, parse};

use crate::dialect::STACK;

/// What the text of a stack file says of the run that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunOf {
    /// The name of the stack.
    pub name: String,
    /// `control.path`: where its control socket is, if that is not the default place.
    pub socket: Option<PathBuf>,
}

impl RunOf {
    /// The run that a text is for, however much else is wrong with it. `None` when it has no name.
    pub fn text(text: &str) -> Option<Self> {
        let (root, _) = parse(text, &STACK);
        let root = root?;
        let under = |node: &Node, key: &str| {
            node.get(key)
                .and_then(|entry| entry.node.text())
                .filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
        };
        let control = root.get("control").map(|entry| &entry.node);
        let socket = control.and_then(|control| under(control, "path")).map(PathBuf::from);
        Some(Self { name: under(&root, "name")?, socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_mistakes_still_says_which_run_it_is_for() {
        let run = |name: &str, socket: Option<&str>| {
            Some(RunOf { name: name.to_owned(), socket: socket.map(PathBuf::from) })
        };
        assert_eq!(RunOf::text("name: shop\nchildren: [{kind: x}]\n"), run("shop", None));
        assert_eq!(
            RunOf::text("control: {path: /run/s.sock}\nname: shop\n"),
            run("shop", Some("/run/s.sock"))
        );
        for text in ["", "name:\n", "[1]", "name: [a]", "\"", "control: {path: x}"] {
            assert_eq!(RunOf::text(text), None, "{text:?}");
        }
    }
}
