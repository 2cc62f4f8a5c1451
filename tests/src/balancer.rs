//! A load balancer in front of nodes: connections go to them in turn, and past a node that is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running balancer. Stops taking connections when dropped.
#[derive(Debug)]
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Starts one in front of `nodes`, given by host and port.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(nodes: Vec<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (nodes, turn) = (Arc::new(nodes), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (nodes, turn) = (nodes.clone(), turn.clone());
                tokio::spawn(pass_on(client, nodes, turn));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut client: TcpStream, nodes: Arc<Vec<String>>, turn: Arc<AtomicUsize>) {
    for _ in 0..nodes.len() {
        let node = turn.fetch_add(1, Ordering::Relaxed) % nodes.len();
        if let Ok(mut server) = TcpStream::connect(&nodes[node]).await {
            // whoever breaks off takes the other side along
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
