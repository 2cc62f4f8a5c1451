//! From where an action came.

use serde::{Deserialize, Serialize};

use crate::personal::Personal;

/// Where somebody was who did something over REST. It stands in events that the audit log shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The IP address the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Personal<String>>,
}

impl Origin {
    /// Somebody at this address.
    #[must_use]
    pub fn at(ip: Option<String>) -> Self {
        Self { ip: ip.map(Personal::new) }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.ip.is_none()
    }
}
