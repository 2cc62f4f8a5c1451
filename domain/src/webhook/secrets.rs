//! The secrets that sign requests to one receiver: the newest, and for a while after a rotation those before.

use std::time::Duration;

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};

use crate::envelope::Time;
use crate::origin::Origin;
use crate::ports::vault::Sealed;

/// The longest an old secret still signs after a rotation: 7 days.
pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most secrets that sign at the same time.
const MAX_SECRETS: usize = 5;

/// A receiver got another secret: the payload of `webhook.secret_rotated` and `tool.secret_rotated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretRotated {
    /// Bytes of the new secret, sealed.
    pub secret: Sealed,
    /// Until when the old secret still signs.
    #[serde(with = "micros")]
    pub old_valid_until: Time,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A request for another secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    /// The new secret, sealed.
    pub secret: Sealed,
    /// How long the old secret still signs, at most [`MAX_OVERLAP`].
    pub overlap: Duration,
    pub origin: Origin,
    pub now: Time,
}

/// The overlap is longer than [`MAX_OVERLAP`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", Self::DETAIL)]
pub struct OverlapTooLong;

impl OverlapTooLong {
    /// The error in words, for the field at fault.
    pub const DETAIL: &'static str = "must be 0 to 604800 (7 days)";
}

impl Rotation {
    /// The event that follows. Fails when the overlap is longer than [`MAX_OVERLAP`].
    pub fn rotated(&self) -> Result<SecretRotated, OverlapTooLong> {
        let Self { secret, overlap, origin, now } = self.clone();
        if overlap > MAX_OVERLAP {
            return Err(OverlapTooLong);
        }
        Ok(SecretRotated { secret, old_valid_until: now + overlap, origin, at: now })
    }
}

/// A secret that signs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldSecret {
    /// Bytes of the secret, sealed.
    pub sealed: Sealed,
    /// Until when it signs; `None` for the newest one.
    #[serde(with = "micros_option", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// The secrets of one receiver, newest first. If there is none, requests are not signed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeldSecrets(Vec<HeldSecret>);

impl HeldSecrets {
    /// The secrets that a receiver begins with.
    #[must_use]
    pub fn of(first: Option<&Sealed>) -> Self {
        Self(first.map(|sealed| HeldSecret { sealed: sealed.clone(), until: None }).into_iter().collect())
    }

    /// Adds the new secret and sets an end to the older ones.
    pub fn rotate(&mut self, rotated: &SecretRotated) {
        for held in &mut self.0 {
            held.until.get_or_insert(rotated.old_valid_until);
        }
        self.0.retain(|held| held.until.is_none_or(|until| until > rotated.at));
        self.0.insert(0, HeldSecret { sealed: rotated.secret.clone(), until: None });
        self.0.truncate(MAX_SECRETS);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All secrets that are kept, also those that do not sign any more.
    #[must_use]
    pub fn all(&self) -> &[HeldSecret] {
        &self.0
    }

    /// The secrets that sign at `now`.
    pub fn valid(&self, now: Time) -> impl Iterator<Item = &HeldSecret> {
        self.0.iter().filter(move |held| held.until.is_none_or(|until| now < until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_kept_of_endpoints_before_reads_as_the_same_secrets() {
        let sealed =
            |byte| Sealed { key: uuid::Uuid::from_u128(1), bytes: serde_bytes::ByteBuf::from([byte; 3]) };
        let key = "00000000-0000-0000-0000-000000000001";
        let kept = format!(
            r#"[{{"sealed": {{"key": "{key}", "bytes": [2, 2, 2]}}}},
                {{"sealed": {{"key": "{key}", "bytes": [1, 1, 1]}}, "until": 1767225600000000}}]"#
        );
        let held: HeldSecrets = serde_json::from_str(&kept).unwrap();
        let until = Time::from_timestamp(1_767_225_600, 0).unwrap();
        let expected = [
            HeldSecret { sealed: sealed(2), until: None },
            HeldSecret { sealed: sealed(1), until: Some(until) },
        ];
        assert_eq!(held.all(), expected);
        assert_eq!(held.valid(until).count(), 1, "the moment itself is too late");
    }
}
