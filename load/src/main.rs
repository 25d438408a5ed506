//! The program `supervisor-load`: see the library of the same name.
#![expect(clippy::print_stdout, reason = "this program talks to a developer at a terminal")]

use std::process::ExitCode;

use clap::Parser as _;
use supervisor_load::{Load, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            println!("the load could not run: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything held.
async fn run(options: &Options) -> Result<bool, String> {
    let mut load = Load::start(options).await?;
    let report = load.measure().await?;
    println!("{report}");
    let mut problems = report.wrongs();
    problems.extend(report.excesses());
    problems.extend(load.accompany(&options.command).await.err());
    problems.extend(load.stop().await.err());
    for problem in &problems {
        println!("failed: {problem}");
    }
    println!("{}", report.summary());
    Ok(problems.is_empty())
}
