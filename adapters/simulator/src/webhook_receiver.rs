//! The demo's own webhook receiver: it accepts everything and counts it by type.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use parking_lot::Mutex;
use serde::Deserialize;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    event_type: String,
}

/// A webhook receiver on this machine.
#[derive(Debug)]
pub struct WebhookReceiver {
    /// The URL that receives webhooks.
    pub url: String,
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl WebhookReceiver {
    /// Starts the receiver, which runs until the process ends. Fails when no port is free.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
        let url = format!("http://{}/webhooks", listener.local_addr()?);
        let counts: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let kept = counts.clone();
        let server = HttpServer::new(move || {
            let kept = kept.clone();
            App::new().default_service(web::to(move |body: web::Bytes| {
                if let Ok(event) = serde_json::from_slice::<Event>(&body) {
                    let mut counts = kept.lock();
                    *counts.entry(event.event_type).or_default() += 1;
                }
                async { HttpResponse::Ok().finish() }
            }))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener)?.run());
        Ok(Self { url, counts })
    }

    /// A summary of the received webhooks, for people.
    pub fn told(&self) -> String {
        let counts = self.counts.lock();
        let lines: String = counts.iter().map(|(name, count)| format!("  {count:>5} {name}\n")).collect();
        format!("Webhooks delivered to {}:\n\n{lines}\n", self.url)
    }
}
