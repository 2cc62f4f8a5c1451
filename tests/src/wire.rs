//! A TCP connection between two programs that can be cut.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on to a server, until it is cut. Dropping it cuts it for good.
#[derive(Debug)]
pub struct Wire {
    pub address: SocketAddr,
    whole: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Listens on a port of its own for a server, given by host and port.
    pub async fn to(server: impl Into<String>) -> Result<Self> {
        let server = server.into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let whole = watch::Sender::new(true);
        let watched = whole.subscribe();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *watched.borrow() {
                    tokio::spawn(pass_on(client, server.clone(), watched.clone()));
                }
            }
        });
        Ok(Self { address, whole, task })
    }

    /// Breaks all connections, and every new one at once.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Passes new connections on again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn pass_on(mut client: TcpStream, server: String, mut whole: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(&server).await else { return };
    tokio::select! {
        // whoever breaks off takes the other side along
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
