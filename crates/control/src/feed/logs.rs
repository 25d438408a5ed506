//! Lines that children log, as they come.

use std::sync::Arc;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{Push, Stream, SubscribeParams};
use tokio_supervisor::{LogItem, LogStream};

use super::lines::rendered;
use super::{Begin, Line, gap};
use crate::target::Target;

/// The lines of a child and of what lies below it.
#[derive(Debug)]
pub(crate) struct LogFeed {
    target: Arc<Target>,
    under: SupervisorPath,
    stream: LogStream,
}

impl LogFeed {
    pub(super) fn open(target: Arc<Target>, params: &SubscribeParams) -> (Self, u64) {
        let head = target.handle.subscribe_logs().position();
        let first = Begin::at(params.from_sequence, head).first();
        let stream = target.handle.logs_after(first - 1);
        let under = params.under.clone().unwrap_or_else(SupervisorPath::root);
        (Self { target, under, stream }, first)
    }

    /// The next line. Waits for ever when the tree has ended. Cancel safe.
    pub(super) async fn next(&mut self) -> Line {
        while let Some(item) = self.stream.next().await {
            if let Some(line) = self.told(item) {
                return line;
            }
        }
        std::future::pending().await
    }

    /// The next line that is there already.
    pub(super) fn try_next(&mut self) -> Option<Line> {
        while let Some(item) = self.stream.try_next() {
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
