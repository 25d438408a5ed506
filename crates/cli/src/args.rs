//! The command line: what can be asked, and the help that teaches it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Runs programs that must stay up: starts them in order, restarts what fails, stops them in order.
#[derive(Debug, Parser)]
#[command(name = "supervisor", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
A stack file:
  version: 1
  name: demo
  children:
    - name: db
      kind: process
      command: [python3, -m, http.server, \"9000\"]
      readiness: {tcp: \"127.0.0.1:9000\"}
    - name: web
      kind: process
      command: [sh, -c, \"while sleep 1; do echo tick; done\"]
      dependencies: [db]

Examples:
  supervisor check stack.yaml      say everything that is wrong with the file
  supervisor schema > stack.json   the keys of a file, for an editor";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a stack file and start nothing.
    Check(CheckArgs),
    /// Print the JSON Schema of a stack file.
    #[command(after_help = SCHEMA_HELP)]
    Schema,
}

/// What `check` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct CheckArgs {
    /// The stack file.
    pub(crate) file: PathBuf,
    /// Take warnings for errors.
    #[arg(long)]
    pub(crate) strict: bool,
}

const CHECK_HELP: &str = "\
Every mistake is shown with its line and column, not only the first.

Exit codes:
  0   the file is good
  2   the command line is wrong
  66  the file cannot be read
  78  the file is invalid (with --strict: or doubtful)

Examples:
  supervisor check stack.yaml
  supervisor check --strict stack.yaml";

const SCHEMA_HELP: &str = "\
Many editors complete and check YAML with it. With the YAML language server, save it beside the
stack file and write as the file's first line:
  # yaml-language-server: $schema=stack.schema.json

Example:
  supervisor schema > stack.schema.json";
