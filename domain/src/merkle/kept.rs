//! A head of the log that is kept apart from it, under a key that a writer of the log does not have.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::hash::{EMPTY_ROOT, Hash};

/// Domain separation: the input of the HMAC begins with these bytes, so that no other use of the key can
/// be mistaken for it.
const DOMAIN: &[u8] = b"voxledger/kept-head/v1";

/// The newest sealed head, as the key store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptHead {
    /// Id of the log; nil while `size` is 0.
    pub log: Uuid,
    /// Number of events it covers. 0: the log was empty, and nothing of it was sealed yet.
    pub size: u64,
    /// Merkle root over these events.
    pub root: Hash,
}

impl KeptHead {
    /// What is kept for a log without events.
    pub const NOTHING: Self = Self { log: Uuid::nil(), size: 0, root: EMPTY_ROOT };

    /// HMAC-SHA256 of the head under `key`.
    #[must_use]
    pub fn code(&self, key: &[u8; 32]) -> [u8; 32] {
        self.mac(key).map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default()
    }

    /// Whether `code` is the HMAC of this head under `key`; takes the same time whatever the code is.
    #[must_use]
    pub fn is_authentic(&self, key: &[u8; 32], code: &[u8]) -> bool {
        self.mac(key).is_some_and(|mac| mac.verify_slice(code).is_ok())
    }

    fn mac(&self, key: &[u8; 32]) -> Option<Hmac<Sha256>> {
        // HMAC takes a key of any length, so this cannot fail
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(DOMAIN);
        mac.update(self.log.as_bytes());
        mac.update(&self.size.to_be_bytes());
        mac.update(&self.root.0);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_one_head_and_one_key() {
        let head = KeptHead { log: Uuid::from_u128(7), size: 300, root: Hash([9; 32]) };
        let code = head.code(&[1; 32]);
        assert!(head.is_authentic(&[1; 32], &code));
        assert!(!head.is_authentic(&[2; 32], &code));
        assert!(!head.is_authentic(&[1; 32], &code[..31]));
        for other in [
            KeptHead { log: Uuid::from_u128(8), ..head },
            KeptHead { size: 301, ..head },
            KeptHead { root: Hash([8; 32]), ..head },
        ] {
            assert!(!other.is_authentic(&[1; 32], &code), "{other:?}");
        }
    }
}
