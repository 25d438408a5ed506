//! Numbers, times, sizes, truths and signals, as the other tools write them.

use supervisor_yaml::printable;

use super::Refusal;
use super::sheet::Value;

/// A number.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.trim().parse().map_err(|_| format!("'{}' is not a number that can be taken", printable(text)))
}

/// A number of seconds, as a fraction too.
pub(super) fn seconds(text: &str) -> Result<f64, Refusal> {
    let fits = |seconds: &f64| seconds.is_finite() && *seconds >= 0.0;
    number(text).ok().filter(fits).ok_or_else(|| format!("'{}' is no length of time", printable(text)))
}

/// A truth.
pub(super) fn truth(text: &str) -> Result<bool, Refusal> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" | "y" | "t" => Ok(true),
        "no" | "false" | "off" | "0" | "n" | "f" => Ok(false),
        _ => Err(format!("'{}' is neither yes nor no", printable(text))),
    }
}

/// A signal that a program can be sent: `TERM`, `SIGTERM` or `15`.
pub(super) fn signal(text: &str) -> Result<Value, Refusal> {
    const KNOWN: [(&str, &str); 8] = [
        ("TERM", "15"),
        ("INT", "2"),
        ("QUIT", "3"),
        ("HUP", "1"),
        ("USR1", "10"),
        ("USR2", "12"),
        ("WINCH", "28"),
        ("KILL", "9"),
    ];
    let name = text.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    match KNOWN.iter().find(|(known, number)| *known == name || *number == name) {
        Some((known, _)) => Ok(Value::plain(format!("SIG{known}"))),
        None => {
            let known: Vec<&str> = KNOWN.iter().map(|(known, _)| *known).collect();
            Err(format!("a program is sent one of {}", known.join(", ")))
        }
    }
}

/// A size in bytes: `50MB`, `64M`, `1024`. What the letters count by is 1024.
pub(super) fn bytes(text: &str) -> Result<u64, Refusal> {
    let upper = text.trim().to_ascii_uppercase();
    let short = upper.strip_suffix('B').unwrap_or(&upper);
    let units = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
    let found = units.iter().find_map(|(unit, bits)| Some((short.strip_suffix(unit)?, 1_u64 << bits)));
    let (digits, factor) = found.unwrap_or((short, 1));
    let wrong = |_| format!("'{}' is no size that can be taken", printable(text));
    if factor > 1 && digits.contains('.') {
        return seconds(digits).map(|many| (many * factor as f64).ceil() as u64).map_err(wrong);
    }
    number::<u64>(digits).map(|many| many.saturating_mul(factor)).map_err(wrong)
}

/// A size in MiB, and a part of one is a whole one.
pub(super) fn mebibytes(text: &str) -> Result<u64, Refusal> {
    bytes(text).map(|bytes| bytes.div_ceil(1 << 20))
}

/// A time of systemd in seconds: `90`, `5min 20s`. `None`: for ever.
pub(super) fn span(text: &str) -> Result<Option<f64>, Refusal> {
    let mut rest = text.trim();
    if rest == "infinity" {
        return Ok(None);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return Err("it is no length of time".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let value = seconds(&rest[..digits])?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "us" | "usec" | "µs" => 1e-6,
            "ms" | "msec" => 1e-3,
            "" | "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            other => return Err(format!("'{}' is no unit of time that can be taken", printable(other))),
        };
        total += value * unit;
        rest = rest[letters..].trim_start();
    }
    Ok(Some(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_those_of_the_tools() {
        assert_eq!((bytes("50MB"), bytes("1k"), bytes("7")), (Ok(50 << 20), Ok(1024), Ok(7)));
        assert_eq!((mebibytes("1"), mebibytes("0")), (Ok(1), Ok(0)));
        assert_eq!(mebibytes("1.5G"), Ok(1536));
        assert!(bytes("10%").is_err() && bytes("MB").is_err() && bytes("-1").is_err());
        assert_eq!(
            (span("1min 30s"), span("500ms"), span("infinity")),
            (Ok(Some(90.0)), Ok(Some(0.5)), Ok(None))
        );
        assert!(span("5 parsecs").is_err() && span("").is_err() && span("s").is_err());
        assert!(seconds("-1").is_err() && seconds("nan").is_err() && seconds("0.5").is_ok());
        assert_eq!((truth("Yes"), truth("off")), (Ok(true), Ok(false)));
        assert_eq!(signal("usr1"), signal("10"));
        assert!(signal("SIGSEGV").is_err());
    }
}
