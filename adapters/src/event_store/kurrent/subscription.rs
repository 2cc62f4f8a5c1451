//! The node's live subscription, on a thread of its own.
//!
//! When a server ends a subscription cleanly, the client asks the finished stream again and again without ever giving
//! way: no time limit reaches it, and it logs a line each time. So the subscription has a thread and a runtime of its
//! own, without a log, and beats while it is alive; who reads from it gives it up when the beats stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use eventstore::{Client, ResolvedEvent, SubscriptionEvent};
use tokio::sync::{mpsc, watch};
use tracing::subscriber::NoSubscriber;

use super::address::KurrentAddress;
use super::connection::{READ, client, newest_options, subscription_options};
use super::outcome::CallError;

/// Events that may wait for the reader; beyond, the server waits.
const WAITING: usize = 1_024;
/// How often a subscription shows that it is alive.
pub(super) const BEAT: Duration = Duration::from_millis(100);

/// What a subscription delivers.
#[derive(Debug)]
pub(super) enum Notice {
    Event(Box<ResolvedEvent>),
    /// All that was stored has been delivered.
    CaughtUp,
    /// It ended; nothing follows.
    Lost(String),
}

/// A running subscription. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) notices: mpsc::Receiver<Notice>,
    beats: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
}

impl Subscription {
    /// Subscribes to our streams after a place in the log. Fails when no thread can be had.
    pub(super) fn start(address: KurrentAddress, after: Option<u64>) -> std::io::Result<Self> {
        let (out, notices) = mpsc::channel(WAITING);
        let (beats, stop) = (Arc::<AtomicU64>::default(), watch::Sender::new(false));
        let (beating, mut stopped) = (beats.clone(), stop.subscribe());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = follow(&address, after, &out) => {}
                    () = beat(&beating) => {}
                    // an error means that the subscription was dropped
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
        };
        let quiet = move || tracing::subscriber::with_default(NoSubscriber::default(), run);
        thread::Builder::new().name("kurrentdb-follow".to_owned()).spawn(quiet)?;
        Ok(Self { notices, beats, stop })
    }

    /// Counts beats; the number stands still once the client hangs.
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn beat(beats: &AtomicU64) {
    loop {
        tokio::time::sleep(BEAT).await;
        beats.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes the client change over to the leader. A follower takes a subscription that starts at its own end, also when
/// it is far behind; a read that asks for the leader it refuses.
async fn find_leader(address: &KurrentAddress, client: &Client) -> Result<(), String> {
    let mut redirected = false;
    loop {
        let read = async {
            let mut newest = client.read_all(&newest_options(address)).await?;
            newest.next().await.map(drop)
        };
        match tokio::time::timeout(READ, read).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(eventstore::Error::NotLeaderException(_))) if !redirected => redirected = true,
            Ok(Err(error)) => return Err(CallError::Client(error).to_string()),
            Err(_) => return Err(CallError::Late.to_string()),
        }
    }
}

async fn follow(address: &KurrentAddress, after: Option<u64>, out: &mpsc::Sender<Notice>) {
    let why = match client(address) {
        Err(why) => why,
        Ok(client) => {
            if let Err(why) = find_leader(address, &client).await {
                let _ = out.send(Notice::Lost(why)).await;
                return;
            }
            let mut events = client.subscribe_to_all(&subscription_options(address, after)).await;
            loop {
                let notice = match events.next_subscription_event().await {
                    Ok(SubscriptionEvent::EventAppeared(event)) => Notice::Event(Box::new(event)),
                    Ok(SubscriptionEvent::CaughtUp(_)) => Notice::CaughtUp,
                    Ok(_) => continue,
                    Err(error) => break CallError::Client(error).to_string(),
                };
                if out.send(notice).await.is_err() {
                    return;
                }
            }
        }
    };
    // an error means that nobody wants to know
    let _ = out.send(Notice::Lost(why)).await;
}
