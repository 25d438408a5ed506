//! From what a program says to what the machine reads.
//!
//! The machine knows bodies by number. Numbers are given here; the driver keeps what they stand for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::manifest::DefaultsManifest;
use supervisor_api::report::Stuck;
use supervisor_api::{Finding, SupervisorPath};
use supervisor_core as core;

use super::child::What;
use super::{ChildSpec, Extras, SupervisorSpec};
use crate::run::Run;
use crate::sync::atomic::{AtomicU32, Ordering};

/// Called by the watchdog.
#[derive(Clone)]
pub(crate) struct OnStuck(pub(crate) Arc<dyn Fn(&Stuck) + Send + Sync>);

impl fmt::Debug for OnStuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnStuck(..)")
    }
}

/// What concerns a tree as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) panic_hook: Option<bool>,
    pub(crate) stuck_after: Option<Option<Duration>>,
    pub(crate) on_stuck: Option<OnStuck>,
    pub(crate) seed: Option<u64>,
}

impl Options {
    fn is_blank(&self) -> bool {
        matches!(self, Self { panic_hook: None, stuck_after: None, on_stuck: None, seed: None })
    }
}

/// What a number stands for.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) run: Bound,
    pub(crate) extras: Option<Arc<Extras>>,
}

/// Whether a body can be run.
#[derive(Clone)]
pub(crate) enum Bound {
    Yes(Arc<dyn Run>),
    /// Nobody has registered this factory.
    No(Wanted),
    /// Registered after the child was declared, so the machine has to be told each time it is.
    Late(Arc<dyn Run>),
}

/// A factory that a child waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) factory: Arc<str>,
    pub(crate) blocking: bool,
}

/// Bodies by number, and what belongs to supervisors by path.
#[derive(Default)]
pub(crate) struct Bodies {
    pub(crate) numbered: Vec<(u32, Body)>,
    pub(crate) supervisors: Vec<(SupervisorPath, Arc<Extras>)>,
}

/// A tree, ready for the machine.
pub(crate) struct Lowered {
    pub(crate) decl: core::SupervisorDecl,
    pub(crate) bodies: Bodies,
    pub(crate) options: Options,
}

/// Lowers a whole tree.
pub(crate) fn lower_root(spec: SupervisorSpec, numbers: &AtomicU32) -> Result<Lowered, Vec<Finding>> {
    let mut lowering = Lowering { numbers, bodies: Bodies::default(), findings: Vec::new() };
    let root = SupervisorPath::root();
    let options = spec.options.clone();
    lowering.supervisor_extras(&root, None, spec.manifest_defaults);
    let decl = lowering.supervisor(spec.settings, spec.children, &root);
    lowering.finish().map(|bodies| Lowered { decl, bodies, options })
}

/// Lowers a child that is added below `parent`.
pub(crate) fn lower_child(
    spec: ChildSpec,
    parent: &SupervisorPath,
    numbers: &AtomicU32,
) -> Result<(core::ChildDecl, Bodies), Vec<Finding>> {
    let mut lowering = Lowering { numbers, bodies: Bodies::default(), findings: Vec::new() };
    let decl = lowering.child(spec, parent);
    let bodies = lowering.finish()?;
    decl.map(|decl| (decl, bodies)).ok_or_else(Vec::new)
}

struct Lowering<'a> {
    numbers: &'a AtomicU32,
    bodies: Bodies,
    findings: Vec<Finding>,
}

