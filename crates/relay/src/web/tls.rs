//! TLS at the door (`security.md` 20, 23): version 1.3 alone, with certificates of clients if they are asked for.
//!
//! A session is not resumed without its handshake: a certificate is looked at each time somebody connects. When the files
//! are read anew, the certificates of those who are connected are looked at again, too.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock;
use crate::identity::{Certificate, Fingerprint, Identities};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The most bytes of a file.
const FILE: u64 = 8 << 20;

/// Where what TLS needs is. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the relay, and those that lead from it to one that clients trust.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// What clients show.
    pub clients: ClientCertificates,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Unused,
    /// Who shows one is who it says. Others have to show a token.
    Optional(ClientAuthorities),
    /// Who shows none is not connected to.
    Required(ClientAuthorities),
}

/// Whose signature makes the certificate of a client a proof.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientAuthorities {
    /// The certificates of those who sign.
    pub authorities: PathBuf,
    /// Lists of certificates that were revoked. When there is one, there has to be one of everybody who has signed
    /// anything on the way to a client. A list that should have been replaced by a newer one still counts.
    pub revoked: Vec<PathBuf>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// There is nothing of that kind in a file.
    #[error("{} has no {missing} in it that can be read; it is to be PEM, with lines of BEGIN and END", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
    /// What is in the files does not fit together.
    #[error("{} cannot be used: {why}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// TLS for a [`Door`](super::Door). Clones are the same.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    identities: Identities,
    now: watch::Sender<Arc<Current>>,
}

/// What the files said when they were read last.
struct Current {
    acceptor: TlsAcceptor,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// The certificates that somebody has shown, its own first, and what that says.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) certificate: Arc<Certificate>,
    chain: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// Reads the files. It waits for the disk. Certificates that `identities` refuses are refused in the handshake.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or what is in it cannot be used.
    pub fn read(files: TlsFiles, identities: Identities) -> Result<Self, TlsError> {
        let now = watch::Sender::new(Arc::new(Current::read(&files, &identities)?));
        Ok(Self(Arc::new(Inner { files, identities, now })))
    }

    /// Reads the files again. It waits for the disk. Who is connected stays so, but for those whose certificate is not
    /// trusted any more: their sessions are closed with 4401.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or what is in it cannot be used. Then all stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let current = Current::read(&self.0.files, &self.0.identities)?;
        self.0.now.send_replace(Arc::new(current));
        Ok(())
    }

    /// Makes a connection one of TLS. `None`: the other did not want to, may not, or took too long.
    pub(super) async fn accept<S>(&self, stream: S) -> Option<(TlsStream<S>, Option<Shown>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = self.0.now.borrow().acceptor.clone();
        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(Shown::new);
                Some((stream, shown))
            }
            Ok(Err(error)) => {
                tracing::debug!("a handshake failed: {error}");
                None
            }
            Err(_) => None,
        }
    }

    /// Until what was shown is not trusted any more. Cancel safe.
    pub(super) async fn distrusts(&self, shown: &Shown) {
        let mut now = self.0.now.subscribe();
        loop {
            let current = Arc::clone(&now.borrow_and_update());
            if !current.trusts(shown) || now.changed().await.is_err() {
                return;
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files).finish()
    }
}

impl Shown {
    fn new(chain: &[CertificateDer<'_>]) -> Option<Self> {
        match Certificate::read(chain.first()?) {
            Ok(certificate) => {
                let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
                Some(Self { certificate: Arc::new(certificate), chain })
            }
            Err(error) => {
                tracing::warn!("a client showed a certificate that proves nothing: {error}");
                None
            }
        }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificate.fmt(f)
    }
}

impl Current {
    fn read(files: &TlsFiles, identities: &Identities) -> Result<Self, TlsError> {
        let clients = match &files.clients {
            ClientCertificates::Unused => None,
            ClientCertificates::Optional(authorities) => Some(verifier(authorities, true, identities)?),
            ClientCertificates::Required(authorities) => Some(verifier(authorities, false, identities)?),
        };
        let certificates: Vec<CertificateDer<'static>> = all(&files.certificate, "certificate")?;
        let key: PrivateKeyDer<'static> = one(&files.key, "private key")?;
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]);
        let builder = builder.map_err(|error| unfit(&files.certificate, &error))?;
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
        };
        let config = builder.with_single_cert(certificates, key);
        let mut config = config.map_err(|error| unfit(&files.certificate, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), clients })
    }

    fn trusts(&self, shown: &Shown) -> bool {
        let Some(clients) = &self.clients else { return false };
        let Some((first, others)) = shown.chain.split_first() else { return false };
        let now = UnixTime::since_unix_epoch(Duration::from_nanos(clock::now().0));
        clients.verify_client_cert(first, others, now).is_ok()
    }
}

/// Trusts clients whom these have signed, and whom nobody refuses.
fn verifier(
    of: &ClientAuthorities,
    is_optional: bool,
    identities: &Identities,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in all::<CertificateDer<'static>>(&of.authorities, "certificate")? {
        roots.add(authority).map_err(|error| unfit(&of.authorities, &error))?;
    }
    let mut revoked = Vec::new();
    for list in &of.revoked {
        revoked.extend(all::<CertificateRevocationListDer<'static>>(list, "list of revoked certificates")?);
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).with_crls(revoked);
    let builder = if is_optional { builder.allow_unauthenticated() } else { builder };
    let signed =
        builder.build().map_err(|error| unfit(of.revoked.first().unwrap_or(&of.authorities), &error))?;
    Ok(Arc::new(Clients { signed, identities: identities.clone() }))
}

/// Asks whoever knows about signatures, and then those who refuse a certificate by its fingerprint.
#[derive(Debug)]
struct Clients {
    signed: Arc<dyn ClientCertVerifier>,
    identities: Identities,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.signed.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signed.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.signed.verify_client_cert(end_entity, intermediates, now)?;
        if self.identities.refuses(Fingerprint::of(end_entity)) {
            return Err(CertificateError::Revoked.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

/// Who does the arithmetic.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn all<T: PemObject>(path: &Path, what: &'static str) -> Result<Vec<T>, TlsError> {
    let bytes = read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error })?;
    let found = T::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() { Err(TlsError::Empty { path: path.to_owned(), missing: what }) } else { Ok(found) }
}

fn one<T: PemObject>(path: &Path, what: &'static str) -> Result<T, TlsError> {
    let missing = || TlsError::Empty { path: path.to_owned(), missing: what };
    all(path, what)?.into_iter().next().ok_or_else(missing)
}

fn unfit(path: &Path, why: &impl ToString) -> TlsError {
    TlsError::Unfit { path: path.to_owned(), why: why.to_string() }
}

/// Reads a regular file, whole. A pipe never makes it wait.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE {
        return Err(io::Error::other(format!("it is larger than {} MiB", FILE >> 20)));
    }
    Ok(bytes)
}
