//! Signed tree heads: checkpoints as signed notes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::hash::Hash;

/// Ed25519, in the numbering of signed notes.
const ED25519: u8 = 1;
/// What a line with a signature begins with: an em dash and a blank.
const MARK: &str = "— ";

/// A tree head: the text that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log, `voxledger/log/<uuid>`.
    pub origin: String,
    /// Number of leaves in the tree.
    pub size: u64,
    /// Merkle root over these leaves.
    pub root: Hash,
}

/// A tree head and the signatures below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    pub checkpoint: Checkpoint,
    text: String,
    signatures: Vec<(String, Vec<u8>)>,
}

/// Why a signed note is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("this is not a signed checkpoint")]
    Malformed,
    /// The text is not a verifier key.
    #[error("a verifier key is <name>+<8 hexadecimal digits>+<base64>")]
    Key,
    /// No signature is by this key.
    #[error("it is not signed by this key")]
    Unsigned,
    /// The signature by this key does not match the text.
    #[error("the signature does not fit the checkpoint")]
    Forged,
    /// The checkpoint names another log.
    #[error("it is about another log")]
    Origin,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        let end = note.find("\n\n").ok_or(NoteError::Malformed)? + 1;
        let (text, signed) = (&note[..end], &note[end + 1..]);
        let mut lines = text.lines();
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::Malformed);
        let (origin, size, root) = (line()?.to_owned(), line()?, line()?);
        let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
        let size = number.ok_or(NoteError::Malformed)?;
        let root = root.parse().map_err(|_| NoteError::Malformed)?;
        if !signed.ends_with('\n') {
            return Err(NoteError::Malformed);
        }
        let signature = |line: &str| -> Option<(String, Vec<u8>)> {
            let (name, signature) = line.strip_prefix(MARK)?.split_once(' ')?;
            Some((name.to_owned(), STANDARD.decode(signature).ok().filter(|bytes| bytes.len() > 4)?))
        };
        let signatures: Option<Vec<_>> = signed.lines().map(signature).collect();
        let signatures = signatures.filter(|all| !all.is_empty()).ok_or(NoteError::Malformed)?;
        Ok(Self { checkpoint: Checkpoint { origin, size, root }, text: text.to_owned(), signatures })
    }
}

/// Reads the notes of a file that holds one or several, one after the other. Fails with [`NoteError::Malformed`]
/// when one of them is not a checkpoint.
pub fn checkpoints_in(text: &str) -> Result<Vec<SignedCheckpoint>, NoteError> {
    let (mut notes, mut note, mut signed) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if signed && !line.starts_with(MARK) {
            notes.push(std::mem::take(&mut note).parse()?);
            signed = false;
        }
        if note.is_empty() && line.is_empty() {
            continue;
        }
        signed |= line.starts_with(MARK);
        note.push_str(line);
        note.push('\n');
    }
    if !note.is_empty() {
        notes.push(note.parse()?);
    }
    Ok(notes)
}

/// A public key and its name, to check signatures. Its text is the verifier key of signed notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: VerifyingKey,
}

impl NoteVerifier {
    /// The name of the key: the origin of the log it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, &self.key)
    }

    /// Checks that a head is of this key's log and signed by this key.
    pub fn verify(&self, note: &SignedCheckpoint) -> Result<(), NoteError> {
        if note.checkpoint.origin != self.name {
            return Err(NoteError::Origin);
        }
        let mine = note.signatures.iter().find(|(name, bytes)| *name == self.name && bytes[..4] == self.id());
        let (_, bytes) = mine.ok_or(NoteError::Unsigned)?;
        let signature = Signature::from_slice(&bytes[4..]).map_err(|_| NoteError::Forged)?;
        self.key.verify_strict(note.text.as_bytes(), &signature).map_err(|_| NoteError::Forged)
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        // base64 has plus signs of its own
        let mut parts = text.trim().splitn(3, '+');
        let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or(NoteError::Key);
        let (name, id, key) = (part()?.to_owned(), part()?, part()?);
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let (ED25519, Ok(key)) = (*bytes.first().ok_or(NoteError::Key)?, <[u8; 32]>::try_from(&bytes[1..]))
        else {
            return Err(NoteError::Key);
        };
        let key = VerifyingKey::from_bytes(&key).map_err(|_| NoteError::Key)?;
        let verifier = Self { name, key };
        let right = u32::from_str_radix(id, 16).is_ok_and(|id| id.to_be_bytes() == verifier.id());
        if right && id.len() == 8 { Ok(verifier) } else { Err(NoteError::Key) }
    }
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// A private key and its name, to sign tree heads. `Debug` hides the key.
#[derive(Clone)]
pub struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl NoteSigner {
    /// A signer whose Ed25519 key is made of `secret`.
    #[must_use]
    pub fn new(name: String, secret: &[u8; 32]) -> Self {
        Self { name, key: SigningKey::from_bytes(secret) }
    }

    /// The public half of the key.
    #[must_use]
    pub fn verifier(&self) -> NoteVerifier {
        NoteVerifier { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Signs a head and answers the signed note. The same head always gives the same bytes:
    /// Ed25519 takes no randomness.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint { origin: self.name.clone(), size, root }.to_string();
        let mut bytes = key_id(&self.name, &self.key.verifying_key()).to_vec();
        bytes.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n{MARK}{} {}\n", self.name, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<signer {}>", self.name)
    }
}
