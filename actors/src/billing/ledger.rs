//! Posts to the clients' ledgers: one task an account writes what came together in one append.
//!
//! Many calls of one client change one stream. Their requests wait in the account's queue while the append before them
//! is made, and the next append holds them all; each is decided alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::billing::account::{CreditAccount, CreditEvent, CreditRefusal, CreditRequest};
use domain::envelope::Position;
use domain::ids::{ClientId, CreditAccountId};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::own_context;
use crate::context::CommandContext;
use crate::runtime::Runtime;
use crate::session::{CommandError, Session};

pub type LedgerError = CommandError<CreditRefusal>;

/// Most requests of one append: each leads to at most four events, and an append has at most 512.
const MOST_TOGETHER: usize = 120;
/// How often a request that lacks credit is decided, because others of its append made room for it.
const MAX_ROUNDS: usize = 4;
/// After so many events of its own an account saves a snapshot, so that its next load folds little more than them.
const SNAPSHOT_EVERY: usize = 5_000;
/// How often a request is sent again because the account's task ended with it in its queue.
const MAX_SENDS: u32 = 3;

/// How accounts are kept.
#[derive(Debug, Clone, Copy)]
pub struct LedgerOptions {
    /// Most requests that wait for one account; more are refused as overload.
    pub queue: usize,
    /// An account without a request for this long leaves the memory.
    pub idle_after: Duration,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { queue: 4_096, idle_after: Duration::from_secs(60) }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerReceipt {
    /// Position of the last event of its append; `None` when nothing was written.
    pub position: Option<Position>,
}

struct Waiting {
    request: CreditRequest,
    /// Circumstances of a request from outside, which has an append of its own; `None`: the node's own doing.
    context: Option<CommandContext>,
    done: oneshot::Sender<Result<LedgerReceipt, LedgerError>>,
}

/// Posts to accounts. Cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    options: LedgerOptions,
    accounts: Mutex<HashMap<ClientId, mpsc::Sender<Waiting>>>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Accounts leave the memory at `stop`; what was sent before is still posted.
    #[must_use]
    pub fn new(runtime: Runtime, options: LedgerOptions, stop: CancellationToken) -> Self {
        Self(Arc::new(Inner { runtime, options, accounts: Mutex::default(), stop }))
    }

    /// Posts what the request leads to on the client's account. With a `context` it has an append of its own, whose
    /// events say who asked; otherwise it may share one.
    pub async fn post(
        &self,
        client: ClientId,
        request: CreditRequest,
        context: Option<CommandContext>,
    ) -> Result<LedgerReceipt, LedgerError> {
        for _ in 0..MAX_SENDS {
            let (done, answer) = oneshot::channel();
            let waiting = Waiting { request: request.clone(), context: context.clone(), done };
            match self.account(client).try_send(waiting) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return Err(CommandError::Overloaded { retry_after: Duration::from_secs(1) });
                }
                // the account has just left the memory
                Err(mpsc::error::TrySendError::Closed(_)) => continue,
            }
            if let Ok(outcome) = answer.await {
                return outcome;
            }
        }
        Err(CommandError::Crashed)
    }

    fn account(&self, client: ClientId) -> mpsc::Sender<Waiting> {
        let mut accounts = self.0.accounts.lock();
        if let Some(queue) = accounts.get(&client).filter(|queue| !queue.is_closed()) {
            return queue.clone();
        }
        let (queue, requests) = mpsc::channel(self.0.options.queue.max(1));
        accounts.insert(client, queue.clone());
        tokio::spawn(run(self.0.clone(), client, requests));
        queue
    }
}

/// Serves one account until nobody needs it.
async fn run(inner: Arc<Inner>, client: ClientId, mut requests: mpsc::Receiver<Waiting>) {
    let stream = CreditAccountId::of(client).stream();
    let mut session = Session::<CreditAccount>::new(inner.runtime.clone(), stream);
    let (mut next, mut since_snapshot) = (None, 0);
    loop {
        let first = match next.take() {
            Some(waiting) => Some(waiting),
            None => tokio::select! {
                biased;
                first = requests.recv() => first,
                () = inner.runtime.clock.sleep(inner.options.idle_after) => None,
                () = inner.stop.cancelled() => None,
            },
        };
        let Some(first) = first else {
            if requests.is_closed() {
                return;
            }
            let mut accounts = inner.accounts.lock();
            requests.close();
            accounts.remove(&client);
            continue;
        };
        let mut together = vec![first];
        if together[0].context.is_none() {
            while together.len() < MOST_TOGETHER {
                match requests.try_recv() {
                    Ok(waiting) if waiting.context.is_none() => together.push(waiting),
                    Ok(alone) => {
                        next = Some(alone);
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        since_snapshot += post(&inner, client, &mut session, together).await;
        if since_snapshot >= SNAPSHOT_EVERY {
            session.keep_snapshot();
            since_snapshot = 0;
        }
    }
}

/// Posts requests and answers them. Answers how many events were written.
async fn post(
    inner: &Inner,
    client: ClientId,
    session: &mut Session<CreditAccount>,
    together: Vec<Waiting>,
) -> usize {
    let (mut open, mut written) = (together, 0);
    for round in 1..=MAX_ROUNDS {
        let context = open.first().and_then(|waiting| waiting.context.clone());
        let context = context.unwrap_or_else(|| own_context(&inner.runtime, client));
        let requests: Vec<_> = open.iter().map(|waiting| waiting.request.clone()).collect();
        let decided = session.execute_decision(|account| account.decide_all(&requests), &context, None).await;
        count(session);
        written += session.written().len();
        let (position, outcomes) = match decided {
            Ok((receipt, outcomes)) => (receipt.position, outcomes),
            // nothing was written, so the state is still the one that every request was refused or no news on
            Err(CommandError::Refused(_)) => (None, session.state().decide_each(&requests).1),
            Err(error) => {
                open.into_iter().for_each(|waiting| drop(waiting.done.send(Err(error.clone()))));
                return written;
            }
        };
        let mut again = Vec::new();
        for (waiting, outcome) in open.into_iter().zip(outcomes) {
            match outcome {
                // what was posted after it in the same append may have made room
                Err(CreditRefusal::Insufficient { .. }) if position.is_some() && round < MAX_ROUNDS => {
                    again.push(waiting);
                }
                outcome => {
                    let outcome = outcome.map(|()| LedgerReceipt { position });
                    drop(waiting.done.send(outcome.map_err(CommandError::Refused)));
                }
            }
        }
        if again.is_empty() {
            break;
        }
        open = again;
    }
    written
}

fn count(session: &Session<CreditAccount>) {
    for (_, event) in session.written() {
        if let CreditEvent::Posted(posted) = event {
            metrics::counter!(domain::metrics::LEDGER_POSTINGS, "kind" => posted.kind.as_str()).increment(1);
        }
    }
}
