//! `supervisor run FILE`.
//!
//! | file | subject |
//! |---|---|
//! | `printer` | a thread that prints what happens, so that a terminal that stands still holds up nobody |
//! | `form`, `text`, `json` | what a line looks like |
//! | `reload` | the file, applied again |
//! | `ending` | how it went, and the exit code |
//! | `service` | what the service manager is told that started the run |

mod ending;
mod form;
mod json;
mod printer;
mod reload;
mod service;
mod text;

use std::io;
use std::time::Duration;

use supervisor_stack::tokio_supervisor::{StopSignals, SupervisorHandle};
use supervisor_stack::{
    Adopted, Doors, Instance, InstanceError, PrepareError, Prepared, SocketAt, Stack, Surroundings, cgroup,
    flush_log_files, guardian, printable, raise_descriptors,
};
use tokio::time::Instant;

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::{print, read, threads};
use ending::Ending;
use form::Form;
use reload::{Asks, Reload};
use service::{Manager, Service};

/// How long the last lines may take to be written when everything else is over.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A signal this soon after the first is the same request: `timeout` and some shells send theirs to the
/// process and to its group.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// Runs the stack to its end.
pub(crate) fn run(args: &RunArgs) -> Exit {
    // Before the file, whose programs are told what the kernel can hold them to; and before the guardian, which goes along.
    let cgroups = cgroup::start(&cgroup::Place::Own);
    let stack = match read::stack(&args.file, args.choices.choices()) {
        Ok(stack) => stack,
        Err(exit) => return exit,
    };
    say_watched(&stack, cgroups);
    if let Err(sentence) = raise_descriptors(stack.programs()) {
        print::err(&format!("supervisor: {sentence}\n"));
    }
    // Held until the run is over.
    let instance = match claim(&stack, args) {
        Ok(instance) => instance,
        Err(error) => return cannot(&error.to_string()),
    };
    start_guardian();
    let runtime = match threads::runtime() {
        Ok(runtime) => runtime,
        Err(sentence) => return failed(&sentence),
    };
    let exit = runtime.block_on(supervise(&stack, instance.as_ref(), args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

/// Where this is the first process of its PID namespace, as in a container, the kernel kills everybody else when it ends:
/// then nobody has to outlive it for that.
fn start_guardian() {
    if std::process::id() == 1 {
        return;
    }
    if let Err(error) = guardian::start(guardian::Helper::ThisBinary) {
        print::err(&format!(
            "supervisor: {error}\nsupervisor: without a guardian, what the programs have started lives on if this \
             process is killed with SIGKILL\n"
        ));
    }
}

/// Says which limits are watched and not enforced, and why.
fn say_watched(stack: &Stack, cgroups: Result<cgroup::Status, cgroup::NoCgroup>) {
    let limits: Vec<_> = stack.watched_limits().into_iter().collect();
    if limits.is_empty() {
        return;
    }
    let why = match cgroups {
        Ok(status) => format!("{} has no such controller", status.dir.display()),
        Err(error) => error.to_string(),
    };
    let limits = limits.join(", ");
    print::err(&format!(
        "supervisor: {limits}: watched every two seconds, and not enforced by the kernel: {why}\n"
    ));
}

/// Sees to it that no other run has the name. Without a control socket nothing is kept in the directory of the stack's
/// state but the lock and what is asked for in a browser, so a directory that cannot be had costs that and not the run.
fn claim(stack: &Stack, args: &RunArgs) -> Result<Option<Instance>, InstanceError> {
    let name = &stack.manifest.name;
    match Instance::claim(name, &Surroundings::of_this_process()) {
        Ok(instance) => Ok(Some(instance)),
        Err(error) if args.no_socket && !matches!(error, InstanceError::Taken { .. }) => {
            print::err(&format!(
                "supervisor: {error}\nsupervisor: without a lock, nothing keeps a second run of `{name}` from starting\n"
            ));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn failed(sentence: &str) -> Exit {
    print::err(&format!("supervisor: {sentence}\n"));
    Exit::Failed
}

/// Something that a run needs is not to be had, and nothing was started.
fn cannot(sentence: &str) -> Exit {
    print::err(&format!("supervisor: {sentence}\n"));
    Exit::NoLock
}

async fn supervise(stack: &Stack, instance: Option<&Instance>, args: &RunArgs) -> Exit {
    // Before the first program, so that no signal finds nobody listening.
    let signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&format!("cannot listen to signals: {error}")),
    };
    let watched = args.watch.then(|| args.choices.choices());
    let heard = Asks::listen(&args.file, watched).and_then(|asks| Ok((asks, Adopted::listen()?)));
    let (asks, mut adopted) = match heard {
        Ok(heard) => heard,
        Err(error) => return failed(&format!("cannot listen to signals: {error}")),
    };
    let prepared = match prepare(stack, instance, args).await {
        Ok(prepared) => prepared,
        Err(error) => return cannot(&error.to_string()),
    };
    if let Some(sentence) = audit_problem(&prepared) {
        print::err(&sentence);
    }
    if let Some(error) = prepared.no_dashboard() {
        print::err(&format!("supervisor: {error}\n"));
    }
    let form = Form::new(args, stack, &prepared);
    let handle = match stack.launch() {
        Ok(handle) => handle,
        Err(error) => {
            prepared.close().await;
            return failed(&error.to_string());
        }
    };
    let serving = prepared.serve(&handle);
    let printed = match printer::start(handle.clone(), form) {
        Ok(printed) => printed,
        Err(error) => {
            // Its programs are stopped in order all the same.
            let _ = handle.shutdown("supervisor", "nothing can be printed").await;
            return failed(&format!("cannot start a thread: {error}"));
        }
    };
    let service = match tell_manager(&handle) {
        Ok(service) => service,
        Err(error) => {
            let _ = handle.shutdown("supervisor", "the service manager cannot be told anything").await;
            return failed(&format!("cannot start a thread: {error}"));
        }
    };
    let (reloads, told) = service.map(|service| (service.reloads, service.over)).unzip();
    let control = serving.control.as_ref();
    let reload = Reload { handle: &handle, stack, file: &args.file, control, reloads };
    tokio::select! {
        () = end_or_signals(&handle, signals) => {}
        () = reload_when_asked(asks, reload) => {}
        // Here, and in no task: it is about the children of the main thread.
        () = adopted.reap() => {}
    }
    let ending = Ending::of(&handle).await;
    serving.close().await;
    let last_word = async {
        if let Some(told) = told {
            let _ = told.await;
        }
    };
    // A reader that does not read must not keep a stack that is down, and neither must a disk.
    let (_, _, unwritten) = tokio::join!(
        tokio::time::timeout(LAST_WORDS, printed),
        tokio::time::timeout(LAST_WORDS, last_word),
        flush_log_files(LAST_WORDS)
    );
    for (file, why) in unwritten {
        let file = printable(&file.display().to_string());
        print::err(&format!("supervisor: {file} lacks the last lines: {why}\n"));
    }
    ending.exit
}

/// Begins to tell the service manager how the stack is, if one has started this process and wants to know. One that
/// cannot be told is no reason not to run.
fn tell_manager(handle: &SupervisorHandle) -> io::Result<Option<Service>> {
    let (manager, problem) = Manager::of_this_process();
    if let Some(sentence) = problem {
        print::err(&format!("supervisor: {sentence}\n"));
    }
    manager.map(|manager| Service::start(manager, handle.clone())).transpose()
}

/// Binds and proves everything that the run shows of itself, before any program is started.
async fn prepare(
    stack: &Stack,
    instance: Option<&Instance>,
    args: &RunArgs,
) -> Result<Prepared, PrepareError> {
    let at = args.socket.clone().map_or(SocketAt::Default, SocketAt::Path);
    let dashboard = args.dashboard.clone().unwrap_or_default();
    let doors = Doors::default().socket((!args.no_socket).then_some(at)).dashboard(dashboard);
    stack.prepare(instance, &doors).await
}

/// What is to be said of a disk on which commands cannot be recorded now. It does not keep the stack from running.
fn audit_problem(prepared: &Prepared) -> Option<String> {
    let audit = prepared.audit()?;
    let problem = audit.problem?;
    let then = if audit.refuses_commands { "are refused" } else { "are carried out without a record" };
    Some(format!(
        "supervisor: the audit is broken: {problem}\nsupervisor: until that is mended, commands {then}\n"
    ))
}

/// Applies the file whenever that is asked for. Ends with the tree, which is asked to stop when its terminal is gone.
async fn reload_when_asked(asks: Asks, reload: Reload<'_>) {
    reload.until_the_terminal_is_gone(asks).await;
    // A command that finds the tree ended has what it wanted.
    let _ = reload.handle.shutdown("SIGHUP", "the terminal is gone").await;
    reload.handle.join().await;
}

/// Waits for the end of the tree. The first signal asks for it, a later one skips the graces (D20).
async fn end_or_signals(handle: &SupervisorHandle, mut signals: StopSignals) {
    let mut first: Option<Instant> = None;
    loop {
        let signal = tokio::select! {
            _ = handle.join() => return,
            signal = signals.next() => signal.to_string(),
        };
        let handle = handle.clone();
        // A command that finds the tree ended has what it wanted.
        match first {
            None => {
                first = Some(Instant::now());
                tokio::spawn(async move { handle.shutdown(signal, "a signal").await });
            }
            Some(at) if at.elapsed() < SAME_REQUEST => {}
            Some(_) => {
                tokio::spawn(async move { handle.skip_graces(signal, "a second signal").await });
            }
        }
    }
}
