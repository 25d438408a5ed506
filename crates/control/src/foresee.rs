//! `plan` and `what_if`: what would come of a command, without giving it.

use std::sync::Arc;

use supervisor_api::command::Plan;
use supervisor_api::wire::{Command, ErrorCode, PlanParams, WhatIfAnswer, WhatIfParams, WireError};
use tokio_supervisor::{SupervisorError, WhatIf};

use crate::caller::Caller;
use crate::gate::{Gate, read_manifest};
use crate::permissions;
use crate::target::Target;

/// What a stack text would change.
pub(crate) async fn plan(target: &Arc<Target>, params: &PlanParams) -> Result<Plan, WireError> {
    let declared = target.specs.read(&params.stack).await?;
    let handle = target.handle.clone();
    apart(move || handle.plan(declared.spec)).await?.map_err(|error| WireError::from(&error))
}

/// Whom a command would affect, or why it would be refused.
pub(crate) async fn what_if(
    target: &Arc<Target>,
    gate: &Gate,
    caller: &Caller,
    params: WhatIfParams,
) -> Result<WhatIfAnswer, WireError> {
    let command = params.command;
    let what = of(target, &params, gate.is_owner(caller)).await?;
    let allowed = permissions::check(&target.handle, command, &params.target, None);
    let foreseen = match allowed.and_then(|()| gate.check_role(caller, command)) {
        Err(error) => Err(error),
        Ok(()) => {
            let handle = target.handle.clone();
            apart(move || handle.what_if(what))
                .await?
                .map_err(|error: SupervisorError| WireError::from(&error))
        }
    };
    let (affected, refusal) = match foreseen {
        Ok(affected) => (affected, None),
        Err(error) => (Vec::new(), Some(error.on(target.id.clone()))),
    };
    Ok(WhatIfAnswer { command: command.into(), affected, refusal })
}

async fn of(target: &Target, params: &WhatIfParams, of_the_owner: bool) -> Result<WhatIf, WireError> {
    let path = params.target.child_path.as_deref();
    let bad = |message: String| WireError::new(ErrorCode::InvalidCommandParams, message);
    match (params.command, params.command.verb()) {
        (command, Some(verb)) => {
            let child =
                path.ok_or_else(|| bad(format!("{command} needs target.child_path, a path or an id")))?;
            Ok(WhatIf::Control(verb, child.into()))
        }
        (Command::AddChild, _) => {
            let manifest = read_manifest(&params.target)?;
            let manifest = manifest.ok_or_else(|| bad("add_child needs target.child_manifest".to_owned()))?;
            Ok(WhatIf::Add(path.unwrap_or("/").into(), Box::new(manifest)))
        }
        (Command::ShutdownTree, _) => Ok(WhatIf::Shutdown),
        (Command::Reload, _) if target.specs.has_file() => {
            Ok(WhatIf::Apply(target.specs.reread(of_the_owner).await?.spec))
        }
        (Command::Apply, _) => {
            Err(bad("what apply would change is told by plan; send it the stack text".to_owned()))
        }
        (command, _) => Err(bad(format!("nobody can tell beforehand what {command} would lead to"))),
    }
}

/// Looks at the whole tree, which takes its time, where nobody waits behind it.
async fn apart<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|_| WireError::new(ErrorCode::CommandFailed, "looking at it has panicked"))
}
