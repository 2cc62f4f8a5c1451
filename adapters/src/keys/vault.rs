//! The vault: data keys, and secrets encrypted under them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::ids::Ids;
use domain::ports::vault::{Sealed, Vault, VaultError};
use lru::LruCache;
use parking_lot::Mutex;
use sqlx::Row as _;
use uuid::Uuid;

use super::db::{KeysDb, on, unavailable};
use super::master::{MasterKey, NONCE, open, seal};

/// Unwrapped data keys cached in memory.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Label of the key that encrypts a client's secrets.
const SECRETS: &str = "secrets";
/// Label of the key that a client's subjects are hashed with.
const SUBJECTS: &str = "subjects";

/// A [`Vault`] on a database of wrapped keys.
#[derive(Debug, Clone)]
pub struct KeyVault {
    db: KeysDb,
    master: MasterKey,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    known: Arc<Mutex<LruCache<(Uuid, String), DataKey>>>,
}

#[derive(Clone, Copy)]
struct DataKey {
    id: Uuid,
    bytes: [u8; 32],
}

/// A data key as it is stored, wrapped by the master key.
pub(super) struct WrappedKey {
    pub(super) id: Uuid,
    pub(super) owner: Uuid,
    pub(super) master_id: String,
    pub(super) wrapped: Vec<u8>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<data key {}>", self.id)
    }
}

impl KeyVault {
    #[must_use]
    pub fn new(db: KeysDb, master: MasterKey, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { db, master, clock, ids, known: Arc::new(Mutex::new(LruCache::new(REMEMBERED))) }
    }

    /// Checks that the stored keys are wrapped by this master key. Fails with [`VaultError::MasterKey`] when they
    /// are wrapped by another one.
    pub async fn check(&self) -> Result<(), VaultError> {
        const OTHER: &str = "SELECT master_id FROM data_keys WHERE master_id <> $1 \
            UNION ALL SELECT master_id FROM subject_keys WHERE master_id <> $1 AND wrapped IS NOT NULL \
            UNION ALL SELECT master_id FROM key_nodes WHERE master_id <> $1 LIMIT 1";
        let other: Option<String> = on!(&self.db, pool => sqlx::query_scalar(OTHER)
            .bind(self.master.id()).fetch_optional(pool).await)
        .map_err(unavailable)?;
        other.map_or(Ok(()), |id| Err(VaultError::MasterKey(id)))
    }

    /// The data key of an owner for a purpose; created on first use. Of two nodes that create one at once, one wins.
    async fn key(&self, owner: Uuid, label: &str) -> Result<DataKey, VaultError> {
        let name = (owner, label.to_owned());
        if let Some(key) = self.known.lock().get(&name) {
            return Ok(*key);
        }
        let key = match self.stored(owner, label).await? {
            Some(key) => key,
            None => {
                self.create(owner, label).await?;
                self.stored(owner, label).await?.ok_or(VaultError::Destroyed)?
            }
        };
        self.known.lock().put(name, key);
        Ok(key)
    }

