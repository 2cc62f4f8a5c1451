//! Calls to the database through the official client, which is replaced when it is of no more use.
//!
//! The client gives up for good after one failed connect, and keeps calling a node that is gone. So it is built anew
//! after such errors. It waits for answers without end and panics over answers it does not expect: each call runs in
//! a task of its own, with a time limit.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, BatchAppendClient, BatchAppendOptions, Client, Error, EventData, Position,
    ReadAllOptions, ReadStreamOptions, ResolvedEvent, StreamPosition, StreamState, SubscribeToAllOptions,
    SubscriptionFilter,
};
use parking_lot::Mutex;

use super::address::KurrentAddress;
use super::outcome::CallError;
use crate::event_store::OpenError;

/// Time limit for one append; the server gives up after two seconds.
const APPEND: Duration = Duration::from_secs(3);
/// Time limit for one page of a read.
pub(super) const READ: Duration = Duration::from_secs(10);
/// Pauses before a read is tried again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(50), Duration::from_millis(200)];
/// Server errors in a row after which the client looks for the nodes anew.
const ERRORS: u32 = 2;
/// The oldest server that is accepted: the oldest line with long-term support.
const OLDEST_SERVER: (usize, usize) = (24, 10);
/// Events that a filtered subscription scans between two of the server's notes on how far it is.
const SCAN_WINDOW: u32 = 1_000;

/// Reads and appends have a client each, and so a TCP connection: a read holds back whatever is written after it on the
/// same one, until its first piece is confirmed (see [`Connection::append_shared`]).
pub(super) struct Connection {
    address: KurrentAddress,
    reads: Mutex<State>,
    appends: Mutex<State>,
    /// The call that appends share.
    shared: tokio::sync::Mutex<Option<Arc<BatchAppendClient>>>,
}

/// Events that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// Revision of the last one.
    pub(super) revision: u64,
    /// Its place in the log; 0 when the database does not tell.
    pub(super) commit: u64,
}

/// A stream with so many events.
fn after(before: u64) -> StreamState {
    before.checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision)
}

struct State {
    client: Client,
    /// Counts clients, so that one failure of many calls replaces the client once.
    generation: u64,
    errors: u32,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.address).finish()
    }
}

/// A client of its own. Fails when TLS cannot be set up.
pub(super) fn client(address: &KurrentAddress) -> Result<Client, String> {
    // or the client installs another provider for the whole process
    crate::http::use_ring();
    // the error's text tells of files, not of secrets
    Client::new(address.settings.clone()).map_err(|error| error.to_string())
}

/// Our streams and their metadata.
fn ours(prefix: &str) -> SubscriptionFilter {
    SubscriptionFilter::on_stream_name().add_prefix(prefix).add_prefix(format!("$${prefix}")).max(SCAN_WINDOW)
}

/// A subscription to our streams after a place, which nothing but the caller renews.
pub(super) fn subscription_options(address: &KurrentAddress, after: Option<u64>) -> SubscribeToAllOptions {
    let from = after.map_or(StreamPosition::Start, |at| StreamPosition::Position(position(at)));
    let options = SubscribeToAllOptions::default().position(from).filter(ours(&address.prefix));
    let options = options.requires_leader(true);
    match &address.login {
        Some(login) => options.authenticated(login.clone()),
        None => options,
    }
}

/// The newest of our events, as the leader has it.
pub(super) fn newest_options(address: &KurrentAddress) -> ReadAllOptions {
    let ours = SubscriptionFilter::on_stream_name().add_prefix(&address.prefix).max(SCAN_WINDOW);
    let options = ReadAllOptions::default().position(StreamPosition::End).filter(ours);
    let options = options.max_count(1).requires_leader(true);
    match &address.login {
        Some(login) => options.authenticated(login.clone()),
        None => options,
    }
}

fn position(at: u64) -> Position {
    Position { commit: at, prepare: at }
}

impl Connection {
    pub(super) fn new(address: KurrentAddress) -> Result<Self, OpenError> {
        let state = || {
            let client = client(&address).map_err(OpenError::Target)?;
            Ok::<_, OpenError>(Mutex::new(State { client, generation: 0, errors: 0 }))
        };
        let (reads, appends) = (state()?, state()?);
        Ok(Self { address, reads, appends, shared: tokio::sync::Mutex::default() })
    }

