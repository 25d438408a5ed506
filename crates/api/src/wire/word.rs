//! Values that two dialects write differently, and words that a later version may add.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::life::Vocabulary;

/// A word of a known set, or any other text as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word<T> {
    /// A word of the set.
    Known(T),
    /// A word that this version does not know.
    Other(Box<str>),
}

impl<T: Vocabulary> Word<T> {
    /// The word as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(word) => word.text(),
            Self::Other(text) => text,
        }
    }

    /// The word, if it is of the set.
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(word) => Some(*word),
            Self::Other(_) => None,
        }
    }

    /// Whether it is this word.
    pub fn is(&self, word: T) -> bool {
        self.known() == Some(word)
    }
}

impl<T> From<T> for Word<T> {
    fn from(word: T) -> Self {
        Self::Known(word)
    }
}

impl<T: Vocabulary> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<T: Vocabulary> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

impl<'de, T: Vocabulary> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(input)?;
        Ok(T::find(&text).map_or_else(|| Self::Other(text.as_ref().into()), Self::Known))
    }
}

/// A time as Unix nanoseconds. Written as an integer; read as an integer or as a decimal string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub u64);

impl Serialize for UnixNanos {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for UnixNanos {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Time;

        impl de::Visitor<'_> for Time {
            type Value = UnixNanos;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "Unix nanoseconds, as an integer or a decimal string, from 0 to 18446744073709551615",
                )
            }

            fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<UnixNanos, E> {
                Ok(UnixNanos(nanos))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UnixNanos, E> {
                // `parse` alone would take a leading plus sign.
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                let nanos = text.parse().ok().filter(|_| digits);
                nanos.map(UnixNanos).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        input.deserialize_any(Time)
    }
}

/// Reads null as the default.
pub(super) fn or_default<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(input).map(Option::unwrap_or_default)
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{UnixNanos, Word};

    impl<T: JsonSchema> JsonSchema for Word<T> {
        fn schema_name() -> Cow<'static, str> {
            format!("{}Word", T::schema_name()).into()
        }

        fn json_schema(of: &mut SchemaGenerator) -> Schema {
            let known = of.subschema_for::<T>();
            json_schema!({
                "description": "A known word, or one of a later version; readers keep that as text.",
                "anyOf": [known, {"type": "string"}]
            })
        }
    }

    impl JsonSchema for UnixNanos {
        fn schema_name() -> Cow<'static, str> {
            "UnixNanos".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "Unix nanoseconds. Written as an integer; a decimal string is read too. 0: a clock that stands before 1970.",
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "string", "pattern": "^[0-9]{1,20}$"}
                ]
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifecycle;

    #[test]
    fn a_time_is_an_integer_or_a_decimal_string_up_to_the_edge() {
        let read = |text: &str| serde_json::from_str::<UnixNanos>(text).map(|time| time.0).ok();
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        assert_eq!(read("\"18446744073709551615\""), Some(u64::MAX));
        assert_eq!(read("\"007\""), Some(7));
        for bad in [
            "18446744073709551616",
            "\"18446744073709551616\"",
            "-1",
            "\"-1\"",
            "\"+1\"",
            "\" 1\"",
            "\"\"",
            "1.0",
            "1e3",
            "null",
            "\"0x1\"",
            "\"١\"",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_unknown_word_stays_as_it_came() {
        let word: Word<Lifecycle> = serde_json::from_str("\"hibernating\"").unwrap();
        assert_eq!((word.known(), word.as_str()), (None, "hibernating"));
        assert_eq!(serde_json::to_string(&word).unwrap(), "\"hibernating\"");
        let word: Word<Lifecycle> = serde_json::from_str("\"running\"").unwrap();
        assert!(word.is(Lifecycle::Running));
    }
}
