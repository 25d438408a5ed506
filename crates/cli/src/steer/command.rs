//! The verbs that change something.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use supervisor_api::SupervisorPath;
use supervisor_api::command::is_command_id;
use supervisor_api::manifest::SignalWord;
use supervisor_api::wire::{
    Command, CommandStatus, CommandTarget, ControlCommandRequest, ControlCommandResult, DashboardState,
    Method, StateParams, UnixNanos,
};
use supervisor_client::Session;

use super::fault::Fault;
use super::resolve::resolve;
use super::screen::{Screen, safe};
use super::stack_text::StackText;
use super::wait::{End, Progress};
use super::{COMMAND, Context, READ, affected, ask, plan};
use crate::args::{self, ChoiceArgs, CommandArgs};
use crate::exit::Exit;
use crate::print;

/// The most bytes of a manifest, or a stack text, that a target takes.
pub(super) const MANIFEST: u64 = 1 << 20;
/// The most lines of a manifest that are shown.
const SHOWN: usize = 30;

/// What somebody asks for.
pub(super) struct Wish<'a> {
    pub(super) command: Command,
    /// As it was typed; `None`: the tree.
    pub(super) path: Option<&'a str>,
    pub(super) manifest: Option<&'a str>,
    pub(super) signal: Option<SignalWord>,
    pub(super) stack: Option<&'a StackText>,
    pub(super) rollback: bool,
    pub(super) args: &'a CommandArgs,
}

/// What a command takes from a file.
#[derive(Default)]
pub(crate) struct Texts {
    manifest: Option<String>,
    stack: Option<StackText>,
}

impl Texts {
    fn of(verb: &args::Command) -> Result<Self, Fault> {
        use args::Command as Verb;
        match verb {
            Verb::Add(args) => Self::manifest(&args.manifest),
            Verb::Apply(args) => Self::stack(&args.file, &args.choices),
            _ => Ok(Self::default()),
        }
    }

    /// The child that is to be added.
    pub(super) fn manifest(file: &Path) -> Result<Self, Fault> {
        Ok(Self { manifest: Some(read_text(file)?), stack: None })
    }

    /// The stack that is to be.
    pub(super) fn stack(file: &Path, choices: &ChoiceArgs) -> Result<Self, Fault> {
        Ok(Self { manifest: None, stack: Some(StackText::read(file, choices)?) })
    }
}

impl<'a> Wish<'a> {
    pub(super) fn new(
        command: Command,
        path: Option<&'a str>,
        texts: &'a Texts,
        args: &'a CommandArgs,
    ) -> Self {
        let (manifest, stack) = (texts.manifest.as_deref(), texts.stack.as_ref());
        Self { command, path, manifest, signal: None, stack, rollback: false, args }
    }

    fn of(verb: &'a args::Command, texts: &'a Texts) -> Option<Self> {
        use args::Command as Verb;
        let wish = |command, path, args| Self::new(command, path, texts, args);
        let child =
            |command, args: &'a args::ChildArgs| wish(command, Some(args.path.as_str()), &args.command);
        Some(match verb {
            Verb::Restart(args) => child(Command::RestartChild, args),
            Verb::Pause(args) => child(Command::PauseChild, args),
            Verb::Resume(args) => child(Command::ResumeChild, args),
            Verb::Quarantine(args) => child(Command::QuarantineChild, args),
            Verb::Remove(args) => child(Command::RemoveChild, args),
            Verb::Add(args) => wish(Command::AddChild, Some(args.under.as_str()), &args.command),
            Verb::Signal(args) => Self {
                signal: Some(args.signal),
                ..wish(Command::SignalChild, Some(args.path.as_str()), &args.command)
            },
            Verb::Apply(args) => {
                Self { rollback: !args.rollback.no_rollback, ..wish(Command::Apply, None, &args.command) }
            }
            Verb::Reload(args) => {
                Self { rollback: !args.rollback.no_rollback, ..wish(Command::Reload, None, &args.command) }
            }
            Verb::Shutdown(args) => wish(Command::ShutdownTree, None, &args.command),
            _ => return None,
        })
    }
}

/// Shows what it is about, asks if that is dangerous, sends it, and waits for its effect.
pub(super) async fn command(context: &Context<'_>, verb: &args::Command) -> Result<Exit, Fault> {
    let texts = Texts::of(verb)?;
    let Some(wish) = Wish::of(verb, &texts) else { return Ok(Exit::Usage) };
    sound(wish.args)?;
    let (mut session, state) = context
        .within(READ, async {
            let mut session = match wish.stack {
                Some(text) => context.session_of(&text.sent).await?,
                None => context.session().await?,
            };
            check_offered(&session, Method::Command(wish.command))?;
            let state = session.state(StateParams::default()).await?;
            Ok((session, state))
        })
        .await?;
    let path = wish.path.map_or_else(|| Ok(SupervisorPath::root()), |path| resolve(&state, path))?;
    let warning = wish.warning(&context.screen, &mut session, &state, &path).await?;
    if let Some(warning) = warning.filter(|_| !wish.args.yes) {
        ask::ask(&warning)?;
        // A target does not keep a connection on which nobody speaks for as long as people take.
        session = Session::connect(session.path(), &context.settings).await?;
    }
    let request = wish.request(&session, &path);
    let id = request.command_id.to_string();
    let work = async {
        let note = |text: &str| context.screen.note(text);
        let progress = Progress::begin(&session, &context.settings, &note, path.clone(), request).await?;
        let end = if wish.args.no_wait {
            progress.send(&mut session).await?
        } else {
            progress.finish(&mut session).await?
        };
        tell(context, session.hello().target_id(), &path, &wish, end)
    };
    context.within(COMMAND, work).await.map_err(|fault| explained(fault, &id))
}

