//! A file as it may be shown: what stands under `environment`, `headers`, `secrets` and `tokens` may be secret, written
//! well or not, and a file with a mistake is shown in logs and to people.
//!
//! This is about text and not about YAML: it has to work where the text is no YAML. Too much is masked rather than too
//! little. Every character keeps its column.

/// Under which keys secrets stand.
pub(crate) const KEYS: [&str; 4] = ["environment", "headers", "secrets", "tokens"];
/// What is known to be no secret there.
const WORDS: [&str; 7] = ["name", "value", "secret_ref", "key", "required", "sha256", "expires"];

/// What is masked after a key, until it ends.
struct Block {
    /// Where the key begins.
    column: usize,
    /// Brackets that are open.
    open: usize,
}

/// The lines with a star for each character that may be part of a secret.
pub(crate) fn masked(lines: &[&str]) -> Vec<String> {
    let mut block: Option<Block> = None;
    // Brackets that are open around what is looked at: in them a value may stand in any column.
    let mut open = 0;
    lines
        .iter()
        .map(|line| {
            block = block.take().filter(|block| block.goes_on(line));
            let around = open;
            open = after(open, line);
            match &mut block {
                Some(block) => {
                    block.take(line);
                    mask(line)
                }
                None => match key(line) {
                    Some((column, end)) => {
                        let mut begun = Block { column, open: around };
                        begun.take(line);
                        block = Some(begun);
                        line[..end].to_owned() + &mask(&line[end..])
                    }
                    None => (*line).to_owned(),
                },
            }
        })
        .collect()
}

/// Where one of the keys begins in a line, in characters, and where it ends, in bytes.
fn key(line: &str) -> Option<(usize, usize)> {
    let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.".contains(c));
    let is_key = |end: usize| line[end..].trim_start_matches(['"', '\'']).trim_start().starts_with(':');
    let found = KEYS.iter().flat_map(|key| line.match_indices(key));
    let keys = found.map(|(at, key)| (at, at + key.len())).filter(|(at, end)| begins(*at) && is_key(*end));
    keys.min().map(|(at, end)| (line[..at].chars().count(), end))
}

impl Block {
    /// Whether a line is part of it: something is open, or it stands deeper than the key, or is an item of its list.
    fn goes_on(&self, line: &str) -> bool {
        let text = line.trim_start();
        let column = line.chars().count() - text.chars().count();
        let is_item = column == self.column && text.starts_with('-');
        text.is_empty() || self.open > 0 || column > self.column || is_item
    }

    fn take(&mut self, text: &str) {
        self.open = after(self.open, text);
    }
}

/// How many brackets are open after a text, of so many before it.
fn after(open: usize, text: &str) -> usize {
    text.chars().fold(open, |open, c| match c {
        '[' | '{' => open + 1,
        ']' | '}' => open.saturating_sub(1),
        _ => open,
    })
}

/// A text in which only our own words and what separates them can be read.
fn mask(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end =
            if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (piece, after) = rest.split_at(end);
        // A word that stands as a key does.
        let is_ours = WORDS.contains(&piece) && after.trim_start_matches(['"', '\'']).starts_with(':');
        if is_ours || piece.chars().all(|c| c.is_whitespace() || "[]{},:-\"'$#".contains(c)) {
            out.push_str(piece);
        } else {
            out.extend(piece.chars().map(|_| '*'));
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(text: &str, shown: &str) {
        let lines: Vec<_> = text.lines().collect();
        let masked = masked(&lines);
        assert_eq!(masked.join("\n"), shown);
        for (line, masked) in lines.iter().zip(&masked) {
            assert_eq!(line.chars().count(), masked.chars().count(), "columns stay");
        }
    }

    #[test]
    fn s17_what_may_be_secret_is_masked_and_the_rest_of_a_file_is_not() {
        shows(
            "name: a\nenvironment:\n  - {name: T, value: 'ab\"c'}\n  - name: U\n    value: äb\n\n  - V=x\nkind: x",
            "name: a\nenvironment:\n  - {name: *, value: '**\"*'}\n  - name: *\n    value: **\n\n  - ***\nkind: x",
        );
        shows("- environment:\n  - {name: T}\n  kind: x", "- environment:\n  - {name: *}\n  kind: x");
        shows(
            "{a: b, \"secrets\": [\n{db: x},\n], c: d}\ne: f",
            "{a: b, \"secrets\": [\n{**: *},\n], *: *}\ne: f",
        );
        shows("a: {b: {headers:\n  ['x']}}\nc: d", "a: {b: {headers:\n  ['*']}}\nc: d");
        shows("a:\n {b:\n    'c', headers:\n  ['x']}\nc: d", "a:\n {b:\n    'c', headers:\n  ['*']}\nc: d");
        shows("environment: {value: value, x: name}", "environment: {value: *****, *: ****}");
        shows("the environment is good\nsecrets_of: x", "the environment is good\nsecrets_of: x");
    }
}
