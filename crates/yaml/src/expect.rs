//! What was expected at a place and what stands there, in words; and numbers as they are written.

use crate::shape::{Shape, ShapeId, Shapes};
use crate::walk::quoted;
use crate::yaml::{Node, Value};

/// The type of a name in the schema.
const NAME: &str = "ChildId";
/// The longest piece of a text that a message repeats.
const MAX_QUOTED: usize = 40;

/// What a shape expects, as the end of "must be …".
pub(crate) fn expected(shapes: &Shapes, id: ShapeId) -> String {
    match shapes.get(id) {
        Shape::Text { owner } if owner == NAME => "a name".to_owned(),
        Shape::Text { .. } => "a text".to_owned(),
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Whole { min, max } if i128::from(*min) == i128::from(*max) => format!("{min}"),
        Shape::Whole { min, max } if *max >= u64::from(u32::MAX) && *max != 31_536_000_000 => {
            format!("a whole number of at least {min}")
        }
        Shape::Whole { min, max } => format!("a whole number from {min} to {max}"),
        Shape::Number { min, above_min: true, max } => format!("a number above {min} and up to {max}"),
        Shape::Number { min, max, .. } => format!("a number from {min} to {max}"),
        Shape::Words(words) => {
            let words: Vec<&str> = words.words.iter().map(String::as_str).collect();
            if words.len() == 1 { quoted(&words) } else { format!("one of {}", quoted(&words)) }
        }
        Shape::List(item) => match shapes.get(*item) {
            Shape::Map(_) => format!("a list; each item is {}", expected(shapes, *item)),
            Shape::Text { owner } if owner == NAME => "a list of names".to_owned(),
            Shape::Whole { .. } => "a list of numbers".to_owned(),
            _ => "a list of texts".to_owned(),
        },
        Shape::Map(map) => {
            let mut keys: Vec<&str> = map.keys.keys().map(String::as_str).collect();
            keys.sort_unstable();
            if keys.len() > 9 { "a mapping".to_owned() } else { format!("a mapping with {}", quoted(&keys)) }
        }
        Shape::Either(ids) => {
            let each: Vec<String> = ids.iter().map(|id| expected(shapes, *id)).collect();
            each.join(" or ")
        }
    }
}

/// What stands at a place, as the end of "not …".
pub(crate) fn found(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Refused => "what stands there".to_owned(),
        Value::Scalar { .. } if node.is_null() => "nothing".to_owned(),
        Value::Scalar { text, plain } => {
            let cut: String = text.chars().take(MAX_QUOTED).collect();
            let dots = if cut.len() < text.len() { "…" } else { "" };
            let cut = cut.escape_debug();
            if *plain { format!("`{cut}{dots}`") } else { format!("the quoted text \"{cut}{dots}\"") }
        }
    }
}

/// The same without quoting it.
pub(crate) fn another(node: &Node) -> String {
    match &node.value {
        Value::Scalar { .. } if !node.is_null() => "what stands there".to_owned(),
        _ => found(node),
    }
}

/// Reads `true` or `false`. The error is advice, and may be empty.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" | "1" => Err("write `true`".to_owned()),
            "no" | "off" | "n" | "false" | "0" => Err("write `false`".to_owned()),
            _ => Err(String::new()),
        },
    }
}

/// Reads a whole number as plain decimals, with a sign where there are numbers below 0. The error is advice, and may
/// be empty.
pub(crate) fn whole(text: &str, min: i64, max: u64) -> Result<serde_json::Number, String> {
    let digits = text.strip_prefix('-').filter(|_| min < 0).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(number_advice(text));
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(leading_zero(digits));
    }
    // More digits than this holds are out of any range.
    let number = text.parse::<i128>().map_err(|_| String::new())?;
    let fits = (i128::from(min)..=i128::from(max)).contains(&number);
    fits.then(|| serde_json::Number::from_i128(number)).flatten().ok_or_else(String::new)
}

/// Reads a number with an optional fraction and exponent. The error is advice, and may be empty.
pub(crate) fn number(text: &str, min: f64, above_min: bool, max: f64) -> Result<serde_json::Number, String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let known = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    if digits == 0 || !text.bytes().all(known) || !text.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(number_advice(text));
    }
    if text.len() > 1 && text.starts_with('0') && !text.starts_with("0.") {
        return Err(leading_zero(text));
    }
    let number: f64 = text.parse().map_err(|_| number_advice(text))?;
    let in_range = number <= max && if above_min { number > min } else { number >= min };
    if !in_range {
        return Err(String::new());
    }
    let whole = text.parse::<u64>().ok().map(serde_json::Number::from);
    whole.or_else(|| serde_json::Number::from_f64(number)).ok_or_else(String::new)
}

fn leading_zero(text: &str) -> String {
    let bare = text.trim_start_matches('0');
    format!("some read a leading 0 as octal; write {}", if bare.is_empty() { "0" } else { bare })
}

/// Advice for a text that is no number: units belong to the key, other notations to nobody.
fn number_advice(text: &str) -> String {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let has_number = unit.len() < text.len();
    match unit.trim() {
        "ns" | "us" | "ms" | "s" | "sec" | "m" | "min" | "h" | "d" if has_number => {
            "write the number alone; its unit is in the name of the key".to_owned()
        }
        _ if has_number => "write it with plain decimal digits".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_decimals_are_whole_numbers() {
        assert_eq!(whole("0", 0, 9), Ok(0.into()));
        assert_eq!(whole("18446744073709551615", 0, u64::MAX), Ok(u64::MAX.into()));
        assert_eq!(whole("-5", -5, 9), Ok((-5).into()));
        for bad in ["-6", "--5", "-", "-05"] {
            assert!(whole(bad, -5, 9).is_err(), "{bad}");
        }
        for bad in ["", "-1", "+1", "012", "0x1f", "1_000", "1e3", "1.0", "10", "18446744073709551616", "٣"]
        {
            assert!(whole(bad, 0, 9).is_err(), "{bad}");
        }
        assert!(whole("012", 0, 99).unwrap_err().contains("write 12"));
        assert!(whole("5s", 0, 9).unwrap_err().contains("unit"));
    }

    #[test]
    fn numbers_may_have_a_fraction_and_must_be_finite() {
        let read = |text| number(text, 0.0, true, 100.0).map(|number| number.to_string());
        assert_eq!(read("5"), Ok("5".to_owned()));
        assert_eq!(read("0.25"), Ok("0.25".to_owned()));
        assert_eq!(read("1e1"), Ok("10.0".to_owned()));
        for bad in
            ["0", "0.0", "-1", "100.1", "1e999", ".inf", ".nan", "inf", "NaN", "1.", "1..2", "012", "5s"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(number("0", 0.0, false, 1.0).is_ok());
    }
}
