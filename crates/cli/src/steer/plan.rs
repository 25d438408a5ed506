//! `supervisor plan FILE`.

use serde_json::json;
use supervisor_api::SupervisorPath;
use supervisor_api::command::Plan;
use supervisor_api::wire::{ChangedKeys, ControlCommandResult, ErrorCode, Method, PlanDetails};
use supervisor_client::Session;

use super::Context;
use super::command::check_offered;
use super::fault::Fault;
use super::screen::{Screen, safe};
use super::stack_text::StackText;
use crate::args::PlanArgs;
use crate::exit::Exit;
use crate::paint::{BOLD, CYAN, DIM, GREEN, RED, YELLOW};
use crate::print;

/// Says what a file would change.
pub(super) async fn plan(context: &Context<'_>, args: &PlanArgs) -> Result<Exit, Fault> {
    let text = StackText::read(&args.file, &args.choices)?;
    let mut session = context.session_of(&text.sent).await?;
    check_offered(&session, Method::Plan)?;
    let (plan, details) = asked(&mut session, &text).await?;
    let (screen, target_id) = (&context.screen, session.hello().target_id());
    if screen.is_json() {
        screen.json(&json!({"type": "plan", "target_id": target_id, "plan": plan, "details": details}));
        return Ok(Exit::Good);
    }
    let name = screen.paint(BOLD, &safe(target_id));
    print::out(&format!("{name}: {}\n", summed_up(&plan)));
    for line in lines(screen, &plan, &details) {
        print::out(&format!("  {line}\n"));
    }
    Ok(Exit::Good)
}

/// Asks for the plan. What is wrong with the file is told with its lines, where this binary finds the same wrong.
pub(super) async fn asked(session: &mut Session, text: &StackText) -> Result<(Plan, PlanDetails), Fault> {
    let answer = session.plan(text.sent.clone()).await;
    answer.map_err(|error| {
        let fault = Fault::from(error);
        if fault.is(ErrorCode::ValidationFailed)
            && let Some(mistakes) = text.mistakes()
        {
            return fault.in_words(mistakes);
        }
        fault
    })
}

/// How much an applied file has changed, as the result of the command says it.
pub(crate) fn done(result: &ControlCommandResult) -> Option<String> {
    let plan = result.outcome.as_ref()?.get("plan")?;
    serde_json::from_value(plan.clone()).ok().map(|plan: Plan| summed_up(&plan))
}

/// How much a plan changes.
pub(super) fn summed_up(plan: &Plan) -> String {
    let parts = [
        (plan.added.len(), "added"),
        (plan.removed.len(), "removed"),
        (plan.restarted.len(), "restarted"),
        (plan.updated.len(), "changed while running"),
    ];
    let mut said: Vec<String> =
        parts.iter().filter(|(many, _)| *many > 0).map(|(many, word)| format!("{many} {word}")).collect();
    if said.is_empty() {
        return "nothing changes".to_owned();
    }
    said.push(format!("{} untouched", plan.unchanged));
    said.join(", ")
}

/// Whom a plan changes, one a line: who goes, who comes, who changes.
pub(super) fn lines(screen: &Screen, plan: &Plan, details: &PlanDetails) -> Vec<String> {
    let sign = |colour: &str, sign: &str, path: &SupervisorPath| {
        format!("{} {}", screen.paint(colour, sign), safe(path.as_str()))
    };
    let is_renamed = |path: &SupervisorPath| {
        details.renamed.iter().any(|renamed| renamed.from == *path || renamed.to == *path)
    };
    let with_keys = |line: String, path: &SupervisorPath| match keys_of(details, path) {
        Some(changed) => line + &screen.paint(DIM, &format!("  {}", safe(&changed.keys.join(", ")))),
        None => line,
    };
    let new = |path: &&SupervisorPath| !is_renamed(path);
    let renamed = details.renamed.iter().map(|renamed| {
        format!(
            "{} {} -> {}",
            screen.paint(CYAN, ">"),
            safe(renamed.from.as_str()),
            safe(renamed.to.as_str())
        )
    });
    let mut lines: Vec<String> = plan.removed.iter().filter(new).map(|path| sign(RED, "-", path)).collect();
    lines.extend(renamed);
    lines.extend(plan.added.iter().filter(new).map(|path| sign(GREEN, "+", path)));
    lines.extend(plan.restarted.iter().map(|path| with_keys(sign(YELLOW, "!", path), path)));
    lines.extend(plan.updated.iter().map(|path| with_keys(sign(CYAN, "~", path), path)));
    lines
}

fn keys_of<'a>(details: &'a PlanDetails, path: &SupervisorPath) -> Option<&'a ChangedKeys> {
    details.changed.iter().find(|changed| changed.child_path == *path)
}