/// What no target takes, said before one is asked.
fn sound(args: &CommandArgs) -> Result<(), Fault> {
    let problem = if args.reason.trim().is_empty() {
        "the reason is blank; say why, such as --reason \"new certificate\""
    } else if args.by.as_deref().is_some_and(|by| by.trim().is_empty()) {
        "--by is blank; say who asks, or leave it out"
    } else if args.command_id.as_deref().is_some_and(|id| !is_command_id(id)) {
        "--command-id has to be 1 to 128 printable characters of ASCII"
    } else {
        return Ok(());
    };
    Err(Fault::usage(problem))
}

/// A target that follows the contract knows its seven commands; what else it takes, it says.
pub(super) fn check_offered(session: &Session, method: Method) -> Result<(), Fault> {
    let of_all = matches!(method, Method::Command(command) if Command::CONTRACT.contains(&command));
    if of_all || session.hello().has(method) {
        return Ok(());
    }
    let target = session.hello().target_id();
    Err(Fault::failed(format!(
        "{target} does not offer {method}: it is not among the capabilities that it tells; a later version of it may"
    )))
}

/// What to do when it is not known how it went.
pub(super) fn explained(fault: Fault, id: &str) -> Fault {
    if fault.is_late() {
        fault.with("the command may go on: `supervisor status` shows how far it is")
    } else if fault.is_lost() {
        fault.with(&format!(
            "whether it was carried out is not known: with `--command-id {id}` the same command is not carried out twice"
        ))
    } else {
        fault
    }
}

impl Wish<'_> {
    /// What is shown before a dangerous command; `None` for one that is not.
    pub(super) async fn warning(
        &self,
        screen: &Screen,
        session: &mut Session,
        state: &DashboardState,
        path: &SupervisorPath,
    ) -> Result<Option<String>, Fault> {
        if let Some(text) = self.stack {
            return foreseen(screen, session, text).await.map(Some);
        }
        let target = self.target(path);
        let warning = affected::warning(session, state, self.command, &target, path).await?;
        Ok(warning.map(|warning| warning + &shown(self.manifest)))
    }

    fn target(&self, path: &SupervisorPath) -> CommandTarget {
        CommandTarget {
            child_path: self.path.map(|_| path.to_string()),
            child_manifest: self.manifest.map(|text| Value::String(text.to_owned())),
        }
    }

    pub(super) fn request(&self, session: &Session, path: &SupervisorPath) -> ControlCommandRequest {
        let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
        let ours = || format!("cli-{:x}-{:x}", std::process::id(), now);
        ControlCommandRequest {
            command_id: self.args.command_id.clone().unwrap_or_else(ours).into(),
            target_id: session.hello().target_id().into(),
            expect_state_generation: None,
            command: self.command,
            target: self.target(path),
            signal: self.signal.map(|signal| signal.as_str().to_owned()),
            stack: self.stack.map(|stack| stack.sent.clone()),
            rollback: self.rollback,
            reason: self.args.reason.clone(),
            requested_by: self.args.by.clone().unwrap_or_else(user),
            confirmed: self.command.needs_confirmation(),
            requested_at_unix_nanos: Some(UnixNanos(now)),
        }
    }
}

/// The name of the user, as the session says it.
fn user() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("USER").or_else(|| set("LOGNAME")).unwrap_or_else(|| "the command line".to_owned())
}

/// What a stack text would change, as it is confirmed. What the target would refuse is refused here.
async fn foreseen(screen: &Screen, session: &mut Session, text: &StackText) -> Result<String, Fault> {
    check_offered(session, Method::Plan)?;
    let (plan, details) = plan::asked(session, text).await?;
    let list = affected::listed(plan::lines(screen, &plan, &details));
    Ok(format!(
        "This makes {} be as the file says: {}.{list}",
        session.hello().target_id(),
        plan::summed_up(&plan)
    ))
}

/// The text of a manifest or a stack file, out of a file or standard input.
pub(super) fn read_text(path: &Path) -> Result<String, Fault> {
    let shown = path.display();
    let failed = |error: std::io::Error| Fault::usage(format!("cannot read {shown}: {error}"));
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MANIFEST + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MANIFEST + 1).read_to_string(&mut text)
    };
    if read.map_err(failed)? as u64 > MANIFEST {
        return Err(Fault::usage(format!("{shown} is longer than 1 MiB, the most that a target takes")));
    }
    Ok(text)
}

