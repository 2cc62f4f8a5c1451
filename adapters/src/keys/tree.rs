//! The first key of every person, derived from a tree: none of them is stored, each can be destroyed alone.
//!
//! A client has sixteen random keys. Under each key are sixteen more, derived from it by a one-way hash, twenty
//! levels deep; a person's pseudonym, digit by digit, is the path to their key. So a person met for the first time
//! needs no row, and their first call no flush to disk.
//!
//! To destroy one key is to forget every key on the path to it and to store, at each level, the fifteen beside the
//! path. All other keys can still be derived, and this one never again. That takes twenty rows, some twelve
//! kilobytes. (The tree is that of Goldreich, Goldwasser and Micali, How to Construct Random Functions, 1986; with
//! keys removed it is known as a puncturable pseudorandom function.)

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::Time;
use domain::ids::{ClientId, SubjectId};
use domain::ports::StoreUnavailable;
use domain::ports::vault::VaultError;
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::db::{KeysDb, on, unavailable};
use super::master::NONCE;
use super::vault::KeyVault;

/// Digits of the path to a person's key: 80 bits, of which 74 are a pseudonym's own. The chance that any two of ten
/// million persons share a key, and so an erasure, is one in three hundred million.
const DEPTH: usize = 20;
/// Clients whose tree is cached.
const CLIENTS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// The most nodes of a cached tree, enough for a dozen erasures. A larger tree is read path by path.
const MOST_NODES: usize = 256;
/// The most paths read in one statement.
const WAYS: usize = 200;

type Key = [u8; 32];
/// A path from the root to a person's key, in hexadecimal digits.
type TreePath = [u8; DEPTH];

/// A node whose own key is gone: the keys left under it.
#[derive(Clone)]
struct Node([Option<Key>; 16]);

/// The nodes of a client, by their path.
type Nodes = HashMap<Vec<u8>, Node>;

/// State of a person's first key.
#[derive(Clone, Copy)]
pub(super) enum Leaf {
    Alive(Key),
    Destroyed,
    /// The client has no tree, or a part of it was lost.
    Unknown,
}

/// A cached tree and how long it may be used.
struct Trunk {
    until: Instant,
    /// `None` when the tree is too large to be cached.
    nodes: Option<Nodes>,
}

struct Memory {
    trunks: LruCache<ClientId, Arc<Trunk>>,
    /// Number of destructions so far: what was read before one is not cached after it.
    destroyed: u64,
}

/// The trees of all clients. A cached tree is read again after `life`.
pub(super) struct KeyTrees {
    vault: KeyVault,
    life: Duration,
    memory: Mutex<Memory>,
    /// Held by the task that reads a tree for all tasks that wait for it.
    reading: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for KeyTrees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<trees of keys>")
    }
}

