//! When a job starts.

use serde::{Deserialize, Serialize};

use super::units::Seconds;
use crate::life::words;

words! {
    /// What becomes of a time that comes while the run before is not over, or while the machine sleeps.
    MissedRun {
        /// That run is left out.
        Skip = "skip",
        /// One run follows as soon as it can, however many were missed.
        RunOnce = "run_once",
    }
}

/// When a job starts: a cron expression, or a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a cron expression, or a mapping with `cron` or `every_secs`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ScheduleManifest {
    /// A cron expression, in the time zone of the machine.
    Cron(String),
    /// The same, or a period, with more.
    Said(ScheduleEntry),
}

/// When a job starts: `cron` or `every_secs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduleEntry {
    /// Minute, hour, day of the month, month and day of the week, as cron has them, or `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`, `@yearly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The time between two starts, from the start of the supervisor on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_secs: Option<Seconds>,
    /// The time zone of `cron`, such as `Europe/Berlin` or `UTC`. Default: that of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of a time that comes while the run before is not over, or while the machine sleeps. Default: `skip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedRun>,
}

impl ScheduleManifest {
    /// The same as a mapping.
    pub fn entry(&self) -> ScheduleEntry {
        match self {
            Self::Cron(cron) => ScheduleEntry { cron: Some(cron.clone()), ..ScheduleEntry::default() },
            Self::Said(entry) => entry.clone(),
        }
    }

    /// What is wrong with it, as a sentence; whether a cron expression is one is for who reads it.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let ScheduleEntry { cron, every_secs, time_zone, .. } = self.entry();
        match (cron, every_secs) {
            (None, None) => Some("`schedule` needs `cron` or `every_secs`"),
            (Some(_), Some(_)) => Some("`schedule` has `cron` and `every_secs`; keep one"),
            (None, Some(_)) if time_zone.is_some() => {
                Some("`schedule` has a `time_zone`, and that is for `cron`; leave it out")
            }
            _ => None,
        }
    }
}
