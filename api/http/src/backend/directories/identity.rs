//! Keys, users, and logins ended recently: who may do something now.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use domain::api_key::ApiKeyEvent;
use domain::envelope::{Recorded, Time};
use domain::ids::{ApiKeyId, ClientId, UserId};
use domain::ports::clock::Clock;
use domain::user::Role;
use domain::wire::{DecodeError, DomainEvent as _};
use parking_lot::RwLock;
use projections::api_keys::{ApiKeyEntry, KeyHash};
use projections::users::{UserRow, Users};
use projections::view::{At, View as _};
use uuid::Uuid;

use crate::auth::{
    Bearer, Bounds, Directory, Guest, KeyProblem, Principal, Scopes, Watched, Watchers, Who, scopes_of,
};
use crate::backend::DEFAULT_CLIENT;

/// Keys and users, loaded from the views at start and updated from the log.
pub struct Identity {
    clock: Arc<dyn Clock>,
    table: RwLock<Table>,
    watchers: Arc<Watchers>,
}

#[derive(Default)]
struct Table {
    hashes: HashMap<KeyHash, (ApiKeyId, Option<Time>)>,
    keys: HashMap<ApiKeyId, KnownKey>,
    users: HashMap<UserId, UserRow>,
    by_email: HashMap<String, UserId>,
    clients: HashSet<ClientId>,
}

#[derive(Clone)]
struct KnownKey {
    client: ClientId,
    hash: KeyHash,
    scopes: Scopes,
    bounds: Bounds,
    enabled: bool,
    revoked: bool,
}

impl Identity {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, table: RwLock::default(), watchers: Arc::default() }
    }

    pub fn insert_key(&self, entry: ApiKeyEntry) {
        let Some((hash, _)) = entry.hashes.first().copied() else { return };
        let mut table = self.table.write();
        let view = entry.view;
        for (hash, until) in entry.hashes {
            table.hashes.insert(hash, (view.id, until));
        }
        let known = KnownKey {
            client: entry.client,
            hash,
            scopes: Scopes::parse_known(&view.scopes),
            bounds: Bounds {
                rate_limit: view.rate_limit,
                usage_quota: view.usage_quota,
                expires_at: view.expires_at,
            },
            enabled: view.enabled,
            revoked: view.revoked_at.is_some(),
        };
        table.keys.insert(view.id, known);
    }

    pub fn insert_user(&self, row: UserRow) {
        self.table.write().put_user(row.view.id, Some(row));
    }

    pub fn insert_client(&self, id: ClientId) {
        self.table.write().clients.insert(id);
    }

    /// Whether there is such a client.
    pub fn has_client(&self, id: ClientId) -> bool {
        self.table.read().clients.contains(&id)
    }

    pub fn apply(&self, events: &[Recorded]) {
        for event in events {
            let taken = match event.stream.category() {
                ClientId::CATEGORY => {
                    self.insert_client(ClientId(event.stream.id()));
                    continue;
                }
                ApiKeyId::CATEGORY => {
                    let taken = self.apply_key(event);
                    self.watchers.tell(event.stream.id());
                    taken
                }
                "user" | "login" => self.apply_user(event),
                _ => continue,
            };
            if let Err(error) = taken {
                tracing::error!(position = event.position.0, %error, "key or user event not understood");
            }
        }
    }

    fn apply_user(&self, event: &Recorded) -> Result<(), DecodeError> {
        let Some((id, fact)) = Users::read(event)? else { return Ok(()) };
        let mut table = self.table.write();
        let mut row = table.users.get(&UserId(id)).cloned();
        Users::apply(&mut row, &At::from(event), fact);
        table.put_user(UserId(id), row);
        drop(table);
        self.watchers.tell(id);
        Ok(())
    }

    fn apply_key(&self, event: &Recorded) -> Result<(), DecodeError> {
        let fact = ApiKeyEvent::decode(&event.event_type, event.schema, &event.payload)?;
        let id = ApiKeyId(event.stream.id());
        let mut table = self.table.write();
        let table = &mut *table;
        match (fact, table.keys.get_mut(&id)) {
            (ApiKeyEvent::Created(created), _) => {
                let Ok(hash) = <[u8; 32]>::try_from(created.key_hash.as_slice()) else { return Ok(()) };
                let known = KnownKey {
                    client: event.client_id,
                    hash: KeyHash(hash),
                    scopes: Scopes::parse_known(&created.scopes),
                    bounds: Bounds {
                        rate_limit: created.rate_limit,
                        usage_quota: created.usage_quota,
                        expires_at: created.expires_at,
                    },
                    enabled: true,
                    revoked: false,
                };
                table.hashes.insert(known.hash, (id, None));
                table.keys.insert(id, known);
            }
            (_, None) => {}
            (ApiKeyEvent::Updated(updated), Some(key)) => {
                key.scopes = Scopes::parse_known(&updated.after.scopes);
                key.bounds.rate_limit = updated.after.rate_limit;
                key.bounds.usage_quota = updated.after.usage_quota;
                key.enabled = updated.after.enabled;
            }
            (ApiKeyEvent::Rotated(rotated), Some(key)) => {
                let Ok(hash) = <[u8; 32]>::try_from(rotated.key_hash.as_slice()) else { return Ok(()) };
                // logins that expired before now need no entry
                table
                    .hashes
                    .retain(|_, (owner, until)| *owner != id || until.is_none_or(|until| until > rotated.at));
                table.hashes.insert(key.hash, (id, Some(rotated.old_valid_until)));
                key.hash = KeyHash(hash);
                table.hashes.insert(key.hash, (id, None));
            }
            (ApiKeyEvent::Revoked(_), Some(key)) => key.revoked = true,
            (ApiKeyEvent::Deleted(_), Some(_)) => {
                table.keys.remove(&id);
                table.hashes.retain(|_, (owner, _)| *owner != id);
            }
        }
        Ok(())
    }

    /// The user with this normalised email address.
    pub fn user_by_email(&self, email: &str) -> Option<(ClientId, UserId)> {
        let table = self.table.read();
        let id = table.by_email.get(email)?;
        table.users.get(id).map(|row| (row.client, *id))
    }

    /// The row of a user, whatever they signed in with.
    pub fn user(&self, id: UserId) -> Option<UserRow> {
        self.table.read().users.get(&id).cloned()
    }

    /// Whether this key or user has all rights for the client, without an expiry.
    pub fn is_owner(&self, client: ClientId, subject: Uuid) -> bool {
        let table = self.table.read();
        table.owners(client).any(|owner| owner == subject)
    }

    /// Whether anybody else has all rights for the client, without an expiry.
    pub fn has_owner_besides(&self, client: ClientId, subject: Uuid) -> bool {
        let table = self.table.read();
        table.owners(client).any(|owner| owner != subject)
    }

    /// The rights of a key, active or not.
    pub fn key_of(&self, client: ClientId, id: ApiKeyId) -> Option<(Scopes, Bounds)> {
        let table = self.table.read();
        table.keys.get(&id).filter(|key| key.client == client).map(|key| (key.scopes, key.bounds))
    }
}

