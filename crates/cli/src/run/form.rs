//! What a run prints, whatever the form.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use supervisor_stack::tokio_supervisor::{Gap, LogRecord, StampedEvent};
use supervisor_stack::{Prepared, Stack};

use super::ending::Ending;
use super::json::Json;
use super::text::Text;
use crate::args::{OutputForm, RunArgs};
use crate::paint::Paint;

/// What lines look like.
pub(crate) enum Form {
    Text(Text),
    Json(Json),
}

/// Of which stream something is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    Events,
    Logs,
}

impl Form {
    pub(crate) fn new(args: &RunArgs, stack: &Stack, prepared: &Prepared) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let ways = Ways::of(prepared, terminal);
        match args.output {
            OutputForm::Json => Self::Json(Json::new(stack.manifest.name.as_str(), ways)),
            OutputForm::Text => {
                let paint = Paint::new(args.color, terminal);
                Self::Text(Text::new(&args.file, stack, &ways, terminal, paint))
            }
        }
    }

    /// What comes before everything else.
    pub(crate) fn opening(&self, at: u64) -> String {
        match self {
            Self::Text(text) => text.opening(at),
            Self::Json(json) => json.opening(at),
        }
    }

    pub(crate) fn event(&self, event: &StampedEvent) -> String {
        match self {
            Self::Text(text) => text.event(event),
            Self::Json(json) => json.event(event),
        }
    }

    pub(crate) fn line(&self, line: &LogRecord) -> String {
        match self {
            Self::Text(text) => text.line(line),
            Self::Json(json) => json.line(line),
        }
    }

    pub(crate) fn gap(&self, lost: Lost, gap: Gap) -> String {
        match self {
            Self::Text(text) => text.gap(lost, gap),
            Self::Json(json) => json.gap(lost, gap),
        }
    }

    /// The report of the whole run.
    pub(crate) fn ending(&self, ending: &Ending) -> String {
        match self {
            Self::Text(text) => text.ending(ending),
            Self::Json(json) => json.ending(ending),
        }
    }
}

/// Where a run can be looked into.
pub(super) struct Ways {
    pub(super) socket: Option<PathBuf>,
    pub(super) health: Option<String>,
    pub(super) dashboard: Option<String>,
    /// A secret, for a terminal alone: what is kept of the output would keep it.
    pub(super) login_link: Option<String>,
}

impl Ways {
    fn of(prepared: &Prepared, terminal: bool) -> Self {
        let url = |address| format!("http://{address}");
        Self {
            socket: prepared.socket().map(Path::to_owned),
            health: prepared.health().map(url),
            dashboard: prepared.dashboard().map(url),
            login_link: if terminal { prepared.login_link() } else { None },
        }
    }
}
