//! Addresses of this machine for tests that run in parallel.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

/// An address that refuses connections for as long as this value lives. It holds the port: a listener that was only
/// closed would leave its port to the next test that asks for one.
#[derive(Debug)]
pub struct Refusing {
    _held: TcpSocket,
    /// Address on the loopback interface.
    pub address: SocketAddr,
}

impl Refusing {
    /// Reserves an address. Fails when no port is left.
    pub fn start() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr()?;
        Ok(Self { _held: socket, address })
    }
}

/// A port that no process uses, and that the kernel assigns to no connection by chance: a server that is
/// restarted must find it free. It lies below the kernel's range of ephemeral ports. Fails when all 20,000 ports
/// of the range are taken.
pub fn free_port() -> io::Result<u16> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    let start = std::process::id().wrapping_mul(7919) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = TRIED.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start as u16 + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}
