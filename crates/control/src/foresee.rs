//! `plan` and `what_if`: what would come of a command or a failure, without giving it.

use std::sync::Arc;

use supervisor_api::command::Plan;
use supervisor_api::wire::{
    Command, ErrorCode, Happening, PlanDetails, PlanParams, WhatIfAnswer, WhatIfParams, WireError,
};
use tokio_supervisor::{SupervisorError, WhatIf};

use crate::caller::Caller;
use crate::differ;
use crate::gate::{Gate, read_manifest};
use crate::permissions;
use crate::target::Target;

/// What a stack text would change.
pub(crate) async fn plan(
    target: &Arc<Target>,
    params: &PlanParams,
) -> Result<(Plan, PlanDetails), WireError> {
    let declared = target.specs.read(&params.stack).await?;
    let before = target.specs.current().map(|(_, before)| before.manifest);
    let handle = target.handle.clone();
    let look = move || {
        let plan = handle.plan(declared.spec)?;
        let details = before.map(|before| differ::details(&before, &declared.manifest, &plan));
        Ok((plan, details.unwrap_or_default()))
    };
    apart(look).await?.map_err(|error: SupervisorError| WireError::from(&error))
}

/// Whom a command or a failure would affect, or why it would be refused.
pub(crate) async fn what_if(
    target: &Arc<Target>,
    gate: &Gate,
    caller: &Caller,
    params: WhatIfParams,
) -> Result<WhatIfAnswer, WireError> {
    let what = of(target, &params, gate.is_owner(caller)).await?;
    let allowed = match params.command {
        Happening::Crash => Ok(()),
        Happening::Command(command) => permissions::check(&target.handle, command, &params.target, None)
            .and_then(|()| gate.check_role(caller, command)),
    };
    let foreseen = match allowed {
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
    Ok(WhatIfAnswer { command: params.command.into(), affected, refusal })
}

async fn of(target: &Target, params: &WhatIfParams, of_the_owner: bool) -> Result<WhatIf, WireError> {
    let path = params.target.child_path.as_deref();
    let bad = |message: String| WireError::new(ErrorCode::InvalidCommandParams, message);
    let happening = params.command;
    if params.stack.is_some() && happening != Command::Apply.into() {
        return Err(bad(format!("{happening} takes no stack; leave it out")));
    }
    let child = || path.ok_or_else(|| bad(format!("{happening} needs target.child_path, a path or an id")));
    let command = match happening {
        Happening::Crash => return Ok(WhatIf::Crash(child()?.into())),
        Happening::Command(command) => command,
    };
    match (command, command.verb()) {
        (_, Some(verb)) => Ok(WhatIf::Control(verb, child()?.into())),
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
            let text = params.stack.as_deref().ok_or_else(|| bad("apply needs stack".to_owned()))?;
            Ok(WhatIf::Apply(target.specs.read(text).await?.spec))
        }
        (command, _) => Err(bad(format!("nobody can tell beforehand what {command} would lead to"))),
    }
}

/// Looks at the whole tree, which takes its time, where nobody waits behind it.
async fn apart<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|_| WireError::new(ErrorCode::CommandFailed, "looking at it has panicked"))
}
