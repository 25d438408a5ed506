//! Secrets that prove who somebody is. They are made of 256 random bits, and only their digests are kept.

use std::fmt::Write as _;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A secret that somebody may show to prove who it is. `Debug` shows nothing, and its memory is wiped.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// 256 bits from the kernel, as 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When the kernel has no randomness to give.
    pub fn fresh() -> io::Result<Self> {
        let mut bits = Zeroizing::new([0_u8; 32]);
        let got = getrandom(&mut bits[..], GetRandomFlags::empty())?;
        if got != bits.len() {
            return Err(io::Error::other("the kernel gave too little randomness"));
        }
        Ok(Self(hex(&bits[..]).into()))
    }

    /// The text, for whoever may know it. Never to be logged or put into the part of an address that is sent.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// The SHA-256 of the text in hexadecimal, which is what a file holds of a bearer token.
    pub fn sha256(&self) -> String {
        self.digest().hex()
    }

    pub(super) fn digest(&self) -> Fingerprint {
        Fingerprint::of(self.reveal())
    }
}

impl From<String> for Secret {
    /// A secret that was made elsewhere.
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// The SHA-256 of a secret or of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub(super) fn hex(self) -> String {
        hex(&self.0)
    }

    /// Reads 64 hexadecimal digits, also with a colon between each two, as programs show certificates.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let has_colons = digits.len() != text.len();
        if digits.len() != 64 || has_colons && !text.split(':').all(|pair| pair.len() == 2) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit =
                |at: usize| char::from(pair[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(0)? << 4 | digit(1)?;
        }
        Some(Self(bytes))
    }
}

impl ConstantTimeEq for Fingerprint {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Enough to tell two apart.
        write!(f, "{}…", hex(&self.0[..4]))
    }
}

fn hex(bytes: &[u8]) -> String {
    // As long as it will be, so that no shorter copy is left behind in memory.
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_a_secret_has_256_bits_and_is_shown_by_nothing_but_its_own_word() {
        let (one, other) = (Secret::fresh().unwrap(), Secret::fresh().unwrap());
        assert_eq!(one.reveal().len(), 64);
        assert_ne!(one.reveal(), other.reveal());
        assert!(!format!("{one:?} {:?}", one.digest()).contains(&one.reveal()[..8]));
        assert!(!format!("{:?}", one.digest()).contains(&one.sha256()[..12]));
    }

    #[test]
    fn s20_a_digest_is_read_as_files_and_other_programs_write_it() {
        let secret = Secret::fresh().unwrap();
        let text = secret.sha256();
        let pairs: Vec<&str> = (0..32).map(|at| &text[2 * at..2 * at + 2]).collect();
        for good in [text.clone(), text.to_uppercase(), pairs.join(":")] {
            assert_eq!(Fingerprint::read(&good), Some(secret.digest()), "{good}");
        }
        for bad in
            ["", "x", &text[1..], &format!("{text}0"), &format!(":{text}"), &text.replace(&text[..1], "g")]
        {
            assert_eq!(Fingerprint::read(bad), None, "{bad}");
        }
    }
}
