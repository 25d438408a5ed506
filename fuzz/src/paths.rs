//! Ids and paths against their grammar, written once more in the simplest way.

use serde::Serialize;
use serde::de::DeserializeOwned;
use supervisor_api::{ChildId, SupervisorPath};

use crate::bytes::Bytes;

/// Reads the bytes as an id, as a path, and as steps up and down a tree.
///
/// # Panics
/// When a text is accepted or refused against the grammar, or something does not read back as it was printed.
pub fn paths(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    an_id(&text);
    a_path(&text);
    // Arbitrary bytes are hardly ever a path, so they are spelt with few letters too.
    let spelt: String = bytes.iter().map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()]).collect();
    an_id(&spelt);
    a_path(&spelt);
    a_path(&format!("/{spelt}"));
    a_walk(&mut Bytes::new(bytes));
}

const ALPHABET: &[char] =
    &['a', '/', 'Z', '0', '_', '.', '-', ' ', 'é', '\u{202e}', '\0', 'b', 'c', 'd', '/'];

fn is_id(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let goes_on = |c: char| begins(c) || c == '.' || c == '-';
    (1..=64).contains(&text.chars().count()) && text.starts_with(begins) && text.chars().all(goes_on)
}

/// The segments of a path; `None` when it is none.
fn segments(text: &str) -> Option<Vec<&str>> {
    let below = text.strip_prefix('/')?;
    if below.is_empty() {
        return Some(Vec::new());
    }
    let segments: Vec<&str> = below.strip_suffix('/').unwrap_or(below).split('/').collect();
    (segments.len() <= 16 && segments.iter().all(|segment| is_id(segment))).then_some(segments)
}

fn an_id(text: &str) {
    match ChildId::new(text) {
        Ok(id) => {
            assert!(is_id(text), "{text:?} is no id and was taken for one");
            assert_eq!(id.as_str(), text);
            assert_eq!(id.to_string().parse::<ChildId>().as_ref(), Ok(&id));
            assert_eq!(read_back(&id), id);
        }
        Err(error) => {
            assert!(!is_id(text), "{text:?} is an id and was refused: {error}");
            is_printable(&error.to_string());
        }
    }
}

fn a_path(text: &str) {
    match (SupervisorPath::parse(text), segments(text)) {
        (Ok(path), Some(segments)) => is_made_of(&path, &segments),
        (Err(error), None) => is_printable(&error.to_string()),
        (Ok(_), None) => panic!("{text:?} is no path and was taken for one"),
        (Err(error), Some(_)) => panic!("{text:?} is a path and was refused: {error}"),
    }
}

fn is_made_of(path: &SupervisorPath, segments: &[&str]) {
    assert_eq!(path.as_str(), format!("/{}", segments.join("/")));
    assert_eq!(path.to_string().parse::<SupervisorPath>().as_ref(), Ok(path));
    assert_eq!(&read_back(path), path);
    assert_eq!((path.depth(), path.is_root()), (segments.len(), segments.is_empty()));
    assert_eq!(path.last_segment(), segments.last().copied());
    assert_eq!(path.id().map(|id| id.to_string()), segments.last().map(ToString::to_string));
    match (path.parent(), segments.split_last()) {
        (None, None) => {}
        (Some(parent), Some((last, above))) => {
            assert_eq!(parent.as_str(), format!("/{}", above.join("/")));
            assert_eq!(ChildId::new(last).map(|id| parent.child(&id)).as_ref(), Ok(path));
            assert!(parent.contains(path) && path.contains(path) && !path.contains(&parent));
        }
        (parent, _) => panic!("{path} has {} segments and the parent {parent:?}", segments.len()),
    }
}

/// Steps up and down a tree; each place is what its segments say.
fn a_walk(bytes: &mut Bytes<'_>) {
    let (mut path, mut segments) = (SupervisorPath::root(), Vec::new());
    let mut left = SupervisorPath::root();
    while !bytes.is_empty() {
        match bytes.below(4) {
            0 => {
                path = path.parent().unwrap_or_else(SupervisorPath::root);
                segments.pop();
            }
            1 => left = path.clone(),
            _ if segments.len() < SupervisorPath::MAX_DEPTH => {
                let name = bytes.pick(&["a", "aa", "a-", "b.c", "_"]);
                segments.push(name);
                path = ChildId::new(name).map_or_else(|error| panic!("{error}"), |id| path.child(&id));
            }
            _ => {}
        }
        is_made_of(&path, &segments);
        let below: Vec<&str> = left.as_str().split('/').filter(|name| !name.is_empty()).collect();
        assert_eq!(left.contains(&path), segments.starts_with(&below), "{left} and {path}");
    }
}

/// Through JSON and back.
fn read_back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap_or_else(|error| panic!("cannot be written: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text} does not read back: {error}"))
}

fn is_printable(text: &str) {
    assert!(!text.is_empty(), "refused without a word");
    let strange = text.chars().find(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(strange, None, "{text:?}");
}
