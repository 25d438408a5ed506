//! TLS at the door (`security.md` 20, 23).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use supervisor_relay::{
    ClientAuthorities, ClientCertificates, DevCertificates, DevIdentity, Door, Mapping, Names, Role, Secret,
    Tls, TlsError, TlsFiles, dev_certificates,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::place::{self, Browser, LONG, Place, TOKEN, bearer};

/// Whether certificates of clients are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Not,
    Optionally,
    Always,
}

/// A relay that speaks TLS, and the certificates of ann and bob.
pub(crate) struct Secure {
    pub(crate) place: Place,
    pub(crate) made: DevCertificates,
    pub(crate) tls: Tls,
    folder: tempfile::TempDir,
}

impl Secure {
    pub(crate) async fn new(asked: Asked) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = dev_certificates(folder.path(), &["127.0.0.1", "localhost"], &["ann", "bob"]).unwrap();
        Self::of(folder, made, asked, Vec::new()).await
    }

    async fn of(
        folder: tempfile::TempDir,
        made: DevCertificates,
        asked: Asked,
        revoked: Vec<PathBuf>,
    ) -> Self {
        let authorities = ClientAuthorities { authorities: made.authority.certificate.clone(), revoked };
        let clients = match asked {
            Asked::Not => ClientCertificates::Unused,
            Asked::Optionally => ClientCertificates::Optional(authorities),
            Asked::Always => ClientCertificates::Required(authorities),
        };
        let files =
            TlsFiles { certificate: made.server.certificate.clone(), key: made.server.key.clone(), clients };
        let mut tls = None;
        let place = Place::with(|port, identities| {
            let made = Tls::read(files, identities.clone()).unwrap();
            tls = Some(made.clone());
            Door::new(Names::of_tls(port), identities).with_tls(made)
        })
        .await;
        Self { place, made, tls: tls.unwrap(), folder }
    }

    fn url(&self) -> String {
        format!("wss://{}/ws", self.place.address())
    }

    /// A connection of somebody who trusts the authority and shows this.
    async fn connect(&self, shown: Option<&DevIdentity>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.made.authority.certificate).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => config.with_no_client_auth(),
            Some(shown) => {
                let chain = CertificateDer::pem_file_iter(&shown.certificate).unwrap().map(Result::unwrap);
                let key = PrivateKeyDer::from_pem_file(&shown.key).unwrap();
                config.with_client_auth_cert(chain.collect(), key).unwrap()
            }
        };
        let stream = TcpStream::connect(self.place.address()).await.unwrap();
        let name = ServerName::from(self.place.address().ip());
        timeout(LONG, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
    }

    pub(crate) async fn browser(
        &self,
        shown: Option<&DevIdentity>,
        headers: &[(&'static str, &str)],
    ) -> Browser {
        let stream = self.connect(shown).await.unwrap();
        Browser::over(Box::new(stream), &self.url(), headers).await.unwrap().0
    }

    /// Whether somebody who shows this is let as far as HTTP.
    async fn lets_in(&self, shown: Option<&DevIdentity>) -> bool {
        // The client is done before the server has looked, so it is asked for something.
        let Ok(mut stream) = self.connect(shown).await else { return false };
        let request =
            format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.place.address());
        let mut answer = String::new();
        let asked = async {
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_string(&mut answer).await
        };
        let asked = timeout(LONG, asked).await.unwrap();
        asked.is_ok() && answer.starts_with("HTTP/1.1 ")
    }
}

fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

fn fingerprint(certificate: &Path) -> String {
    let der = CertificateDer::from_pem_file(certificate).unwrap();
    openssl_like(&der)
}

