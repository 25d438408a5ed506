//! A tree of nodes as text again.

use crate::yaml::{Node, Value};

/// The text of a tree: [`parse`](crate::parse) of it gives the same values in the same order, at other places.
///
/// Each item of a list has a line of its own, and everything is in brackets.
pub fn write(root: &Node) -> String {
    let mut out = String::new();
    node(&mut out, root);
    out.push('\n');
    out
}

fn node(out: &mut String, of: &Node) {
    match &of.value {
        // The word for nothing is a word where one is meant.
        Value::Scalar { text, .. } if of.is_null() => out.push_str(if text.is_empty() { "~" } else { text }),
        Value::Scalar { text, plain } if *plain && stays_plain(text) => out.push_str(text),
        Value::Scalar { text, .. } => quoted(out, text),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "\n " } else { ",\n " });
                node(out, item);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                quoted(out, &entry.key);
                out.push_str(": ");
                node(out, &entry.node);
            }
            out.push('}');
        }
        // Somebody was told; what is left says so, too.
        Value::Refused => out.push('~'),
    }
}

/// Whether a text means the same without quotes, also in brackets. What has a type without quotes, numbers and truths, is
/// made of these characters.
fn stays_plain(text: &str) -> bool {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-');
    text.bytes().all(simple) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// Adds a text in double quotes, as YAML reads it, whatever is in it.
pub fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\U{:08x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use crate::walk::tests::DIALECT;

    fn read(text: &str) -> Node {
        let (root, mistakes) = parse(text, &DIALECT);
        assert!(mistakes.is_empty(), "{mistakes:?} in\n{text}");
        root.unwrap()
    }

    /// The values without their places.
    fn plain(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, plain } if stays_plain(text) => format!("{text:?}{plain}"),
            Value::Scalar { text, .. } => format!("{text:?}"),
            Value::List(items) => format!("{:?}", items.iter().map(plain).collect::<Vec<_>>()),
            Value::Map(entries) => {
                format!(
                    "{:?}",
                    entries.iter().map(|entry| (&entry.key, plain(&entry.node))).collect::<Vec<_>>()
                )
            }
            Value::Refused => "refused".to_owned(),
        }
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        let text = "a: 012\nb: \"012\"\nc: [1e9, -5, .5, 'no', no, 0x1f, \"~\", ' x ', '']\nd: |\n  two\n  lines # no\ne: {f: {g: []}, h: {}}\n\
                    i: a plain text, with {brackets} and more\n'odd: key': \"\\e\\t\\\"\\\\ \\u00e9 \\U0001f600 \\L\"\nj: -x\nk: null\nl: Null\n";
        let root = read(text);
        let written = write(&root);
        assert_eq!(plain(&read(&written)), plain(&root), "{written}");
        assert_eq!(write(&read(&written)), written);
        assert!(read(&write(&read("a:\nb: ~\n"))).get("a").unwrap().node.is_null());
    }
}
