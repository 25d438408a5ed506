//! Certificates to try TLS with, on one machine or among friends. They are no replacement for an authority that somebody
//! looks after.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::ServerName;
use secrecy::zeroize::Zeroizing;

use super::mapping::is_name;
use crate::clock;

/// How long they are good, in days. Browsers refuse servers whose certificate is good for longer.
const DAYS: i64 = 397;

/// What was made: where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DevCertificates {
    /// The authority that has signed the others. Clients trust it, and the relay takes clients whom it has signed.
    pub authority: DevIdentity,
    /// For the relay.
    pub server: DevIdentity,
    /// For each client that was named, in that order.
    pub clients: Vec<DevIdentity>,
    /// The last day on which all are good, as `2030-12-31`.
    pub until: String,
}

/// A certificate and its key, both PEM. The key is readable by its owner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DevIdentity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// Why there are no certificates. None of the files was made then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevCertificateError {
    /// It would have overwritten something.
    #[error("{} is there already and is not overwritten; take another directory, or remove it yourself", .0.display())]
    Exists(PathBuf),
    /// No file can be called like a client.
    #[error(
        "a client cannot be called {0:?}, because its files are; take 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter, a digit or _, and not ca or server"
    )]
    BadClient(String),
    /// No server can have this name.
    #[error("no server can be called {0:?}; name hosts such as localhost or 127.0.0.1")]
    BadHost(String),
    /// The files cannot be written.
    #[error("cannot write {}: {error}", .path.display())]
    Refused {
        /// The file or the directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The arithmetic failed.
    #[error("no certificate could be made: {0}")]
    Failed(String),
}

/// Makes an authority (`ca.pem`), a server with these hosts (`server.pem`), and a client for each name (`NAME.pem`), with
/// their keys (`.key`), in a directory that is made when it is missing. They are good for 397 days.
///
/// The name of a client is the common name in its certificate, so it is an identity of a [`Mapping`](super::Mapping).
///
/// # Errors
///
/// When a name cannot be used, a file is there already, or cannot be written. Nothing is overwritten.
pub fn dev_certificates(
    directory: &Path,
    hosts: &[&str],
    clients: &[&str],
) -> Result<DevCertificates, DevCertificateError> {
    clients.iter().try_for_each(|client| fit_for_a_file(client))?;
    let days = Days::from_today();
    let mut files = Files::new(directory);

    let mut params = params("Development authority", days);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, key()?).map_err(failed)?;
    let authority_files = files.add("ca", authority.pem(), authority.key());

    let params = server(hosts, days)?;
    let server = signed(&mut files, "server", params, &authority)?;
    let clients = clients.iter().map(|name| {
        let mut params = self::params(name, days);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        signed(&mut files, name, params, &authority)
    });
    let clients = clients.collect::<Result<_, _>>()?;
    files.write()?;
    Ok(DevCertificates { authority: authority_files, server, clients, until: days.last.to_string() })
}

/// The days on which they are good.
#[derive(Debug, Clone, Copy)]
struct Days {
    first: Date,
    last: Date,
    over: Date,
}

impl Days {
    fn from_today() -> Self {
        let now = Timestamp::from_nanosecond(clock::now().0.into()).unwrap_or_default();
        let first = now.to_zoned(TimeZone::UTC).date();
        let over = first.saturating_add(DAYS.days());
        Self { first, last: over.saturating_sub(1.day()), over }
    }
}

