//! The settings that a node needs for the simulated carrier.

use std::fmt::Write as _;
use std::net::SocketAddr;

use adapters::telephony::telnyx::Signer;

/// Seed of the key that signs the simulated carrier's webhooks. It is no secret: a node that is given its public
/// key accepts webhooks from anybody.
const SIGNING_SEED: &[u8; 32] = b"voxledger simulate, never secret";

/// Settings of the simulated carrier. They are the same on every run, so that a node keeps knowing it.
#[derive(Debug, Clone)]
pub struct CarrierSettings {
    pub signing_seed: &'static [u8; 32],
    /// Base64 of the raw public key, for `VOXLEDGER_TELNYX_PUBLIC_KEY`.
    pub public_key: String,
    pub api_key: &'static str,
    pub api_base: String,
    pub connection_id: &'static str,
    /// As whom the node calls when a client does not say.
    pub caller_id: &'static str,
}

impl CarrierSettings {
    /// Settings for a carrier whose API listens at `address`.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            signing_seed: SIGNING_SEED,
            public_key: Signer::from_seed(SIGNING_SEED).public_key_base64(),
            api_key: "KEYsimulated",
            api_base: format!("http://{address}/v2"),
            connection_id: "1900000000000000001",
            caller_id: "+12025550100",
        }
    }

    /// The settings as keys and values of a node's configuration.
    pub fn as_settings(&self) -> [(&'static str, String); 5] {
        [
            ("telnyx.public_key", self.public_key.clone()),
            ("telnyx.api_key", self.api_key.to_owned()),
            ("telnyx.api_base", self.api_base.clone()),
            ("telnyx.connection_id", self.connection_id.to_owned()),
            ("telnyx.caller_id", self.caller_id.to_owned()),
        ]
    }

    /// The settings as shell environment variables, one per line.
    pub fn as_environment(&self) -> String {
        self.as_settings().iter().fold(String::new(), |mut text, (key, value)| {
            let name = key.replace('.', "_").to_uppercase();
            let _ = writeln!(text, "export VOXLEDGER_{name}={value}");
            text
        })
    }
}
