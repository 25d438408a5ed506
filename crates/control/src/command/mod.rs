//! A command from its admission to its answer (`security.md` 12).
//!
//! ```text
//!  gate ──► once: duplicate? ──► audit: intent ──► carry out ──► audit: outcome ──► answer
//!   │            │                    │                                 ▲
//!   └────────────┴────────────────────┴─ rejected, and recorded         └ "accepted" after 30 seconds
//! ```

mod apply;
mod carry_out;

use std::time::Duration;

use supervisor_api::manifest::ChildManifest;
use supervisor_api::wire::{ControlCommandRequest, ControlCommandResult, ErrorCode, Stage, WireError};

use crate::audit::AuditDenial;
use crate::caller::Caller;
use crate::dispatch::Shared;
use crate::specs::Declared;
use crate::target::Target;
use carry_out::Order;

/// After this time the answer is that the command goes on; `hello` tells it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Carries a command out, unless it was before. The error is for an answer that is not `ok`.
pub(crate) async fn answer(
    shared: &Shared,
    caller: &Caller,
    asked: ControlCommandRequest,
) -> Result<ControlCommandResult, WireError> {
    let target = &shared.target;
    let result = match admit(shared, caller, &asked).await {
        Ok((manifest, declared)) => {
            let order = Order {
                target: target.clone(),
                asked: asked.clone(),
                manifest: manifest.clone(),
                declared,
                by: shared.gate.name_of(caller, &asked.requested_by),
                of_the_owner: shared.gate.is_owner(caller),
            };
            let once = shared.once.run(caller, &asked, manifest.as_ref(), order.carry_out());
            match tokio::time::timeout(PATIENCE, once).await {
                Ok(result) => result,
                Err(_) => return Ok(goes_on(target, &asked)),
            }
        }
        Err(error) => {
            shared.once.audit().deny(AuditDenial::command(caller, &asked, &error));
            Err(error)
        }
    };
    match result {
        Ok(result) => Ok(result),
        Err(error) if is_of_the_transport(&error) => Err(error),
        Err(error) => Ok(ControlCommandResult::rejected(&asked, error.on(target.id.clone()), target.now())),
    }
}

/// Whether a command may begin, and what it brings: the child, or the spec, that is looked at is the one that is used
/// (rule 13).
async fn admit(
    shared: &Shared,
    caller: &Caller,
    asked: &ControlCommandRequest,
) -> Result<(Option<ChildManifest>, Option<Declared>), WireError> {
    let manifest = shared.gate.admit(&shared.target, caller, asked)?;
    let Some(text) = &asked.stack else { return Ok((manifest, None)) };
    let specs = &shared.target.specs;
    let declared = specs.read(text).await?;
    let now = specs.current().map(|(_, now)| now);
    shared.gate.check_declared(caller, now.as_ref(), &declared)?;
    Ok((manifest, Some(declared)))
}

/// Whether an error is about the request and not about the command in it. Only such answers are not `ok`.
fn is_of_the_transport(error: &WireError) -> bool {
    let stages = [
        Stage::ProtocolParse,
        Stage::PeerCredentials,
        Stage::SizeLimit,
        Stage::RateLimit,
        Stage::Subscription,
    ];
    error.stage.known().is_some_and(|stage| stages.contains(&stage))
}

/// The answer to a command that is not over in time. Whoever sends it again gets the outcome, and so does whoever
/// reads the event `CommandCompleted`.
fn goes_on(target: &Target, asked: &ControlCommandRequest) -> ControlCommandResult {
    if !target.loop_is_stuck() {
        return ControlCommandResult::accepted(asked);
    }
    let message = "the tree did not answer in 30 seconds; what was asked for may still happen";
    let error = WireError::new(ErrorCode::CommandTimeout, message).on(target.id.clone());
    ControlCommandResult::failed(asked, error, target.now())
}
