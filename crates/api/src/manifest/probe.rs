//! What counts as ready, and what counts as alive.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Retries;
use super::http::HttpManifest;
use super::units::{Infinity, Millis, Seconds};
use crate::policy::{Heartbeat, ReadinessMode};

/// A promise to report life (D13). A task keeps it with `ctx.heartbeat()`; for a program one of `http`,
/// `tcp` and `exec` is tried, and each success is a sign of life, or it sends them by itself (`notify`).
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
    /// For so long after it started, in seconds, no miss counts, until the first sign of life. Default: every miss counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period_secs: Option<Seconds>,
    /// How many misses in a row make the child unhealthy. Default: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<Retries>,
    /// For programs: a sign of life is a good answer to a GET of this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpManifest>,
    /// For programs: a sign of life is that this address accepts a connection: `HOST:PORT`, or
    /// `unix:PATH` for a Unix socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// For programs: a sign of life is that this program, with its arguments, ends with exit code 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// For programs: a sign of life is that it sends `WATCHDOG=1` to the socket `NOTIFY_SOCKET`, as `sd_notify` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<bool>,
}

impl HealthCheckManifest {
    /// The probes that are given, by key.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("http", self.http.is_some()),
            ("tcp", self.tcp.is_some()),
            ("exec", self.exec.is_some()),
            ("notify", self.notify == Some(true)),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    /// For how long after started no miss counts; `None` if nothing is said.
    pub fn start_period(&self) -> Option<Duration> {
        self.start_period_secs.map(Seconds::duration)
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

/// One probe that is tried until it succeeds. Any one of `http`, `tcp`, `exec`, `log_line`, `notify` and
/// `delay_ms` is enough, and only one may be given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadinessProbe {
    /// How often it is tried, in seconds: for `http`, `tcp` and `exec`. Default: 0.25.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_interval_secs: Option<Seconds>,
    /// How long one try may take, in seconds: for `http`, `tcp` and `exec`. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<Seconds>,
    /// How many good tries in a row it takes: for `http`, `tcp` and `exec`. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_threshold: Option<Retries>,
    /// Ready when a GET of this address has a good answer, for example `http://127.0.0.1:8080/health`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpManifest>,
    /// Ready when this address accepts a connection, for example `127.0.0.1:5432`, or `unix:/run/app/app.sock` for a
    /// Unix socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// Ready when this program, with its arguments, ends with exit code 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// Ready when the program prints a line that contains this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_line: Option<String>,
    /// Ready when the program sends `READY=1` to the socket `NOTIFY_SOCKET`, as `sd_notify` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<bool>,
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
            ("notify", self.notify == Some(true)),
            ("delay_ms", self.delay_ms.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    /// How often the probe is tried.
    pub fn interval(&self) -> Duration {
        self.check_interval_secs.map_or(Self::DEFAULT_INTERVAL, Seconds::duration)
    }

    /// How many good tries in a row it takes.
    pub fn successes(&self) -> u32 {
        self.success_threshold.map_or(1, Retries::get)
    }

    /// The keys that are given and concern tries alone.
    pub(super) fn about_tries(&self) -> Vec<&'static str> {
        let all = [
            ("readiness.check_interval_secs", self.check_interval_secs.is_some()),
            ("readiness.timeout_secs", self.timeout_secs.is_some()),
            ("readiness.success_threshold", self.success_threshold.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
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
