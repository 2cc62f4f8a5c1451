//! Keys of personal data: one for each client and subject; destroying it erases the subject's data.
//!
//! A person's first key is derived from the client's key tree. Two kinds are rows of their own: the key of a person
//! who is met again after an erasure, and the key of a stream, made when first needed and destroyed at the
//! end of what the stream is about.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::{StreamId, Time};
use domain::ids::{ClientId, SubjectId};
use domain::ports::StoreUnavailable;
use domain::ports::vault::VaultError;
use domain::privacy::Subject;
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use sha2::{Digest as _, Sha256};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use super::db::{KeysDb, on, unavailable};
use super::master::NONCE;
use super::tree::{KeyTrees, Leaf};
use super::vault::KeyVault;

/// Keys cached in memory, some 200 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// Clients whose hashing pepper is cached.
const MOST_PEPPERS: usize = 100_000;
/// The most values bound in one statement.
const BOUND: usize = 4_000;

/// A living key. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectKey {
    /// Id of the key; it reveals nothing and may be stored with what the key encrypted.
    pub id: Uuid,
    pub subject: SubjectId,
    /// The key that encrypts values.
    pub(crate) seals: [u8; 32],
    /// A hash that identifies the key without revealing it: two keys never have the same.
    pub(crate) print: [u8; 32],
}

impl SubjectKey {
    fn new(id: Uuid, subject: SubjectId, key: &[u8; 32]) -> Self {
        let derive = |purpose: &str| -> [u8; 32] {
            Sha256::new().chain_update(purpose).chain_update([0]).chain_update(key).finalize().into()
        };
        let (seals, print) = (derive("voxledger subject key seals"), derive("voxledger subject key print"));
        Self { id, subject, seals, print }
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<subject key {}>", self.id)
    }
}

#[derive(Debug, Clone)]
pub enum SubjectKeyState {
    Alive(Arc<SubjectKey>),
    /// The key was destroyed; names the subject it belonged to.
    Destroyed(SubjectId),
    /// There is no such key. It was lost, which for the data it encrypted is the same as destroyed.
    Unknown,
}

#[derive(Debug)]
struct CachedKeys {
    until: Instant,
    state: SubjectKeyState,
}

#[derive(Debug)]
struct Memory {
    keys: LruCache<Uuid, CachedKeys>,
    alive: LruCache<(ClientId, SubjectId), Uuid>,
    /// Number of destructions so far: what was read before one is not cached after it.
    destroyed: u64,
}

/// A client and subject that needs a new key.
type KeyRequest = (ClientId, SubjectId);

/// A cached key is read again after `life`, so that a key destroyed on another node stays in use no longer than that.
#[derive(Debug, Clone)]
pub struct SubjectKeys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vault: KeyVault,
    trees: KeyTrees,
    life: Duration,
    memory: Mutex<Memory>,
    wishes: Mutex<HashSet<KeyRequest>>,
    /// The pepper that each client's subjects are hashed with.
    peppers: RwLock<HashMap<ClientId, [u8; 32]>>,
    /// Held by the task that makes keys for all waiting tasks: many keys, one flush to disk.
    making: tokio::sync::Mutex<()>,
}

impl SubjectKeys {
    pub(super) fn new(vault: KeyVault, life: Duration) -> Self {
        let memory =
            Memory { keys: LruCache::new(REMEMBERED), alive: LruCache::new(REMEMBERED), destroyed: 0 };
        Self(Arc::new(Inner {
            trees: KeyTrees::new(vault.clone(), life),
            vault,
            life,
            memory: Mutex::new(memory),
            wishes: Mutex::default(),
            peppers: RwLock::default(),
            making: tokio::sync::Mutex::default(),
        }))
    }

