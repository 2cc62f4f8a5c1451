//! A load balancer in front of nodes: connections go to them in turn, and past a node that is gone or not ready.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running balancer. Stops taking connections when dropped.
#[derive(Debug)]
pub struct Balancer {
    pub address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

/// The pause between two questions whether a node is ready.
const PROBE: Duration = Duration::from_millis(100);
/// How long a node may take to say so; no longer than balancers and Kubernetes wait by default.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Backend {
    address: String,
    ready: AtomicBool,
}

impl Balancer {
    /// Starts one in front of `nodes`, given by host and port. Whether they are ready it does not ask.
    pub async fn start(nodes: Vec<String>) -> Result<Self> {
        Self::with(nodes, false).await
    }

    /// The same, and new connections pass by a node whose `/readyz` says that it is not ready.
    pub async fn probing(nodes: Vec<String>) -> Result<Self> {
        Self::with(nodes, true).await
    }

    async fn with(nodes: Vec<String>, probes: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let node = |address| Backend { address, ready: AtomicBool::new(true) };
        let nodes: Arc<Vec<_>> = Arc::new(nodes.into_iter().map(node).collect());
        let turn = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        if probes {
            tasks.extend((0..nodes.len()).map(|at| tokio::spawn(probe(nodes.clone(), at))));
        }
        tasks.push(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (nodes, turn) = (nodes.clone(), turn.clone());
                tokio::spawn(pass_on(client, nodes, turn));
            }
        }));
        Ok(Self { address, tasks })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn probe(nodes: Arc<Vec<Backend>>, at: usize) {
    loop {
        let answer = tokio::time::timeout(PATIENCE, is_ready(&nodes[at].address)).await;
        // a machine that is busy answers late: only a no is a no
        if let Ok(ready) = answer {
            nodes[at].ready.store(ready.unwrap_or(false), Ordering::Relaxed);
        }
        tokio::time::sleep(PROBE).await;
    }
}

async fn is_ready(address: &str) -> Result<bool> {
    let mut node = TcpStream::connect(address).await?;
    node.write_all(b"GET /readyz HTTP/1.1\r\nHost: balancer.test\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    node.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

async fn pass_on(mut client: TcpStream, nodes: Arc<Vec<Backend>>, turn: Arc<AtomicUsize>) {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    let in_turn: Vec<_> = (0..nodes.len()).map(|n| &nodes[(first + n) % nodes.len()]).collect();
    let (ready, others): (Vec<_>, Vec<_>) =
        in_turn.into_iter().partition(|node| node.ready.load(Ordering::Relaxed));
    for node in ready.into_iter().chain(others) {
        if let Ok(mut server) = TcpStream::connect(&node.address).await {
            // whoever breaks off takes the other side along
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
