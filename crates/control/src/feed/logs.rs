//! Lines that children log, as they come.

use std::sync::Arc;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{Push, Stream, SubscribeParams};
use tokio_supervisor::{LogItem, LogStream};

use super::kept::Kept;
use super::lines::rendered;
use super::{Begin, Line, Range, gap};
use crate::target::Target;

/// The lines of a child and of what lies below it.
#[derive(Debug)]
pub(crate) struct LogFeed {
    target: Arc<Target>,
    under: SupervisorPath,
    source: Source,
}

/// Where the lines come from.
#[derive(Debug)]
enum Source {
    /// All children, as they log.
    Stream(LogStream),
    /// What there is already.
    Kept(Kept),
}

impl LogFeed {
    pub(super) fn open(target: Arc<Target>, params: &SubscribeParams) -> (Self, Range) {
        let under = params.under.clone().unwrap_or_else(SupervisorPath::root);
        if let Some(which) = params.kept {
            let kept = Kept::of(&target.handle, &under, which, params.from_sequence.unwrap_or(1));
            let range = kept.range();
            return (Self { target, under, source: Source::Kept(kept) }, range);
        }
        let head = target.handle.subscribe_logs().position();
        let first = Begin::at(params.from_sequence, head).first();
        let stream = target.handle.logs_after(first - 1);
        (Self { target, under, source: Source::Stream(stream) }, Range { first, last: None })
    }

    /// The next line. Waits for ever when there will be none. Cancel safe.
    pub(super) async fn next(&mut self) -> Line {
        while let Some(item) = self.source.next().await {
            if let Some(line) = self.told(item) {
                return line;
            }
        }
        std::future::pending().await
    }

    /// The next line that is there already.
    pub(super) fn try_next(&mut self) -> Option<Line> {
        while let Some(item) = self.source.try_next() {
            if let Some(line) = self.told(item) {
                return Some(line);
            }
        }
        None
    }

    /// The line of an item, if it is for this reader.
    fn told(&self, item: LogItem) -> Option<Line> {
        match item {
            LogItem::Line(line) if self.under.contains(&line.path) => {
                let log = Box::new(self.target.log_record(&line));
                Some(rendered(&Push::Log { target_id: self.target.id.clone(), log }).into())
            }
            LogItem::Line(_) => None,
            LogItem::Gap(lost) => Some(gap(&self.target, Stream::Logs, lost)),
        }
    }
}

impl Source {
    async fn next(&mut self) -> Option<LogItem> {
        match self {
            Self::Stream(stream) => stream.next().await,
            Self::Kept(kept) => kept.next(),
        }
    }

    fn try_next(&mut self) -> Option<LogItem> {
        match self {
            Self::Stream(stream) => stream.try_next(),
            Self::Kept(kept) => kept.next(),
        }
    }
}
