//! Completions and manual pages, made from the same source as the help.

use clap::CommandFactory as _;

use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::exit::Exit;
use crate::print;

/// Prints completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "supervisor", &mut text);
    print::out(&String::from_utf8_lossy(&text));
    Exit::Good
}

/// Writes a manual page for each command.
pub(crate) fn man(args: &ManArgs) -> Exit {
    let written = std::fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &args.dir));
    match written {
        Ok(()) => Exit::Good,
        Err(error) => {
            let dir = args.dir.display();
            print::err(&format!(
                "supervisor: cannot write manual pages to {dir}: {error}; name another directory\n"
            ));
            Exit::Failed
        }
    }
}
