//! `supervisor what-if …`.

use std::path::Path;

use serde_json::json;
use supervisor_api::wire::{
    Command, CommandTarget, Happening, Method, StateParams, WhatIfAnswer, WhatIfParams,
};

use super::Context;
use super::affected::line;
use super::command::check_offered;
use super::fault::Fault;
use super::resolve::resolve;
use super::screen::safe;
use super::stack_text::StackText;
use crate::args::{Happens, WhatIfArgs};
use crate::exit::Exit;
use crate::print;

/// Says who would be affected.
pub(super) async fn what_if(context: &Context<'_>, args: &WhatIfArgs) -> Result<Exit, Fault> {
    let (command, of) = about(args)?;
    let stack = match (command, of) {
        (Happening::Command(Command::Apply), Some(file)) => {
            Some(StackText::read(Path::new(file), &args.choices)?.sent)
        }
        _ => None,
    };
    let mut session = match &stack {
        Some(text) => context.session_of(text).await?,
        None => context.session().await?,
    };
    check_offered(&session, Method::WhatIf)?;
    let path = match of.filter(|_| stack.is_none()) {
        Some(path) => Some(resolve(&session.state(StateParams::default()).await?, path)?.to_string()),
        None => None,
    };
    let target = CommandTarget { child_path: path, child_manifest: None };
    let answer = session.what_if(WhatIfParams { command, target, stack }).await?;
    tell(context, session.hello().target_id(), answer)
}

/// What would happen, and to whom.
fn about(args: &WhatIfArgs) -> Result<(Happening, Option<&str>), Fault> {
    let command = match args.happens {
        Happens::Crash => Happening::Crash,
        Happens::Stop => Command::PauseChild.into(),
        Happens::Restart => Command::RestartChild.into(),
        Happens::Remove => Command::RemoveChild.into(),
        Happens::Apply => Command::Apply.into(),
        Happens::Shutdown => Command::ShutdownTree.into(),
    };
    match (args.happens, args.of.as_deref()) {
        (Happens::Shutdown, Some(_)) => {
            Err(Fault::usage("`shutdown` is about the whole tree; leave the path out"))
        }
        (Happens::Shutdown, None) => Ok((command, None)),
        (Happens::Apply, None) => Err(Fault::usage("say which file, such as `what-if apply stack.yaml`")),
        (_, None) => Err(Fault::usage("say which child, such as `what-if crash /db`")),
        (_, of) => Ok((command, of)),
    }
}

fn tell(context: &Context<'_>, target_id: &str, answer: WhatIfAnswer) -> Result<Exit, Fault> {
    if context.screen.is_json() {
        context.screen.json(&json!({"type": "what_if", "target_id": target_id, "what_if": answer}));
    }
    if let Some(refusal) = answer.refusal {
        // For programs it stands in the answer.
        return if context.screen.is_json() { Ok(Exit::Failed) } else { Err(refusal.into()) };
    }
    if context.screen.is_json() {
        return Ok(Exit::Good);
    }
    if answer.affected.is_empty() {
        print::out("nobody would be affected\n");
    }
    for one in &answer.affected {
        print::out(&format!("{}\n", safe(&line(one))));
    }
    Ok(Exit::Good)
}