impl Lowering<'_> {
    fn finish(self) -> Result<Bodies, Vec<Finding>> {
        if self.findings.is_empty() { Ok(self.bodies) } else { Err(self.findings) }
    }

    fn supervisor(
        &mut self,
        settings: core::SupervisorSettings,
        children: Vec<ChildSpec>,
        path: &SupervisorPath,
    ) -> core::SupervisorDecl {
        self.bodies.numbered.reserve(children.len());
        let mut declared = Vec::with_capacity(children.len());
        declared.extend(children.into_iter().filter_map(|child| self.child(child, path)));
        core::SupervisorDecl { settings, children: declared }
    }

    /// A child; `None` when its name is no name, which is found.
    fn child(&mut self, spec: ChildSpec, parent: &SupervisorPath) -> Option<core::ChildDecl> {
        let ChildSpec { name, settings, what, more } = spec;
        let id = self.found(name.check(parent.as_str()))?;
        let more = more.map(|more| *more).unwrap_or_default();
        let depends_on =
            more.depends_on.iter().filter_map(|on| self.found(on.check(parent.as_str()))).collect();
        let primary = more.primary.and_then(|primary| self.found(primary.check(parent.as_str())));
        let extras = Some(more.extras).filter(|extras| !extras.is_blank());
        let body = match what {
            What::Run(run) => core::Body::Run(self.number(Bound::Yes(run), extras)),
            What::Unbound(wanted) => core::Body::Unbound(self.number(Bound::No(wanted), extras)),
            What::Supervisor(below) => {
                let path = parent.child(&id);
                self.check_options(&below.options, &path);
                self.supervisor_extras(&path, extras, below.manifest_defaults);
                core::Body::Supervisor(Box::new(self.supervisor(below.settings, below.children, &path)))
            }
        };
        Some(core::ChildDecl { id, settings, depends_on, primary, body })
    }

    fn found<T>(&mut self, checked: Result<T, Finding>) -> Option<T> {
        checked.map_err(|finding| self.findings.push(finding)).ok()
    }

    fn number(&mut self, run: Bound, extras: Option<Extras>) -> u32 {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.bodies.numbered.push((number, Body { run, extras: extras.map(Arc::new) }));
        number
    }

    fn supervisor_extras(
        &mut self,
        path: &SupervisorPath,
        extras: Option<Extras>,
        defaults: Option<Arc<DefaultsManifest>>,
    ) {
        if extras.is_some() || defaults.is_some() {
            let extras = Extras { defaults, ..extras.unwrap_or_default() };
            self.bodies.supervisors.push((path.clone(), Arc::new(extras)));
        }
    }

    fn check_options(&mut self, options: &Options, path: &SupervisorPath) {
        if !options.is_blank() {
            self.findings.push(Finding {
                path: path.to_string(),
                key: "",
                message: "panic_hook, stuck_after, on_stuck and seed are for the root; move them there"
                    .into(),
                warning: false,
            });
        }
    }
}

impl Extras {
    fn is_blank(&self) -> bool {
        self.kind.is_none()
            && self.made_of.is_none()
            && self.tags.is_empty()
            && self.reload_signal.is_none()
            && self.env.is_empty()
            && self.secrets.is_empty()
            && self.refers_to.is_empty()
            && self.schedule.is_none()
            && self.probe.is_none()
            && self.wanted.is_none()
            && self.metering.is_none()
            && self.unenforced.is_empty()
            && self.notes.is_empty()
            && self.defaults.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank(name: &str) -> ChildSpec {
        ChildSpec::service(name, |_| async {})
    }

    #[test]
    fn bodies_are_numbered_across_the_whole_tree() {
        let nested = SupervisorSpec::new("n").children([blank("x"), blank("y")]);
        let tree = SupervisorSpec::root([blank("a"), ChildSpec::supervisor(nested), blank("b").tags(["t"])]);
        let lowered = lower_root(tree, &AtomicU32::new(0)).unwrap();
        let numbers: Vec<u32> = lowered.bodies.numbered.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert!(lowered.bodies.numbered[0].1.extras.is_none());
        assert_eq!(&*lowered.bodies.numbered[3].1.extras.as_ref().unwrap().tags[0], "t");
        assert_eq!(lowered.decl.children.len(), 3);
        assert!(core::resolve(&lowered.decl).is_ok());
    }

    #[test]
    fn r6_every_bad_name_is_found() {
        let tree = SupervisorSpec::root([blank("a b"), blank("ok").depends_on(["é"]), blank("")]);
        let Err(findings) = lower_root(tree, &AtomicU32::new(0)) else { panic!() };
        assert_eq!(findings.len(), 3, "{findings:?}");
    }

    #[test]
    fn what_is_for_the_root_is_refused_below_it() {
        let nested = SupervisorSpec::new("n").panic_hook(false);
        let tree = SupervisorSpec::root([ChildSpec::supervisor(nested)]);
        let Err(findings) = lower_root(tree, &AtomicU32::new(0)) else { panic!() };
        assert!(findings[0].path == "/n" && findings[0].message.contains("root"), "{findings:?}");
    }
}
