//! What a command said, as a number to compare.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 over user, command id and body of a command.
///
/// Nobody reads the body out of it. Only a secret that is short enough to be guessed could be tried, by somebody who
/// has the audit; one that is named by `secret_ref` is not in the body at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyDigest([u8; 32]);

impl BodyDigest {
    /// Of a command of this user. `body` is what makes two commands with one id the same.
    pub(crate) fn of(uid: u32, command_id: &str, body: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(uid.to_be_bytes());
        // The length keeps id and body apart.
        hash.update((command_id.len() as u64).to_be_bytes());
        hash.update(command_id);
        hash.update(body);
        Self(hash.finalize().into())
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s11_a_digest_reads_back_and_nothing_else_does() {
        let digest = BodyDigest::of(7, "c", "{}");
        let text = digest.to_string();
        assert_eq!(BodyDigest::parse(&text), Some(digest));
        for bad in ["", &text[1..], &format!("{text}0"), &text.to_uppercase(), &"ä".repeat(32)] {
            assert_eq!(BodyDigest::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn s11_user_id_and_body_each_change_the_digest_and_do_not_run_together() {
        let all = [
            BodyDigest::of(7, "c", "{}"),
            BodyDigest::of(8, "c", "{}"),
            BodyDigest::of(7, "d", "{}"),
            BodyDigest::of(7, "c", "{ }"),
            BodyDigest::of(7, "c{", "}"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}");
        }
    }
}