/// Why a step of several statements failed.
enum Failed {
    Sql(sqlx::Error),
    Vault(VaultError),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<VaultError> for Failed {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<Failed> for VaultError {
    fn from(error: Failed) -> Self {
        match error {
            Failed::Sql(error) => unavailable(error).into(),
            Failed::Vault(error) => error,
        }
    }
}

impl KeyTrees {
    pub(super) fn new(vault: KeyVault, life: Duration) -> Self {
        let memory = Memory { trunks: LruCache::new(CLIENTS), destroyed: 0 };
        Self { vault, life, memory: Mutex::new(memory), reading: tokio::sync::Mutex::default() }
    }

    /// The keys of these persons, in their order, and how long each may be used without reading again.
    pub(super) async fn leaves(
        &self,
        client: ClientId,
        persons: &[SubjectId],
    ) -> Result<(Vec<Leaf>, Instant), VaultError> {
        let trunk = self.trunk(client).await?;
        let ways: Vec<TreePath> = persons.iter().map(|&person| way(person)).collect();
        if let Some(nodes) = &trunk.nodes {
            return Ok((ways.iter().map(|way| leaf(nodes, way)).collect(), trunk.until));
        }
        let (mut leaves, until) = (Vec::with_capacity(ways.len()), self.moment() + self.life);
        for ways in ways.chunks(WAYS) {
            let nodes = self.on_the_way(client, ways).await?;
            leaves.extend(ways.iter().map(|way| leaf(&nodes, way)));
        }
        Ok((leaves, until))
    }

    /// Creates the client's tree durably if there is none. Of two nodes that create it at once, one wins.
    pub(super) async fn plant(&self, client: ClientId) -> Result<(), VaultError> {
        const PLANT: &str = "INSERT INTO key_nodes (id, client_id, way, master_id, wrapped) \
                             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
        let ids = self.vault.parts().3;
        let root = Node(std::array::from_fn(|_| Some(ids.secret())));
        let (id, wrapped, master) = self.wrap(client, &[], &root)?;
        on!(self.db(), pool => sqlx::query(PLANT).bind(id).bind(client.0).bind("").bind(master).bind(wrapped)
            .execute(pool).await.map(drop))
        .map_err(unavailable)?;
        self.forget(client);
        Ok(())
    }

    /// Destroys a person's first key for ever; false if it was destroyed before.
    pub(super) async fn destroy(&self, client: ClientId, person: SubjectId) -> Result<bool, VaultError> {
        const LOCK: &str = "UPDATE key_nodes SET way = way WHERE id = $1";
        const SET: &str = "INSERT INTO key_nodes (id, client_id, way, master_id, wrapped) \
                           VALUES ($1, $2, $3, $4, $5) \
                           ON CONFLICT (id) DO UPDATE SET master_id = excluded.master_id, wrapped = excluded.wrapped";
        const MARK: &str = "INSERT INTO subject_keys (id, client_id, subject, master_id, created_at, destroyed_at) \
                            VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (id) DO NOTHING";
        self.plant(client).await?;
        let (way, now) = (way(person), self.now().timestamp_micros());
        let done: Result<bool, Failed> = on!(self.db(), pool => {
            let mut tx = pool.begin().await?;
            // destructions within a client run one after the other
            sqlx::query(LOCK).bind(id(client, &[])).execute(&mut *tx).await?;
            let mut query = select(client, &[way]);
            let rows = query.build_query_as().fetch_all(&mut *tx).await?;
            let nodes = self.unwrap(rows)?;
            let Some(changed) = without(&nodes, &way) else { return Ok(false) };
            for (way, node) in &changed {
                let (id, wrapped, master) = self.wrap(client, way, node)?;
                sqlx::query(SET).bind(id).bind(client.0).bind(text(way)).bind(master).bind(wrapped)
                    .execute(&mut *tx).await?;
            }
            sqlx::query(MARK).bind(person.0).bind(client.0).bind(person.0).bind(self.vault.parts().1.id())
                .bind(now).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(true)
        });
        self.forget(client);
        Ok(done?)
    }

    /// Drops a client's tree from the cache.
    fn forget(&self, client: ClientId) {
        let mut memory = self.memory.lock();
        memory.destroyed += 1;
        memory.trunks.pop(&client);
    }

    pub(super) fn forget_all(&self) {
        self.memory.lock().trunks.clear();
    }

    async fn trunk(&self, client: ClientId) -> Result<Arc<Trunk>, VaultError> {
        let known =
            || self.memory.lock().trunks.get(&client).filter(|trunk| self.moment() < trunk.until).cloned();
        if let Some(trunk) = known() {
            return Ok(trunk);
        }
        let _turn = self.reading.lock().await;
        if let Some(trunk) = known() {
            return Ok(trunk);
        }
        let (until, destroyed) = (self.moment() + self.life, self.memory.lock().destroyed);
        const ALL: &str =
            "SELECT way, id, master_id, wrapped FROM key_nodes WHERE client_id = $1 LIMIT $2 + 0";
        let rows: Vec<Row> = on!(self.db(), pool => {
            sqlx::query_as(ALL).bind(client.0).bind(MOST_NODES as i64 + 1).fetch_all(pool).await
        })
        .map_err(unavailable)?;
        let nodes = if rows.len() > MOST_NODES { None } else { Some(self.unwrap(rows)?) };
        let trunk = Arc::new(Trunk { until, nodes });
        let mut memory = self.memory.lock();
        if memory.destroyed == destroyed {
            memory.trunks.put(client, trunk.clone());
        }
        Ok(trunk)
    }

    async fn on_the_way(&self, client: ClientId, ways: &[TreePath]) -> Result<Nodes, VaultError> {
        let rows: Vec<Row> = on!(self.db(), pool => {
            select(client, ways).build_query_as().fetch_all(pool).await
        })
        .map_err(unavailable)?;
        self.unwrap(rows)
    }

    fn wrap(&self, client: ClientId, way: &[u8], node: &Node) -> Result<(Uuid, Vec<u8>, &str), VaultError> {
        let (_, master, _, ids) = self.vault.parts();
        let random = ids.secret();
        let nonce: [u8; NONCE] = std::array::from_fn(|at| random[at]);
        let id = id(client, way);
        let wrapped = master.wrap(nonce, id.as_bytes(), &node.bytes());
        let wrapped = wrapped.ok_or_else(|| StoreUnavailable("the keys cannot be wrapped".to_owned()))?;
        Ok((id, wrapped, master.id()))
    }

    fn unwrap(&self, rows: Vec<Row>) -> Result<Nodes, VaultError> {
        let master = self.vault.parts().1;
        let node = |(way, id, master_id, wrapped): Row| {
            if master_id != master.id() {
                return Err(VaultError::MasterKey(master_id));
            }
            let bytes = master.unwrap(id.as_bytes(), &wrapped).ok_or(VaultError::Forged)?;
            Ok((way.bytes().filter_map(digit).collect(), Node::read(&bytes).ok_or(VaultError::Forged)?))
        };
        rows.into_iter().map(node).collect()
    }

    fn db(&self) -> &KeysDb {
        self.vault.parts().0
    }

    fn moment(&self) -> Instant {
        self.vault.parts().2.monotonic()
    }

    fn now(&self) -> Time {
        self.vault.parts().2.now()
    }
}

/// The path to a person's key.
fn way(person: SubjectId) -> TreePath {
    let bytes = person.0.as_bytes();
    std::array::from_fn(|at| if at % 2 == 0 { bytes[at / 2] >> 4 } else { bytes[at / 2] & 15 })
}

fn text(way: &[u8]) -> String {
    way.iter().filter_map(|&digit| char::from_digit(digit.into(), 16)).collect()
}

fn digit(text: u8) -> Option<u8> {
    char::from(text).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The id of a node's row; the row's ciphertext is bound to it.
fn id(client: ClientId, way: &[u8]) -> Uuid {
    let hash = Sha256::new().chain_update("voxledger key node\0").chain_update(client.0.as_bytes());
    let hash: [u8; 32] = hash.chain_update(way).finalize().into();
    Uuid::new_v8(std::array::from_fn(|at| hash[at]))
}

/// Derives the key of a child from its parent's.
fn under(key: &Key, digit: u8) -> Key {
    // one block of the hash
    Sha256::new()
        .chain_update("voxledger tree key\0")
        .chain_update(key)
        .chain_update([digit])
        .finalize()
        .into()
}

/// The key at the end of a path.
fn leaf(nodes: &Nodes, way: &TreePath) -> Leaf {
    for at in 0..DEPTH {
        let Some(node) = nodes.get(&way[..at]) else { return Leaf::Unknown };
        if let Some(key) = node.0[usize::from(way[at])] {
            return Leaf::Alive(way[at + 1..].iter().fold(key, |key, &digit| under(&key, digit)));
        }
    }
    Leaf::Destroyed
}

/// The nodes that change when the key at the end of a path is destroyed; `None` if it is destroyed already.
fn without(nodes: &Nodes, way: &TreePath) -> Option<Vec<(Vec<u8>, Node)>> {
    for at in 0..DEPTH {
        let mut node = nodes.get(&way[..at])?.clone();
        let Some(mut key) = node.0[usize::from(way[at])].take() else { continue };
        let mut changed = vec![(way[..at].to_vec(), node)];
        for below in at + 1..DEPTH {
            let keys = std::array::from_fn(|digit| {
                let beside = digit != usize::from(way[below]);
                beside.then(|| under(&key, digit as u8))
            });
            changed.push((way[..below].to_vec(), Node(keys)));
            key = under(&key, way[below]);
        }
        return Some(changed);
    }
    None
}

impl Node {
    /// A bit mask of the keys that exist, followed by those keys.
    fn bytes(&self) -> Vec<u8> {
        let there = (0..16).filter(|&at| self.0[at].is_some()).fold(0_u16, |there, at| there | (1 << at));
        let mut bytes = there.to_be_bytes().to_vec();
        bytes.extend(self.0.iter().flatten().flatten());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (there, keys) = bytes.split_first_chunk()?;
        let there = u16::from_be_bytes(*there);
        let (keys, rest) = keys.as_chunks::<32>();
        if keys.len() != there.count_ones() as usize || !rest.is_empty() {
            return None;
        }
        let mut keys = keys.iter().copied();
        Some(Self(std::array::from_fn(|at| if there & (1 << at) == 0 { None } else { keys.next() })))
    }
}

/// A stored row: the node's path, its id, the master key's id, and the keys wrapped by that.
type Row = (String, Uuid, String, Vec<u8>);

/// Selects all nodes that may lie on these paths.
fn select<DB: sqlx::Database>(client: ClientId, ways: &[TreePath]) -> QueryBuilder<DB>
where
    Uuid: for<'q> sqlx::Encode<'q, DB> + sqlx::Type<DB>,
{
    let nodes: BTreeSet<Uuid> =
        ways.iter().flat_map(|way| (0..DEPTH).map(|at| id(client, &way[..at]))).collect();
    let mut query = QueryBuilder::new("SELECT way, id, master_id, wrapped FROM key_nodes WHERE id IN (");
    let mut list = query.separated(", ");
    for id in nodes {
        list.push_bind(id);
    }
    query.push(")");
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(n: u64) -> SubjectId {
        let hash: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
        SubjectId(Uuid::new_v8(std::array::from_fn(|at| hash[at])))
    }

    fn alive(nodes: &Nodes, n: u64) -> Option<Key> {
        match leaf(nodes, &way(person(n))) {
            Leaf::Alive(key) => Some(key),
            Leaf::Destroyed => None,
            Leaf::Unknown => panic!("a part of the tree is lost"),
        }
    }

    #[test]
    fn each_key_can_be_destroyed_and_all_others_stay_what_they_are() {
        let root = Node(std::array::from_fn(|at| Some([at as u8; 32])));
        let mut nodes = Nodes::from([(vec![], root)]);
        let first: Vec<Key> = (0..200).map(|n| alive(&nodes, n).unwrap()).collect();
        for gone in (0..200).step_by(3) {
            let key = alive(&nodes, gone).unwrap();
            let changed = without(&nodes, &way(person(gone))).unwrap();
            assert!(changed.len() <= DEPTH);
            nodes.extend(changed);
            assert!(without(&nodes, &way(person(gone))).is_none(), "once");
            let stored: Vec<Key> = nodes.values().flat_map(|node| node.0.into_iter().flatten()).collect();
            assert!(!stored.contains(&key), "it is nowhere");
            // nor is any key it could be derived from: none that is left leads there
            let on_the_way = |at: usize| {
                nodes.get(&way(person(gone))[..at]).map(|node| node.0[usize::from(way(person(gone))[at])])
            };
            assert!((0..DEPTH).all(|at| on_the_way(at) == Some(None)));
        }
        for n in 0..200 {
            let expected = (n % 3 != 0).then(|| first[n as usize]);
            assert_eq!(alive(&nodes, n), expected, "person {n}");
        }
    }

    #[test]
    fn a_node_is_read_as_it_was_written_and_nothing_else_is() {
        let node = Node(std::array::from_fn(|at| (at % 3 == 0).then_some([at as u8; 32])));
        let bytes = node.bytes();
        assert_eq!(Node::read(&bytes).unwrap().0, node.0);
        assert!(Node::read(&bytes[..bytes.len() - 1]).is_none());
        assert!(Node::read(&bytes[..bytes.len() - 32]).is_none());
        assert!(Node::read(&[]).is_none());
    }

    #[test]
    fn a_way_is_the_first_digits_of_the_pseudonym() {
        let person = person(1);
        assert_eq!(text(&way(person)), person.0.simple().to_string()[..DEPTH]);
    }
}
