//! `supervisor relay token NAME`.

use jiff::{SignedDuration, Timestamp};
use supervisor_relay::{Mapping, Secret};

use crate::args::TokenArgs;
use crate::exit::Exit;
use crate::print;

/// Makes a token and prints it, this once.
pub(crate) fn token(args: &TokenArgs) -> Exit {
    match made(args) {
        Ok(text) => {
            print::out(&text);
            Exit::Good
        }
        Err(problem) => {
            print::err(&format!("supervisor: {problem}\n"));
            Exit::Failed
        }
    }
}

fn made(args: &TokenArgs) -> Result<String, String> {
    let secret = Secret::fresh().map_err(|error| format!("no token can be made: {error}"))?;
    let digest = secret.sha256();
    // The name is judged as the file's will be.
    Mapping::new().with_token(&digest, args.name.as_str(), None).map_err(|error| error.to_string())?;
    let lifetime = SignedDuration::from_secs(i64::try_from(args.expires).unwrap_or(i64::MAX));
    let until = Timestamp::now().checked_add(lifetime).map_err(|error| error.to_string())?;
    let until = until.strftime("%Y-%m-%dT%H:%M:%SZ");
    let name = serde_json::to_string(&args.name).map_err(|error| error.to_string())?;
    Ok(format!(
        "token: {}\n\nIt is not shown again. Write this under `tokens:` of the relay's file, and send the relay SIGHUP:\n  \
         - {{name: {name}, sha256: {digest}, expires: {until}}}\n",
        secret.reveal()
    ))
}
