//! Turns the events of a key and of its use into its row.

use domain::aggregate::Aggregate as _;
use domain::api_key::{ApiKey, ApiKeyCreated, ApiKeyEvent, ApiKeyUsed, KeyUsage, KeyUsageEvent};
use domain::envelope::Recorded;
use domain::ids::ApiKeyId;
use domain::wire::{DecodeError, DomainEvent as _};
use uuid::Uuid;

use super::view::{ApiKeyRow, ApiKeyView, KeyHash, KeyInner, OldHash};
use crate::numbers::knows;
use crate::view::{At, View};

/// Days for which requests are counted by day.
const DAYS: usize = 90;

/// The view of API keys: one row a key.
#[derive(Debug)]
pub struct ApiKeys;

/// What an event means to a key.
#[derive(Debug)]
pub enum KeyFact {
    /// The key was created, changed, rotated, revoked or deleted.
    Life(ApiKeyEvent),
    /// The key was used.
    Use(KeyUsageEvent),
}

impl View for ApiKeys {
    const NAME: &'static str = "api_keys";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    // a key has one stream, its use another
    const ONE_STREAM: bool = false;
    type Row = ApiKeyRow;
    type Fact = KeyFact;

    fn read(event: &Recorded) -> Result<Option<(Uuid, KeyFact)>, DecodeError> {
        let (event_type, schema) = (&*event.event_type, event.schema);
        let fact = match event.stream.category() {
            ApiKey::CATEGORY if knows::<ApiKeyEvent>(event_type) => {
                let fact = ApiKeyEvent::decode(event_type, schema, &event.payload)?;
                let hash = match &fact {
                    ApiKeyEvent::Created(created) => Some(&created.key_hash),
                    ApiKeyEvent::Rotated(rotated) => Some(&rotated.key_hash),
                    _ => None,
                };
                if hash.is_some_and(|hash| hash.len() != 32) {
                    return Err(DecodeError::Payload { event_type: event_type.to_owned() });
                }
                KeyFact::Life(fact)
            }
            KeyUsage::CATEGORY if knows::<KeyUsageEvent>(event_type) => {
                KeyFact::Use(KeyUsageEvent::decode(event_type, schema, &event.payload)?)
            }
            _ => return Ok(None),
        };
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<ApiKeyRow>, at: &At, fact: KeyFact) {
        match (row.as_mut(), fact) {
            (None, KeyFact::Life(ApiKeyEvent::Created(created))) => *row = created_row(at, created),
            (Some(row), KeyFact::Life(event)) => live(row, at, event),
            (Some(row), KeyFact::Use(KeyUsageEvent::Used(used))) => note(row, at, &used),
            (None, _) => {}
        }
    }
}

fn hash_of(bytes: &[u8]) -> Option<KeyHash> {
    bytes.try_into().ok().map(KeyHash) // others are refused in `read`
}

fn created_row(at: &At, created: ApiKeyCreated) -> Option<ApiKeyRow> {
    let hash = hash_of(&created.key_hash)?;
    let view = ApiKeyView {
        id: ApiKeyId(at.id),
        name: created.name,
        key_prefix: created.key_prefix,
        scopes: created.scopes,
        rate_limit: created.rate_limit,
        usage_quota: created.usage_quota,
        usage_count: 0,
        enabled: true,
        last_used_at: None,
        expires_at: created.expires_at,
        revoked_at: None,
        created_at: created.at,
        updated_at: created.at,
        version: at.version.0,
    };
    let (client, position, inner) = (at.client, at.position, KeyInner::default());
    Some(ApiKeyRow { client, position, hash, removed: false, view, inner })
}

fn live(row: &mut ApiKeyRow, at: &At, event: ApiKeyEvent) {
    let when = match event {
        ApiKeyEvent::Created(_) => return,
        ApiKeyEvent::Updated(updated) => {
            row.view.name = updated.after.name;
            row.view.scopes = updated.after.scopes;
            row.view.rate_limit = updated.after.rate_limit;
            row.view.usage_quota = updated.after.usage_quota;
            row.view.enabled = updated.after.enabled;
            updated.at
        }
        ApiKeyEvent::Rotated(rotated) => {
            let Some(hash) = hash_of(&rotated.key_hash) else { return };
            row.inner.old_hashes.retain(|old| old.until > rotated.at);
            row.inner.old_hashes.push(OldHash { hash: row.hash.0, until: rotated.old_valid_until });
            row.hash = hash;
            row.view.key_prefix = rotated.key_prefix;
            rotated.at
        }
        ApiKeyEvent::Revoked(revoked) => {
            row.view.revoked_at = Some(revoked.at);
            revoked.at
        }
        ApiKeyEvent::Deleted(deleted) => {
            row.removed = true;
            deleted.at
        }
    };
    row.view.updated_at = when;
    row.view.version = at.version.0;
    row.position = at.position;
}

fn note(row: &mut ApiKeyRow, at: &At, used: &ApiKeyUsed) {
    row.view.usage_count += used.count;
    row.view.last_used_at = row.view.last_used_at.max(Some(used.last_used_at));
    *row.inner.by_day.entry(used.last_used_at.format("%Y-%m-%d").to_string()).or_default() += used.count;
    while row.inner.by_day.len() > DAYS {
        row.inner.by_day.pop_first();
    }
    for (endpoint, count) in &used.by_endpoint {
        *row.inner.by_endpoint.entry(endpoint.clone()).or_default() += count;
    }
    row.position = at.position;
}
