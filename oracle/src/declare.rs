//! The trees of scenarios as the machine takes them, under `Profile::otp()` (D1).

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::policy::{Budget, Grace, Profile, ReadinessMode, Strategy as Restarts};
use supervisor_api::{ChildId, Finding};
use supervisor_core::{Body, ChildDecl, ChildSettings, SupervisorDecl, SupervisorSettings};

use crate::model::{Child, Shutdown, Strategy, Tree};

/// More children than any scenario has.
const MANY: u32 = 1_000_000;

/// The root.
pub(crate) fn root(tree: &Tree) -> SupervisorDecl {
    let mut decl = supervisor(tree);
    decl.settings.profile = Some(Profile::Otp);
    decl
}

fn supervisor(tree: &Tree) -> SupervisorDecl {
    let (strategy, dynamic) = match tree.strategy {
        Strategy::OneForOne => (Restarts::OneForOne, None),
        Strategy::OneForAll => (Restarts::OneForAll, None),
        Strategy::RestForOne => (Restarts::RestForOne, None),
        Strategy::Dynamic => (Restarts::OneForOne, Some(MANY)),
    };
    let budget = |(max, seconds): (u32, u32)| Budget::new(max, Duration::from_secs(seconds.into()));
    let settings = SupervisorSettings {
        strategy: Some(strategy),
        budget: tree.budget.map(budget),
        auto_shutdown: tree.auto,
        dynamic,
        ..SupervisorSettings::default()
    };
    // A dynamic supervisor of ours starts without children; the template is what they are given when they come.
    let children = if dynamic.is_some() { Vec::new() } else { tree.children.iter().map(child).collect() };
    SupervisorDecl { settings, children }
}

/// A child. Its start is over when it says so, which is what OTP's acknowledgement is (D19).
pub(crate) fn child(child: &Child) -> ChildDecl {
    let grace = child.shutdown.map(|shutdown| match shutdown {
        Shutdown::Brutal => Grace::Brutal,
        Shutdown::Infinity => Grace::Infinity,
        Shutdown::After(millis) => Grace::Timeout(Duration::from_millis(millis.into())),
    });
    let settings = ChildSettings {
        restart: child.restart,
        grace,
        significant: child.significant.then_some(true),
        readiness: child.below.is_none().then_some(ReadinessMode::Explicit),
        ..ChildSettings::default()
    };
    let body = match &child.below {
        Some(below) => Body::Supervisor(Box::new(supervisor(below))),
        None => Body::Run(0),
    };
    let id =
        ChildId::new(&child.name).unwrap_or_else(|error| panic!("a scenario names a child badly: {error}"));
    ChildDecl { id, settings: Arc::new(settings), depends_on: Vec::new(), primary: None, body }
}

/// Why a spec was refused, in the words of a scenario.
pub(crate) fn refusal(findings: &[Finding]) -> String {
    let mistake = findings.iter().find(|finding| !finding.warning);
    match mistake {
        Some(finding) if finding.key == "name" => {
            format!("duplicate {}", finding.path.rsplit('/').next().unwrap_or_default())
        }
        Some(finding) if finding.key.contains("window") => "period".to_owned(),
        Some(finding) => finding.key.to_owned(),
        None => "?".to_owned(),
    }
}
