//! A load generator that costs little, since it shares the machine with what it measures: prepared bytes over
//! keep-alive connections, and just enough HTTP to find the end of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Api;

#[derive(Debug, Clone)]
pub struct Load {
    pub address: String,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// Requests a second in all, evenly spaced; as fast as possible if none. With a rate, latency counts from
    /// the moment a request was due, so that a stalled server cannot hide its stall.
    pub rate: Option<f64>,
    /// Every one is sent once, in this order.
    pub requests: Arc<Vec<Vec<u8>>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Answers with a 2xx.
    pub ok: u64,
    /// Other answers, and requests without one.
    pub failed: u64,
    /// From first to last.
    pub elapsed: Duration,
    pub latency: Histogram<u64>,
}

impl Report {
    /// Good answers a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.ok as f64 / self.elapsed.as_secs_f64()
    }

    /// A quantile of the latency, in milliseconds.
    #[must_use]
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

impl Load {
    /// Sends everything.
    pub async fn run(&self) -> Result<Report> {
        self.run_until(None).await
    }

    /// Sends over and over what there is, for so long.
    pub async fn run_for(&self, limit: Duration) -> Result<Report> {
        self.run_until(Some(limit)).await
    }

    async fn run_until(&self, limit: Option<Duration>) -> Result<Report> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut streams = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let stream = TcpStream::connect(&self.address).await.context("connect")?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let begun = Instant::now();
        let until = limit.map(|limit| begun + limit);
        let mut tasks = tokio::task::JoinSet::new();
        for stream in streams {
            tasks.spawn(one_connection(stream, self.clone(), next.clone(), begun, until));
        }
        let mut report = Report { ok: 0, failed: 0, elapsed: Duration::ZERO, latency: Histogram::new(3)? };
        while let Some(done) = tasks.join_next().await {
            let (ok, failed, latency) = done??;
            report.ok += ok;
            report.failed += failed;
            report.latency.add(latency)?;
        }
        report.elapsed = begun.elapsed();
        Ok(report)
    }
}

async fn one_connection(
    mut stream: TcpStream,
    load: Load,
    next: Arc<AtomicUsize>,
    begun: Instant,
    until: Option<Instant>,
) -> Result<(u64, u64, Histogram<u64>)> {
    let (mut ok, mut failed, mut latency) = (0, 0, Histogram::new(3)?);
    let mut buffer = Vec::with_capacity(4 * 1024);
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok((ok, failed, latency));
        }
        let at = if until.is_some() { index % load.requests.len().max(1) } else { index };
        let Some(request) = load.requests.get(at) else { return Ok((ok, failed, latency)) };
        let due = match load.rate {
            Some(rate) => {
                let due = begun + Duration::from_secs_f64(index as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                due
            }
            None => Instant::now(),
        };
        stream.write_all(request).await?;
        if exchange(&mut stream, &mut buffer).await? {
            ok += 1;
        } else {
            failed += 1;
        }
        latency.record(due.elapsed().as_micros() as u64)?;
    }
}

/// Reads one answer; whether it is a 2xx.
async fn exchange(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<bool> {
    buffer.clear();
    let (mut head, mut whole) = (None, usize::MAX);
    while buffer.len() < whole {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        if head.is_none()
            && let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n")
        {
            head = Some(end);
            whole = end + 4 + content_length(&buffer[..end])?;
        }
    }
    Ok(buffer.get(9) == Some(&b'2'))
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    for line in head.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.trim().parse()?);
        }
    }
    // 204 and 304 have none; an answer of unknown length is not expected here
    Ok(0)
}

/// The bytes of a GET.
#[must_use]
pub fn get(path: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: voxledger.test\r\nAuthorization: Bearer {key}\r\n\r\n").into_bytes()
}

/// The bytes of a POST.
#[must_use]
pub fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: voxledger.test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Address of a server that answers everything at once with an empty list: what actix allows.
pub fn empty_handler() -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || -> std::io::Result<()> {
        let answer = || async { HttpResponse::Ok().content_type("application/json").body(r#"{"data":[]}"#) };
        let server = HttpServer::new(move || App::new().default_service(web::to(answer)));
        actix_web::rt::System::new().block_on(server.workers(1).listen(listener)?.run())
    });
    Ok(address)
}

/// How many events the views of a node are behind the log in all; `None` before they say so.
pub async fn views_behind(api: &Api) -> Result<Option<f64>> {
    let metrics = api.get("/metrics").await?.body;
    let text = metrics.as_str().unwrap_or_default();
    let of_views = text.lines().filter(|line| line.starts_with("voxledger_projection_lag_events"));
    let behind: Vec<f64> = of_views.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    Ok((!behind.is_empty()).then(|| behind.iter().sum()))
}
