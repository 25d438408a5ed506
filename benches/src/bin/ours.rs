//! `bench-ours ROW N`: measures a row with the library. See the library of this package.

use std::process::ExitCode;

use supervisor_benches::{program, rows};

fn main() -> ExitCode {
    program::main("ours", rows::OURS)
}
