//! What a scrape reads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use supervisor_api::ProgramUsage;

use super::histogram::Histogram;
use super::series::{Book, Counts};
use crate::tree::Tree;

/// Reads the counts of one tree. Weak, because a registry may outlive it.
pub(super) struct TreeCollector {
    tree: Weak<Tree>,
    counts: Arc<Counts>,
}

impl TreeCollector {
    pub(super) fn new(tree: &Arc<Tree>, counts: Arc<Counts>) -> Self {
        Self { tree: Arc::downgrade(tree), counts }
    }
}

impl fmt::Debug for TreeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TreeCollector")
    }
}

type Labels<'a> = [(&'static str, &'a str)];

/// One metric with all its series.
struct Family<'a>(MetricEncoder<'a>);

impl Family<'_> {
    fn counter(&mut self, labels: &Labels<'_>, value: u64) -> fmt::Result {
        self.with(labels, |series| series.encode_counter::<NoLabelSet, _, u64>(&value, None))
    }

    fn seconds(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        self.with(labels, |series| series.encode_counter::<NoLabelSet, _, f64>(&value, None))
    }

    fn gauge(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        self.with(labels, |series| series.encode_gauge(&value))
    }

    /// Nothing is written before the first observation.
    fn histogram(&mut self, labels: &Labels<'_>, histogram: &Histogram) -> fmt::Result {
        let seen = histogram.read();
        if seen.count == 0 {
            return Ok(());
        }
        self.with(labels, |series| {
            series.encode_histogram::<NoLabelSet>(seen.sum, seen.count, &seen.buckets, None)
        })
    }

    fn with(
        &mut self,
        labels: &Labels<'_>,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        if labels.is_empty() {
            return write(&mut self.0);
        }
        write(&mut self.0.encode_family(&Given(labels))?)
    }
}

impl Collector for TreeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let tree = self.tree.upgrade();
        let book = self.counts.book().clone();
        self.children(&mut encoder, &book, tree.as_deref())?;
        self.programs(&mut encoder, &book, tree.as_deref())?;
        self.polls(&mut encoder, &book, tree.as_deref())?;
        self.supervisors(&mut encoder, &book)?;
        self.limits(&mut encoder, &book, tree.as_deref())?;
        self.whole(&mut encoder, tree.as_deref())
    }
}

impl TreeCollector {
    fn children(&self, encoder: &mut DescriptorEncoder<'_>, book: &Book, tree: Option<&Tree>) -> fmt::Result {
        let others = book.supervisors.iter().map(|supervisor| &supervisor.others);
        let all = || book.children.iter().chain(others.clone());
        let mut states =
            family(encoder, "supervisor_child_state", "Children in each state.", MetricType::Gauge)?;
        for series in all() {
            let [supervisor, child] = series.labels();
            for (state, count) in series.states() {
                states.gauge(&[supervisor, child, ("state", state.as_str())], count as f64)?;
            }
        }
        let mut restarts = family(encoder, "supervisor_restart", "Automatic restarts.", MetricType::Counter)?;
        for series in all() {
            restarts.counter(&series.labels(), series.restarts.load(Ordering::Relaxed))?;
        }
        let help = "Heartbeats or probes that went stale.";
        let mut stale =
            family(encoder, "supervisor_child_runtime_heartbeat_stale", help, MetricType::Counter)?;
        for series in all() {
            stale.counter(&series.labels(), series.stale.load(Ordering::Relaxed))?;
        }
        let help = "How long the run that is on has been on.";
        let mut uptime = family(encoder, "supervisor_child_uptime_seconds", help, MetricType::Gauge)?;
        let Some(now) = tree.map(|tree| tree.clock.now()) else { return Ok(()) };
        for series in &book.children {
            if let Some(since) = series.since.load(Ordering::Relaxed).checked_sub(1) {
                uptime.gauge(&series.labels(), now.saturating_sub(since) as f64 / 1e9)?;
            }
        }
        Ok(())
    }

