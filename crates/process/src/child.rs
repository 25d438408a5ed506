//! A program as a child of a tree, on the library's public face.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_supervisor::api::ProgramUsage;
use tokio_supervisor::api::manifest::ChildManifest;
use tokio_supervisor::{
    ChildContext, ChildSpec, Exit, Finding, ReadinessMode, Role, Severity, SupervisorPath,
};

use crate::cgroup;
use crate::checks::{Check, Health, Readiness, Watch};
use crate::env_file::Variables;
use crate::http::Http;
use crate::level;
use crate::output::OutputLine;
use crate::probe::LineSeen;
use crate::probe::Probe;
use crate::processes::Unconfined;
use crate::run::{Orders, Whom, run_with};
use crate::schedule;
use crate::signal::Signal;
use crate::sockets::Sockets;
use crate::spec::ProgramSpec;
use crate::watch::Together;

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
    match ProgramSpec::from_manifest(manifest, path) {
        Ok(spec) => {
            // A job without a probe satisfies its dependants when it has ended well, not when it was
            // executed (D19).
            let ends = manifest.role == Some(Role::Job) && spec.readiness == Readiness::Immediate;
            let child = spec.into_child(&manifest.name);
            let child = if ends { child.readiness(ReadinessMode::Immediate) } else { child };
            match &manifest.schedule {
                Some(said) => schedule::scheduled(child, said).map_err(|message| vec![about(path, message)]),
                None => Ok(child),
            }
        }
        Err(message) => Err(vec![about(path, message)]),
    }
}

/// A mistake, with the key that its sentence begins with.
fn about(path: &SupervisorPath, message: String) -> Finding {
    let begins = |key: &&str| message.starts_with(&format!("`{key}`"));
    let key = ["log", "post_stop", "schedule"].into_iter().find(begins).unwrap_or_default();
    Finding { path: path.to_string(), key, message, warning: false }
}

impl ProgramSpec {
    /// The limits that nothing holds it to in this process, by their keys in a file. Those that can be watched are not
    /// among them.
    pub fn unenforced(&self) -> impl Iterator<Item = &'static str> {
        let held = cgroup::current().map(cgroup::House::held).unwrap_or_default();
        self.together
            .high_memory
            .filter(|_| !held.memory)
            .map(|_| "resource_limits.high_memory_mb")
            .into_iter()
    }

    /// The program as a child. Its role is `service` until something else is said.
    ///
    /// It is started when it was executed, or when its readiness probe succeeds (D19). A stop is the stop
    /// signal; when the grace is over the whole group is killed (D8). Its variables are those of this spec
    /// and of [`ChildSpec::env`], which win. Its output is kept as the child's log, with the field `stream`
    /// and with the level that a line of JSON says, unless the spec says otherwise. Processes that left its group are logged as `unconfined` when a run is
    /// over, and counted in the gauge of that name.
    ///
    /// A program above its limit of memory ([`ProgramSpec::max_memory`]) or of CPU ([`ProgramSpec::max_cpu`]) is
    /// unhealthy, whatever its health check finds.
    pub fn into_child(self, name: impl AsRef<str>) -> ChildSpec {
        let spec = Arc::new(self);
        // What the newest run has read from its files: a probe of it does not see what they became since.
        let read = Arc::new(Mutex::new(Variables::new()));
        let runs = (Arc::clone(&spec), Arc::clone(&read));
        let child = ChildSpec::managed(name, move |ctx| {
            let (spec, read) = runs.clone();
            async move {
                match spec.ready_to_run(&ctx, &read).await {
                    Ok(spec) => run_with(&Arc::new(spec), &ctx).await,
                    Err(missing) => Exit::failed(missing),
                }
            }
        });
        let child = child.readiness(ReadinessMode::Explicit).unenforced(spec.unenforced());
        let child = child.refers_to(spec.probes().flat_map(Check::secrets));
        let child = child.grace_beyond(spec.post_stop.as_ref().map_or(Duration::ZERO, |hook| hook.limit));
        let Some(Health { watch, max_retries, start_period }) = spec.health.clone() else {
            return if spec.together == Together::default() { child } else { child.watched() };
        };
        let child = child.start_period(start_period);
        match watch {
            Watch::Notify { interval, timeout } => child.heartbeat(interval, timeout, max_retries),
            Watch::Probe(check) => child.probe(check.interval, check.timeout, max_retries, move |ctx| {
                let (spec, check) = (Arc::clone(&spec), check.clone());
                let read = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
                async move {
                    // Before the program was executed, and after it is gone, hooks run, and promise nothing.
                    if ctx.process().is_none() {
                        return Ok(());
                    }
                    let spec = spec.as_given_by(&ctx)?.with_read(&read);
                    check.as_given_by(&ctx)?.attempt(&spec, &LineSeen::default()).await
                }
            }),
        }
    }

    /// What is tried to see whether it is ready, and whether it is well.
    fn probes(&self) -> impl Iterator<Item = &Check> {
        let readiness = match &self.readiness {
            Readiness::Probe(check) => Some(check),
            Readiness::Immediate | Readiness::Notify => None,
        };
        let health = self.health.as_ref().and_then(|health| match &health.watch {
            Watch::Probe(check) => Some(check),
            Watch::Notify { .. } => None,
        });
        readiness.into_iter().chain(health)
    }

    /// With what a run needs of the tree and of its files, which `read` remembers.
    async fn ready_to_run(&self, ctx: &ChildContext, read: &Mutex<Variables>) -> Result<Self, String> {
        let spec = self.as_given_by(ctx)?;
        let variables = spec.read_env_files().await?;
        let spec = spec.with_read(&variables);
        *read.lock().unwrap_or_else(PoisonError::into_inner) = variables;
        Ok(spec)
    }

    /// With the variables and secrets that the child has in this tree.
    ///
    /// # Errors
    ///
    /// A sentence that names the secret that is not set.
    fn as_given_by(&self, ctx: &ChildContext) -> Result<Self, String> {
        let variables = ctx.env();
        let mut spec =
            variables.iter().fold(self.clone(), |spec, (name, value)| spec.env(&**name, value.expose()));
        if let Readiness::Probe(check) = &mut spec.readiness {
            *check = check.as_given_by(ctx).map_err(|missing| format!("readiness: {missing}"))?;
        }
        if let Some(Health { watch: Watch::Probe(check), .. }) = &mut spec.health {
            *check = check.as_given_by(ctx).map_err(|missing| format!("health_check: {missing}"))?;
        }
        Ok(spec)
    }
}

