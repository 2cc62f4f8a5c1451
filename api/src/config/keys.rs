//! The node's own secrets.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::setting::section;
use super::value::Value;
use crate::http::auth::PlainKey;

section! {
    /// The first API key, and the key that encrypts what is sensitive.
    pub struct KeysConfig {
        /// Owner API key of client `default` on an empty log; generated and printed once when not set.
        bootstrap_key: Option<PlainKey> = "bootstrap_key", "";
        /// Base64 of 32 bytes; created in the data folder when neither this nor the file is set.
        master_key: Option<MasterKey> = "master_key", "";
        /// A file that holds the master key.
        master_key_file: Option<PathBuf> = "master_key_file", "";
    }
}

/// The key that everything sensitive is encrypted under. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Reads base64 of 32 bytes, as it stands in a setting or in a key file.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text.trim()).ok()?.try_into().ok().map(Self)
    }

    /// The key itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<master key>")
    }
}

impl Value for MasterKey {
    const ACCEPTS: &'static str = "base64 of 32 bytes, such as `openssl rand -base64 32` prints";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        Self::from_base64(text)
    }
}

impl Value for PlainKey {
    const ACCEPTS: &'static str = "an API key: `vx_`, 43 letters or digits and their checksum";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        PlainKey::parse(text).ok()
    }
}
