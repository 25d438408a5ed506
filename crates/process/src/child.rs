//! A program as a child of a tree, on the library's public face.

use std::sync::Arc;

use tokio_supervisor::api::manifest::ChildManifest;
use tokio_supervisor::{ChildContext, ChildSpec, Finding, ReadinessMode, Role, Severity, SupervisorPath};

use crate::output::OutputLine;
use crate::probe::LineSeen;
use crate::processes::Unconfined;
use crate::run::{Orders, run};
use crate::signal::Signal;
use crate::spec::{Health, ProgramSpec, Readiness};

/// Builds the children of `kind: process`, for
/// [`Registry::kind`](tokio_supervisor::Registry::kind).
///
/// ```
/// use tokio_supervisor::{Kind, Registry};
///
/// let registry = Registry::new().kind(Kind::Process, supervisor_process::kind);
/// # drop(registry);
/// ```
///
/// # Errors
///
/// What is wrong with the manifest, as findings about `path`.
pub fn kind(manifest: &ChildManifest, path: &SupervisorPath) -> Result<ChildSpec, Vec<Finding>> {
    let problems = manifest.problems(path);
    if !problems.is_empty() {
        return Err(problems);
    }
    match ProgramSpec::from_manifest(manifest) {
        Ok(spec) => {
            // A job without a probe satisfies its dependants when it has ended well, not when it was
            // executed (D19).
            let ends = manifest.role == Some(Role::Job) && spec.readiness == Readiness::Immediate;
            let child = spec.into_child(&manifest.name);
            Ok(if ends { child.readiness(ReadinessMode::Immediate) } else { child })
        }
        Err(message) => Err(vec![Finding { path: path.to_string(), key: "", message, warning: false }]),
    }
}

impl ProgramSpec {
    /// The program as a child. Its role is `service` until something else is said.
    ///
    /// It is started when it was executed, or when its readiness probe succeeds (D19). A stop is the stop
    /// signal; when the grace is over the whole group is killed (D8). Its variables are those of this spec
    /// and of [`ChildSpec::env`], which win. Its output is kept as the child's log, with the field `stream`,
    /// unless the spec says otherwise. Processes that left its group are logged as `unconfined` when a run is
    /// over, and counted in the gauge of that name.
    pub fn into_child(self, name: impl AsRef<str>) -> ChildSpec {
        let spec = Arc::new(self);
        let runs = Arc::clone(&spec);
        let child = ChildSpec::managed(name, move |ctx| {
            let spec = Arc::clone(&runs);
            async move { run(&spec.with_variables_of(&ctx), &ctx).await }
        });
        let child = child.readiness(ReadinessMode::Explicit);
        let Some(Health { check, max_retries }) = spec.health.clone() else { return child };
        child.probe(check.interval, check.timeout, max_retries, move |ctx| {
            let (spec, check) = (Arc::clone(&spec), check.clone());
            async move { check.attempt(&spec.with_variables_of(&ctx), &LineSeen::default()).await }
        })
    }

    fn with_variables_of(&self, ctx: &ChildContext) -> Self {
        let variables = ctx.env();
        variables.iter().fold(self.clone(), |spec, (name, value)| spec.env(&**name, value.expose()))
    }
}

impl Orders for ChildContext {
    async fn stopping(&self) {
        Self::stopping(self).await;
    }

    async fn killed(&self) {
        Self::killed(self).await;
    }

    fn executed(&self, pid: u32) {
        self.runs_as(pid);
    }

    fn ready(&self) {
        Self::ready(self);
    }

    fn phase(&self, text: &str) {
        Self::phase(self, text);
    }

    fn output(&self, line: OutputLine) {
        let cut = line.truncated.then_some(("truncated", "true"));
        self.log(Severity::Info, line.text, [("stream", line.stream.as_str())].into_iter().chain(cut));
    }

    fn takes_signals(&self, deliver: impl Fn(Signal) -> Result<(), String> + Send + Sync + 'static) {
        self.on_signal(move |signal| deliver(signal.into()));
    }

    fn unconfined(&self, processes: &[Unconfined]) {
        for process in processes {
            let text =
                format!("process {} ({}) left the group and runs on, unconfined", process.pid, process.name);
            self.log(Severity::Warning, text, [("unconfined", process.pid.to_string())]);
        }
        // Exact: a run has far fewer processes than 2^52.
        self.gauge("unconfined", processes.len() as f64);
    }
}