impl Table {
    /// Keys and users of a client that have all rights, and that end only by a command.
    fn owners(&self, client: ClientId) -> impl Iterator<Item = Uuid> {
        let keys = self.keys.iter().filter(move |(_, key)| {
            let lasting = key.bounds.expires_at.is_none() && key.bounds.usage_quota.is_none();
            key.client == client && key.enabled && !key.revoked && key.scopes == Scopes::EVERYTHING && lasting
        });
        let owner =
            move |row: &&UserRow| row.client == client && row.view.enabled && row.view.role == Role::Owner;
        let users = self.users.values().filter(owner);
        keys.map(|(id, _)| id.0).chain(users.map(|row| row.view.id.0))
    }

    fn put_user(&mut self, id: UserId, row: Option<UserRow>) {
        if let Some(email) = self.users.remove(&id).and_then(|before| before.view.email) {
            self.by_email.remove(&email);
        }
        let Some(row) = row.filter(|row| !row.removed) else { return };
        if let Some(email) = &row.view.email {
            self.by_email.insert(email.clone(), id);
        }
        self.users.insert(id, row);
    }
}

fn is_platform(client: ClientId, scopes: Scopes) -> bool {
    client == DEFAULT_CLIENT && scopes == Scopes::EVERYTHING
}

impl Directory for Identity {
    fn key(&self, hash: &KeyHash) -> Result<Principal, KeyProblem> {
        let table = self.table.read();
        let (id, until) = *table.hashes.get(hash).ok_or(KeyProblem::Unknown)?;
        let key = table.keys.get(&id).ok_or(KeyProblem::Unknown)?;
        if key.revoked {
            return Err(KeyProblem::Revoked);
        }
        let end = until.iter().chain(&key.bounds.expires_at).min().copied();
        if end.is_some_and(|end| end <= self.clock.now()) {
            return Err(KeyProblem::Expired);
        }
        if !key.enabled {
            return Err(KeyProblem::Disabled);
        }
        Ok(Principal {
            client: key.client,
            who: Who::Key { id, bounds: key.bounds },
            scopes: key.scopes,
            platform: is_platform(key.client, key.scopes),
        })
    }

    fn bearer(&self, bearer: &Bearer) -> Option<Principal> {
        let table = self.table.read();
        let row = table.users.get(&bearer.user)?;
        let ended = row.ended_logins.iter().any(|ended| ended.login == bearer.login);
        if !row.view.enabled || bearer.issued_at < row.valid_from || ended {
            return None;
        }
        let scopes = scopes_of(row.view.role);
        Some(Principal {
            client: row.client,
            who: Who::User { id: bearer.user, role: row.view.role, login: Some(bearer.login) },
            scopes,
            platform: is_platform(row.client, scopes),
        })
    }

    fn guest(&self, guest: &Guest) -> Option<Principal> {
        let table = self.table.read();
        if !table.clients.contains(&guest.client) {
            return None;
        }
        let scopes = scopes_of(guest.role);
        Some(Principal {
            client: guest.client,
            who: Who::User { id: guest.user, role: guest.role, login: None },
            scopes,
            platform: is_platform(guest.client, scopes),
        })
    }

    fn end_of_key(&self, hash: &KeyHash) -> Option<Time> {
        let table = self.table.read();
        let (id, until) = table.hashes.get(hash)?;
        let key = table.keys.get(id)?;
        until.iter().chain(&key.bounds.expires_at).min().copied()
    }

    fn watch(&self, principal: &Principal) -> Option<Watched> {
        Some(self.watchers.watch(principal))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table.read();
        f.debug_struct("Identity")
            .field("keys", &table.keys.len())
            .field("users", &table.users.len())
            .finish_non_exhaustive()
    }
}
