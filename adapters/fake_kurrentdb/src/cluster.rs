//! The state behind all nodes: one log, who leads, and how far each follower has come.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::faults::Faults;
use crate::log::Log;
use crate::status;

/// What a server is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Nodes of the cluster; the first one leads at the beginning.
    pub nodes: usize,
    /// Version that the server names.
    pub version: String,
    /// Whether the server knows the method that lists its features.
    pub lists_features: bool,
    /// User and password without which nothing is answered; `None`: anybody may do everything.
    pub login: Option<(String, String)>,
    /// The most bytes that one append may have.
    pub max_append_bytes: usize,
    /// TCP port of the first node; 0 picks a free one.
    pub port: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodes: 1,
            version: "26.2.0".to_owned(),
            lists_features: true,
            login: None,
            max_append_bytes: 256 << 20,
            port: 0,
        }
    }
}

#[derive(Debug)]
pub struct Cluster {
    pub settings: Settings,
    pub faults: Faults,
    pub log: RwLock<Log>,
    /// Changes with every write, and when a follower catches up.
    pub changed: watch::Sender<u64>,
    leader: Mutex<Option<usize>>,
    nodes: Vec<NodeState>,
    /// Every connection listens; a new number ends those of the node it names.
    pub resets: watch::Sender<(u64, Option<usize>)>,
}

#[derive(Debug)]
struct NodeState {
    address: SocketAddr,
    /// Number of records that a follower stopped at; `None` while it keeps up.
    stopped_at: Mutex<Option<usize>>,
    alive: Mutex<bool>,
}

impl Cluster {
    pub fn new(settings: Settings, addresses: &[SocketAddr]) -> Self {
        let node = |address: &SocketAddr| NodeState {
            address: *address,
            stopped_at: Mutex::default(),
            alive: Mutex::new(true),
        };
        Self {
            settings,
            faults: Faults::default(),
            log: RwLock::default(),
            changed: watch::Sender::default(),
            leader: Mutex::new(Some(0)),
            nodes: addresses.iter().map(node).collect(),
            resets: watch::Sender::default(),
        }
    }

    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.nodes.iter().map(|node| node.address)
    }

    pub fn leader(&self) -> Option<usize> {
        *self.leader.lock()
    }

    pub fn set_leader(&self, leader: Option<usize>) {
        *self.leader.lock() = leader;
    }

    /// The next node becomes the leader.
    pub fn move_leader(&self) {
        let mut leader = self.leader.lock();
        *leader = leader.map(|leader| (leader + 1) % self.nodes.len());
    }

    pub fn is_alive(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| *node.alive.lock())
    }

    pub fn set_alive(&self, node: usize, alive: bool) {
        if let Some(node) = self.nodes.get(node) {
            *node.alive.lock() = alive;
        }
    }

    /// Stops a follower where it is, or lets it catch up.
    pub fn stop_replication(&self, node: usize, stopped: bool) {
        let length = self.log.read().records().len();
        if let Some(node) = self.nodes.get(node) {
            *node.stopped_at.lock() = stopped.then_some(length);
        }
        self.tell();
    }

    /// Number of records that a node shows.
    pub fn visible(&self, node: usize, log: &Log) -> usize {
        let all = log.records().len();
        if self.leader() == Some(node) {
            return all;
        }
        self.nodes.get(node).and_then(|node| *node.stopped_at.lock()).map_or(all, |stopped| stopped.min(all))
    }

    pub fn tell(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Ends all connections of a node, or of all nodes.
    pub fn reset_connections(&self, node: Option<usize>) {
        self.resets.send_modify(|(count, which)| (*count, *which) = (count.wrapping_add(1), node));
    }

    /// Whether the caller may do anything here.
    pub fn admit(&self, request: &MetadataMap) -> Result<(), Status> {
        let Some((user, password)) = &self.settings.login else { return Ok(()) };
        use base64::Engine as _;
        let wanted = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        match request.get("authorization").and_then(|value| value.to_str().ok()) {
            Some(given) if given == format!("Basic {wanted}") => Ok(()),
            _ => Err(status::unauthenticated()),
        }
    }

    /// Refuses a call that asks for the leader when this node is none.
    pub fn check_leader(&self, node: usize, request: &MetadataMap) -> Result<(), Status> {
        let asked = request.get("requires-leader").and_then(|value| value.to_str().ok());
        if asked.is_some_and(|value| value.eq_ignore_ascii_case("true")) && self.leader() != Some(node) {
            return Err(self.not_leader());
        }
        Ok(())
    }

    /// The error of a node that is not the leader.
    pub fn not_leader(&self) -> Status {
        match self.leader().and_then(|leader| self.nodes.get(leader)) {
            Some(leader) => status::not_leader(&leader.address.ip().to_string(), leader.address.port()),
            None => status::no_leader(),
        }
    }
}

/// The wall clock, in ticks of 100 ns since 1970.
#[expect(clippy::disallowed_methods, reason = "a server of its own has a clock of its own")]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX)
}

/// The same as a timestamp of the protocol.
pub fn timestamp() -> prost_types::Timestamp {
    let ticks = now();
    prost_types::Timestamp { seconds: ticks / 10_000_000, nanos: (ticks % 10_000_000) as i32 * 100 }
}
