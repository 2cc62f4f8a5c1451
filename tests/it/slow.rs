//! Clients that send or read slowly, or hold streams open: they cost little, and nobody else anything.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::until::{SOON, until};
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;

const MIB: usize = 1 << 20;

async fn world(settings: &[(&str, &str)]) -> Result<World> {
    World::with(|plan| {
        for (name, value) in settings {
            plan.options = plan.options.clone().set(name, value);
        }
    })
    .await
}

/// A connection on which a body of a MiB was announced, and the first `sent` bytes of it came.
fn announced(address: &str, sent: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let head = format!("POST /api/v1/webhooks/telnyx HTTP/1.1\r\nHost: x\r\nContent-Length: {MIB}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    // the node may have said no before it has all
    let _ = stream.write_all(&vec![b' '; sent]);
    Ok(stream)
}

/// The status of the answer, and whether the node hung up behind it.
fn answer(stream: &mut TcpStream) -> Result<(u16, bool)> {
    let mut text = Vec::new();
    let closed = match stream.read_to_end(&mut text) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    let text = String::from_utf8_lossy(&text);
    let status = text.split(' ').nth(1).with_context(|| format!("an answer, not {text:?}"))?;
    Ok((status.parse()?, closed))
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_nobody_vouches_for_share_a_budget_and_small_ones_get_through() -> Result<()> {
    let world = world(&[("HTTP_BODY_BUDGET_BYTES", "4194304"), ("HTTP_BODY_SILENCE_MS", "3000")]).await?;
    let server = world.node.server()?;
    let before = server.resident_bytes()?;
    let mut held = (0..60).map(|_| announced(server.address(), MIB - 1)).collect::<Result<Vec<_>>>()?;
    // a carrier's webhook is small
    let event = Leg::inbound(1).initiated(&rfc3339(unix_now()));
    assert_eq!(world.api.webhook(&event).await?.status, 200);
    let grown = server.resident_bytes()?.saturating_sub(before);
    assert!(grown < 40 * MIB as u64, "60 bodies of a MiB took {grown} bytes");
    let mut statuses = std::collections::BTreeMap::new();
    for stream in &mut held {
        let (status, closed) = answer(stream)?;
        ensure!(closed, "{status}, and the connection stays");
        *statuses.entry(status).or_insert(0) += 1;
    }
    assert!(statuses.keys().all(|status| [408, 503].contains(status)), "{statuses:?}");
    assert!(statuses[&408] <= 4 && statuses[&503] >= 50, "{statuses:?}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_or_trickles_is_408_and_the_connection_closed() -> Result<()> {
    let world = world(&[("HTTP_BODY_SILENCE_MS", "400"), ("HTTP_BODY_TIMEOUT_MS", "1000")]).await?;
    let address = world.node.server()?.address().to_owned();
    assert_eq!(answer(&mut announced(&address, 100)?)?, (408, true), "it stops");
    let mut trickle = announced(&address, 100)?;
    let mut writing = trickle.try_clone()?;
    let dripping = std::thread::spawn(move || {
        while writing.write_all(b" ").is_ok() {
            std::thread::park_timeout(Duration::from_millis(50));
        }
    });
    assert_eq!(answer(&mut trickle)?, (408, true), "it trickles");
    drop(trickle);
    dripping.join().ok().context("the dripping thread")?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_holds_so_many_streams_and_another_its_own() -> Result<()> {
    let world = world(&[("LIMITS_STREAMS_PER_CLIENT", "2")]).await?;
    let made =
        world.api.post("/api/v1/auth/clients", serde_json::json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(made["plain_key"].as_str());
    let path = "/api/v1/calls/stream";
    let first = world.api.open(path, &[]).await?;
    let _second = world.api.open(path, &[]).await?;
    let refused = world.api.get(path).await?;
    assert_eq!((refused.status, refused.code()), (429, "too_many_streams"), "{}", refused.body);
    assert!(refused.header("retry-after").is_some());
    let _others = other.open(path, &[]).await?;
    assert_eq!(world.api.get("/api/v1/calls").await?.status, 200, "only streams are counted");
    drop(first);
    until("room for a stream", SOON, async || Ok(world.api.open(path, &[]).await.ok().map(drop))).await?;
    world.close().await?;
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_nothing_is_left() -> Result<()> {
    let world = world(&[("HTTP_WRITE_TIMEOUT_MS", "500")]).await?;
    let mut deaf = TcpStream::connect(world.node.server()?.address())?;
    deaf.set_nonblocking(true)?;
    let request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    until("the node to hang up", SOON, async || {
        // more answers than all buffers hold
        for _ in 0..100 {
            if let Err(error) = deaf.write_all(request) {
                return Ok((error.kind() != std::io::ErrorKind::WouldBlock).then_some(()));
            }
        }
        Ok(None)
    })
    .await?;
    world.close().await?;
    Ok(())
}
