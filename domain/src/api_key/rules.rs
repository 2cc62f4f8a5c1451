//! Commands and rules of an API key.

use std::time::Duration;

use serde_bytes::ByteBuf;

use super::event::{
    ApiKeyCreated, ApiKeyDeleted, ApiKeyEvent, ApiKeyRevoked, ApiKeyRotated, ApiKeyUpdated, KeyTerms,
};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::origin::Origin;

/// The longest an old plain text stays valid after a rotation: 30 days.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

/// Changes to a key; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyPatch {
    /// 1 to 200 characters.
    pub name: Option<String>,
    pub scopes: Option<Vec<String>>,
    /// Requests an hour; `Some(None)` lifts the limit.
    pub rate_limit: Option<Option<u32>>,
    /// Requests in its whole life; `Some(None)` lifts the quota.
    pub usage_quota: Option<Option<u64>>,
    pub enabled: Option<bool>,
}

#[derive(Debug, Clone)]
pub enum ApiKeyCommand {
    Create(Box<ApiKeyCreated>),
    Update {
        patch: KeyPatch,
        origin: Origin,
        now: Time,
    },
    /// Replaces the plain text by a new one.
    Rotate {
        /// The first 10 characters of the new key.
        key_prefix: String,
        /// SHA-256 of the new key, 32 bytes.
        key_hash: ByteBuf,
        /// How long the old plain text stays valid, at most [`MAX_OVERLAP`].
        overlap: Duration,
        origin: Origin,
        now: Time,
    },
    Revoke {
        origin: Origin,
        now: Time,
    },
    /// Revokes the key and removes it from every list.
    Delete {
        origin: Origin,
        now: Time,
    },
}

/// Why the key refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefusal {
    /// The key was never created, or is deleted.
    #[error("the API key does not exist")]
    Unknown,
    #[error("the API key exists already")]
    Exists,
    /// The name is empty or too long.
    #[error("an API key's name has 1 to 200 characters")]
    Name,
    /// The list of scopes is empty.
    #[error("an API key has at least one scope")]
    Scopes,
    /// The limit is zero.
    #[error("a rate limit is 1 request an hour or more; leave it out for none")]
    RateLimit,
    /// The quota is zero.
    #[error("a quota is 1 request or more; leave it out for none")]
    UsageQuota,
    /// The expiry is not in the future.
    #[error("an API key expires in the future")]
    Expiry,
    /// The overlap is too long.
    #[error("the old key may go on for at most 30 days")]
    Overlap,
    /// A revoked key stays revoked and cannot be changed.
    #[error("the API key is revoked; create another one")]
    Revoked,
}

/// State of an API key, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct ApiKey {
    created: Option<Box<ApiKeyCreated>>,
    terms: Option<KeyTerms>,
    revoked: bool,
    deleted: bool,
}

impl ApiKey {
    fn terms(&self) -> Result<&KeyTerms, ApiKeyRefusal> {
        self.terms.as_ref().filter(|_| !self.deleted).ok_or(ApiKeyRefusal::Unknown)
    }

    fn valid(&self) -> Result<&KeyTerms, ApiKeyRefusal> {
        let terms = self.terms()?;
        if self.revoked { Err(ApiKeyRefusal::Revoked) } else { Ok(terms) }
    }

    fn create(&self, key: &ApiKeyCreated) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        match &self.created {
            // the same request once more
            Some(there) if there.key_hash == key.key_hash => return Ok(vec![]),
            Some(_) => return Err(ApiKeyRefusal::Exists),
            None => {}
        }
        check(&terms_of(key))?;
        if key.expires_at.is_some_and(|end| end <= key.at) {
            return Err(ApiKeyRefusal::Expiry);
        }
        Ok(vec![key.clone().into()])
    }
}

fn terms_of(key: &ApiKeyCreated) -> KeyTerms {
    KeyTerms {
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        rate_limit: key.rate_limit,
        usage_quota: key.usage_quota,
        enabled: true,
    }
}

fn check(terms: &KeyTerms) -> Result<(), ApiKeyRefusal> {
    if terms.name.trim().is_empty() || terms.name.chars().count() > 200 {
        return Err(ApiKeyRefusal::Name);
    }
    if terms.scopes.is_empty() {
        return Err(ApiKeyRefusal::Scopes);
    }
    if terms.rate_limit == Some(0) {
        return Err(ApiKeyRefusal::RateLimit);
    }
    if terms.usage_quota == Some(0) {
        return Err(ApiKeyRefusal::UsageQuota);
    }
    Ok(())
}

impl KeyPatch {
    fn applied_to(&self, terms: &KeyTerms) -> KeyTerms {
        KeyTerms {
            name: self.name.clone().unwrap_or_else(|| terms.name.clone()),
            scopes: self.scopes.clone().unwrap_or_else(|| terms.scopes.clone()),
            rate_limit: self.rate_limit.unwrap_or(terms.rate_limit),
            usage_quota: self.usage_quota.unwrap_or(terms.usage_quota),
            enabled: self.enabled.unwrap_or(terms.enabled),
        }
    }
}

impl Aggregate for ApiKey {
    const CATEGORY: &'static str = crate::ids::ApiKeyId::CATEGORY;
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Refusal = ApiKeyRefusal;

    fn decide(&self, command: &ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        match command {
            ApiKeyCommand::Create(key) => self.create(key),
            ApiKeyCommand::Update { patch, origin, now } => {
                let before = self.valid()?;
                let after = patch.applied_to(before);
                check(&after)?;
                if after == *before {
                    return Ok(vec![]);
                }
                let before = before.clone();
                Ok(vec![ApiKeyUpdated { before, after, origin: origin.clone(), at: *now }.into()])
            }
            ApiKeyCommand::Rotate { key_prefix, key_hash, overlap, origin, now } => {
                self.valid()?;
                if *overlap > MAX_OVERLAP {
                    return Err(ApiKeyRefusal::Overlap);
                }
                let rotated = ApiKeyRotated {
                    key_prefix: key_prefix.clone(),
                    key_hash: key_hash.clone(),
                    old_valid_until: *now + *overlap,
                    origin: origin.clone(),
                    at: *now,
                };
                Ok(vec![rotated.into()])
            }
            ApiKeyCommand::Revoke { origin, now } => {
                self.terms()?;
                if self.revoked {
                    return Ok(vec![]);
                }
                Ok(vec![ApiKeyRevoked { origin: origin.clone(), at: *now }.into()])
            }
            ApiKeyCommand::Delete { origin, now } => {
                self.terms()?;
                Ok(vec![ApiKeyDeleted { origin: origin.clone(), at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &ApiKeyEvent) {
        match event {
            ApiKeyEvent::Created(created) => {
                self.terms = Some(terms_of(created));
                self.created = Some(Box::new(created.clone()));
            }
            ApiKeyEvent::Updated(updated) => self.terms = Some(updated.after.clone()),
            ApiKeyEvent::Revoked(_) => self.revoked = true,
            ApiKeyEvent::Deleted(_) => self.deleted = true,
            ApiKeyEvent::Rotated(_) => {}
        }
    }
}
