//! Developer verbs: `cargo xtask VERB`.
//!
//! One verb per thing a developer does, and continuous integration calls the same verbs. A verb is a function from
//! its arguments to "done" or a sentence that says what is wrong and what to do; the table below is the whole
//! command line.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to a developer at a terminal"
)]

mod arrows;
mod bench;
mod caught;
mod ci;
mod deny;
mod examples;
mod faults;
mod fuzz;
mod generated;
mod keys;
mod lint;
mod load;
mod manifests;
mod metadata;
mod msrv;
mod oracle;
mod planted;
mod rules;
mod scan;
mod servers;
mod shell;
mod shuttle;
mod sim;
mod soak;
mod source;
mod summary;
mod test;
mod tools;
mod typescript;
mod ui;
mod unsafety;

use std::process::ExitCode;

/// What a verb returns: nothing, or what is wrong and what to do about it.
pub(crate) type Outcome = Result<(), String>;

/// One line of the command line.
struct Verb {
    name: &'static str,
    arguments: &'static str,
    teaches: &'static str,
    run: fn(&[String]) -> Outcome,
}

const VERBS: &[Verb] = &[
    Verb { name: "check", arguments: "", teaches: "the quick loop: formatting and clippy", run: lint::check },
    Verb {
        name: "test",
        arguments: "[--release] [--ui] [-p PKG]… [FILTER] [-- …]",
        teaches: "every test; installs what it may, names what it must skip",
        run: test::test,
    },
    Verb {
        name: "lint",
        arguments: "",
        teaches: "formatting, clippy, docs, dependency rules, licences, MSRV, unsafe; the dashboard's formatter, linter, types",
        run: lint::lint,
    },
    Verb {
        name: "gen",
        arguments: "[--check]",
        teaches: "write the generated files again, or check that they are fresh",
        run: generated::generate,
    },
    Verb {
        name: "ui",
        arguments: "",
        teaches: "build the dashboard into ui/dist, which is committed; needs Node.js",
        run: ui::ui,
    },
    Verb {
        name: "rules",
        arguments: "[--planted] [--check]",
        teaches: "each rule of supervision with its tests and the planted faults they catch; fails on a gap",
        run: rules::rules,
    },
    Verb {
        name: "keys",
        arguments: "[--check]",
        teaches: "each key of a stack file with the test that sees its effect; fails on a gap",
        run: keys::keys,
    },
    Verb {
        name: "sim",
        arguments: "[--seeds N] [--from S] [--small] [--minutes M] [--seed S --trace] [--planted]",
        teaches: "the simulator: random trees in virtual time, every invariant after every step",
        run: sim::sim,
    },
    Verb {
        name: "oracle",
        arguments: "[--random N] [--from S] [--seed S] [--only TEXT] [--show] [--planted]",
        teaches: "the same scenarios in a real Erlang/OTP and in our machine; needs erl",
        run: oracle::oracle,
    },
    Verb {
        name: "examples",
        arguments: "",
        teaches: "run every Rust example, check every example file",
        run: examples::examples,
    },
    Verb {
        name: "fuzz",
        arguments: "TARGET [--seconds N]",
        teaches: "a fuzz target for a minute or as long as is said; needs cargo-fuzz",
        run: fuzz::fuzz,
    },
    Verb {
        name: "shuttle",
        arguments: "[FILTER]",
        teaches: "the library's concurrent cells under a model checker; about a minute",
        run: shuttle::shuttle,
    },
    Verb {
        name: "soak",
        arguments: "[--seconds N] [--seed S] [--release]",
        teaches: "a real tree of tasks and programs under random faults; nothing may break",
        run: soak::soak,
    },
    Verb {
        name: "servers",
        arguments: "[--seconds N] [--seed S]",
        teaches: "nginx, Redis and PostgreSQL killed at random for two minutes while clients ask them; needs root",
        run: servers::servers,
    },
    Verb {
        name: "load",
        arguments: "[--seconds N] [--targets N] [--children N] [--events-per-second N] [--sessions N] [--hang N] [--no-browser]",
        teaches: "many targets, a real relay, sessions that count every event, and a page in a browser; minutes, and not in ci",
        run: load::load,
    },
    Verb {
        name: "bench",
        arguments: "[--peers] [ROW…]",
        teaches: "what supervision costs against bare tokio by hand; writes docs/benchmarks.md when all rows are run; --peers: what it costs others, into docs/benchmarks-peers.md; minutes, and not in ci",
        run: bench::bench,
    },
    Verb {
        name: "ci",
        arguments: "",
        teaches: "everything above but load and bench, in order, with the time each part took",
        run: ci::ci,
    },
    Verb { name: "help", arguments: "", teaches: "this text", run: help },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else { return help(&[]) };
    let name = if matches!(name.as_str(), "-h" | "--help") { "help" } else { name };
    let verb = VERBS.iter().find(|verb| verb.name == name).ok_or_else(|| {
        let known: Vec<_> = VERBS.iter().map(|verb| verb.name).collect();
        format!("there is no verb `{name}`; the verbs are: {}", known.join(", "))
    })?;
    if verb.arguments.is_empty() && !rest.is_empty() {
        return Err(format!("`cargo xtask {name}` takes no arguments, but was given `{}`", rest.join(" ")));
    }
    (verb.run)(rest)
}

fn help(_: &[String]) -> Outcome {
    println!("cargo xtask VERB\n");
    for verb in VERBS {
        println!("  {:<9} {}", verb.name, verb.teaches);
        if !verb.arguments.is_empty() {
            println!("  {:<9} arguments: {}", "", verb.arguments);
        }
    }
    println!("\nBefore you push: `cargo xtask ci` (or `.ci/run`, where a skipped test is a failure).");
    Ok(())
}

/// Reads the arguments of a verb whose only flag is `--check`.
pub(crate) fn check_flag(verb: &str, arguments: &[String]) -> Result<bool, String> {
    match arguments {
        [] => Ok(false),
        [flag] if flag == "--check" => Ok(true),
        other => Err(format!(
            "`cargo xtask {verb}` takes `--check` or nothing, but was given `{}`",
            other.join(" ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_verb_is_refused_with_the_list_of_verbs() {
        let problem = dispatch(&["tset".into()]).unwrap_err();
        assert!(problem.contains("no verb `tset`") && problem.contains("test, lint"), "{problem}");
    }

    #[test]
    fn a_verb_without_arguments_refuses_some() {
        let problem = dispatch(&["ci".into(), "--fast".into()]).unwrap_err();
        assert!(problem.contains("takes no arguments") && problem.contains("--fast"), "{problem}");
    }

    #[test]
    fn the_check_flag_is_read_and_anything_else_is_refused() {
        assert_eq!(check_flag("gen", &[]), Ok(false));
        assert_eq!(check_flag("gen", &["--check".into()]), Ok(true));
        assert!(check_flag("gen", &["--chekc".into()]).unwrap_err().contains("--chekc"));
    }
}
