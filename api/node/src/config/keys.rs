//! Settings of the node's own secrets.

use std::path::PathBuf;

use adapters::keys::MasterKey;

use super::setting::section;
use super::value::Value;
use api_http::auth::PlainKey;

section! {
    /// The first API key, and the master key that encrypts sensitive data.
    pub struct KeysConfig {
        /// Owner API key of client `default` on an empty log; generated and printed once when not set.
        bootstrap_key: Option<PlainKey> = "bootstrap_key", "";
        /// Base64 of 32 bytes; created in the data folder when neither this nor the file is set. Nodes that share a key
        /// store need the same.
        master_key: Option<MasterKey> = "master_key", "";
        /// A file that holds the master key.
        master_key_file: Option<PathBuf> = "master_key_file", "";
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
