//! What an `http` probe asks for, and which answer is good.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::address::http_target;
use super::check::secret_reference;
use crate::hidden::Hidden;

/// An `http` probe: the address alone, or with what is sent and expected. The method is GET.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "an address such as `http://127.0.0.1:8080/health`, or a mapping with `url`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HttpManifest {
    /// The address. Any status from 200 to 399 is good.
    Url(String),
    /// The address with more.
    Request(Box<HttpRequestManifest>),
}

/// What is sent to an address, and which answer is good. All that is said of the answer must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HttpRequestManifest {
    /// The address, for example `http://127.0.0.1:8080/health`.
    pub url: String,
    /// The good statuses: one, a range such as `200-299`, or a list of these. Default: `200-399`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusManifest>,
    /// Headers to send. `Host` may be one of them. Their values are never printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderEntry>,
    /// A header that the answer must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_header: Option<ResponseHeader>,
    /// A text that the body of the answer must contain, in its first 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

/// Good statuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a status, a range such as `200-299`, or a list of these")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StatusManifest {
    /// One status or one range.
    One(StatusRange),
    /// Several.
    Many(Vec<StatusRange>),
}

/// One status, or the first and the last of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a status such as 200, or a range such as `200-299`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StatusRange {
    /// One status.
    Status(u16),
    /// `FIRST-LAST`.
    Range(String),
}

/// A header to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeaderEntry {
    /// The header.
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A secret instead of a value, as `${NAME}`: the entry NAME of this child's `secrets`, or, if there is none, the
    /// secret with the key NAME. Absent, the child does not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
}

/// That there is a value, and not what it is: it may be secret.
impl fmt::Debug for HeaderEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, secret_ref } = self;
        let mut shown = f.debug_struct("HeaderEntry");
        shown.field("name", name).field("value", &Hidden::some(value));
        shown.field("secret_ref", secret_ref).finish()
    }
}

/// A header that an answer must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResponseHeader {
    /// The header.
    pub name: String,
    /// The value that it must have. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl HttpManifest {
    /// The address.
    pub fn url(&self) -> &str {
        match self {
            Self::Url(url) => url,
            Self::Request(request) => &request.url,
        }
    }

    /// The mapping, if more than the address is said.
    pub fn request(&self) -> Option<&HttpRequestManifest> {
        match self {
            Self::Url(_) => None,
            Self::Request(request) => Some(request),
        }
    }

    /// What is wrong with it: a key below `http`, empty for itself, and a sentence.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let below = if self.request().is_some() { "url" } else { "" };
        found.extend(http_target(self.url()).err().map(|message| (below, message)));
        let Some(request) = self.request() else { return found };
        let status = request.status.as_ref().and_then(|status| status.ranges().err());
        found.extend(status.map(|message| ("status", message)));
        found.extend(request.headers.iter().filter_map(HeaderEntry::problem).map(|said| ("headers", said)));
        let expected = request.response_header.as_ref();
        found.extend(expected.and_then(ResponseHeader::problem).map(|said| ("response_header", said)));
        if request.body_contains.as_deref() == Some("") {
            let message = "the text is empty, so any body would do; write what to look for";
            found.push(("body_contains", message.into()));
        }
        found
    }
}

impl StatusManifest {
    /// The statuses.
    ///
    /// # Errors
    ///
    /// A sentence about the first that is none.
    pub fn ranges(&self) -> Result<Vec<RangeInclusive<u16>>, String> {
        match self {
            Self::One(one) => Ok(vec![one.range()?]),
            Self::Many(none) if none.is_empty() => {
                Err("the list is empty, so no answer would be good; write `200`".into())
            }
            Self::Many(many) => many.iter().map(StatusRange::range).collect(),
        }
    }
}

impl StatusRange {
    fn range(&self) -> Result<RangeInclusive<u16>, String> {
        let (shown, ends) = match self {
            Self::Status(status) => (status.to_string(), Some((*status, *status))),
            Self::Range(text) => (text.escape_debug().to_string(), first_and_last(text)),
        };
        match ends {
            Some((first, last)) if first > last => {
                Err(format!("the range '{shown}' ends before it begins; write it as `{last}-{first}`"))
            }
            Some((first, last)) if first >= 100 && last <= 599 => Ok(first..=last),
            _ => Err(format!(
                "'{shown}' is no status; write one from 100 to 599, or a range such as `200-299`"
            )),
        }
    }
}

/// The two numbers of `FIRST-LAST`; a number alone is both.
fn first_and_last(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    Some((number(first.trim())?, number(last.trim())?))
}

/// Headers that the probe itself says, because they hold the exchange together.
const OWN: [&str; 5] = ["connection", "content-length", "transfer-encoding", "upgrade", "te"];

