//! `supervisor health`.

use serde_json::json;
use supervisor_api::wire::StateParams;

use super::Context;
use super::fault::Fault;
use super::screen::safe;
use super::verdict::{Verdict, verdict};
use crate::args::HealthArgs;
use crate::exit::Exit;
use crate::print;

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
        }));
    } else {
        let because: Vec<_> = because.iter().map(|(path, reason)| format!("{path} is {reason}")).collect();
        let list = if because.is_empty() { String::new() } else { format!(": {}", because.join(", ")) };
        print::out(&format!("{}{}\n", verdict.as_str(), safe(&list)));
    }
    Ok(exit)
}
