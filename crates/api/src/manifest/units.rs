//! Numbers with a unit and a range. A value outside its range cannot be made.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::life::words;

/// The longest time a manifest may ask for: a year of 365 days.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why a number is not a value of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// Milliseconds above a year, or not whole.
    #[error("expected a whole number of milliseconds from 0 to 31536000000 (a year)")]
    Millis,
    /// Seconds that are zero, negative, not finite or above a year.
    #[error("expected a number of seconds above 0 and up to 31536000 (a year)")]
    Seconds,
    /// Hours that are zero, negative, not finite or above a year.
    #[error("expected a number of hours above 0 and up to 8760 (a year)")]
    Hours,
    /// A ratio outside 0 to 1.
    #[error("expected a number from 0 to 1")]
    Ratio,
}

words! {
    /// The word for "for ever".
    Infinity {
        /// Without an end.
        Infinity = "infinity",
    }
}

/// Whole milliseconds, from 0 to a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(u64);

impl Millis {
    /// This many milliseconds.
    pub fn new(millis: u64) -> Result<Self, RangeError> {
        let fits = u128::from(millis) <= YEAR.as_millis();
        fits.then_some(Self(millis)).ok_or(RangeError::Millis)
    }

    /// The time as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// Seconds above 0 and up to a year; a fraction is kept to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(Duration);

impl Seconds {
    /// This duration, if it is above 0 and at most a year.
    pub fn new(time: Duration) -> Result<Self, RangeError> {
        (!time.is_zero() && time <= YEAR).then_some(Self(time)).ok_or(RangeError::Seconds)
    }

    fn from_number(seconds: f64) -> Result<Self, RangeError> {
        Duration::try_from_secs_f64(seconds).map_err(|_| RangeError::Seconds).and_then(Self::new)
    }

    /// The time as a duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// Hours above 0 and up to a year; a fraction is kept to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hours(Duration);

impl Hours {
    const ONE: f64 = 3600.0;

    fn from_number(hours: f64) -> Result<Self, RangeError> {
        let time = Duration::try_from_secs_f64(hours * Self::ONE).map_err(|_| RangeError::Hours)?;
        (!time.is_zero() && time <= YEAR).then_some(Self(time)).ok_or(RangeError::Hours)
    }

    /// The time as a duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Ratio(f32);

impl Ratio {
    /// This share.
    pub fn new(ratio: f32) -> Result<Self, RangeError> {
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio)).ok_or(RangeError::Ratio)
    }

    /// The share as a number.
    pub const fn get(self) -> f32 {
        self.0
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(self.0)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            out.serialize_u64(self.0.as_secs())
        } else {
            out.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let (hours, rest) = (self.0.as_secs() / 3600, self.0.as_secs() % 3600);
        if rest == 0 && self.0.subsec_nanos() == 0 {
            out.serialize_u64(hours)
        } else {
            out.serialize_f64(self.0.as_secs_f64() / Self::ONE)
        }
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_f32(self.0)
    }
}

/// Reads any JSON or YAML number with one function, and shows the range to whoever wrote another.
struct Number<T> {
    error: RangeError,
    whole: fn(u64) -> Result<T, RangeError>,
    fraction: fn(f64) -> Result<T, RangeError>,
}

impl<T> Visitor<'_> for Number<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.error.to_string();
        f.write_str(text.strip_prefix("expected ").unwrap_or(&text))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.whole)(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        (self.fraction)(number).map_err(|_| E::invalid_value(de::Unexpected::Float(number), &self))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let error = RangeError::Millis;
        input.deserialize_u64(Number { error, whole: Self::new, fraction: |_| Err(RangeError::Millis) })
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let whole = |seconds| Self::new(Duration::from_secs(seconds));
        input.deserialize_f64(Number { error: RangeError::Seconds, whole, fraction: Self::from_number })
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let whole = |hours: u64| Self::from_number(hours as f64);
        input.deserialize_f64(Number { error: RangeError::Hours, whole, fraction: Self::from_number })
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let whole = |number: u64| Self::new(number as f32);
        let fraction = |number: f64| Self::new(number as f32);
        input.deserialize_f64(Number { error: RangeError::Ratio, whole, fraction })
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{Hours, Millis, Ratio, Seconds};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    macro_rules! number {
        ($type:ty, $name:literal, $schema:tt) => {
            impl JsonSchema for $type {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> Cow<'static, str> {
                    $name.into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        };
    }

    number!(Millis, "Millis", { "type": "integer", "minimum": 0, "maximum": 31_536_000_000_u64 });
    number!(Seconds, "Seconds", { "type": "number", "exclusiveMinimum": 0, "maximum": 31_536_000 });
    number!(Hours, "Hours", { "type": "number", "exclusiveMinimum": 0, "maximum": 8760 });
    number!(Ratio, "Ratio", { "type": "number", "minimum": 0, "maximum": 1 });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_time_outside_its_range_is_refused_and_the_range_is_named() {
        for bad in ["0", "-1", "18446744073709551615", "31536000.5", "-0.5"] {
            let error = read::<Seconds>(bad).unwrap_err();
            assert!(error.contains("above 0 and up to 31536000"), "{bad}: {error}");
        }
        for bad in ["-1", "18446744073709551615", "1.5", "31536000001"] {
            let error = read::<Millis>(bad).unwrap_err();
            assert!(error.contains("from 0 to 31536000000"), "{bad}: {error}");
        }
        for bad in ["0", "-1", "8761", "1e300"] {
            let error = read::<Hours>(bad).unwrap_err();
            assert!(error.contains("above 0 and up to 8760"), "{bad}: {error}");
        }
        for bad in ["-0.1", "1.1", "2", "\"0.5\""] {
            let error = read::<Ratio>(bad).unwrap_err();
            assert!(error.contains("from 0 to 1"), "{bad}: {error}");
        }
        assert!(read::<Seconds>("1e999").is_err());
    }

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        assert_eq!(read::<Seconds>("2").unwrap().duration(), Duration::from_secs(2));
        assert_eq!(read::<Seconds>("0.25").unwrap().duration(), Duration::from_millis(250));
        assert_eq!(read::<Millis>("0").unwrap().duration(), Duration::ZERO);
        assert_eq!(read::<Hours>("1.5").unwrap().duration(), Duration::from_secs(5400));
        for text in ["24", "0.5", "8760"] {
            assert_eq!(serde_json::to_string(&read::<Hours>(text).unwrap()).unwrap(), text);
        }
        for text in ["2", "0.25"] {
            assert_eq!(serde_json::to_string(&read::<Seconds>(text).unwrap()).unwrap(), text);
        }
    }
}
