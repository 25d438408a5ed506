//! What the certificate of a client says of who it is. That it is trusted was found before, by its signatures.

use std::fmt;
use std::sync::Arc;

use supervisor_api::wire::UnixNanos;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::DirectoryString;

use super::mapping::is_name;
use super::secret::Fingerprint;

/// The common name in a subject (RFC 4519, 2.3).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Why the certificate of a client names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nameless {
    #[error("it cannot be read")]
    Unreadable,
    #[error("its subject has not exactly one common name that can be the name of somebody")]
    NoName,
}

/// The certificate of a client.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(super) name: Arc<str>,
    pub(super) fingerprint: Fingerprint,
    pub(super) until: UnixNanos,
}

impl Certificate {
    /// Reads what it says.
    pub(crate) fn read(der: &[u8]) -> Result<Self, Nameless> {
        let read = x509_cert::Certificate::from_der(der).map_err(|_| Nameless::Unreadable)?;
        let said = read.tbs_certificate();
        // Which of several was meant would be a guess.
        let mut names = said.subject().iter().filter(|attribute| attribute.oid == COMMON_NAME);
        let only = names.next().filter(|_| names.next().is_none()).ok_or(Nameless::NoName)?;
        let name = DirectoryString::try_from(&only.value).map_err(|_| Nameless::NoName)?;
        let name = Some(name.value()).filter(|name| is_name(name)).ok_or(Nameless::NoName)?;
        let until = said.validity().not_after.to_unix_duration().as_nanos();
        Ok(Self {
            name: name.as_ref().into(),
            fingerprint: Fingerprint::of(der),
            until: UnixNanos(u64::try_from(until).unwrap_or(u64::MAX)),
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.name, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, date_time_ymd};

    use super::*;

    fn of(names: &[(DnType, DnValue)]) -> Result<Certificate, Nameless> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        names.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), value.clone()));
        params.not_after = date_time_ymd(2100, 1, 1);
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::read(der.der())
    }

    fn common(name: &str) -> (DnType, DnValue) {
        (DnType::CommonName, DnValue::Utf8String(name.to_owned()))
    }

    #[test]
    fn s20_a_certificate_has_the_name_and_the_end_that_are_in_it() {
        let other = (DnType::OrganizationName, DnValue::Utf8String("bob".to_owned()));
        let read = of(&[other.clone(), common("Ann Ő. Smith")]).unwrap();
        assert_eq!(&*read.name, "Ann Ő. Smith");
        assert_eq!(read.until, UnixNanos(4_102_444_800_000_000_000));
        let printable = DnValue::PrintableString("ann".try_into().unwrap());
        assert_eq!(&*of(&[(DnType::CommonName, printable)]).unwrap().name, "ann");
        for nobody in
            [&[][..], &[other], &[common("")], &[common(" ")], &[common("ann\nroot")], &[common("\u{0}")]]
        {
            assert_eq!(of(nobody).unwrap_err(), Nameless::NoName, "{nobody:?}");
        }
        assert_eq!(of(&[common(&"x".repeat(257))]).unwrap_err(), Nameless::NoName);
    }

    #[test]
    fn s20_a_certificate_with_two_names_or_none_that_can_be_read_names_nobody() {
        // The generator writes each kind of name once, so the second is written by hand over another one.
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "ann");
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 4]), "bob");
        let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut der = signed.der().to_vec();
        assert_eq!(&*Certificate::read(&der).unwrap().name, "ann");
        while let Some(at) = der.windows(5).position(|bytes| bytes == [6, 3, 85, 4, 4]) {
            der[at + 4] = 3;
        }
        assert_eq!(Certificate::read(&der).unwrap_err(), Nameless::NoName);
        for bytes in
            [&der[..der.len() - 1], &der[1..], b"", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30; 65_536]]
        {
            assert_eq!(Certificate::read(bytes).unwrap_err(), Nameless::Unreadable);
        }
    }
}