fn server(hosts: &[&str], days: Days) -> Result<CertificateParams, DevCertificateError> {
    let bad = |host: &str| DevCertificateError::BadHost(host.to_owned());
    let mut params = params(hosts.first().ok_or_else(|| bad(""))?, days);
    for host in hosts {
        ServerName::try_from(*host).map_err(|_| bad(host))?;
        let named = CertificateParams::new([(*host).to_owned()]).map_err(|_| bad(host))?;
        params.subject_alt_names.extend(named.subject_alt_names);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn params(name: &str, days: Days) -> CertificateParams {
    let midnight = |date: Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (midnight(days.first), midnight(days.over));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn signed(
    files: &mut Files,
    name: &str,
    params: CertificateParams,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> Result<DevIdentity, DevCertificateError> {
    let key = key()?;
    let certificate = params.signed_by(&key, authority).map_err(failed)?;
    Ok(files.add(name, certificate.pem(), &key))
}

fn key() -> Result<KeyPair, DevCertificateError> {
    KeyPair::generate().map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: rcgen::Error) -> DevCertificateError {
    DevCertificateError::Failed(error.to_string())
}

fn fit_for_a_file(client: &str) -> Result<(), DevCertificateError> {
    let begins = |first: char| first.is_ascii_alphanumeric() || first == '_';
    let goes_on = |c: char| begins(c) || c == '.' || c == '-';
    let is_fit = is_name(client)
        && client.len() <= 64
        && client.starts_with(begins)
        && client.chars().all(goes_on)
        && !["ca", "server"].contains(&client);
    if is_fit { Ok(()) } else { Err(DevCertificateError::BadClient(client.to_owned())) }
}

/// What will be written, all of it or nothing.
struct Files<'a> {
    directory: &'a Path,
    all: Vec<File>,
}

struct File {
    path: PathBuf,
    text: Zeroizing<String>,
    mode: u32,
}

impl<'a> Files<'a> {
    fn new(directory: &'a Path) -> Self {
        Self { directory, all: Vec::new() }
    }

    fn add(&mut self, name: &str, certificate: String, key: &KeyPair) -> DevIdentity {
        let path = |ending: &str| self.directory.join(format!("{name}.{ending}"));
        let made = DevIdentity { certificate: path("pem"), key: path("key") };
        let text = Zeroizing::new(key.serialize_pem());
        self.all.push(File { path: made.key.clone(), text, mode: 0o600 });
        self.all.push(File {
            path: made.certificate.clone(),
            text: Zeroizing::new(certificate),
            mode: 0o644,
        });
        made
    }

    fn write(&self) -> Result<(), DevCertificateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(self.directory);
        made.map_err(|error| refused(self.directory, error))?;
        for (at, file) in self.all.iter().enumerate() {
            if let Err(error) = file.write() {
                // What was made a moment ago is of no use without the rest.
                self.all[..at].iter().for_each(|file| drop(std::fs::remove_file(&file.path)));
                return Err(error);
            }
        }
        Ok(())
    }
}

impl File {
    fn write(&self) -> Result<(), DevCertificateError> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(self.mode).open(&self.path);
        let mut file = opened.map_err(|error| refused(&self.path, error))?;
        let written = file.write_all(self.text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| {
            drop(std::fs::remove_file(&self.path));
            refused(&self.path, error)
        })
    }
}

fn refused(path: &Path, error: io::Error) -> DevCertificateError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::AlreadyExists => DevCertificateError::Exists(path),
        _ => DevCertificateError::Refused { path, error },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn files(directory: &Path) -> Vec<String> {
        let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn s23_development_keys_are_readable_by_their_owner_alone_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a/certs");
        let made = dev_certificates(&directory, &["localhost", "127.0.0.1"], &["ann", "bob"]).unwrap();
        assert_eq!(
            files(&directory),
            ["ann.key", "ann.pem", "bob.key", "bob.pem", "ca.key", "ca.pem", "server.key", "server.pem"]
        );
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for identity in [&made.authority, &made.server, &made.clients[0], &made.clients[1]] {
            assert_eq!(mode(&identity.key), 0o600);
        }
        assert_eq!(mode(&directory), 0o700);

        let other = folder.path().join("b");
        std::fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", other.join("bob.pem")).unwrap();
        let refused = dev_certificates(&other, &["localhost"], &["ann", "bob"]).unwrap_err();
        assert!(
            matches!(&refused, DevCertificateError::Exists(path) if path.ends_with("bob.pem")),
            "{refused}"
        );
        assert_eq!(files(&other), ["bob.pem"], "what was made before is gone, and the link is as it was");
    }

    #[test]
    fn s23_names_that_are_no_files_or_no_hosts_make_no_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let made = |hosts: &[&str], client: &str| dev_certificates(folder.path(), hosts, &[client]);
        for client in ["", ".", "..", "../ann", "a/b", "-x", "ca", "server", "a b", "ann\0", "é"] {
            let refused = made(&["localhost"], client).unwrap_err();
            assert!(matches!(refused, DevCertificateError::BadClient(_)), "{client:?}: {refused}");
        }
        for hosts in [&[][..], &[""], &["localhost", "a b"], &["http://localhost"], &["localhost:80"]] {
            let refused = made(hosts, "ann").unwrap_err();
            assert!(matches!(refused, DevCertificateError::BadHost(_)), "{hosts:?}: {refused}");
        }
        assert!(files(folder.path()).is_empty());
    }
}
