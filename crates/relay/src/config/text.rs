//! Texts that follow a grammar, each a type of its own in the schema. A text is checked when the file is walked, so that
//! a mistake is told where it stands; what is read after that is good.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

/// The types of this file, and whether a text is one of them; the error is a sentence.
pub(super) fn check(owner: &str, text: &str) -> Result<(), String> {
    match owner {
        "Address" => address(text).map(drop),
        "Digest" => digest(text),
        "Host" => host(text),
        "Moment" => moment(text).map(drop),
        "Name" => name(text),
        "Pattern" => pattern(text),
        "Path" => path(text),
        _ => Ok(()),
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub(super) struct $name(String);

        impl $name {
            pub(super) fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

texts! {
    /// An address, as IP:PORT.
    Address
    /// A SHA-256 in hexadecimal.
    Digest
    /// A name of this machine, with a port unless that is the usual one.
    Host
    /// A day, or a time with its zone.
    Moment
    /// The name of somebody.
    Name
    /// A name in which `*` is any text.
    Pattern
    /// A path; one that is relative begins at the directory of the file.
    Path
}

impl Address {
    /// It was checked.
    pub(super) fn socket(&self) -> Option<SocketAddr> {
        address(self.as_str()).ok()
    }
}

impl Moment {
    /// In seconds since 1970. It was checked.
    pub(super) fn unix_seconds(&self) -> Option<u64> {
        moment(self.as_str()).ok()
    }
}

impl Path {
    pub(super) fn from(&self, directory: &std::path::Path) -> PathBuf {
        directory.join(self.as_str())
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "'{}' is no address; write IP:PORT, such as `127.0.0.1:9900` or `[::1]:9900`",
            text.escape_debug()
        )
    })
}

fn digest(text: &str) -> Result<(), String> {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let is_plain = digits == 64 && text.len() == 64;
    let has_colons =
        digits == 64 && text.split(':').count() == 32 && text.split(':').all(|pair| pair.len() == 2);
    // What stands there may be the token itself, so it is not repeated.
    if is_plain || has_colons { Ok(()) } else { Err("a SHA-256 has 64 hexadecimal digits".to_owned()) }
}

fn host(text: &str) -> Result<(), String> {
    let refused = |why: &str| {
        Err(format!(
            "'{}' {why}; write it as browsers show it, such as `relay.example` or `relay.example:9900`",
            text.escape_debug()
        ))
    };
    if text.contains("://") || text.contains('/') {
        return refused("is more than a host");
    }
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inside, port)) if inside.parse::<std::net::Ipv6Addr>().is_ok() => {
                ("x", port.strip_prefix(':'))
            }
            _ => return refused("is no host"),
        },
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return refused("has no port after its colon");
    }
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.is_empty() || name.len() > 253 || !name.chars().all(good) {
        refused("is no host")
    } else {
        Ok(())
    }
}

/// How long a day is, as text.
const DAY: usize = "2027-01-31".len();

/// The end of a day, or a time. The error is a sentence.
fn moment(text: &str) -> Result<u64, String> {
    // A time without a zone would read as its day.
    let day = || text.parse::<Date>().ok().filter(|_| text.len() == DAY)?.tomorrow().ok();
    let end = || Some(day()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let time = text.parse::<Timestamp>().ok().or_else(end);
    time.and_then(|time| u64::try_from(time.as_second()).ok()).ok_or_else(|| {
        format!(
            "'{}' is no time; write a day as `2027-01-31`, or a time as `2027-01-31T12:00:00Z`",
            text.escape_debug()
        )
    })
}

fn name(text: &str) -> Result<(), String> {
    let bad = text.trim().is_empty() || text.len() > 256 || text.chars().any(char::is_control);
    if bad {
        Err("a name has 1 to 256 bytes, is not blank and has no control characters".to_owned())
    } else {
        Ok(())
    }
}

fn pattern(text: &str) -> Result<(), String> {
    name(text).map_err(|_| {
        "a pattern has 1 to 256 bytes, is not blank and has no control characters; `*` is any text".to_owned()
    })
}

fn path(text: &str) -> Result<(), String> {
    let bad = text.trim().is_empty() || text.contains('\0');
    if bad { Err("this is no path; write one, or leave the key out".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_its_grammar() {
        let digest = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        for (owner, good) in [
            ("Address", "127.0.0.1:9900"),
            ("Address", "[::1]:0"),
            ("Digest", digest.as_str()),
            ("Digest", &colons),
            ("Host", "relay.example"),
            ("Host", "relay.example:9900"),
            ("Host", "[::1]:9900"),
            ("Host", "10.0.0.1"),
            ("Moment", "2027-01-31"),
            ("Moment", "2027-01-31T12:00:00+01:00"),
            ("Name", "ann of the night"),
            ("Pattern", "*"),
            ("Path", "x y"),
        ] {
            assert_eq!(check(owner, good), Ok(()), "{owner} {good}");
        }
        for (owner, bad) in [
            ("Address", "localhost:9900"),
            ("Address", "127.0.0.1"),
            ("Address", "127.0.0.1:65536"),
            ("Digest", &digest[1..]),
            ("Digest", &digest.replace('a', "g")),
            ("Digest", &colons.replacen(':', "", 1)),
            ("Host", "https://relay.example"),
            ("Host", "relay.example:"),
            ("Host", "relay.example:99999"),
            ("Host", "relay example"),
            ("Host", "::1"),
            ("Host", ""),
            ("Moment", "2027-02-30"),
            ("Moment", "30d"),
            ("Moment", "1969-01-01"),
            ("Moment", "2027-01-31T12:00:00"),
            ("Name", " "),
            ("Name", "a\nb"),
            ("Pattern", ""),
            ("Path", ""),
        ] {
            assert!(check(owner, bad).is_err_and(|sentence| sentence.len() > 20), "{owner} {bad}");
        }
    }

    #[test]
    fn a_day_is_good_to_its_end() {
        assert_eq!(moment("1970-01-01"), Ok(86_400));
        assert_eq!(moment("1970-01-02T00:00:00Z"), Ok(86_400));
    }

    #[test]
    fn s17_a_token_that_was_written_in_place_of_its_digest_is_not_repeated() {
        assert!(!check("Digest", "my-secret").unwrap_err().contains("my-secret"));
    }
}
