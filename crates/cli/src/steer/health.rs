//! `supervisor health`.

use serde_json::json;
use supervisor_api::report::{AuditState, RuntimeHealthReport};
use supervisor_api::wire::StateParams;

use super::Context;
use super::fault::Fault;
use super::screen::safe;
use super::verdict::{Verdict, verdict};
use crate::args::HealthArgs;
use crate::exit::Exit;
use crate::print;

/// What is wrong with what serves the tree; the tree itself is as well as the verdict says.
fn notes(health: &RuntimeHealthReport) -> Vec<String> {
    let problem =
        |problem: &Option<String>| problem.clone().map(|problem| format!(": {problem}")).unwrap_or_default();
    let relay = health.registration.as_ref().filter(|relay| !relay.phase.is_registered());
    let relay = relay.map(|relay| {
        format!("not registered with the relay {} ({}){}", relay.relay, relay.phase, problem(&relay.problem))
    });
    let audit = health.audit.as_ref().filter(|audit| audit.state == AuditState::Broken);
    let audit = audit.map(|audit| {
        let then = if audit.refuses_commands { "are refused" } else { "are carried out without a record" };
        format!("the audit is broken, and commands {then}{}", problem(&audit.problem))
    });
    relay.into_iter().chain(audit).collect()
}

/// Says how the tree is, in a word and in the exit code.
pub(super) async fn health(context: &Context<'_>, args: &HealthArgs) -> Result<Exit, Fault> {
    let state = context.session().await?.state(StateParams::default()).await?;
    let (verdict, because) = verdict(&state);
    let exit = match verdict {
        Verdict::Unhealthy => Exit::Failed,
        Verdict::Degraded if args.strict => Exit::Failed,
        Verdict::Degraded | Verdict::Healthy => Exit::Good,
    };
    if context.screen.is_json() {
        let because: Vec<_> =
            because.iter().map(|(path, reason)| json!({"child_path": path, "reason": reason})).collect();
        context.screen.json(&json!({
            "type": "health", "target_id": state.target.target_id, "health": verdict.as_str(),
            "exit_code": exit.code(), "because": because,
            "registration": state.health.as_ref().and_then(|health| health.registration.as_ref()),
            "audit": state.health.as_ref().and_then(|health| health.audit.as_ref()),
        }));
    } else {
        let because: Vec<_> = because.iter().map(|(path, reason)| format!("{path} is {reason}")).collect();
        let list = if because.is_empty() { String::new() } else { format!(": {}", because.join(", ")) };
        print::out(&format!("{}{}\n", verdict.as_str(), safe(&list)));
        for note in state.health.iter().flat_map(|health| notes(health)) {
            print::out(&format!("{}\n", safe(&note)));
        }
    }
    Ok(exit)
}