impl HeaderEntry {
    fn problem(&self) -> Option<String> {
        if let Some(problem) = name_problem(&self.name) {
            return Some(problem);
        }
        let name = &self.name;
        if OWN.contains(&name.to_ascii_lowercase().as_str()) {
            return Some(format!("the header '{name}' is the probe's own; remove it"));
        }
        match (&self.value, &self.secret_ref) {
            (Some(value), None) => value_problem(name, value),
            (None, Some(reference)) if secret_reference(reference).is_some() => None,
            // Not quoted: it may be the secret itself.
            (None, Some(_)) => {
                Some(format!("the `secret_ref` of '{name}' is not a reference; write it as `${{NAME}}`"))
            }
            (Some(_), Some(_)) => Some(format!("'{name}' has both `value` and `secret_ref`; keep one")),
            (None, None) => Some(format!("'{name}' needs a `value` or a `secret_ref`")),
        }
    }
}

impl ResponseHeader {
    fn problem(&self) -> Option<String> {
        let value = self.value.as_ref();
        name_problem(&self.name).or_else(|| value.and_then(|value| value_problem(&self.name, value)))
    }
}

/// What keeps a text from being the name of a header. What follows a colon is not quoted: it is a value in the wrong
/// place.
fn name_problem(name: &str) -> Option<String> {
    if name.contains(':') {
        let name = name.split(':').next().unwrap_or_default().escape_debug();
        return Some(format!("the name of a header has no colon; write `{{name: {name}, value: …}}`"));
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(good);
    (!is_name).then(|| format!("'{}' cannot be the name of a header", name.escape_debug()))
}

fn value_problem(name: &str, value: &str) -> Option<String> {
    let bad = value.chars().any(|char| char.is_control() && char != '\t');
    bad.then(|| format!("the value of '{name}' has a character that a header cannot have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> HttpManifest {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn statuses_are_one_a_range_or_a_list() {
        let ranges = |text: &str| serde_json::from_str::<StatusManifest>(text).unwrap().ranges();
        assert_eq!(ranges("204"), Ok(vec![204..=204]));
        assert_eq!(ranges(r#""200-299""#), Ok(vec![200..=299]));
        assert_eq!(ranges(r#""418""#), Ok(vec![418..=418]));
        assert_eq!(ranges(r#"[200, "300-302"]"#), Ok(vec![200..=200, 300..=302]));
        for (bad, words) in [
            ("[]", "is empty"),
            ("99", "'99' is no status"),
            ("600", "from 100 to 599"),
            (r#""200-""#, "is no status"),
            (r#""2xx""#, "such as `200-299`"),
            (r#""+20-299""#, "is no status"),
            (r#""299-200""#, "write it as `200-299`"),
            (r#"[200, "500-600"]"#, "'500-600' is no status"),
        ] {
            let said = ranges(bad).unwrap_err();
            assert!(said.contains(words), "{bad}: {said}");
        }
    }

    #[test]
    fn every_mistake_has_its_key_and_no_value_is_quoted() {
        let with = |keys: &str| read(&format!(r#"{{"url": "http://a:1/", {keys}}}"#)).problems();
        for (keys, key, words) in [
            (r#""status": 1"#, "status", "is no status"),
            (r#""headers": [{"name": "X: canary", "value": "v"}]"#, "headers", "no colon; write `{name: X,"),
            (r#""headers": [{"name": "", "value": "v"}]"#, "headers", "cannot be the name"),
            (r#""headers": [{"name": "A B", "value": "v"}]"#, "headers", "cannot be the name"),
            (r#""headers": [{"name": "X", "value": "canary\r\nY: 1"}]"#, "headers", "the value of 'X'"),
            (r#""headers": [{"name": "X"}]"#, "headers", "needs a `value`"),
            (r#""headers": [{"name": "X", "secret_ref": "canary"}]"#, "headers", "`${NAME}`"),
            (r#""headers": [{"name": "X", "value": "canary", "secret_ref": "${c}"}]"#, "headers", "keep one"),
            (r#""headers": [{"name": "Content-Length", "value": "9"}]"#, "headers", "the probe's own"),
            (r#""response_header": {"name": "a:b"}"#, "response_header", "no colon"),
            (r#""body_contains": """#, "body_contains", "is empty"),
        ] {
            let found = with(keys);
            let [(at, said)] = &found[..] else { panic!("{keys}: {found:?}") };
            assert!(*at == key && said.contains(words) && !said.contains("canary"), "{keys}: {at}: {said}");
        }
        assert_eq!(with(r#""headers": [{"name": "Host", "value": "b"}], "status": "100-599""#), []);
        assert_eq!(read(r#"{"url": "x"}"#).problems()[0].0, "url");
        assert_eq!(read(r#""x""#).problems()[0].0, "");
    }

    #[test]
    fn debug_shows_no_value_of_a_header() {
        let said = read(r#"{"url": "http://a/", "headers": [{"name": "X-Token", "value": "canary"}]}"#);
        let text = format!("{said:?}");
        assert!(text.contains("X-Token") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn what_is_said_is_written_as_it_was() {
        for text in [
            r#""http://a/""#,
            r#"{"url":"http://a/","status":[200,"300-302"],"headers":[{"name":"X","secret_ref":"${s}"}],"response_header":{"name":"Y"},"body_contains":"ok"}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(text)).unwrap(), text);
        }
    }
}