/// The manifest as it is confirmed.
fn shown(manifest: Option<&str>) -> String {
    let Some(manifest) = manifest else { return String::new() };
    let lines: Vec<&str> = manifest.lines().collect();
    let more = lines.len().saturating_sub(SHOWN);
    let mut out = "\nThe manifest:".to_owned();
    out.extend(lines.iter().take(SHOWN).map(|line| format!("\n  {line}")));
    if more > 0 {
        out += &format!("\n  and {more} lines more");
    }
    out
}

/// Says how it ended.
fn tell(
    context: &Context<'_>,
    target_id: &str,
    path: &SupervisorPath,
    wish: &Wish<'_>,
    end: End,
) -> Result<Exit, Fault> {
    let screen = &context.screen;
    let (result, state) = match end {
        End::Answered(result, state) => (result, state),
        End::Sent => {
            say(context, "sent", &json!({"type": "command_sent", "target_id": target_id}));
            return Ok(Exit::Good);
        }
        End::Gone => {
            let text = format!("{} is down", safe(target_id));
            say(context, &text, &json!({"type": "target_gone", "target_id": target_id}));
            return Ok(Exit::Good);
        }
    };
    if screen.is_json() {
        screen.json(&json!({"type": "command_result", "target_id": target_id, "result": result}));
    }
    if let Some(error) = result.error.clone().filter(|_| !result.accepted) {
        return Err(error.into());
    }
    if !screen.is_json() {
        print::out(&format!("{}\n", safe(&summary(target_id, path, wish, &result, state.as_deref()))));
    }
    Ok(Exit::Good)
}

/// Who is not as an applied file says without a failure: it waits for somebody.
fn waiting(outcome: Option<&Value>) -> String {
    let children = outcome.and_then(|outcome| outcome.get("not_as_planned")).and_then(Value::as_array);
    let said: Vec<_> = children
        .into_iter()
        .flatten()
        .filter_map(|child| {
            Some(format!(
                "{} is {}",
                child.get("child_path")?.as_str()?,
                child.get("lifecycle_state")?.as_str()?
            ))
        })
        .collect();
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

fn say(context: &Context<'_>, text: &str, value: &Value) {
    if context.screen.is_json() {
        context.screen.json(value);
    } else {
        print::out(&format!("{text}\n"));
    }
}

/// One line: what was done, and how the child is now.
pub(super) fn summary(
    target_id: &str,
    path: &SupervisorPath,
    wish: &Wish<'_>,
    result: &ControlCommandResult,
    state: Option<&DashboardState>,
) -> String {
    let command = wish.command;
    if command == Command::ShutdownTree {
        return format!("{target_id} is down");
    }
    let outcome = result.outcome.as_ref();
    if matches!(command, Command::Apply | Command::Reload) {
        let done = plan::done(result).unwrap_or_else(|| "goes on".to_owned());
        return format!("{target_id}: {done}{}", waiting(outcome));
    }
    let added = outcome.and_then(|outcome| outcome.get("path")).and_then(Value::as_str);
    let path = match command {
        Command::AddChild => added.map_or_else(|| format!("a child under {path}"), str::to_owned),
        _ => path.to_string(),
    };
    let row =
        state.and_then(|state| state.runtime_state.iter().find(|row| *row.child_path.as_str() == *path));
    let now =
        row.map_or_else(String::new, |row| format!(": {}, run {}", row.lifecycle_state, row.generation));
    let idle = outcome.and_then(|outcome| outcome.pointer("/outcome/idempotent")).and_then(Value::as_bool);
    let sent = wish.signal.map(|word| match word {
        SignalWord::Signal(signal) => format!("was sent {signal}"),
        SignalWord::Reload => "was asked to reload".to_owned(),
    });
    let done = match command {
        _ if idle == Some(true) => "nothing had to be done",
        _ if result.status.is(CommandStatus::Accepted) => "goes on",
        Command::RestartChild => "restarted",
        Command::PauseChild => "paused",
        Command::ResumeChild => "resumed",
        Command::QuarantineChild => "quarantined",
        Command::RemoveChild => "removed",
        Command::AddChild => "added",
        _ => sent.as_deref().unwrap_or("done"),
    };
    if command == Command::RemoveChild { format!("{path} {done}") } else { format!("{path} {done}{now}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_or_lost_says_how_to_learn_its_outcome() {
        let late = format!("{:?}", explained(Fault::late(READ), "c-1"));
        assert!(late.contains("may go on: `supervisor status` shows how far it is"), "{late}");
        let other = format!("{:?}", explained(Fault::failed("no"), "c-1"));
        assert!(!other.contains("may go on") && !other.contains("c-1"), "{other}");
    }
}
