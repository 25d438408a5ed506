//! Messages of ours as JSON: byte for byte what `serde_json` writes, in less time.
//!
//! Most of a message are keys and words. Ours need no escapes, so they are not searched for any; a text is searched as a
//! whole, and written as it is when it needs none. What is rare is left to `serde_json`.

use std::fmt::{self, Display, Write as _};

use serde::ser::{self, Serialize};
use serde_json::Error;

/// Adds a message, or a part of one.
pub(crate) fn put(out: &mut Vec<u8>, message: &(impl Serialize + ?Sized)) {
    // Only a map with keys that are no texts could fail, and there is none.
    let _ = message.serialize(Json(out));
}

/// Writes one value.
struct Json<'a>(&'a mut Vec<u8>);

/// Writes a list or an object, item by item.
struct Items<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
    end: &'static str,
}

/// A text that needs no escapes.
#[inline]
fn word(out: &mut Vec<u8>, word: &str) {
    out.reserve(word.len() + 2);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

fn text(out: &mut Vec<u8>, text: &str) {
    if !needs_escapes(text.as_bytes()) {
        return word(out, text);
    }
    out.push(b'"');
    contents(out, text);
    out.push(b'"');
}

/// Whether a byte of a text is a quote, a backslash or below a space. Eight are looked at in one step: of a byte that is
/// less than the one that is taken away from it, and of no other below 128, the highest bit is set afterwards.
fn needs_escapes(text: &[u8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let less = |bytes: u64, than: u8| bytes.wrapping_sub(EACH * u64::from(than)) & !bytes & (EACH << 7);
    let is = |bytes: u64, byte: u8| less(bytes ^ (EACH * u64::from(byte)), 1);
    let found = |bytes: u64| less(bytes, b' ') | is(bytes, b'"') | is(bytes, b'\\') != 0;
    let mut eights = text.chunks_exact(8);
    eights.any(|eight| eight.try_into().is_ok_and(|eight| found(u64::from_le_bytes(eight))))
        || eights.remainder().iter().any(|byte| matches!(byte, ..b' ' | b'"' | b'\\'))
}

/// What stands between the quotes.
fn contents(out: &mut Vec<u8>, text: &str) {
    if !needs_escapes(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut quoted = Vec::with_capacity(text.len() + 16);
    // A text can always be written.
    let _ = serde_json::to_writer(&mut quoted, text);
    out.extend_from_slice(&quoted[1..quoted.len() - 1]);
}

/// A text that comes in pieces.
struct Pieces<'a>(&'a mut Vec<u8>);

impl fmt::Write for Pieces<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        contents(self.0, piece);
        Ok(())
    }
}

impl<'a> Json<'a> {
    fn items(self, begin: &str, end: &'static str) -> Items<'a> {
        self.0.extend_from_slice(begin.as_bytes());
        Items { out: self.0, is_first: true, end }
    }

    /// An object of one key, whose value begins with this.
    fn variant(self, name: &'static str, begin: &str, end: &'static str) -> Items<'a> {
        self.0.push(b'{');
        text(self.0, name);
        self.0.push(b':');
        self.items(begin, end)
    }
}

macro_rules! by_serde_json {
    ($($name:ident: $type:ty),+) => {
        $(fn $name(self, value: $type) -> Result<(), Error> {
            ser::Serializer::$name(&mut serde_json::Serializer::new(self.0), value)
        })+
    };
}