    /// What programs use. Nothing is told of children that never ran one.
    fn programs(&self, encoder: &mut DescriptorEncoder<'_>, book: &Book, tree: Option<&Tree>) -> fmt::Result {
        let others = book.supervisors.iter().map(|supervisor| &supervisor.others);
        let help = "CPU that programs have used.";
        let mut cpu = family(encoder, "supervisor_program_cpu_seconds", help, MetricType::Counter)?;
        for series in book.children.iter().chain(others) {
            let millis = series.cpu_millis.load(Ordering::Relaxed);
            if millis > 0 {
                cpu.seconds(&series.labels(), millis as f64 / 1e3)?;
            }
        }
        let Some(tree) = tree else { return Ok(()) };
        let used = self.counts.programs.by_series(|key, generation| {
            let row = tree.table.row(key.index).read().row;
            tree.table.slot(key.index).is(key) && row.generation == generation && row.lifecycle.is_live()
        });
        type Figure = fn(&ProgramUsage) -> f64;
        let gauges: [(_, _, Figure); 4] = [
            ("supervisor_program_resident_bytes", "Memory in use by programs that run.", |used| {
                used.resident_bytes as f64
            }),
            ("supervisor_program_threads", "Threads of programs that run.", |used| f64::from(used.threads)),
            ("supervisor_program_descriptors", "Open files of programs that run.", |used| {
                f64::from(used.descriptors)
            }),
            ("supervisor_program_processes", "Processes of programs that run.", |used| {
                f64::from(used.processes)
            }),
        ];
        for (name, help, figure) in gauges {
            let mut gauge = family(encoder, name, help, MetricType::Gauge)?;
            for (series, used) in &used {
                gauge.gauge(&series.labels(), figure(used))?;
            }
        }
        Ok(())
    }

    /// How long tasks are being polled, of those whose polls are timed.
    fn polls(&self, encoder: &mut DescriptorEncoder<'_>, book: &Book, tree: Option<&Tree>) -> fmt::Result {
        let Some(tree) = tree else { return Ok(()) };
        let mut sums: BTreeMap<_, (f64, f64)> = BTreeMap::new();
        for (key, path, times) in tree.metered.read(&tree.table, |aids| Some(aids.meter.as_ref()?.read())) {
            let Some(series) = book.series(key, &path) else { continue };
            let labels = series.labels().map(|(name, value)| (name, value.to_owned()));
            let sum = sums.entry(labels).or_default();
            sum.0 += f64::from(times.busy_percent) / 100.0;
            sum.1 = sum.1.max(times.longest_poll_micros as f64 / 1e6);
        }
        let help = "The share of a worker's time that the polls of tasks take.";
        let mut busy = family(encoder, "supervisor_task_busy_ratio", help, MetricType::Gauge)?;
        for (labels, (share, _)) in &sums {
            busy.gauge(&labels.each_ref().map(|(name, value)| (*name, value.as_str())), *share)?;
        }
        let help = "The longest poll of the runs that are on.";
        let mut longest = family(encoder, "supervisor_task_longest_poll_seconds", help, MetricType::Gauge)?;
        for (labels, (_, seconds)) in &sums {
            longest.gauge(&labels.each_ref().map(|(name, value)| (*name, value.as_str())), *seconds)?;
        }
        Ok(())
    }

    fn supervisors(&self, encoder: &mut DescriptorEncoder<'_>, book: &Book) -> fmt::Result {
        let help = "Budgets that were exhausted, by what followed.";
        let mut meltdowns = family(encoder, "supervisor_meltdown", help, MetricType::Counter)?;
        for supervisor in &book.supervisors {
            for (decision, count) in supervisor.meltdowns() {
                let labels = [("supervisor_path", supervisor.path.as_str()), ("decision", decision.as_str())];
                meltdowns.counter(&labels, count)?;
            }
        }
        let help = "Runs that were aborted or killed because their grace was over.";
        let mut aborts = family(encoder, "supervisor_shutdown_abort", help, MetricType::Counter)?;
        for supervisor in &book.supervisors {
            let count = supervisor.aborts.load(Ordering::Relaxed);
            aborts.counter(&[("supervisor_path", supervisor.path.as_str())], count)?;
        }
        let help = "Delays before automatic restarts.";
        let mut backoff = family(encoder, "supervisor_backoff_seconds", help, MetricType::Histogram)?;
        for supervisor in &book.supervisors {
            backoff.histogram(&[("supervisor_path", supervisor.path.as_str())], &supervisor.backoff)?;
        }
        let help = "How long probes took, whatever they found.";
        let name = "supervisor_healthcheck_latency_seconds";
        let mut probes = family(encoder, name, help, MetricType::Histogram)?;
        for supervisor in &book.supervisors {
            probes.histogram(&[("supervisor_path", supervisor.path.as_str())], &supervisor.probes)?;
        }
        Ok(())
    }