impl Check {
    /// The names of the secrets that it sends.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let http = match &self.probe {
            Probe::Http(http) => Some(http),
            _ => None,
        };
        http.into_iter().flat_map(Http::secrets)
    }

    fn as_given_by(&self, ctx: &ChildContext) -> Result<Self, String> {
        let mut check = self.clone();
        if let Probe::Http(http) = check.probe {
            let find = |name: &str| ctx.secret_reference(name).map(|secret| secret.expose().to_owned());
            check.probe = Probe::Http(http.with_secrets(find)?);
        }
        Ok(check)
    }
}

impl Orders for ChildContext {
    async fn stopping(&self) -> Option<Instant> {
        Self::stopping(self).await.deadline
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

    fn alive(&self) {
        self.heartbeat();
    }

    fn unwell(&self, why: &str) {
        Self::unwell(self, why);
    }

    fn winds_down(&self) {
        Self::winds_down(self);
    }

    fn warn(&self, text: &str) {
        self.log(Severity::Warning, text, [("program", "notify")]);
    }

    fn gone(&self) {
        self.runs_as(None);
    }

    fn hook(&self, text: &str) {
        self.log(Severity::Warning, text, [("program", "hook")]);
    }

    fn output(&self, line: OutputLine) {
        let cut = line.truncated.then_some(("truncated", "true"));
        let severity = level::of(&line.text).unwrap_or(Severity::Info);
        self.log(severity, line.text, [("stream", line.stream.as_str())].into_iter().chain(cut));
    }

    fn log_file(&self, lost: u64, text: &str) {
        self.log(Severity::Warning, text, [("program", "log_file")]);
        // Exact: nobody loses 2^52 lines.
        self.gauge("log_lines_lost", lost as f64);
    }

    fn takes_signals(
        &self,
        deliver: impl Fn(Signal, Whom) -> Result<(), String> + Clone + Send + Sync + 'static,
    ) {
        let reload = deliver.clone();
        self.on_signal(move |signal| deliver(signal.into(), Whom::Group));
        self.on_reload(move |signal| reload(signal.into(), Whom::Program));
    }

    fn uses(&self, usage: ProgramUsage) {
        Self::uses(self, usage);
    }

    fn held(&self) -> Option<Arc<Sockets>> {
        Self::held(self)
    }

    fn holds(&self, sockets: Arc<Sockets>) {
        self.hold(sockets);
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
