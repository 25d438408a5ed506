//! The level that a line of JSON says of itself.
//!
//! A line that is a JSON object with a level and a message is a record that a logger wrote. What counts as one:
//!
//! | | keys, the first that is there |
//! |---|---|
//! | level | `level`, `severity`, `lvl`, `levelname`, `log.level` |
//! | message | `message`, `msg`, `event`, or `message` within `fields` |
//!
//! A level is a word in any case, or a number as bunyan and pino write it: 10 trace, 20 debug, 30 info, 40 warning, 50 error,
//! 60 fatal.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio_supervisor::Severity;

/// How much a line matters, if it is a record that says so.
pub(crate) fn of(line: &str) -> Option<Severity> {
    let line = line.trim();
    // Most lines are no JSON, and are known by their ends.
    if !(line.starts_with('{') && line.ends_with('}')) {
        return None;
    }
    let record: Record = serde_json::from_str(line).ok()?;
    let nested = || record.fields.as_ref().is_some_and(Fields::have_message);
    let message = record.message.is_some() || record.msg.is_some() || record.event.is_some() || nested();
    let level = record.level.or(record.severity).or(record.lvl).or(record.levelname).or(record.log_level);
    level.filter(|_| message)?.severity()
}

#[derive(Deserialize)]
struct Record {
    level: Option<Level>,
    severity: Option<Level>,
    lvl: Option<Level>,
    levelname: Option<Level>,
    #[serde(rename = "log.level")]
    log_level: Option<Level>,
    message: Option<IgnoredAny>,
    msg: Option<IgnoredAny>,
    event: Option<IgnoredAny>,
    fields: Option<Fields>,
}

/// Where `tracing` writes its message.
#[derive(Deserialize)]
#[serde(untagged)]
enum Fields {
    Object { message: IgnoredAny },
    Other(IgnoredAny),
}

impl Fields {
    const fn have_message(&self) -> bool {
        match self {
            Self::Object { message: IgnoredAny } => true,
            Self::Other(IgnoredAny) => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Level {
    Number(f64),
    Word(String),
    Other(IgnoredAny),
}

impl Level {
    fn severity(&self) -> Option<Severity> {
        match self {
            Self::Number(number) => by_number(*number),
            Self::Word(word) => by_word(word),
            Self::Other(IgnoredAny) => None,
        }
    }
}

/// Levels between those that have a name belong to the one below.
fn by_number(number: f64) -> Option<Severity> {
    Some(match number {
        10.0..20.0 => Severity::Trace,
        20.0..30.0 => Severity::Debug,
        30.0..40.0 => Severity::Info,
        40.0..50.0 => Severity::Warning,
        50.0..=60.0 => Severity::Error,
        _ => return None,
    })
}

fn by_word(word: &str) -> Option<Severity> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "trace" | "verbose" | "silly" => Severity::Trace,
        "debug" => Severity::Debug,
        "info" | "information" | "informational" | "notice" | "default" => Severity::Info,
        "warn" | "warning" => Severity::Warning,
        "err" | "error" | "severe" | "fatal" | "crit" | "critical" | "dpanic" | "panic" | "alert"
        | "emerg" | "emergency" => Severity::Error,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_usual_loggers_say_their_level() {
        for (line, severity) in [
            (r#"{"level":"info","ts":1,"msg":"zap"}"#, Severity::Info),
            (r#"{"level":"WARN","fields":{"message":"tracing","n":1},"target":"a"}"#, Severity::Warning),
            (r#"{"level":50,"time":1,"pid":1,"msg":"pino"}"#, Severity::Error),
            (r#"{"level":35,"msg":"a level of one's own"}"#, Severity::Info),
            (r#"{"severity":"CRITICAL","message":"of a cloud","fields":[1]}"#, Severity::Error),
            (r#"{"event":"structlog","level":"debug"}"#, Severity::Debug),
            (r#"{"levelname":"WARNING","message":"python"}"#, Severity::Warning),
            (r#"{"log.level":"trace","message":"ecs"}"#, Severity::Trace),
            (r#" {"lvl":"eror","level":"err","msg":""} "#, Severity::Error),
        ] {
            assert_eq!(of(line), Some(severity), "{line}");
        }
    }

    #[test]
    fn what_is_no_record_has_no_level() {
        for line in [
            "",
            "{",
            "{}",
            "level=error msg=x",
            r#"{"level":"error"}"#,
            r#"{"msg":"x"}"#,
            r#"{"level":"loud","msg":"x"}"#,
            r#"{"level":61,"msg":"x"}"#,
            r#"{"level":null,"msg":"x"}"#,
            r#"{"level":["error"],"msg":"x"}"#,
            r#"{"level":"error","fields":{"n":1}}"#,
            r#"{"level":"error","msg":"x"} and more }"#,
            r#"[{"level":"error","msg":"x"}]"#,
            r#"{"level":"error","msg":"cut"#,
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