    /// Budgets slide with time, so they are looked at when they are asked for.
    fn limits(&self, encoder: &mut DescriptorEncoder<'_>, book: &Book, tree: Option<&Tree>) -> fmt::Result {
        let help = "Restarts that a budget allows now: a supervisor's, or a child's own.";
        let name = "supervisor_child_runtime_restart_limit_remaining";
        let mut limits = family(encoder, name, help, MetricType::Gauge)?;
        let Some(tree) = tree else { return Ok(()) };
        let left: Vec<_> = {
            let brain = tree.brain();
            let now = tree.clock.now();
            let machine = &brain.machine;
            let shared = book.supervisors.iter().map(|supervisor| {
                let labels = [("supervisor_path", supervisor.path.as_str()), ("child_path", "")];
                (labels, machine.budget_left(supervisor.key, now))
            });
            let own = book.children.iter().map(|series| {
                let left = series.child.as_ref().and_then(|(key, _)| machine.own_budget_left(*key, now));
                (series.labels(), left)
            });
            shared.chain(own).collect()
        };
        for (labels, left) in left {
            if let Some(left) = left {
                limits.gauge(&labels, f64::from(left))?;
            }
        }
        Ok(())
    }

    fn whole(&self, encoder: &mut DescriptorEncoder<'_>, tree: Option<&Tree>) -> fmt::Result {
        let help = "Commands by how they ended.";
        let mut commands = family(encoder, "supervisor_child_control_command", help, MetricType::Counter)?;
        for (labels, count) in self.counts.commands() {
            commands.counter(&labels, count)?;
        }
        let help = "How long the shutdown of the tree took.";
        let name = "supervisor_shutdown_duration_seconds";
        family(encoder, name, help, MetricType::Histogram)?.histogram(&[], &self.counts.shutdown)?;
        let help = "Children by how the shutdown left them.";
        let name = "supervisor_shutdown_child_outcomes";
        let mut outcomes = family(encoder, name, help, MetricType::Counter)?;
        let left = self.counts.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let results = [
            ("stopped", left.stopped),
            ("forced", left.forced),
            ("idle", left.idle),
            ("unresponsive", left.unresponsive.len() as u64),
        ];
        for (result, count) in results {
            outcomes.counter(&[("result", result)], count)?;
        }
        let help = "Events that readers were too slow for.";
        let missed = tree.map_or(0, |tree| tree.missed.load(Ordering::Relaxed));
        family(encoder, "supervisor_event_lag", help, MetricType::Counter)?.counter(&[], missed)?;
        let help = "The version of the applied spec, as a number.";
        let version = self.counts.version.load(Ordering::Relaxed) as f64;
        family(encoder, "supervisor_config_version", help, MetricType::Gauge)?.gauge(&[], version)?;
        let help = "Whether the tree takes commands.";
        let alive = tree.is_some_and(|tree| tree.plane.report().is_none());
        let name = "supervisor_runtime_control_plane_alive";
        family(encoder, name, help, MetricType::Gauge)?.gauge(&[], f64::from(u8::from(alive)))
    }
}

fn family<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &str,
    metric: MetricType,
) -> Result<Family<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, metric).map(Family)
}

/// Labels as they are.
struct Given<'a>(&'a Labels<'a>);

impl prometheus_client::encoding::EncodeLabelSet for Given<'_> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|label| {
            prometheus_client::encoding::EncodeLabel::encode(label, encoder.encode_label())
        })
    }
}
