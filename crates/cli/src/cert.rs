//! `supervisor cert DIR`.

use supervisor_relay::{DevIdentity, dev_certificates};

use crate::args::CertArgs;
use crate::exit::Exit;
use crate::print;

/// Makes certificates for development.
pub(crate) fn cert(args: &CertArgs) -> Exit {
    let hosts: Vec<&str> = args.name.iter().map(String::as_str).collect();
    let clients: Vec<&str> = args.client.iter().map(String::as_str).collect();
    let made = match dev_certificates(&args.dir, &hosts, &clients) {
        Ok(made) => made,
        Err(error) => {
            print::err(&format!("supervisor: {error}\n"));
            return Exit::Failed;
        }
    };
    let line = |what: &str, identity: &DevIdentity| {
        let DevIdentity { certificate, key, .. } = identity;
        print::out(&format!("{what}: {} and {}\n", certificate.display(), key.display()));
    };
    line("authority", &made.authority);
    line("relay", &made.server);
    clients.iter().zip(&made.clients).for_each(|(name, identity)| line(&format!("client {name}"), identity));
    let (cert, key) = (made.server.certificate.display(), made.server.key.display());
    let ca = made.authority.certificate.display();
    print::out(&format!(
        "\nThey are good until {}, and for development: who has the authority's key can name anybody.\n\
         In the relay's file:\n  tls: {{cert: {cert}, key: {key}, client_ca: {ca}}}\n",
        made.until
    ));
    Exit::Good
}
