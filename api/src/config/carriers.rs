//! The node's own accounts with carriers and voice runtimes; a client's own override them.

use super::secret::Secret;
use super::setting::section;
use super::value::HttpUrl;

section! {
    /// Telnyx, the first carrier.
    pub struct TelnyxConfig {
        /// The Ed25519 public key that signs Telnyx webhooks: base64 of the raw 32 bytes.
        public_key: Option<String> = "telnyx.public_key", "";
        /// The key calls are placed with.
        api_key: Option<Secret> = "telnyx.api_key", "";
        /// Where Telnyx's API is.
        api_base: HttpUrl = "telnyx.api_base", "https://api.telnyx.com/v2";
        /// The Call Control application that outbound calls belong to.
        connection_id: Option<String> = "telnyx.connection_id", "";
    }
}

section! {
    /// Ultravox, a voice runtime.
    pub struct UltravoxConfig {
        /// The key calls are started with.
        api_key: Option<Secret> = "ultravox.api_key", "";
        /// Where Ultravox's API is.
        api_base: HttpUrl = "ultravox.api_base", "https://api.ultravox.ai";
        /// The secret that signs Ultravox webhooks.
        webhook_secret: Option<Secret> = "ultravox.webhook_secret", "";
    }
}
