//! Reading a frame into a type, exactly: an object is written as an object, and an error names its place.
//!
//! Derived readers take an array for a struct, its items in the order of the fields, and their errors tell a
//! column but no key. This layer between the text and the type refuses the first and remembers the second.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::frame::{MESSAGE, plain};

/// Reads `text`, which is good JSON, as a `T`. The error begins with the keys that lead to the place, such as
/// `params.target.child_path`, unless it is about the whole.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let path = Path::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    T::deserialize(Exact { inner: &mut reader, path: &path, is_struct: false }).map_err(|error| {
        let place = path.0.into_inner().concat();
        let place = place.strip_prefix('.').unwrap_or(&place);
        plain(&if place.is_empty() { error.to_string() } else { format!("{place}: {error}") }, MESSAGE)
    })
}

/// Where the reader is. A step is taken back only when its value was read, so after an error the path is the
/// place of the error.
#[derive(Default)]
struct Path(RefCell<Vec<String>>);

impl Path {
    fn within<T, E>(&self, step: String, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.0.borrow_mut().push(step);
        let value = read()?;
        self.0.borrow_mut().pop();
        Ok(value)
    }
}

/// A reader, a visitor, a seed or an access, with the path to it.
struct Exact<'p, D> {
    inner: D,
    path: &'p Path,
    /// Whether a struct is wanted, which no array is.
    is_struct: bool,
}

impl<'p, D> Exact<'p, D> {
    fn wrap<V>(&self, inner: V, is_struct: bool) -> Exact<'p, V> {
        Exact { inner, path: self.path, is_struct }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Exact<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor, false);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor, true);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.wrap(visitor, false);
        self.inner.deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Exact<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_struct { f.write_str("an object") } else { self.inner.expecting(f) }
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.scalar(de::Unexpected::Bool(value), |inner| inner.visit_bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.scalar(de::Unexpected::Unsigned(value), |inner| inner.visit_u64(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.scalar(de::Unexpected::Signed(value), |inner| inner.visit_i64(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.scalar(de::Unexpected::Float(value), |inner| inner.visit_f64(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
        self.scalar(de::Unexpected::Str(value), |inner| inner.visit_str(value))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.scalar(de::Unexpected::Str(value), |inner| inner.visit_borrowed_str(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.scalar(de::Unexpected::Unit, Visitor::visit_unit)
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<V::Value, D::Error> {
        let reader = self.wrap(reader, false);
        self.inner.visit_some(reader)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.is_struct {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        let items = Items { access: self.wrap(items, false), at: 0 };
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = Entries { access: self.wrap(entries, false), key: String::new() };
        self.inner.visit_map(entries)
    }
}

impl<'de, V: Visitor<'de>> Exact<'_, V> {
    fn scalar<E: de::Error>(
        self,
        found: de::Unexpected<'_>,
        visit: impl FnOnce(V) -> Result<V::Value, E>,
    ) -> Result<V::Value, E> {
        if self.is_struct { Err(E::invalid_type(found, &self)) } else { visit(self.inner) }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Exact<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<S::Value, D::Error> {
        let reader = self.wrap(reader, false);
        self.inner.deserialize(reader)
    }
}

struct Items<'p, A> {
    access: Exact<'p, A>,
    at: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let seed = self.access.wrap(seed, false);
        let step = format!("[{}]", self.at);
        self.at += 1;
        self.access.path.within(step, || self.access.inner.next_element_seed(seed))
    }
}

struct Entries<'p, A> {
    access: Exact<'p, A>,
    key: String,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(key) = self.access.inner.next_key::<String>()? else { return Ok(None) };
        self.key.clone_from(&key);
        seed.deserialize(StringDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.access.wrap(seed, false);
        let step = format!(".{}", self.key);
        self.access.path.within(step, || self.access.inner.next_value_seed(seed))
    }
}