    async fn stored(&self, owner: Uuid, label: &str) -> Result<Option<DataKey>, VaultError> {
        const GET: &str = "SELECT id, master_id, wrapped FROM data_keys WHERE owner = $1 AND label = $2";
        let read = on!(&self.db, pool => sqlx::query(GET).bind(owner).bind(label).fetch_optional(pool).await
            .and_then(|row| row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).transpose()));
        let Some((id, master_id, wrapped)): Option<(Uuid, String, Vec<u8>)> = read.map_err(unavailable)?
        else {
            return Ok(None);
        };
        if master_id != self.master.id() {
            return Err(VaultError::MasterKey(master_id));
        }
        let bytes = self.master.unwrap_key(id.as_bytes(), &wrapped).ok_or(VaultError::Forged)?;
        Ok(Some(DataKey { id, bytes }))
    }

    /// The keys of personal data in the same database; a cached key is used for `life` before the database is asked
    /// whether it was destroyed.
    #[must_use]
    pub fn subject_keys(&self, life: std::time::Duration) -> super::SubjectKeys {
        super::SubjectKeys::new(self.clone(), life)
    }

    pub(super) fn parts(&self) -> (&KeysDb, &MasterKey, &Arc<dyn Clock>, &Arc<dyn Ids>) {
        (&self.db, &self.master, &self.clock, &self.ids)
    }

    /// The pepper that a client's subjects are hashed with.
    pub(super) async fn pepper(&self, client: ClientId) -> Result<[u8; 32], VaultError> {
        Ok(self.key(client.0, SUBJECTS).await?.bytes)
    }

    async fn create(&self, owner: Uuid, label: &str) -> Result<(), VaultError> {
        let (key, _) = self.wrapped_key(owner)?;
        let now = self.clock.now().timestamp_micros();
        on!(&self.db, pool => sqlx::query(Self::ADD_KEY).bind(key.id).bind(key.owner).bind(label)
            .bind(key.master_id).bind(key.wrapped).bind(now).execute(pool).await.map(drop))
        .map_err(unavailable)?;
        Ok(())
    }

    /// Adds a key, unless its owner has one of that label.
    pub(super) const ADD_KEY: &str = "INSERT INTO data_keys (id, owner, label, master_id, wrapped, created_at) \
                                      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner, label) DO NOTHING";

    /// A new key of the node's own, not stored yet, and its bytes.
    pub(super) fn new_key(&self) -> Result<(WrappedKey, [u8; 32]), VaultError> {
        self.wrapped_key(Uuid::nil())
    }

    fn wrapped_key(&self, owner: Uuid) -> Result<(WrappedKey, [u8; 32]), VaultError> {
        let (id, bytes) = (self.ids.next(), self.ids.secret());
        let wrapped = self.master.wrap(self.nonce(), id.as_bytes(), &bytes);
        let wrapped = wrapped.ok_or_else(|| StoreUnavailable("the key cannot be wrapped".to_owned()))?;
        Ok((WrappedKey { id, owner, master_id: self.master.id().to_owned(), wrapped }, bytes))
    }

    /// The bytes of one of the node's own keys, if it exists.
    pub(super) async fn existing(&self, label: &str) -> Result<Option<[u8; 32]>, VaultError> {
        let name = (Uuid::nil(), label.to_owned());
        if let Some(key) = self.known.lock().get(&name) {
            return Ok(Some(key.bytes));
        }
        let Some(key) = self.stored(name.0, label).await? else { return Ok(None) };
        self.known.lock().put(name, key);
        Ok(Some(key.bytes))
    }

    fn nonce(&self) -> [u8; NONCE] {
        let random = self.ids.secret();
        std::array::from_fn(|at| random[at])
    }
}

/// The associated data that binds a sealed value to its owner and place.
fn bound_to(owner: ClientId, place: &str) -> Vec<u8> {
    [owner.0.as_bytes(), place.as_bytes()].concat()
}

#[async_trait]
impl Vault for KeyVault {
    async fn seal(&self, owner: ClientId, place: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        let key = self.key(owner.0, SECRETS).await?;
        let bytes = seal(&key.bytes, self.nonce(), &bound_to(owner, place), plain);
        let bytes = bytes.ok_or_else(|| StoreUnavailable("the value cannot be sealed".to_owned()))?;
        Ok(Sealed { key: key.id, bytes: bytes.into() })
    }

    async fn open(&self, owner: ClientId, place: &str, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        let key = self.key(owner.0, SECRETS).await?;
        if key.id != sealed.key {
            return Err(VaultError::Destroyed);
        }
        open(&key.bytes, &bound_to(owner, place), &sealed.bytes).ok_or(VaultError::Forged)
    }

    async fn secret(&self, purpose: &str) -> Result<[u8; 32], VaultError> {
        Ok(self.key(Uuid::nil(), purpose).await?.bytes)
    }
}
