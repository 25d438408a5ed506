//! What the verbs around the relay take.

use std::path::PathBuf;

use clap::Subcommand;

/// What `relay` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = RELAY_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct RelayArgs {
    /// The relay's file.
    #[arg(required = true, value_name = "CONFIG")]
    pub(crate) file: Option<PathBuf>,
    /// Say everything that is wrong with the file and what it names, and start nothing.
    #[arg(long)]
    pub(crate) check: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<RelayVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RelayVerb {
    /// Make a bearer token: print it once, and the line for the file.
    #[command(after_help = TOKEN_HELP)]
    Token(TokenArgs),
    /// Print the JSON Schema of a relay's file.
    #[command(after_help = SCHEMA_HELP)]
    Schema,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// Who will show it, as `roles` of the file and the audit call them.
    pub(crate) name: String,
    /// How long it is good: 12h, 30d or 8w.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = lifetime)]
    pub(crate) expires: u64,
}

/// What `cert` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = CERT_HELP)]
pub(crate) struct CertArgs {
    /// The directory to write them to; it is made if it is not there.
    pub(crate) dir: PathBuf,
    /// A name or address of the relay; may be given several times.
    #[arg(long, value_name = "HOST", default_values = ["localhost", "127.0.0.1"])]
    pub(crate) name: Vec<String>,
    /// Somebody who gets a certificate of a client; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Vec<String>,
}

const CERT_HELP: &str = "\
It makes an authority (ca.pem), a certificate of the relay (server.pem) and one for each client
(NAME.pem), with their keys (.key). Nothing is overwritten. Whoever has the authority's key can
name anybody, so they are for development.

Exit codes:
  0   they are there
  1   a file is there already or cannot be written, or a name cannot be used; nothing was made
  2   the command line is wrong

Examples:
  supervisor cert certs
  supervisor cert certs --name relay.example --name 10.0.0.7 --client ann --client bob";

/// Reads a time such as `30d` as seconds.
fn lifetime(text: &str) -> Result<u64, String> {
    let wrong = || "write a number and h, d or w, such as 30d; at most 10 years".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let all = number.checked_mul(seconds).filter(|all| (1..=10 * 366 * 86_400).contains(all));
    all.ok_or_else(wrong)
}

const RELAY_HELP: &str = "\
A relay has targets on one side and browsers on the other. A target registers itself when its
stack file says
  control: {registration: {relay: /run/user/1000/tokio-supervisor/relay.sock}}
and is followed from then on. A relay that was killed follows its targets again at once.

A file that is enough for one person at one machine:
  version: 1

One for several people:
  version: 1
  listen: 10.0.0.7:9900
  names: [\"relay.example:9900\"]
  tls: {cert: relay.pem, key: relay.key, client_ca: clients.pem}
  tokens:
    - {name: ann, sha256: 3f…, expires: 2027-01-31}
  roles:
    - {identity: ann, targets: \"shop-*\", role: operator}
    - {identity: \"*\", role: viewer}

On an address of loopback it prints a link by which the person at this terminal signs in, once
and within ten minutes.

SIGHUP reads the file again: certificates, tokens and roles hold from then on, and a new link is
printed. A file with a mistake changes nothing. What else the file says holds after a restart.
SIGTERM and SIGINT stop the relay; the commands that run are finished first.

Exit codes:
  0   asked to stop; with --check: the file is good
  1   the relay failed
  2   the command line is wrong
  66  the file cannot be read
  73  an address, the registration socket or a directory is not to be had; nothing was started
  78  the file is invalid, or a certificate or key that it names

Examples:
  supervisor relay relay.yaml
  supervisor relay --check relay.yaml
  supervisor relay token ann --expires 30d
  supervisor relay schema > relay.schema.json";

const TOKEN_HELP: &str = "\
The token is shown this once. The file has its digest, from which nobody makes the token.

Example:
  supervisor relay token ann --expires 12h";

const SCHEMA_HELP: &str = "\
Many editors complete and check YAML with it. With the YAML language server, save it beside the
file and write as the file's first line:
  # yaml-language-server: $schema=relay.schema.json

Example:
  supervisor relay schema > relay.schema.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_and_a_unit() {
        for (text, seconds) in [("12h", 43_200), ("30d", 2_592_000), ("8w", 4_838_400)] {
            assert_eq!(lifetime(text), Ok(seconds), "{text}");
        }
        for bad in
            ["", "d", "0d", "30", "-1d", "30m", "1.5d", "99999999999999999999d", "400000d", "30D", "3ä"]
        {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