impl<'a> ser::Serializer for Json<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    by_serde_json! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        text(self.0, value);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.0.push(b'"');
        write!(Pieces(self.0), "{value}").map_err(ser::Error::custom)?;
        self.0.push(b'"');
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        debug_assert!(!needs_escapes(variant.as_bytes()), "our words need no escapes");
        word(self.0, variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let Items { out, .. } = self.variant(variant, "", "");
        value.serialize(Json(out))?;
        out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(self.items("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Error> {
        Ok(self.items("[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Error> {
        Ok(self.items("[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Error> {
        Ok(self.variant(variant, "[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(self.items("{", "}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Error> {
        Ok(self.items("{", "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Error> {
        Ok(self.variant(variant, "{", "}}"))
    }
}

impl Items<'_> {
    fn comma(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.comma();
        item.serialize(Json(self.out))
    }

    // Where it is called the length of the key is known, so it is copied without a call.
    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        debug_assert!(!needs_escapes(key.as_bytes()), "our keys need no escapes");
        self.comma();
        word(self.out, key);
        self.out.push(b':');
        value.serialize(Json(self.out))
    }

    fn close(self) {
        self.out.extend_from_slice(self.end.as_bytes());
    }
}

impl ser::SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma();
        let from = self.out.len();
        key.serialize(Json(self.out))?;
        if self.out.get(from) == Some(&b'"') {
            return Ok(());
        }
        Err(ser::Error::custom("a key must be a text"))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        value.serialize(Json(self.out))
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident $method:ident $(($key:ident))?),+) => {
        $(impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = Error;

            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result<(), Error> {
                items!(@add self value $($key)?)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })+
    };
    (@add $self:ident $value:ident) => { $self.item($value) };
    (@add $self:ident $value:ident $key:ident) => { $self.field($key, $value) };
}

items! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field, SerializeStruct serialize_field (key),
    SerializeStructVariant serialize_field (key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Serialize, Serializer as _};

    use super::*;

    /// Every shape that a value of serde can have.
    #[derive(Debug, Clone, Serialize)]
    enum Shape {
        Bool(bool),
        Signed(i8, i16, i32, i64, i128),
        Unsigned(u8, u16, u32, u64, u128),
        Float(f32, f64),
        Char(char),
        Text(String),
        Option(Option<Box<Shape>>),
        Unit,
        Empty(()),
        Named(Named),
        Newtype(Newtype),
        List(Vec<Shape>),
        Map(BTreeMap<String, Shape>),
        Struct { one: Box<Shape>, other_key: u8 },
        Tagged(Tagged),
        Shown(#[serde(serialize_with = "shown")] String),
    }

    #[derive(Debug, Clone, Serialize)]
    struct Named(u8, String);

    #[derive(Debug, Clone, Serialize)]
    struct Newtype(String);

    #[derive(Debug, Clone, Serialize)]
    struct Nothing;

    #[derive(Debug, Clone, Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Tagged {
        Without,
        With {
            text: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            perhaps: Option<u32>,
        },
        Flat {
            #[serde(flatten)]
            rest: BTreeMap<String, u64>,
            nothing: Nothing,
        },
    }

    fn shown<S: ser::Serializer>(text: &str, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("{text}->{text}"))
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let map = prop::collection::btree_map(any::<String>(), any::<u64>(), 0..3);
        let leaf = prop_oneof![
            any::<bool>().prop_map(Shape::Bool),
            any::<(i8, i16, i32, i64, i128)>().prop_map(|(a, b, c, d, e)| Shape::Signed(a, b, c, d, e)),
            any::<(u8, u16, u32, u64, u128)>().prop_map(|(a, b, c, d, e)| Shape::Unsigned(a, b, c, d, e)),
            any::<(f32, f64)>().prop_map(|(a, b)| Shape::Float(a, b)),
            any::<char>().prop_map(Shape::Char),
            any::<String>().prop_map(Shape::Text),
            "[\"\\\\\\x00-\\x7f]{0,40}".prop_map(Shape::Text),
            any::<String>().prop_map(Shape::Shown),
            Just(Shape::Option(None)),
            Just(Shape::Unit),
            Just(Shape::Empty(())),
            any::<(u8, String)>().prop_map(|(a, b)| Shape::Named(Named(a, b))),
            any::<String>().prop_map(|text| Shape::Newtype(Newtype(text))),
            Just(Shape::Tagged(Tagged::Without)),
            any::<(String, Option<u32>)>()
                .prop_map(|(text, perhaps)| Shape::Tagged(Tagged::With { text, perhaps })),
            map.prop_map(|rest| Shape::Tagged(Tagged::Flat { rest, nothing: Nothing })),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let texts = prop::collection::btree_map(any::<String>(), inner.clone(), 0..4);
            prop_oneof![
                inner.clone().prop_map(|one| Shape::Option(Some(Box::new(one)))),
                prop::collection::vec(inner.clone(), 0..5).prop_map(Shape::List),
                texts.prop_map(Shape::Map),
                (inner, any::<u8>())
                    .prop_map(|(one, other_key)| Shape::Struct { one: Box::new(one), other_key }),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_serde_json_writes_byte_for_byte(shape in shapes()) {
            let mut out = Vec::new();
            put(&mut out, &shape);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&shape).unwrap());
        }
    }

    #[test]
    fn bytes_are_a_list_and_keys_must_be_texts() {
        let mut out = Vec::new();
        Json(&mut out).serialize_bytes(b"ab").unwrap();
        assert_eq!(out, b"[97,98]");
        assert!(BTreeMap::from([(1, 2)]).serialize(Json(&mut Vec::new())).is_err());
    }
}
