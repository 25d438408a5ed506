//! What counts as ready, and what counts as alive.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Retries;
use super::units::{Infinity, Millis, Seconds};
use crate::policy::{Heartbeat, ReadinessMode};

/// A promise to report life (D13). A task keeps it with `ctx.heartbeat()`; for a program one of `http`,
/// `tcp` and `exec` is tried, and each success is a sign of life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthCheckManifest {
    /// How often a sign of life is promised, or looked for, in seconds. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_interval_secs: Option<Seconds>,
    /// How late it may be, or how long one try may take, in seconds. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<Seconds>,
    /// How many misses in a row make the child unhealthy. Default: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<Retries>,
    /// For programs: a sign of life is an answer to a GET of this address with a status from 200 to
    /// 399.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// For programs: a sign of life is that this address accepts a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// For programs: a sign of life is that this program, with its arguments, ends with exit code 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
}

impl HealthCheckManifest {
    /// The probes that are given, by key.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [("http", self.http.is_some()), ("tcp", self.tcp.is_some()), ("exec", self.exec.is_some())];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    /// The promise, with defaults for what is not said.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat {
            interval: self.check_interval_secs.map_or(Duration::from_secs(5), Seconds::duration),
            timeout: self.timeout_secs.map_or(Duration::from_secs(1), Seconds::duration),
            max_retries: self.max_retries.map_or(3, Retries::get),
        }
    }
}

/// What counts as ready: a word, or one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`immediate`, `explicit` or a mapping with one probe")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReadinessManifest {
    /// `immediate`: being started is enough. `explicit`: the task says so.
    Mode(ReadinessMode),
    /// For programs: one probe that is tried until it succeeds.
    Probe(ReadinessProbe),
}

/// One probe that is tried until it succeeds. Any one of `http`, `tcp`, `exec`, `log_line` and
/// `delay_ms` is enough, and only one may be given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadinessProbe {
    /// How often it is tried, in seconds. Default: 0.25.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_interval_secs: Option<Seconds>,
    /// How long one try may take, in seconds. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<Seconds>,
    /// Ready when a GET of this address answers with a status from 200 to 399, for example
    /// `http://127.0.0.1:8080/health`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Ready when this address accepts a connection, for example `127.0.0.1:5432`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// Ready when this program, with its arguments, ends with exit code 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// Ready when the program prints a line that contains this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_line: Option<String>,
    /// Ready when it has run for this many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<Millis>,
}

impl ReadinessProbe {
    /// How often a probe is tried when the manifest does not say.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_millis(250);
    /// How long one try may take when the manifest does not say.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

    /// The probes that are given, by key.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("http", self.http.is_some()),
            ("tcp", self.tcp.is_some()),
            ("exec", self.exec.is_some()),
            ("log_line", self.log_line.is_some()),
            ("delay_ms", self.delay_ms.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    /// How often the probe is tried.
    pub fn interval(&self) -> Duration {
        self.check_interval_secs.map_or(Self::DEFAULT_INTERVAL, Seconds::duration)
    }

    /// How long one try may take.
    pub fn timeout(&self) -> Duration {
        self.timeout_secs.map_or(Self::DEFAULT_TIMEOUT, Seconds::duration)
    }
}

/// How long a start may take: seconds or `infinity` (D19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of seconds above 0, or `infinity`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReadyWithin {
    /// A time.
    Seconds(Seconds),
    /// `infinity`: as long as it takes.
    Word(Infinity),
}

impl ReadyWithin {
    /// The time, or `None` for `infinity`.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(seconds.duration()),
            Self::Word(_) => None,
        }
    }
}
