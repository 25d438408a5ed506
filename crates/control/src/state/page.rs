//! Which rows are asked for.

use std::ops::Range;

use supervisor_api::wire::{ErrorCode, StateParams, WireError};
use supervisor_api::{SupervisorPath, nearest};

/// A run of rows in the order of the tree. What lies below a child follows it at once, so every subtree is one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) range: Range<usize>,
    /// The last row, when more follow.
    pub(super) next_after: Option<SupervisorPath>,
}

impl Page {
    /// The page of a tree with these paths.
    pub(super) fn of(paths: &[&SupervisorPath], params: &StateParams) -> Result<Self, WireError> {
        let mut range = match &params.under {
            Some(under) => {
                place(paths, "under", under)?;
                below(paths, under)
            }
            None => 0..paths.len(),
        };
        if let Some(after) = &params.after {
            let from = place(paths, "after", after)? + 1;
            range.start = from.clamp(range.start, range.end);
        }
        let end = params
            .limit
            .map_or(range.end, |limit| range.end.min(range.start.saturating_add(limit.get() as usize)));
        let more = end < range.end;
        range.end = end;
        let last = paths[range.clone()].last();
        Ok(Self { next_after: last.filter(|_| more).map(|path| (*path).clone()), range })
    }
}

/// The rows of a child and of what lies below it; none when it is not there.
pub(super) fn below(paths: &[&SupervisorPath], under: &SupervisorPath) -> Range<usize> {
    let is_below = |path: &&SupervisorPath| under.contains(path);
    let start = paths.iter().position(&is_below).unwrap_or(paths.len());
    start..start + paths[start..].iter().take_while(|path| is_below(path)).count()
}

fn place(paths: &[&SupervisorPath], key: &str, path: &SupervisorPath) -> Result<usize, WireError> {
    paths.iter().position(|known| *known == path).ok_or_else(|| {
        let paths = paths.iter().map(|path| path.as_str());
        let remedy = match (key, nearest(path.as_str(), paths).as_slice()) {
            ("after", _) => "; it was removed since: begin with the first page".to_owned(),
            (_, []) => String::new(),
            (_, near) => format!("; nearest: {}", near.join(", ")),
        };
        WireError::new(
            ErrorCode::InvalidCommandParams,
            format!("params.{key}: there is no child '{path}'{remedy}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn path(text: &str) -> SupervisorPath {
        SupervisorPath::parse(text).unwrap()
    }

    fn page(after: Option<&str>, limit: Option<u32>, under: Option<&str>) -> Result<Page, WireError> {
        let tree = ["/", "/a", "/a/b", "/a/c", "/ab", "/d"].map(path);
        let limit = limit.map(|limit| NonZeroU32::new(limit).unwrap());
        let params = StateParams { after: after.map(path), limit, under: under.map(path) };
        Page::of(&tree.iter().collect::<Vec<_>>(), &params)
    }

    #[test]
    fn a_page_is_what_was_asked_for_and_says_how_to_go_on() {
        for (after, limit, under, range, next) in [
            (None, None, None, 0..6, None),
            (None, Some(2), None, 0..2, Some("/a")),
            (Some("/a"), Some(2), None, 2..4, Some("/a/c")),
            (Some("/a/c"), Some(2), None, 4..6, None),
            (Some("/d"), Some(2), None, 6..6, None),
            (None, None, Some("/a"), 1..4, None),
            (Some("/a"), Some(1), Some("/a"), 2..3, Some("/a/b")),
            (Some("/d"), None, Some("/a"), 4..4, None),
            (Some("/"), None, Some("/a"), 1..4, None),
            (None, Some(u32::MAX), Some("/ab"), 4..5, None),
        ] {
            let expected = Page { range, next_after: next.map(path) };
            assert_eq!(page(after, limit, under), Ok(expected), "{after:?} {limit:?} {under:?}");
        }
    }

    #[test]
    fn pages_one_after_the_other_are_the_whole() {
        for limit in 1..8 {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = page(after.as_ref().map(SupervisorPath::as_str), Some(limit), None).unwrap();
                seen.extend(page.range);
                after = page.next_after;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, [0, 1, 2, 3, 4, 5], "limit {limit}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_is_named_with_a_remedy() {
        let refused = page(None, None, Some("/aa")).unwrap_err();
        assert!(refused.message.contains("params.under: there is no child '/aa'; nearest: /a"), "{refused}");
        let refused = page(Some("/x"), None, None).unwrap_err();
        assert!(refused.message.contains("begin with the first page"), "{refused}");
        assert!(refused.code.is(ErrorCode::InvalidCommandParams));
    }
}