    /// How long a key that was destroyed on another node may still be used here.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.0.life
    }

    /// The pseudonym of a subject within a client.
    pub async fn pseudonym(&self, client: ClientId, subject: &Subject) -> Result<SubjectId, VaultError> {
        let known = self.0.peppers.read().get(&client).copied();
        let pepper = match known {
            Some(pepper) => pepper,
            None => {
                let pepper = self.0.vault.pepper(client).await?;
                let mut peppers = self.0.peppers.write();
                if peppers.len() >= MOST_PEPPERS {
                    peppers.clear();
                }
                peppers.insert(client, pepper);
                pepper
            }
        };
        Ok(subject.pseudonym(&pepper))
    }

    /// The keys to encrypt with, in the order of the subjects; missing keys are created and durable.
    pub async fn sealing(
        &self,
        client: ClientId,
        subjects: &[SubjectId],
    ) -> Result<Vec<Arc<SubjectKey>>, VaultError> {
        let mut keys = self.remembered(client, subjects);
        if keys.iter().any(Option::is_none) {
            self.of_trees(client, subjects, &mut keys).await?;
        }
        let lacks = subjects.iter().zip(&keys).filter(|(_, key)| key.is_none());
        let lacks: Vec<SubjectId> = lacks.map(|(&subject, _)| subject).collect();
        if !lacks.is_empty() {
            let mut rows = self.of_rows(client, &lacks).await?.into_iter();
            for key in keys.iter_mut().filter(|key| key.is_none()) {
                *key = rows.next();
            }
        }
        keys.into_iter().map(|key| key.ok_or(VaultError::Destroyed)).collect()
    }

    fn remembered(&self, client: ClientId, subjects: &[SubjectId]) -> Vec<Option<Arc<SubjectKey>>> {
        let (now, mut memory) = (self.moment(), self.0.memory.lock());
        subjects.iter().map(|&subject| memory.alive(client, subject, now)).collect()
    }

    /// Adds the keys of those subjects whose key is in the client's tree.
    async fn of_trees(
        &self,
        client: ClientId,
        subjects: &[SubjectId],
        keys: &mut [Option<Arc<SubjectKey>>],
    ) -> Result<(), VaultError> {
        let lacks = |at: &usize| keys[*at].is_none() && !subjects[*at].is_stream();
        let lacking: Vec<usize> = (0..subjects.len()).filter(lacks).collect();
        let persons: Vec<SubjectId> = lacking.iter().map(|&at| subjects[at]).collect();
        if persons.is_empty() {
            return Ok(());
        }
        let destroyed = self.0.memory.lock().destroyed;
        let (mut leaves, mut until) = self.0.trees.leaves(client, &persons).await?;
        if leaves.iter().any(|leaf| matches!(leaf, Leaf::Unknown)) {
            self.0.trees.plant(client).await?;
            (leaves, until) = self.0.trees.leaves(client, &persons).await?;
        }
        let mut memory = self.0.memory.lock();
        for ((at, person), leaf) in lacking.into_iter().zip(persons).zip(leaves) {
            let Leaf::Alive(key) = leaf else { continue };
            let key = Arc::new(SubjectKey::new(person.0, person, &key));
            if memory.destroyed == destroyed {
                memory.alive.put((client, person), person.0);
                memory.keys.put(person.0, CachedKeys { until, state: SubjectKeyState::Alive(key.clone()) });
            }
            keys[at] = Some(key);
        }
        Ok(())
    }

    /// The keys of these subjects that are rows, in their order; missing keys are created.
    async fn of_rows(
        &self,
        client: ClientId,
        subjects: &[SubjectId],
    ) -> Result<Vec<Arc<SubjectKey>>, VaultError> {
        self.0.wishes.lock().extend(subjects.iter().map(|&subject| (client, subject)));
        let _turn = self.0.making.lock().await;
        if let Some(keys) = self.remembered(client, subjects).into_iter().collect() {
            // the task that held the lock before made ours, too
            return Ok(keys);
        }
        let mut wishes: Vec<KeyRequest> = std::mem::take(&mut *self.0.wishes.lock()).into_iter().collect();
        // a cancelled task may have taken our wish along without fulfilling it
        wishes.extend(subjects.iter().map(|&subject| (client, subject)));
        wishes.sort_unstable();
        wishes.dedup();
        let mut made = HashMap::new();
        for wishes in wishes.chunks(BOUND / 8) {
            made.extend(self.fulfil(wishes).await?);
        }
        let key = |subject: &SubjectId| made.get(&(client, *subject)).cloned().ok_or(VaultError::Destroyed);
        subjects.iter().map(key).collect()
    }

    /// The living keys of these subjects, as they are stored; missing keys are created.
    async fn fulfil(
        &self,
        wishes: &[KeyRequest],
    ) -> Result<HashMap<KeyRequest, Arc<SubjectKey>>, VaultError> {
        // a subject that is not cached is most often new: then this is one statement and one flush
        let mut found = self.make(wishes).await?;
        if found.len() < wishes.len() {
            let others = wishes.iter().filter(|wish| !found.contains_key(*wish)).copied().collect::<Vec<_>>();
            found.extend(self.alive_of(&others).await?);
        }
        let (now, mut memory) = (self.moment(), self.0.memory.lock());
        for (&(client, subject), key) in &found {
            memory.alive.put((client, subject), key.id);
            let state = SubjectKeyState::Alive(key.clone());
            memory.keys.put(key.id, CachedKeys { until: now + self.0.life, state });
        }
        Ok(found)
    }

    async fn alive_of(
        &self,
        wishes: &[KeyRequest],
    ) -> Result<HashMap<KeyRequest, Arc<SubjectKey>>, VaultError> {
        let rows: Vec<Row> = on!(self.db(), pool => {
            let mut query = QueryBuilder::new(
                "SELECT id, client_id, subject, master_id, wrapped FROM subject_keys \
                 WHERE wrapped IS NOT NULL AND (client_id, subject) IN (",
            );
            // SQLite takes a list of rows as VALUES only, PostgreSQL takes either
            query.push_values(wishes, |mut row, (client, subject)| {
                row.push_bind(client.0).push_bind(subject.0);
            });
            query.push(")");
            query.build_query_as().fetch_all(pool).await
        })
        .map_err(unavailable)?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            let wish = (ClientId(row.1), SubjectId(row.2));
            if let SubjectKeyState::Alive(key) = self.unwrap(row)? {
                found.insert(wish, key);
            }
        }
        Ok(found)
    }

    /// Creates keys for those who have none and returns them. Of two nodes that create one at once, one wins.
    async fn make(&self, wishes: &[KeyRequest]) -> Result<HashMap<KeyRequest, Arc<SubjectKey>>, VaultError> {
        let (db, master, clock, ids) = self.0.vault.parts();
        let mut rows = Vec::with_capacity(wishes.len());
        let mut keys = HashMap::with_capacity(wishes.len());
        for &(client, subject) in wishes {
            let (id, key, random) = (ids.next(), ids.secret(), ids.secret());
            let nonce: [u8; NONCE] = std::array::from_fn(|at| random[at]);
            let wrapped = master.wrap(nonce, id.as_bytes(), &key);
            let wrapped = wrapped.ok_or_else(|| StoreUnavailable("the key cannot be wrapped".to_owned()))?;
            rows.push((id, client, subject, wrapped));
            keys.insert(id, ((client, subject), Arc::new(SubjectKey::new(id, subject, &key))));
        }
        let now = clock.now().timestamp_micros();
        let made: Vec<Uuid> = on!(db, pool => {
            let mut query = QueryBuilder::new(
                "INSERT INTO subject_keys (id, client_id, subject, master_id, wrapped, created_at) ",
            );
            query.push_values(rows, |mut row, (id, client, subject, wrapped)| {
                row.push_bind(id).push_bind(client.0).push_bind(subject.0);
                row.push_bind(master.id().to_owned()).push_bind(wrapped).push_bind(now);
            });
            query.push(" ON CONFLICT (client_id, subject) WHERE wrapped IS NOT NULL DO NOTHING RETURNING id");
            query.build_query_scalar().fetch_all(pool).await
        })
        .map_err(unavailable)?;
        Ok(made.into_iter().filter_map(|id| keys.remove(&id)).collect())
    }

    /// The state of these keys of clients, to decrypt with.
    pub async fn opening(
        &self,
        ids: impl IntoIterator<Item = (ClientId, Uuid)>,
    ) -> Result<HashMap<Uuid, SubjectKeyState>, VaultError> {
        let mut found = HashMap::new();
        let mut rows = HashSet::new();
        let mut leaves: HashMap<ClientId, HashSet<SubjectId>> = HashMap::new();
        {
            let (now, mut memory) = (self.moment(), self.0.memory.lock());
            for (client, id) in ids {
                match memory.keys.get(&id).filter(|known| now < known.until) {
                    Some(known) => _ = found.entry(id).or_insert_with(|| known.state.clone()),
                    None if is_leaf(id) => _ = leaves.entry(client).or_default().insert(SubjectId(id)),
                    None => _ = rows.insert(id),
                }
            }
        }
        for (client, persons) in leaves {
            self.open_leaves(client, persons.into_iter().collect(), &mut found).await?;
        }
        let rows: Vec<Uuid> = rows.into_iter().collect();
        for ids in rows.chunks(BOUND) {
            let (asked_at, destroyed) = (self.moment(), self.0.memory.lock().destroyed);
            let rows: Vec<Row> = on!(self.db(), pool => {
                let mut query = QueryBuilder::new(
                    "SELECT id, client_id, subject, master_id, wrapped FROM subject_keys WHERE id IN (",
                );
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(*id);
                }
                query.push(")");
                query.build_query_as().fetch_all(pool).await
            })
            .map_err(unavailable)?;
            let mut states: Vec<(Uuid, SubjectKeyState)> =
                ids.iter().map(|&id| (id, SubjectKeyState::Unknown)).collect();
            let mut read = HashMap::with_capacity(rows.len());
            for row in rows {
                read.insert(row.0, self.unwrap(row)?);
            }
            for (id, state) in &mut states {
                if let Some(found) = read.remove(id) {
                    *state = found;
                }
            }
            let mut memory = self.0.memory.lock();
            for (id, state) in states {
                if memory.destroyed == destroyed {
                    memory.keys.put(id, CachedKeys { until: asked_at + self.0.life, state: state.clone() });
                }
                found.insert(id, state);
            }
        }
        Ok(found)
    }

    async fn open_leaves(
        &self,
        client: ClientId,
        persons: Vec<SubjectId>,
        found: &mut HashMap<Uuid, SubjectKeyState>,
    ) -> Result<(), VaultError> {
        let destroyed = self.0.memory.lock().destroyed;
        let (leaves, until) = self.0.trees.leaves(client, &persons).await?;
        let mut memory = self.0.memory.lock();
        for (person, leaf) in persons.into_iter().zip(leaves) {
            let state = match leaf {
                Leaf::Alive(key) => SubjectKeyState::Alive(Arc::new(SubjectKey::new(person.0, person, &key))),
                Leaf::Destroyed => SubjectKeyState::Destroyed(person),
                Leaf::Unknown => SubjectKeyState::Unknown,
            };
            if memory.destroyed == destroyed {
                memory.keys.put(person.0, CachedKeys { until, state: state.clone() });
            }
            found.insert(person.0, state);
        }
        Ok(())
    }

    /// The ids of a subject's keys, oldest first, and whether each is destroyed. A person's first key is listed
    /// even before it is used.
    pub async fn of(&self, client: ClientId, subject: SubjectId) -> Result<Vec<(Uuid, bool)>, VaultError> {
        // two queries, each with its own index: of living keys, and of destroyed ones
        const OF: &str = "SELECT id, gone FROM (SELECT id, created_at, false AS gone FROM subject_keys \
            WHERE client_id = $1 AND subject = $2 AND wrapped IS NOT NULL UNION ALL \
            SELECT id, created_at, true AS gone FROM subject_keys \
            WHERE client_id = $1 AND subject = $2 AND wrapped IS NULL) AS keys ORDER BY created_at, id";
        let rows = on!(self.db(), pool => sqlx::query(OF).bind(client.0).bind(subject.0).fetch_all(pool).await
            .and_then(|rows| rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()));
        let mut keys: Vec<(Uuid, bool)> = rows.map_err(unavailable)?;
        if !subject.is_stream() && !keys.iter().any(|(id, _)| *id == subject.0) {
            keys.insert(0, (subject.0, false));
        }
        Ok(keys)
    }

    /// Destroys the living keys of a subject for ever, on this node at once and on other nodes within
    /// [`SubjectKeys::life`]. Returns the keys that this call destroyed; repeated, it destroys nothing.
    pub async fn destroy(&self, client: ClientId, subject: SubjectId) -> Result<Vec<Uuid>, VaultError> {
        const DESTROY: &str = "UPDATE subject_keys SET wrapped = NULL, destroyed_at = $3 \
                               WHERE client_id = $1 AND subject = $2 AND wrapped IS NOT NULL RETURNING id";
        // no task may make or read a key while it is destroyed
        let _turn = self.0.making.lock().await;
        let now = self.now().timestamp_micros();
        let mut ids: Vec<Uuid> =
            on!(self.db(), pool => sqlx::query_scalar(DESTROY).bind(client.0).bind(subject.0)
            .bind(now).fetch_all(pool).await)
            .map_err(unavailable)?;
        if !subject.is_stream() && self.0.trees.destroy(client, subject).await? {
            ids.push(subject.0);
        }
        let mut memory = self.0.memory.lock();
        memory.destroyed += 1;
        memory.alive.pop(&(client, subject));
        for id in &ids {
            memory.keys.pop(id);
        }
        Ok(ids)
    }

    /// Which living keys of a subject were made up to `at` or are among `listed`. A person's first key counts
    /// as older than everything.
    pub(crate) async fn alive_of_before(
        &self,
        client: ClientId,
        subject: SubjectId,
        at: Time,
        listed: &[Uuid],
    ) -> Result<Vec<Uuid>, VaultError> {
        const ALIVE: &str = "SELECT id, created_at FROM subject_keys \
                             WHERE client_id = $1 AND subject = $2 AND wrapped IS NOT NULL";
        let rows: Result<Vec<(Uuid, i64)>, sqlx::Error> = on!(self.db(), pool => sqlx::query_as(ALIVE).bind(client.0).bind(subject.0).fetch_all(pool).await);
        let old =
            |&(id, created_at): &(Uuid, i64)| created_at <= at.timestamp_micros() || listed.contains(&id);
        let mut alive: Vec<Uuid> =
            rows.map_err(unavailable)?.into_iter().filter(old).map(|(id, _)| id).collect();
        if !subject.is_stream()
            && let (leaves, _) = self.0.trees.leaves(client, &[subject]).await?
            && matches!(leaves[..], [Leaf::Alive(_)])
        {
            alive.push(subject.0);
        }
        Ok(alive)
    }

    /// Destroys these keys of a subject and none made since; answers how many.
    pub(crate) async fn destroy_these(
        &self,
        client: ClientId,
        subject: SubjectId,
        keys: &[Uuid],
    ) -> Result<usize, VaultError> {
        const DESTROY: &str = "UPDATE subject_keys SET wrapped = NULL, destroyed_at = $3 \
                               WHERE id = $1 AND client_id = $2 AND wrapped IS NOT NULL";
        let _turn = self.0.making.lock().await;
        let (now, mut gone) = (self.now().timestamp_micros(), 0);
        for id in keys {
            if is_leaf(*id) {
                gone += usize::from(self.0.trees.destroy(client, subject).await?);
                continue;
            }
            let done = on!(self.db(), pool => sqlx::query(DESTROY).bind(*id).bind(client.0).bind(now)
                .execute(pool).await.map(|done| done.rows_affected()));
            gone += done.map_err(unavailable)? as usize;
        }
        let mut memory = self.0.memory.lock();
        memory.destroyed += 1;
        memory.alive.pop(&(client, subject));
        for id in keys {
            memory.keys.pop(id);
        }
        Ok(gone)
    }

    /// Removes every byte of destroyed keys from the journal of an embedded store, and from a server's tables.
    /// Fails when the store cannot be written.
    pub async fn scrub(&self) -> Result<(), StoreUnavailable> {
        const JOURNAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
        let done = match self.db() {
            KeysDb::Sqlite(pool) => sqlx::query(JOURNAL).execute(pool).await.map(drop),
            KeysDb::Postgres(pool) => {
                sqlx::query("VACUUM subject_keys, key_nodes").execute(pool).await.map(drop)
            }
        };
        done.map_err(unavailable)
    }

    /// Empties the caches, so that the next use reads from the database.
    pub fn forget(&self) {
        self.0.trees.forget_all();
        let mut memory = self.0.memory.lock();
        memory.keys.clear();
        memory.alive.clear();
    }

    pub(crate) fn random<const BYTES: usize>(&self) -> [u8; BYTES] {
        const { assert!(BYTES <= 32) };
        let random = self.0.vault.parts().3.secret();
        std::array::from_fn(|at| random[at])
    }

    fn unwrap(&self, (id, _, subject, master_id, wrapped): Row) -> Result<SubjectKeyState, VaultError> {
        let (master, subject) = (self.0.vault.parts().1, SubjectId(subject));
        let Some(wrapped) = wrapped else { return Ok(SubjectKeyState::Destroyed(subject)) };
        if master_id != master.id() {
            return Err(VaultError::MasterKey(master_id));
        }
        let key = master.unwrap_key(id.as_bytes(), &wrapped).ok_or(VaultError::Forged)?;
        Ok(SubjectKeyState::Alive(Arc::new(SubjectKey::new(id, subject, &key))))
    }

    fn db(&self) -> &KeysDb {
        self.0.vault.parts().0
    }

    /// Notes that the stream's own key is to be destroyed once the stream has ended.
    pub(crate) async fn end_with(&self, client: ClientId, stream: &StreamId) -> Result<(), VaultError> {
        const NOTE: &str = "INSERT INTO content_keys (stream, client_id, created_at) VALUES ($1, $2, $3) \
                            ON CONFLICT (stream) DO NOTHING";
        let now = self.now().timestamp_micros();
        let done = on!(self.db(), pool => sqlx::query(NOTE).bind(stream.as_str()).bind(client.0).bind(now)
            .execute(pool).await.map(drop));
        done.map_err(|error| unavailable(error).into())
    }

    /// Streams whose own keys are to be destroyed at their end, in order of their names, after a given one;
    /// with client and start.
    pub(crate) async fn ending(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(String, ClientId, Time)>, VaultError> {
        const ENDING: &str = "SELECT stream, client_id, created_at FROM content_keys WHERE stream > $1 \
                              ORDER BY stream LIMIT $2 + 0";
        let rows: Result<Vec<(String, Uuid, i64)>, sqlx::Error> = on!(self.db(), pool => {
            sqlx::query(ENDING).bind(after).bind(i64::from(limit)).fetch_all(pool).await.and_then(|rows| {
                rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
            })
        });
        let rows = rows.map_err(unavailable)?;
        let time = |micros| Time::from_timestamp_micros(micros).unwrap_or_default();
        Ok(rows.into_iter().map(|(stream, client, since)| (stream, ClientId(client), time(since))).collect())
    }

    /// Removes the note of a stream whose key is about to be destroyed.
    pub(crate) async fn ended(&self, stream: &StreamId) -> Result<(), VaultError> {
        const ENDED: &str = "DELETE FROM content_keys WHERE stream = $1";
        let done =
            on!(self.db(), pool => sqlx::query(ENDED).bind(stream.as_str()).execute(pool).await.map(drop));
        done.map_err(|error| unavailable(error).into())
    }

    /// Monotonic time, because cached keys must not depend on the wall clock.
    fn moment(&self) -> Instant {
        self.0.vault.parts().2.monotonic()
    }

    pub(crate) fn now(&self) -> Time {
        self.0.vault.parts().2.now()
    }
}

/// Whether a key comes from a tree; its id is then the person's pseudonym. Keys that are rows have ids
/// that grow with time.
fn is_leaf(id: Uuid) -> bool {
    id.get_version_num() == 8
}

impl Memory {
    fn alive(&mut self, client: ClientId, subject: SubjectId, now: Instant) -> Option<Arc<SubjectKey>> {
        let id = self.alive.get(&(client, subject))?;
        match self.keys.get(id) {
            Some(CachedKeys { until, state: SubjectKeyState::Alive(key) }) if now < *until => {
                Some(key.clone())
            }
            _ => None,
        }
    }
}

/// A stored row: key id, client, subject, master key id, and the key wrapped by that.
type Row = (Uuid, Uuid, Uuid, String, Option<Vec<u8>>);
