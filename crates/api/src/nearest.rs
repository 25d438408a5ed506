//! The names most like one that does not exist.

/// Up to three of `candidates` that look like `asked`, the likest first.
///
/// A candidate looks alike when few edits lead from one to the other for their length, or when one begins
/// with the other.
pub fn nearest<'a>(asked: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let asked_lower: Vec<char> = asked.to_lowercase().chars().take(LONGEST).collect();
    let mut found: Vec<(usize, &str)> = Vec::new();
    let (mut lower, mut rows): (Vec<char>, Rows) = Default::default();
    for candidate in candidates {
        lower.clear();
        if candidate.is_ascii() {
            let letters = candidate.bytes().take(LONGEST);
            lower.extend(letters.map(|letter| char::from(letter.to_ascii_lowercase())));
        } else {
            lower.extend(candidate.chars().flat_map(char::to_lowercase).take(LONGEST));
        }
        let allowed = (asked_lower.len().max(lower.len()) / 3).max(1);
        let prefix = asked_lower.len() >= 3
            && (lower.starts_with(&asked_lower) || asked_lower.starts_with(&lower[..]));
        if lower.len().abs_diff(asked_lower.len()) > allowed && !prefix {
            continue;
        }
        let distance = rows.edits(&asked_lower, &lower);
        if distance <= allowed || (prefix && !lower.is_empty()) {
            found.push((distance, candidate));
            found.sort();
            found.truncate(3);
        }
    }
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// Longer names are compared by their beginning.
const LONGEST: usize = 128;

/// The rows of the table of edits that are still needed; their memory serves every candidate.
#[derive(Default)]
struct Rows {
    before: Vec<usize>,
    above: Vec<usize>,
    row: Vec<usize>,
}

impl Rows {
    /// How many insertions, deletions, replacements and swaps of neighbours lead from `a` to `b`.
    fn edits(&mut self, a: &[char], b: &[char]) -> usize {
        let Self { before, above, row } = self;
        // What both begin or end with needs no edit, and names of one tree have much in common.
        let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let (a, b) = (&a[same..], &b[same..]);
        let same = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
        let (a, b) = (&a[..a.len() - same], &b[..b.len() - same]);
        above.clear();
        above.extend(0..=b.len());
        for i in 1..=a.len() {
            row.clear();
            row.push(i);
            for j in 1..=b.len() {
                let same = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + same);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(before[j - 2] + 1);
                }
                row.push(best);
            }
            std::mem::swap(before, above);
            std::mem::swap(above, row);
        }
        above[b.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::{Rows, nearest};

    #[test]
    fn typing_mistakes_are_found_and_strangers_are_not() {
        let names = ["restart_policy", "backoff", "budget", "dependencies"];
        assert_eq!(nearest("restart_polciy", names), ["restart_policy"]);
        assert_eq!(nearest("Backof", names), ["backoff"]);
        assert_eq!(nearest("dep", names), ["dependencies"]);
        assert!(nearest("zzz", names).is_empty());
    }

    #[test]
    fn what_two_names_have_in_common_is_no_edit() {
        let edits = |a: &str, b: &str| {
            let letters = |word: &str| word.chars().collect::<Vec<_>>();
            Rows::default().edits(&letters(a), &letters(b))
        };
        assert_eq!((edits("/a/b", "/a/b"), edits("", "ab"), edits("abc", "")), (0, 2, 3));
        assert_eq!((edits("abcdef", "badcfe"), edits("xaby", "xbay"), edits("aab", "ab")), (3, 1, 1));
        assert_eq!((edits("/a/bc", "/a/c"), edits("aba", "aa"), edits("xayaz", "xaz")), (1, 1, 2));
    }

    #[test]
    fn at_most_three_the_likest_first() {
        assert_eq!(nearest("worker1", ["worker12", "worker2", "worker1x", "worker3"]).len(), 3);
        assert_eq!(nearest("api", ["apis", "api2", "app"])[0], "api2");
    }
}
