//! `supervisor run FILE`.
//!
//! | file | subject |
//! |---|---|
//! | `printer` | a thread that prints what happens, so that a terminal that stands still holds up nobody |
//! | `form`, `text`, `json` | what a line looks like |
//! | `ending` | how it went, and the exit code |

mod ending;
mod form;
mod json;
mod printer;
mod text;

use std::time::Duration;

use supervisor_stack::tokio_supervisor::{StopSignals, SupervisorHandle};
use supervisor_stack::{Control, Instance, ServeError, SocketAt, Stack, Surroundings, guardian};
use tokio::time::Instant;

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::{print, read};
use ending::Ending;
use form::Form;

/// How long the last lines may take to be written when everything else is over.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A signal this soon after the first is the same request: `timeout` and some shells send theirs to the
/// process and to its group.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// Runs the stack to its end.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let stack = match read::stack(&args.file) {
        Ok(stack) => stack,
        Err(exit) => return exit,
    };
    // Held until the run is over.
    let instance = match Instance::claim(&stack.manifest.name, &Surroundings::of_this_process()) {
        Ok(instance) => instance,
        Err(error) => {
            print::err(&format!("supervisor: {error}\n"));
            return Exit::NoLock;
        }
    };
    if let Err(error) = guardian::start(guardian::Helper::ThisBinary) {
        print::err(&format!(
            "supervisor: {error}\nsupervisor: without a guardian, what the programs have started lives on if this \
             process is killed with SIGKILL\n"
        ));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start threads: {error}")),
    };
    let exit = runtime.block_on(supervise(&stack, &instance, args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

fn failed(sentence: &str) -> Exit {
    print::err(&format!("supervisor: {sentence}\n"));
    Exit::Failed
}

async fn supervise(stack: &Stack, instance: &Instance, args: &RunArgs) -> Exit {
    // Before the first program, so that no signal finds nobody listening.
    let signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&format!("cannot listen to signals: {error}")),
    };
    let handle = match stack.launch() {
        Ok(handle) => handle,
        Err(error) => return failed(&error.to_string()),
    };
    let control = match serve(stack, &handle, instance, args).await {
        Ok(control) => control,
        Err(error) => {
            // What has been started by now is stopped in order.
            let _ = handle.shutdown("supervisor", "there is no control socket").await;
            print::err(&format!("supervisor: {error}\n"));
            return Exit::NoLock;
        }
    };
    let form = Form::new(args, stack, control.as_ref().map(Control::path));
    let printed = match printer::start(handle.clone(), form) {
        Ok(printed) => printed,
        Err(error) => {
            // Its programs are stopped in order all the same.
            let _ = handle.shutdown("supervisor", "nothing can be printed").await;
            return failed(&format!("cannot start a thread: {error}"));
        }
    };
    end_or_signals(&handle, signals).await;
    let ending = Ending::of(&handle).await;
    if let Some(control) = control {
        // Whoever asked for the end is told of it.
        control.close().await;
    }
    // A reader that does not read must not keep a stack that is down.
    let _ = tokio::time::timeout(LAST_WORDS, printed).await;
    ending.exit
}

/// Makes the control socket, unless nobody wants one.
async fn serve(
    stack: &Stack,
    handle: &SupervisorHandle,
    instance: &Instance,
    args: &RunArgs,
) -> Result<Option<Control>, ServeError> {
    if args.no_socket {
        return Ok(None);
    }
    let at = args.socket.clone().map_or(SocketAt::Default, SocketAt::Path);
    stack.serve(handle.clone(), instance, &at).await.map(Some)
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