/// As programs show fingerprints.
fn openssl_like(der: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[tokio::test]
async fn s20_a_certificate_is_an_identity_with_its_roles_and_a_token_beside_it_counts_more() {
    let secure = Secure::new(Asked::Optionally).await;
    let [ann, bob] = [&secure.made.clients[0], &secure.made.clients[1]];
    secure.place.identities.replace(
        place::mapping().with_certificate("bob", "operators").unwrap().with_role(
            "operators",
            "*",
            Role::Admin,
        ),
    );
    let hello = secure.browser(Some(ann), &[]).await.next().await;
    assert_eq!((hello["client_identity"].as_str(), hello["role"].as_str()), (Some("ann"), Some("operator")));
    let hello = secure.browser(Some(bob), &[]).await.next().await;
    assert_eq!(
        (hello["client_identity"].as_str(), hello["role"].as_str()),
        (Some("operators"), Some("admin"))
    );
    let token = bearer(TOKEN);
    let hello = secure.browser(Some(bob), &[("authorization", &token)]).await.next().await;
    assert_eq!(hello["client_identity"], "ann");
    let hello = secure.browser(None, &[("authorization", &token)]).await.next().await;
    assert_eq!(hello["client_identity"], "ann");
    assert_eq!(secure.browser(None, &[]).await.closed().await, 4401);
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(
        secure.browser(Some(ann), &wrong).await.closed().await,
        4401,
        "a certificate saves no wrong token"
    );
}

#[tokio::test]
async fn s20_where_certificates_are_required_nobody_comes_in_without_one_of_ours() {
    let secure = Secure::new(Asked::Always).await;
    assert!(secure.lets_in(Some(&secure.made.clients[0])).await);
    assert!(!secure.lets_in(None).await);
    let foreign = tempfile::tempdir().unwrap();
    let foreign =
        dev_certificates(foreign.path(), &["localhost"], &["ann"]).map(|made| (foreign, made)).unwrap();
    assert!(!secure.lets_in(Some(&foreign.1.clients[0])).await, "signed by somebody else");
    assert!(!secure.lets_in(Some(&secure.made.server)).await, "a server is no client");
    assert!(secure.lets_in(Some(&secure.made.clients[1])).await);
}

#[tokio::test]
async fn s20_a_certificate_refused_by_its_fingerprint_ends_its_session_and_comes_in_no_more() {
    let secure = Secure::new(Asked::Optionally).await;
    let [ann, bob] = [&secure.made.clients[0], &secure.made.clients[1]];
    let mut refused = secure.browser(Some(ann), &[]).await;
    let mut other = secure.browser(Some(bob), &[]).await;
    refused.next().await;
    other.next().await;
    let mapping = Mapping::new().without_certificate(&fingerprint(&ann.certificate)).unwrap();
    // Ann loses her role, too, but that she is nobody is said first. Bob was a viewer and is one.
    secure.place.identities.replace(mapping);
    assert_eq!(refused.closed().await, 4401);
    assert!(!secure.lets_in(Some(ann)).await);
    assert!(secure.lets_in(Some(bob)).await);
    other.hello("b").await;
    other.of("target_list").await;
}

/// An authority made by hand, because lists are signed with its key: its files, and itself.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("by-hand.pem"), issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned() }
    }

    fn client(&self, name: &str, serial: u64) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        let (certificate, file) =
            (self.folder.join(format!("{name}.crt")), self.folder.join(format!("{name}.k")));
        std::fs::write(&certificate, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&file, key.serialize_pem()).unwrap();
        (certificate, file)
    }

    fn revoke(&self, serials: &[u64]) -> PathBuf {
        let revoked_certs = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2024, 2, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.folder.join("revoked.pem");
        std::fs::write(&path, params.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        path
    }
}

#[tokio::test]
async fn s20_a_list_of_revoked_certificates_counts_at_once_when_it_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = dev_certificates(folder.path(), &["127.0.0.1"], &["ann", "bob"]).unwrap();
    let authority = Authority::new(folder.path());
    for (at, serial) in [(0, 7), (1, 8)] {
        let (certificate, key) = authority.client(["x", "y"][at], serial);
        (made.clients[at].certificate, made.clients[at].key) = (certificate, key);
    }
    // The server is of one authority, clients are of the other; each is known by whoever needs it.
    let both = folder.path().join("ca.pem");
    let server_authority = std::fs::read(&both).unwrap();
    std::fs::write(
        &both,
        [server_authority, std::fs::read(folder.path().join("by-hand.pem")).unwrap()].concat(),
    )
    .unwrap();
    let list = authority.revoke(&[]);
    let secure = Secure::of(folder, made, Asked::Always, vec![list]).await;
    let [x, y] = [&secure.made.clients[0], &secure.made.clients[1]];
    let mut revoked = secure.browser(Some(x), &[]).await;
    let mut other = secure.browser(Some(y), &[]).await;
    revoked.next().await;
    other.next().await;
    authority.revoke(&[7]);
    assert!(secure.lets_in(Some(x)).await, "nobody has read it yet");
    secure.tls.reload().unwrap();
    assert_eq!(revoked.closed().await, 4401);
    assert!(!secure.lets_in(Some(x)).await);
    other.hello("b").await;
    other.of("target_list").await;

    std::fs::write(secure.folder.path().join("revoked.pem"), "nothing").unwrap();
    assert!(matches!(secure.tls.reload(), Err(TlsError::Empty { .. })));
    assert!(!secure.lets_in(Some(x)).await && secure.lets_in(Some(y)).await, "all is as it was");
}

