//! The node's own accounts with carriers and voice runtimes; a client's own override them.

use adapters::telephony::national::Country;
use adapters::telephony::telnyx::WebhookVerifier;

use super::Secret;
use super::setting::section;
use super::value::{HttpUrl, Value};

impl Value for WebhookVerifier {
    const ACCEPTS: &'static str = "base64 of a raw Ed25519 key of 32 bytes, as the Telnyx portal shows it";

    fn parse(text: &str) -> Option<Self> {
        Self::from_base64(text).ok()
    }
}

impl Value for Country {
    const ACCEPTS: &'static str = "the two letters of a country (ISO 3166-1), like US";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

section! {
    /// The node's account with Telnyx, the first carrier.
    pub struct TelnyxConfig {
        /// The Ed25519 public key that signs Telnyx webhooks: base64 of the raw 32 bytes.
        public_key: Option<WebhookVerifier> = "telnyx.public_key", "";
        /// API key of the account that places calls.
        api_key: Option<Secret> = "telnyx.api_key", "";
        /// Base URL of Telnyx's API.
        api_base: HttpUrl = "telnyx.api_base", "https://api.telnyx.com/v2";
        /// The Call Control application that outbound calls belong to.
        connection_id: Option<String> = "telnyx.connection_id", "";
        /// The number outbound calls come from when the client names none, in E.164.
        caller_id: Option<String> = "telnyx.caller_id", "";
        /// The country whose numbers the connection writes as they are dialled within it (ISO 3166-1), like US.
        country: Option<Country> = "telnyx.country", "";
    }
}

section! {
    /// The node's account with Ultravox, a voice runtime.
    pub struct UltravoxConfig {
        /// API key of the account that starts calls.
        api_key: Option<Secret> = "ultravox.api_key", "";
        /// Base URL of Ultravox's API.
        api_base: HttpUrl = "ultravox.api_base", "https://api.ultravox.ai";
        /// The secret that signs Ultravox webhooks; several with commas between them.
        webhook_secret: Option<Secret> = "ultravox.webhook_secret", "";
    }
}
