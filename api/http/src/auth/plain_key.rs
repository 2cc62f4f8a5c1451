//! API keys in plain text: `vx_`, 43 characters of base62, 8 hexadecimal digits of checksum.
//!
//! The 43 characters hold 256 random bits. The checksum is the beginning of the SHA-256 of everything before it: it
//! tells a typo from an unknown key without a look-up, and anybody can make a key by hand.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Secret;
use projections::api_keys::KeyHash;

const PREFIX: &str = "vx_";
const BODY: usize = 43;
const CHECKSUM: usize = 8;
const LENGTH: usize = PREFIX.len() + BODY + CHECKSUM;
/// Number of leading characters of a key that may be shown.
const SHOWN: usize = 10;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key as its owner holds it, known to be well formed. `Debug` hides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainKey(Secret);

/// The text is not an API key, or has a typo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct MalformedKey;

impl PlainKey {
    /// Makes a key of 256 random bits.
    pub fn generate(random: impl FnOnce() -> [u8; 32]) -> Self {
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        let mut number = random();
        for _ in 0..BODY {
            text.push(char::from(BASE62[usize::from(divide_by_62(&mut number))]));
        }
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.iter().map(|&digit| char::from(digit)));
        Self(Secret::new(text))
    }

    /// Fails when the form or the checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        check(text)?;
        Ok(Self(Secret::new(text)))
    }

    /// SHA-256 of the key, which is stored in its place.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        hash(self.0.reveal())
    }

    /// The first 10 characters, to recognise it by. Everything after them stays secret.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.0.reveal()[..SHOWN]
    }

    /// The key itself, to be shown to its owner once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// Reads a key out of a request and hashes it, without keeping a copy.
pub(super) fn hash_of(text: &str) -> Result<KeyHash, MalformedKey> {
    check(text)?;
    Ok(hash(text))
}

fn hash(text: &str) -> KeyHash {
    KeyHash(Sha256::digest(text.as_bytes()).into())
}

fn check(text: &str) -> Result<(), MalformedKey> {
    let bytes = text.as_bytes();
    if bytes.len() != LENGTH || !bytes.starts_with(PREFIX.as_bytes()) {
        return Err(MalformedKey);
    }
    let (key, sum) = bytes.split_at(LENGTH - CHECKSUM);
    let right = key[PREFIX.len()..].iter().all(u8::is_ascii_alphanumeric);
    (right && bool::from(checksum(key).ct_eq(sum))).then_some(()).ok_or(MalformedKey)
}

/// The first 8 hexadecimal digits of the SHA-256 of `key`.
fn checksum(key: &[u8]) -> [u8; CHECKSUM] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(key);
    std::array::from_fn(|n| HEX[usize::from(digest[n / 2] >> (4 - 4 * (n % 2)) & 15)])
}

/// Divides a big-endian number in place and answers the remainder.
fn divide_by_62(number: &mut [u8; 32]) -> u8 {
    let mut remainder: u16 = 0;
    for byte in number {
        let value = remainder << 8 | u16::from(*byte);
        *byte = (value / 62) as u8;
        remainder = value % 62;
    }
    remainder as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_read_back_and_shows_only_its_beginning() {
        let key = PlainKey::generate(|| [7; 32]);
        assert_eq!(PlainKey::parse(key.reveal()), Ok(key.clone()));
        assert_eq!(key.reveal().len(), 54);
        assert_eq!(key.shown().len(), 10);
        assert!(!format!("{key:?}").contains(key.shown()));
    }

    #[test]
    fn all_256_bits_are_in_the_key() {
        let zero = PlainKey::generate(|| [0; 32]);
        for bit in 0..256 {
            let mut random = [0; 32];
            random[bit / 8] = 1 << (bit % 8);
            assert_ne!(PlainKey::generate(|| random), zero, "bit {bit}");
        }
        // the largest number fits its 43 digits: nothing remains
        let mut largest = [255; 32];
        for _ in 0..BODY {
            divide_by_62(&mut largest);
        }
        assert_eq!(largest, [0; 32]);
    }

    #[test]
    fn the_checksum_is_the_beginning_of_the_sha256_of_what_stands_before_it() {
        // printf %s vx_0000000000000000000000000000000000000000000 | sha256sum | cut -c1-8
        let key = format!("vx_{}", "0".repeat(43));
        let text = format!("{key}8df72f43");
        assert_eq!(PlainKey::generate(|| [0; 32]).reveal(), text);
    }

    #[test]
    fn every_typo_is_noticed() {
        let key = PlainKey::generate(|| std::array::from_fn(|n| n as u8));
        let text = key.reveal();
        for place in 0..text.len() {
            let mut typo = text.as_bytes().to_vec();
            typo[place] = if typo[place] == b'a' { b'b' } else { b'a' };
            assert_eq!(PlainKey::parse(std::str::from_utf8(&typo).unwrap()), Err(MalformedKey), "{place}");
        }
        for bad in ["", "vx_", &text[..53], &format!("{text}0"), &text.to_uppercase(), "vx_é"] {
            assert_eq!(PlainKey::parse(bad), Err(MalformedKey), "{bad}");
        }
    }
}
