//! One frame: from bytes to a value that can be trusted to be one well-made JSON object.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::ErrorCode;
use super::exact;

/// The most levels of arrays and objects in a frame. A manifest of the deepest tree needs about 40.
pub const MAX_DEPTH: usize = 64;

/// The most characters of a message that is told to a peer.
pub(super) const MESSAGE: usize = 512;

/// A frame that is one JSON object: no key twice, not too deep, nothing beside it.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    text: &'a str,
    top: Top<'a>,
}

/// What is wrong with a frame, and what could be read of it all the same.
#[derive(Debug)]
pub(super) struct BadFrame<'a> {
    what: Fault,
    pub(super) message: String,
    top: Top<'a>,
}

/// The two ways in which bytes are no frame; they have different codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Utf8,
    Json,
}

/// The keys of the outermost object, each once; a text has its value. Mostly they are few, and looked for one by one.
#[derive(Debug, Default)]
struct Top<'a>(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

impl Top<'_> {
    fn get(&self, key: &str) -> Option<&Option<Cow<'_, str>>> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_deref()
    }
}

impl BadFrame<'_> {
    /// The code to answer with.
    pub(super) fn code(&self) -> ErrorCode {
        match self.what {
            Fault::Utf8 => ErrorCode::InvalidUtf8,
            Fault::Json => ErrorCode::InvalidJson,
        }
    }

    /// The text under a key of the outermost object, if that was read before the fault.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.top.text(key)
    }
}

impl<'a> Frame<'a> {
    /// Reads the bytes between two line ends; a carriage return at the end is white space.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, BadFrame<'a>> {
        let mut top = Top::default();
        match scan(bytes, &mut top) {
            Ok(text) => Ok(Self { text, top }),
            Err((what, message)) => Err(BadFrame { what, message, top }),
        }
    }

    /// The text under a key of the outermost object, if it is a text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.top.text(key)
    }

    /// Whether the outermost object has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.top.get(key).is_some()
    }

    /// The keys of the outermost object, as they came.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.top.0.iter().map(|(key, _)| &**key)
    }

    /// The frame as this type. The error is a sentence with the place.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        exact::parse(self.text)
    }
}

fn scan<'a>(bytes: &'a [u8], top: &mut Top<'a>) -> Result<&'a str, (Fault, String)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        (
            Fault::Utf8,
            format!("the line is not UTF-8 at byte {}; write JSON in UTF-8", error.valid_up_to() + 1),
        )
    })?;
    let json = |message: &str| (Fault::Json, message.to_owned());
    if text.trim_ascii().is_empty() {
        return Err(json("the line is empty; write one JSON object on one line"));
    }
    if text.starts_with('\u{feff}') {
        return Err(json("the line begins with a byte order mark; begin it with '{'"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let one = Scan { depth: 0, top: Some(top) }.deserialize(&mut reader);
    one.and_then(|()| reader.end()).map_err(|error| (Fault::Json, plain(&error.to_string(), MESSAGE)))?;
    Ok(text)
}

/// Walks over one value and keeps nothing but the top.
struct Scan<'t, 'de> {
    depth: usize,
    top: Option<&'t mut Top<'de>>,
}

impl<'de> Scan<'_, 'de> {
    fn below<'t>(&self) -> Scan<'t, 'de> {
        Scan { depth: self.depth + 1, top: None }
    }

    fn check_depth<E: de::Error>(&self) -> Result<(), E> {
        if self.depth < MAX_DEPTH {
            return Ok(());
        }
        Err(E::custom(format_args!("more than {MAX_DEPTH} levels of arrays and objects")))
    }

    fn scalar<E: de::Error>(self, found: de::Unexpected<'_>) -> Result<Option<Cow<'de, str>>, E> {
        if self.top.is_some() { Err(E::invalid_type(found, &self)) } else { Ok(None) }
    }

    fn text<E: de::Error>(
        self,
        text: &str,
        kept: impl FnOnce() -> Cow<'de, str>,
    ) -> Result<Option<Cow<'de, str>>, E> {
        let is_at_the_top = self.depth == 1;
        self.scalar(de::Unexpected::Str(text)).map(|_| is_at_the_top.then(kept))
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self).map(drop)
    }
}

/// The value of a key: a text of the outermost object is kept.
struct Kept<'t, 'de>(Scan<'t, 'de>);

impl<'de> DeserializeSeed<'de> for Kept<'_, 'de> {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self.0)
    }
}

/// A key, lent by the text when it stands there as it is.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys of one object. The first are looked for one by one, so that a small one costs nothing.
#[derive(Default)]
struct Seen<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Seen<'de> {
    const FEW: usize = 16;

    fn has(&self, key: &str) -> bool {
        self.few.iter().any(|known| known == key) || (!self.many.is_empty() && self.many.contains(key))
    }

    fn add(&mut self, key: Cow<'de, str>) {
        if self.few.len() < Self::FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
    }
}

impl<'de> Visitor<'de> for Scan<'_, 'de> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        self.scalar(de::Unexpected::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        self.scalar(de::Unexpected::Unsigned(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        self.scalar(de::Unexpected::Signed(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        self.scalar(de::Unexpected::Float(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        self.scalar(de::Unexpected::Unit)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        self.text(value, || Cow::Owned(value.to_owned()))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        self.text(value, || Cow::Borrowed(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if self.top.is_some() {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        self.check_depth()?;
        while items.next_element_seed(self.below())?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Self::Value, A::Error> {
        self.check_depth()?;
        let mut seen = Seen::default();
        while let Some(Key(key)) = entries.next_key()? {
            if seen.has(&key) {
                // Which of the two was meant cannot be known.
                if let Some(top) = &mut self.top {
                    top.0.retain(|(known, _)| *known != key);
                }
                return Err(de::Error::custom(format_args!("the key '{}' is there twice", plain(&key, 64))));
            }
            let value = entries.next_value_seed(Kept(self.below()))?;
            if let Some(top) = &mut self.top {
                top.0.push((key.clone(), value));
            }
            seen.add(key);
        }
        Ok(None)
    }
}

/// Text of a peer, safe to print on one line: control and direction characters are escaped, and it has at most `most`
/// characters. The last one is an ellipsis when some are left out.
pub fn plain(text: &str, most: usize) -> String {
    let mut shown = String::new();
    // None of them becomes less than one character.
    for c in text.chars().take(most + 1) {
        if c.is_control() || is_format(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    if shown.chars().count() > most {
        shown = shown.chars().take(most.saturating_sub(1)).chain(['…']).collect();
    }
    shown
}

/// Characters that are not seen but change how others are.
const fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_text_of_a_peer_is_never_longer_than_it_may_be() {
        for (text, most, shown) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöüß", 3, "äö…"),
            ("a\n", 6, "a\\u{a}"),
            ("a\n", 3, "a\\…"),
            ("\u{202e}", 8, "\\u{202e}"),
            ("", 0, ""),
        ] {
            assert_eq!(plain(text, most), shown, "{most} of {text:?}");
            assert!(plain(&text.repeat(1_000), most.max(1)).chars().count() <= most.max(1));
        }
    }
}
