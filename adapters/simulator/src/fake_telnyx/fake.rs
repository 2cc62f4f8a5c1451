//! The public interface of the fake.

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use bytes::Bytes;
use domain::ports::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot, watch};

use super::config::FakeConfig;
use super::courier::DeliverySender;
use super::detail_records::ChargedLeg;
use super::ledger::{Book, CallRecord, Ledger, Totals};
use super::leg_task::Side;
use super::script::{CallScript, CalleeScript};
use super::server::serve;
use super::switch::{Closing, NewLeg, Switch};
use adapters::telephony::telnyx::{SIGNATURE_HEADER, TIMESTAMP_HEADER};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or the listener cannot be used.
    #[error("the carrier's API cannot listen")]
    Listen(#[source] std::io::Error),
    /// The client that sends webhooks cannot be made.
    #[error("cannot make an http client")]
    Client(#[source] reqwest::Error),
    /// The latency histogram cannot be made.
    #[error("cannot make a histogram: {0}")]
    Histogram(String),
}

/// A running fake Telnyx. Dropping it does not stop it: call [`FakeTelnyx::shutdown`].
#[derive(Debug)]
pub struct FakeTelnyx {
    switch: Arc<Switch>,
    base: String,
    server: Handle,
    closing: watch::Sender<bool>,
    calls: Arc<Semaphore>,
}

struct Handle(ServerHandle);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// Headers of a raw request to the webhook URL.
#[derive(Debug, Clone)]
pub enum RawHeaders {
    /// A valid signature with the current time.
    Signed,
    /// A valid signature as of this Unix second.
    SignedAt(i64),
    /// Exactly these headers and no others.
    Exactly(Vec<(String, String)>),
}

/// An inbound call in progress. Dropping the handle does not end it.
#[derive(Debug)]
pub struct CallHandle {
    /// The leg's `call_control_id`, which commands use.
    pub control_id: String,
    /// The leg's `call_leg_id`, which webhooks name.
    pub leg_id: String,
    ended: oneshot::Receiver<CallRecord>,
}

impl CallHandle {
    /// Waits until the call has ended and all its webhooks are delivered or given up; `None` if the fake was shut down.
    pub async fn ended(self) -> Option<CallRecord> {
        self.ended.await.ok()
    }
}

impl FakeTelnyx {
    /// Starts the API on [`FakeConfig::port`] of this machine. Needs a tokio runtime. Fails with [`StartError`]
    /// when the port is taken or a client cannot be made.
    pub async fn start(config: FakeConfig, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).map_err(StartError::Listen)?;
        Self::start_on(listener, config, clock).await
    }

    /// Starts the fake as [`FakeTelnyx::start`] does, on the caller's listener: its address is known before the server
    /// under test is. test is. Fails with [`StartError`] when the listener cannot be used or a client cannot be made.
    pub async fn start_on(
        listener: TcpListener,
        config: FakeConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        listener.set_nonblocking(true).map_err(StartError::Listen)?;
        let origin = format!("http://{}", listener.local_addr().map_err(StartError::Listen)?);
        let (closing, closed) = watch::channel(false);
        let closed = Closing::new(closed);
        let book =
            Book::new(config.ledger_capacity).map_err(|error| StartError::Histogram(error.to_string()))?;
        let book = Arc::new(Mutex::new(book));
        let courier =
            DeliverySender::new(&config, clock.clone(), closed.clone(), book).map_err(StartError::Client)?;
        let calls = Arc::new(Semaphore::new(config.max_calls.clamp(1, Semaphore::MAX_PERMITS)));
        let switch = Arc::new(Switch::new(config, clock, courier, closed));
        let _ = switch.base.set(origin.clone());
        let server = serve(switch.clone(), listener).map_err(StartError::Listen)?;
        let handle = Handle(server.handle());
        tokio::spawn(server);
        Ok(Self { switch, base: format!("{origin}/v2"), server: handle, closing, calls })
    }

    /// The API base to configure in the server, `http://127.0.0.1:…/v2`.
    #[must_use]
    pub fn api_base(&self) -> &str {
        &self.base
    }

    /// The public key to configure in the server, for verifying webhooks.
    #[must_use]
    pub fn public_key_base64(&self) -> String {
        self.switch.courier.signer().public_key_base64()
    }

    /// Places an inbound call; waits while as many calls are in progress as [`FakeConfig::max_calls`] allows.
    pub async fn place_call(&self, script: CallScript) -> CallHandle {
        // never closed, so an error is impossible; without a permit the call would only be uncounted
        let permit = self.calls.clone().acquire_owned().await;
        let (leg, ended) = self.switch.place(NewLeg {
            from: script.from.clone(),
            to: script.to.clone(),
            session_id: None,
            client_state: None,
            webhook_url: None,
            side: Side::Caller(script),
            begin: None,
            place: permit.ok(),
        });
        CallHandle { control_id: leg.control_id.clone(), leg_id: leg.leg_id.to_string(), ended }
    }

    /// Sets the behaviour of called parties without a script of their own ([`FakeTelnyx::set_callee`]).
    pub fn set_usual_callee(&self, script: CalleeScript) {
        self.switch.set_callee(None, script);
    }

    /// Sets the behaviour of the party with this number.
    pub fn set_callee(&self, number: impl Into<String>, script: CalleeScript) {
        self.switch.set_callee(Some(number.into()), script);
    }

    /// Posts `body` unchanged to the webhook URL, once. Answers the status; `None` when no answer came in time.
    pub async fn send_raw(&self, body: impl Into<Bytes>, headers: RawHeaders) -> Option<u16> {
        let body = body.into();
        let courier = &self.switch.courier;
        let signed = |at: i64| {
            let at = at.to_string();
            vec![
                (SIGNATURE_HEADER.to_owned(), courier.signer().sign(&at, &body)),
                (TIMESTAMP_HEADER.to_owned(), at),
            ]
        };
        let headers = match headers {
            RawHeaders::Signed => signed(self.switch.clock.now().timestamp()),
            RawHeaders::SignedAt(second) => signed(second),
            RawHeaders::Exactly(headers) => headers,
        };
        courier.raw(headers, body.clone()).await
    }

    /// A copy of the ledger: webhooks sent, commands received, and calls that ended.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.switch.courier.lock().copy()
    }

    /// Changes what the carrier says that it charged: legs that are missing, too much, or other than they were.
    pub fn charges(&self, change: impl FnOnce(&mut VecDeque<ChargedLeg>)) {
        self.switch.detail_records().change(change);
    }

    /// How often the carrier's records were searched.
    #[must_use]
    pub fn searches(&self) -> u64 {
        self.switch.detail_records().searches()
    }

    /// The `traceparent` headers of the newest requests, oldest first.
    #[must_use]
    pub fn traces(&self) -> Vec<String> {
        self.switch.traces()
    }

    /// The counts alone: cheap, whatever the size of the ledger.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.switch.courier.lock().totals
    }

    /// Waits until no leg is alive and no webhook of one is in flight.
    pub async fn settled(&self) {
        self.switch.settled().await;
    }

    /// Stops everything: calls break off, and waiting webhooks are not sent.
    pub async fn shutdown(self) -> Ledger {
        let _ = self.closing.send(true);
        self.server.0.stop(false).await;
        self.switch.settled().await;
        self.ledger()
    }
}
