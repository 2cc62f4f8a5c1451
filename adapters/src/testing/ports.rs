//! Addresses of this machine for tests that run beside each other.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

/// An address where connections are refused for as long as this value lives. The port is held: a listener that is
/// only closed again leaves its port to the next test that asks for one.
#[derive(Debug)]
pub struct Refusing {
    _held: TcpSocket,
    /// On the loopback interface.
    pub address: SocketAddr,
}

impl Refusing {
    /// # Errors
    /// No port is left.
    pub fn start() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr()?;
        Ok(Self { _held: socket, address })
    }
}

/// A port nobody uses, and which no connection of this machine is given by chance: a server that is started again
/// must find it free. It lies below the ports the kernel picks by itself.
///
/// # Errors
/// All 20,000 ports of the range are taken.
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