#[tokio::test]
async fn s23_new_certificates_are_shown_without_a_restart_and_who_is_there_stays() {
    let secure = Secure::new(Asked::Not).await;
    let token = bearer(TOKEN);
    let mut there = secure.browser(None, &[("authorization", &token)]).await;
    there.next().await;
    let shown = async || {
        let stream = secure.connect(None).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let before = shown().await;
    assert_eq!(openssl_like(&before), fingerprint(&secure.made.server.certificate));
    let others = tempfile::tempdir().unwrap();
    let others = dev_certificates(others.path(), &["127.0.0.1"], &[]).map(|made| (others, made)).unwrap();
    for (from, to) in [
        (&others.1.server.certificate, &secure.made.server.certificate),
        (&others.1.server.key, &secure.made.server.key),
        (&others.1.authority.certificate, &secure.made.authority.certificate),
    ] {
        std::fs::copy(from, to).unwrap();
    }
    secure.tls.reload().unwrap();
    assert_ne!(shown().await, before);
    there.hello("b").await;
    there.of("target_list").await;

    std::fs::copy(&others.1.authority.key, &secure.made.server.key).unwrap();
    let refused = secure.tls.reload().unwrap_err();
    assert!(refused.to_string().contains("server.pem"), "{refused}");
    assert_ne!(shown().await, before, "a key that does not fit changes nothing");
}

#[tokio::test]
async fn s23_files_that_cannot_be_used_are_named() {
    let secure = Secure::new(Asked::Not).await;
    let good = || TlsFiles {
        certificate: secure.made.server.certificate.clone(),
        key: secure.made.server.key.clone(),
        clients: ClientCertificates::Unused,
    };
    let folder = secure.folder.path();
    let nothing = folder.join("nothing.pem");
    std::fs::write(&nothing, "-----BEGIN CERTIFICATE-----\n!!!\n").unwrap();
    let required = |authorities: &Path| {
        ClientCertificates::Required(ClientAuthorities {
            authorities: authorities.to_owned(),
            revoked: Vec::new(),
        })
    };
    for (files, name) in [
        (TlsFiles { certificate: folder.join("none.pem"), ..good() }, "none.pem"),
        (TlsFiles { certificate: folder.to_owned(), ..good() }, folder.to_str().unwrap()),
        (TlsFiles { certificate: nothing.clone(), ..good() }, "nothing.pem"),
        (TlsFiles { key: good().certificate, ..good() }, "private key"),
        (TlsFiles { key: "/dev/zero".into(), ..good() }, "regular file"),
        (TlsFiles { key: secure.made.authority.key.clone(), ..good() }, "server.pem"),
        (TlsFiles { clients: required(&nothing), ..good() }, "nothing.pem"),
        (TlsFiles { clients: required(&secure.made.server.key), ..good() }, "no certificate"),
    ] {
        let refused = Tls::read(files, secure.place.identities.clone()).unwrap_err().to_string();
        assert!(refused.contains(name), "{name}: {refused}");
    }
}

#[tokio::test]
async fn s23_nothing_but_tls_1_3_is_spoken() {
    let secure = Secure::new(Asked::Not).await;
    assert!(secure.lets_in(None).await);
    // A hello of TLS 1.2, and plain HTTP.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    let plain = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", secure.place.address()).into_bytes();
    for bytes in [hello, plain] {
        let mut stream = TcpStream::connect(secure.place.address()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer.first(), Some(&0x15), "an alert: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s23_a_handshake_that_does_not_end_is_cut_after_five_seconds_and_delays_nobody() {
    let secure = Secure::new(Asked::Not).await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for bytes in [&b""[..], &[0x16, 3, 1, 2, 0]] {
        let mut stream = TcpStream::connect(secure.place.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        silent.push(stream);
    }
    for mut stream in silent {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }
}

#[tokio::test]
async fn s23_who_does_not_finish_a_handshake_holds_up_no_other() {
    let secure = Secure::new(Asked::Not).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(secure.place.address()).await.unwrap());
    }
    let began = Instant::now();
    assert!(secure.lets_in(None).await);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn s20_a_secret_is_in_no_answer_of_a_relay_that_speaks_tls() {
    let secure = Secure::new(Asked::Optionally).await;
    let fresh = Secret::fresh().unwrap();
    let offered = format!("tokio-supervisor.v1, {}", fresh.reveal());
    let stream = secure.connect(None).await.unwrap();
    let opened =
        Browser::over(Box::new(stream), &secure.url(), &[("sec-websocket-protocol", &offered)]).await;
    let (mut browser, response) = opened.unwrap();
    assert!(!format!("{response:?}").contains(fresh.reveal()));
    assert_eq!(browser.closed().await, 4401);
}