    pub(super) fn address(&self) -> &KurrentAddress {
        &self.address
    }

    /// Makes one call, within the time limit.
    async fn call<T, F>(
        &self,
        of: &Mutex<State>,
        limit: Duration,
        call: impl FnOnce(Client) -> F,
    ) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (client, generation) = {
            let state = of.lock();
            (state.client.clone(), state.generation)
        };
        let answer = within(limit, call(client)).await;
        self.note(of, generation, answer.as_ref().err());
        answer
    }

    /// Makes a call that changes nothing, again after failures that another try may not meet.
    async fn read<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        for pause in PAUSES {
            match self.call(&self.reads, READ, &call).await {
                Err(CallError::Client(
                    Error::NotLeaderException(_)
                    | Error::GrpcConnectionError(_)
                    | Error::ConnectionClosed
                    | Error::ServerError(_),
                )) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        self.call(&self.reads, READ, call).await
    }

    /// Replaces the client when the outcome says that it is of no more use.
    fn note(&self, of: &Mutex<State>, generation: u64, error: Option<&CallError>) {
        let mut state = of.lock();
        if state.generation != generation {
            return;
        }
        let replace = match error {
            Some(CallError::Client(Error::GrpcConnectionError(_) | Error::ConnectionClosed)) => true,
            Some(
                CallError::Client(Error::ServerError(_) | Error::DeadlineExceeded)
                | CallError::Late
                | CallError::Broken,
            ) => {
                state.errors += 1;
                state.errors >= ERRORS
            }
            _ => {
                state.errors = 0;
                false
            }
        };
        if replace {
            match client(&self.address) {
                Ok(client) => *state = State { client, generation: generation + 1, errors: 0 },
                Err(error) => tracing::warn!(%error, "no new KurrentDB client can be made"),
            }
        }
    }

    /// Checks that a server answers and is new enough.
    pub(super) async fn check_server(&self) -> Result<(), OpenError> {
        let asked = self.read(|client| async move { client.server_info().await }).await;
        let version = asked
            .map_err(|error| OpenError::Target(format!("cannot reach {}: {error}", self.address)))?
            .version();
        if (version.major(), version.minor()) < OLDEST_SERVER {
            let (major, minor) = OLDEST_SERVER;
            let text =
                format!("KurrentDB {version} is too old for the event log; use {major}.{minor} or newer");
            return Err(OpenError::Version(text));
        }
        Ok(())
    }

    /// Appends at an exact revision: after the stream's first `before` events. A call of its own, whose errors tell most.
    pub(super) async fn append(
        &self,
        stream: &str,
        before: u64,
        events: Vec<EventData>,
    ) -> Result<Stored, CallError> {
        let options = AppendToStreamOptions::default().stream_state(after(before));
        let options = options.requires_leader(true).deadline(APPEND);
        let options = match &self.address.login {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let stream = stream.to_owned();
        let call =
            move |client: Client| async move { client.append_to_stream(stream, &options, events).await };
        let result = self.call(&self.appends, APPEND, call).await?;
        Ok(Stored { revision: result.next_expected_version, commit: result.position.commit })
    }

    /// The same over the call that all appends share. The client writes a call of its own in two pieces, of which the
    /// second waits for the first to be confirmed (Nagle's algorithm), on Linux 40 ms; on a call that is open it writes
    /// one. A failure ends the shared call for all who use it, so their appends must be tried again.
    pub(super) async fn append_shared(
        &self,
        stream: &str,
        before: u64,
        events: Vec<EventData>,
    ) -> Result<Stored, CallError> {
        let shared = self.shared_call().await?;
        let (used, stream) = (shared.clone(), stream.to_owned());
        let generation = self.appends.lock().generation;
        let answer =
            within(APPEND, async move { used.append_to_stream(stream, after(before), events).await }).await;
        match answer {
            Ok(result) => {
                self.note(&self.appends, generation, None);
                Ok(Stored {
                    revision: result.current_revision().unwrap_or_default(),
                    commit: result.current_position().map_or(0, |position| position.commit),
                })
            }
            Err(error) => {
                let mut current = self.shared.lock().await;
                if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &shared)) {
                    *current = None;
                    // of all who lost the call, one tells
                    self.note(&self.appends, generation, Some(&error));
                }
                Err(error)
            }
        }
    }

    async fn shared_call(&self) -> Result<Arc<BatchAppendClient>, CallError> {
        let mut current = self.shared.lock().await;
        if let Some(shared) = &*current {
            return Ok(shared.clone());
        }
        let options = BatchAppendOptions::default().requires_leader(true);
        let options = match &self.address.login {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let call = self
            .call(&self.appends, READ, |client| async move { client.batch_append(&options).await })
            .await?;
        Ok(current.insert(Arc::new(call)).clone())
    }

    /// Up to `count` events of a stream from a revision on. A stream that does not exist is empty.
    pub(super) async fn read_stream(
        &self,
        stream: &str,
        from: StreamPosition<u64>,
        backwards: bool,
        count: usize,
        most_bytes: usize,
    ) -> Result<Vec<ResolvedEvent>, CallError> {
        let options = ReadStreamOptions::default().position(from);
        let options = if backwards { options.backwards() } else { options.forwards() };
        let options = options.max_count(count).requires_leader(true);
        let options = match &self.address.login {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let read = self.read(|client| {
            let (stream, options) = (stream.to_owned(), options.clone());
            async move { collect(client.read_stream(stream, &options).await?, most_bytes).await }
        });
        match read.await {
            Err(CallError::Client(Error::ResourceNotFound)) => Ok(Vec::new()),
            read => read,
        }
    }

    /// Up to `count` of our events and metadata from a place in `$all` on, that one included.
    pub(super) async fn read_ours(
        &self,
        from: u64,
        count: usize,
        most_bytes: usize,
    ) -> Result<Vec<ResolvedEvent>, CallError> {
        let options = ReadAllOptions::default().position(StreamPosition::Position(position(from))).forwards();
        self.read_all(options.filter(ours(&self.address.prefix)), count, most_bytes).await
    }

    /// The newest of our events in `$all`, as the leader has it.
    pub(super) async fn newest(&self) -> Result<Option<ResolvedEvent>, CallError> {
        let options = newest_options(&self.address);
        let newest = self.read(|client| {
            let options = options.clone();
            async move { collect(client.read_all(&options).await?, usize::MAX).await }
        });
        Ok(newest.await?.pop())
    }

    /// The record at a place in `$all`, whosever it is; that after it when it was removed.
    pub(super) async fn record_at(&self, at: u64) -> Result<Option<ResolvedEvent>, CallError> {
        let options = ReadAllOptions::default().position(StreamPosition::Position(position(at))).forwards();
        Ok(self.read_all(options, 1, usize::MAX).await?.pop())
    }

    async fn read_all(
        &self,
        options: ReadAllOptions,
        count: usize,
        most_bytes: usize,
    ) -> Result<Vec<ResolvedEvent>, CallError> {
        let options = options.max_count(count).requires_leader(true);
        let options = match &self.address.login {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let read = self.read(|client| {
            let options = options.clone();
            async move { collect(client.read_all(&options).await?, most_bytes).await }
        });
        read.await
    }
}

/// Awaits the client in a task of its own, for as long as the limit says. The call goes on when nobody waits for it
/// any more: servers close a connection on which many calls are cancelled.
async fn within<T, F>(limit: Duration, call: F) -> Result<T, CallError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    match tokio::spawn(tokio::time::timeout(limit, call)).await {
        Ok(Ok(answer)) => answer.map_err(CallError::Client),
        Ok(Err(_)) => Err(CallError::Late),
        Err(_) => Err(CallError::Broken),
    }
}

/// Reads to the end, or until the events hold `most_bytes`, which cancels the call.
async fn collect(mut stream: eventstore::ReadStream, most_bytes: usize) -> Result<Vec<ResolvedEvent>, Error> {
    let (mut events, mut bytes) = (Vec::new(), 0_usize);
    while bytes < most_bytes {
        let Some(event) = stream.next().await? else { break };
        let size = |record: &eventstore::RecordedEvent| record.data.len() + record.custom_metadata.len();
        bytes += event.event.as_ref().or(event.link.as_ref()).map_or(0, size);
        events.push(event);
    }
    Ok(events)
}
