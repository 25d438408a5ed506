//! `supervisor relay`.
//!
//! | file | subject |
//! |---|---|
//! | `serve` | a relay from its file until a signal |
//! | `people` | certificates, tokens and roles, at the start and at each SIGHUP |
//! | `log` | what the relay tells, on standard error |
//! | `token` | a new bearer token |

mod log;
mod people;
mod serve;
mod token;

use std::path::Path;

use supervisor_relay::{ConfigError, ConfigFile};

use crate::args::{RelayArgs, RelayVerb};
use crate::exit::Exit;
use crate::print;
use crate::read::mistakes;

/// Runs a relay, or does what else is asked.
pub(crate) fn relay(args: &RelayArgs) -> Exit {
    match (&args.verb, &args.file) {
        (Some(RelayVerb::Token(args)), _) => token::token(args),
        (Some(RelayVerb::Schema), _) => {
            print::out(&format!("{:#}\n", ConfigFile::schema()));
            Exit::Good
        }
        (None, Some(file)) if args.check => check(file),
        (None, Some(file)) => serve::serve(file),
        // Clap has seen to it that one of them is there.
        (None, None) => Exit::Usage,
    }
}

/// Reads the file; warnings and mistakes go to standard error.
fn read(file: &Path) -> Result<ConfigFile, Exit> {
    match ConfigFile::read(file) {
        Ok(config) => {
            print::err(&config.warnings().to_string());
            Ok(config)
        }
        Err(ConfigError::Invalid(findings)) => Err(mistakes(file, &findings, findings.errors())),
        Err(error) => {
            print::err(&format!("{error}\n"));
            Err(Exit::NoInput)
        }
    }
}

fn check(file: &Path) -> Exit {
    let config = match read(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let name = file.display();
    // What it names is read, too.
    let usable = people::People::read(&config)
        .map(drop)
        .and_then(|()| config.relay().map_err(|error| error.to_string()));
    match usable {
        Ok(relay) => {
            print::out(&format!(
                "{name}: good; browsers connect to {}, targets register at {}\n",
                config.listen(),
                relay.registration.display()
            ));
            Exit::Good
        }
        Err(problem) => {
            print::err(&format!("{name}: error: {problem}\n"));
            Exit::Invalid
        }
    }
}
