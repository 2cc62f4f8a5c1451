//! Listens, and keeps the connections, so that tests can break them.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::RwLockReadGuard;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Settings, now};
use crate::faults::Faults;
use crate::log::{Expected, Log, NewEvent};
use crate::service::route;
use crate::writes::Caller;

/// A server, or all nodes of a cluster. It ends when this is dropped.
#[derive(Debug)]
pub struct FakeKurrentDb {
    cluster: Arc<Cluster>,
    _tasks: JoinSet<()>,
}

impl FakeKurrentDb {
    /// A single node. Fails when no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with(Settings::default()).await
    }

    /// Starts the nodes on the loopback address. Fails when a port cannot be had.
    pub async fn start_with(settings: Settings) -> std::io::Result<Self> {
        let mut listeners = Vec::new();
        for node in 0..settings.nodes.max(1) {
            let port = if node == 0 { settings.port } else { 0 };
            listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let cluster = Arc::new(Cluster::new(settings, &addresses));
        let mut tasks = JoinSet::new();
        for (node, listener) in listeners.into_iter().enumerate() {
            tasks.spawn(accept(cluster.clone(), node, listener));
        }
        Ok(Self { cluster, _tasks: tasks })
    }

    /// Address of a node, host and port.
    pub fn socket(&self, node: usize) -> Option<SocketAddr> {
        self.cluster.addresses().nth(node)
    }

    /// The address that clients connect to: of the only node, or of all with discovery. It connects at once.
    pub fn address(&self) -> String {
        let hosts: Vec<_> = self.cluster.addresses().map(|address| address.to_string()).collect();
        let login = self.cluster.settings.login.as_ref();
        let login = login.map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
        format!("kurrentdb://{login}{}?tls=false&discoveryInterval=5&maxDiscoverAttempts=4", hosts.join(","))
    }

    pub fn faults(&self) -> &Faults {
        &self.cluster.faults
    }

    /// Breaks the connections of a node, or of all nodes.
    pub fn reset_connections(&self, node: Option<usize>) {
        self.cluster.reset_connections(node);
    }

    /// Makes a node the leader; `None`: there is an election.
    pub fn set_leader(&self, node: Option<usize>) {
        self.cluster.set_leader(node);
    }

    /// A follower shows nothing new while it is stopped.
    pub fn stop_replication(&self, node: usize, stopped: bool) {
        self.cluster.stop_replication(node, stopped);
    }

    /// A node that is not alive answers nothing but that it is not ready, and loses its connections.
    pub fn set_alive(&self, node: usize, alive: bool) {
        self.cluster.set_alive(node, alive);
        if !alive {
            self.reset_connections(Some(node));
        }
    }

    pub fn log(&self) -> RwLockReadGuard<'_, Log> {
        self.cluster.log.read()
    }

    /// Writes behind the clients' backs. Returns the revision of the last event, or `None` when it is refused.
    pub fn write(&self, stream: &str, events: &[NewEvent]) -> Option<u64> {
        let written = self.cluster.log.write().append(stream, Expected::Any, events, now());
        self.cluster.tell();
        written.ok()?.revision
    }

    /// Deletes a stream behind the clients' backs; returns whether that was possible.
    pub fn delete(&self, stream: &str, tombstone: bool) -> bool {
        let deleted = self.cluster.log.write().delete(stream, Expected::Any, tombstone, now());
        self.cluster.tell();
        deleted.is_ok()
    }

    /// Removes what is deleted, truncated or too old.
    pub fn scavenge(&self) {
        self.cluster.log.write().scavenge(now());
    }

    /// Forgets recent ids, as a restart does.
    pub fn forget_recent_ids(&self) {
        self.cluster.log.write().forget_recent_ids();
    }

    /// The database is restored from a backup that holds its first `records` records.
    pub fn restore(&self, records: usize) {
        self.cluster.log.write().keep_first(records);
        self.cluster.tell();
        self.reset_connections(None);
    }

    /// An empty database stands at the same address from now on.
    pub fn replace_by_empty(&self) {
        *self.cluster.log.write() = Log::default();
        self.cluster.tell();
        self.reset_connections(None);
    }
}

#[derive(Debug, Default)]
pub struct Connection {
    broken: watch::Sender<bool>,
}

impl Connection {
    /// Breaks the connection. The call it came from gets no answer.
    pub async fn reset<T>(&self) -> T {
        self.broken.send_replace(true);
        std::future::pending().await
    }
}

async fn accept(cluster: Arc<Cluster>, node: usize, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    connections.spawn(serve(cluster.clone(), node, socket));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(cluster: Arc<Cluster>, node: usize, socket: TcpStream) {
    // a lost optimisation, nothing more
    let _ = socket.set_nodelay(true);
    let connection = Arc::new(Connection::default());
    let mut broken = connection.broken.subscribe();
    let mut resets = cluster.resets.subscribe();
    resets.mark_unchanged();
    let caller = Caller { cluster, node, connection };
    let service = service_fn(move |request| {
        let reply = route(caller.clone(), request);
        async move { Ok::<_, Infallible>(reply.await) }
    });
    let serving = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(100)
        .serve_connection(TokioIo::new(socket), service);
    let reset = async {
        loop {
            if resets.changed().await.is_err() {
                return;
            }
            let (_, which) = *resets.borrow();
            if which.is_none_or(|which| which == node) {
                return;
            }
        }
    };
    tokio::select! {
        _ = serving => {}
        () = reset => {}
        _ = broken.wait_for(|broken| *broken) => {}
    }
}
