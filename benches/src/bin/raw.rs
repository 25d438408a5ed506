//! `bench-raw ROW N`: measures a row by hand, on bare tokio. See the library of this package.

use std::process::ExitCode;

use supervisor_benches::{program, rows};

fn main() -> ExitCode {
    program::main("raw", rows::RAW)
}
