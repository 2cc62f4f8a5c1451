//! The master key: 32 bytes from a file, the environment or an operator's own secret store.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

/// Bytes of an XChaCha20 nonce.
pub(super) const NONCE: usize = 24;

/// The key that wraps all other keys. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    bytes: [u8; 32],
    id: String,
}

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file could not be read or written.
    #[error("cannot use the master key file {path}")]
    File {
        path: String,
        #[source]
        error: io::Error,
    },
    /// The file's content is not a key.
    #[error("{path} does not hold base64 of 32 bytes")]
    Content { path: String },
    /// Other users than the owner may read the file.
    #[error("{path} may be read by others; `chmod 600` it")]
    Open { path: String },
}

impl MasterKey {
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let digest = Sha256::new().chain_update("voxledger master key\0").chain_update(bytes).finalize();
        let id = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, id }
    }

    /// 12 hexadecimal digits of a hash, which identify the key and reveal nothing of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Parses base64 of 32 bytes; `None` when the text is anything else.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text.trim()).ok()?.try_into().ok().map(Self::new)
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let shown = || path.display().to_string();
        let file = |error| MasterKeyError::File { path: shown(), error };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if fs::metadata(path).map_err(file)?.permissions().mode() & 0o077 != 0 {
                return Err(MasterKeyError::Open { path: shown() });
            }
        }
        let text = fs::read_to_string(path).map_err(file)?;
        Self::from_base64(&text).ok_or_else(|| MasterKeyError::Content { path: shown() })
    }

    /// Writes a new key file that only its owner may read, and flushes it to disk. Fails when the file exists already.
    pub fn write(&self, path: &Path) -> Result<(), MasterKeyError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let written = options.open(path).and_then(|mut file| {
            writeln!(file, "{}", STANDARD.encode(self.bytes))?;
            file.sync_all()
        });
        written.map_err(|error| MasterKeyError::File { path: path.display().to_string(), error })
    }

    /// Reads the key file at `path`, or creates it from `random` bytes when there is none.
    pub fn read_or_create(path: &Path, random: impl FnOnce() -> [u8; 32]) -> Result<Self, MasterKeyError> {
        match Self::read(path) {
            Err(MasterKeyError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::new(random());
                match key.write(path) {
                    Ok(()) => Ok(key),
                    // another process created the file first
                    Err(MasterKeyError::File { error, .. })
                        if error.kind() == io::ErrorKind::AlreadyExists =>
                    {
                        Self::read(path)
                    }
                    Err(error) => Err(error),
                }
            }
            read => read,
        }
    }

    pub(super) fn wrap(&self, nonce: [u8; NONCE], place: &[u8], key: &[u8]) -> Option<Vec<u8>> {
        seal(&self.bytes, nonce, place, key)
    }

    pub(super) fn unwrap(&self, place: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
        open(&self.bytes, place, wrapped)
    }

    /// Decrypts a single wrapped key.
    pub(super) fn unwrap_key(&self, place: &[u8], wrapped: &[u8]) -> Option<[u8; 32]> {
        self.unwrap(place, wrapped)?.try_into().ok()
    }
}

/// Encrypts; the result is nonce, then ciphertext and tag. XChaCha20-Poly1305 nonces are long enough to be random.
pub(super) fn seal(key: &[u8; 32], nonce: [u8; NONCE], aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let sealed =
        XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), Payload { msg: plain, aad });
    let mut bytes = nonce.to_vec();
    bytes.extend(sealed.ok()?);
    Some(bytes)
}

pub(super) fn open(key: &[u8; 32], aad: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = bytes.split_first_chunk::<NONCE>()?;
    XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(*nonce), Payload { msg, aad }).ok()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<master key {}>", self.id)
    }
}
