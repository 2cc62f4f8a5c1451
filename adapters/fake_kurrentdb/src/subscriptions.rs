//! The call Read without a count: what is stored, then what is written, until somebody ends it.

use futures::stream::BoxStream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use uuid::Uuid;

use crate::cluster::timestamp;
use crate::faults::Cut;
use crate::filter::Filter;
use crate::log::DELETED;
use crate::messages::read_resp::Content;
use crate::messages::{CaughtUp, Checkpoint, Confirmation, Position, ReadResp};
use crate::reads::{Form, From, PAGE, event_message};
use crate::status;
use crate::writes::Caller;

/// Events that may wait for a slow reader.
const LIVE_BUFFER: usize = 32;

type Sender = mpsc::Sender<Result<ReadResp, Status>>;
type Answers = BoxStream<'static, Result<ReadResp, Status>>;

/// The reader is gone, or the subscription was ended.
struct Over;

struct Follower {
    caller: Caller,
    form: Form,
    out: Sender,
    cuts: watch::Receiver<Cut>,
    stalled: watch::Receiver<bool>,
    changed: watch::Receiver<u64>,
    needs_leader: bool,
}

impl Follower {
    fn start(caller: Caller, form: Form, needs_leader: bool) -> (Self, Answers) {
        let (out, answers) = mpsc::channel(LIVE_BUFFER);
        let cluster = &caller.cluster;
        let (mut cuts, stalled) = (cluster.faults.cuts(), cluster.faults.stalled());
        let changed = cluster.changed.subscribe();
        cuts.mark_unchanged();
        let follower = Self { caller, form, out, cuts, stalled, changed, needs_leader };
        (follower, Box::pin(ReceiverStream::new(answers)))
    }

    async fn send(&mut self, content: impl Into<ReadResp>) -> Result<(), Over> {
        let Self { cuts, stalled, out, .. } = self;
        tokio::select! {
            biased;
            _ = cuts.changed() => {}
            sent = async {
                let _ = stalled.wait_for(|stalled| !stalled).await;
                out.send(Ok(content.into())).await
            } => return sent.map_err(|_| Over),
        }
        self.cut().await
    }

    /// Waits for something new.
    async fn wait(&mut self) -> Result<(), Over> {
        tokio::select! {
            biased;
            _ = self.cuts.changed() => {}
            () = self.out.closed() => return Err(Over),
            changed = self.changed.changed() => return changed.map_err(|_| Over),
        }
        self.cut().await
    }

    async fn cut(&mut self) -> Result<(), Over> {
        let cut = *self.cuts.borrow();
        if !cut.with_ok {
            let _ = self.out.send(Err(Status::unavailable("the server is shutting down"))).await;
        }
        Err(Over)
    }

    async fn fail(&mut self, status: Status) -> Result<(), Over> {
        let _ = self.out.send(Err(status)).await;
        Err(Over)
    }

    async fn confirm(&mut self) -> Result<(), Over> {
        let subscription_id = Uuid::from_u128(crate::cluster::now().unsigned_abs().into()).to_string();
        self.send(Content::Confirmation(Confirmation { subscription_id })).await
    }

    /// Reads of what is stored are for the leader, if the caller wants one; live events are not checked.
    async fn check_catch_up(&mut self) -> Result<(), Over> {
        if self.needs_leader && self.caller.cluster.leader() != Some(self.caller.node) {
            let status = self.caller.cluster.not_leader();
            return self.fail(status).await;
        }
        Ok(())
    }
}

/// Follows `$all` after a position. Fails when no record starts there.
pub fn follow_all(
    caller: Caller,
    from: From,
    filter: Option<Filter>,
    form: Form,
    needs_leader: bool,
) -> Result<Answers, Status> {
    let (start, after) = {
        let log = caller.cluster.log.read();
        match from {
            From::Start => (0, None),
            From::End => (caller.cluster.visible(caller.node, &log), None),
            From::At(offset) if log.is_inside(offset) => {
                return Err(Status::invalid_argument("Trying to read from an invalid position."));
            }
            From::At(offset) => (log.index_at(offset), Some(offset)),
        }
    };
    let (mut follower, answers) = Follower::start(caller, form, needs_leader);
    tokio::spawn(async move {
        let _ = run_all(&mut follower, start, after, filter).await;
    });
    Ok(answers)
}

async fn run_all(
    follower: &mut Follower,
    mut next: usize,
    after: Option<u64>,
    filter: Option<Filter>,
) -> Result<(), Over> {
    follower.confirm().await?;
    let mut live = false;
    let mut scanned = 0_u32;
    let mut told = None;
    loop {
        follower.changed.mark_unchanged();
        let page = {
            let log = follower.caller.cluster.log.read();
            let end = follower.caller.cluster.visible(follower.caller.node, &log).min(next + PAGE);
            let start = next.min(end);
            let records = log.records().get(start..end).unwrap_or_default();
            let shown = |record: &crate::log::Record| {
                !record.gone
                    && after.is_none_or(|after| record.offset > after)
                    && filter.as_ref().is_none_or(|filter| filter.allows(record))
            };
            records
                .iter()
                .map(|record| {
                    (record.offset, shown(record).then(|| event_message(&log, record, follower.form)))
                })
                .collect::<Vec<_>>()
        };
        if page.is_empty() {
            let last = next.checked_sub(1);
            let last =
                last.and_then(|last| Some(follower.caller.cluster.log.read().records().get(last)?.offset));
            if !live {
                if let (Some(_), Some(last)) = (&filter, last) {
                    checkpoint(follower, last, &mut told).await?;
                }
                let position = last.map(Position::of);
                let caught_up = CaughtUp { timestamp: Some(timestamp()), stream_revision: None, position };
                follower.send(Content::CaughtUp(caught_up)).await?;
                live = true;
            }
            follower.wait().await?;
            continue;
        }
        if !live {
            follower.check_catch_up().await?;
        }
        for (offset, message) in page {
            if let Some(message) = message {
                follower.send(message).await?;
            }
            next += 1;
            scanned += 1;
            if let Some(filter) = &filter
                && scanned >= filter.checkpoint_every
            {
                scanned = 0;
                checkpoint(follower, offset, &mut told).await?;
            }
        }
    }
}

/// Tells how far a filtered subscription has come, once for each place.
async fn checkpoint(follower: &mut Follower, offset: u64, told: &mut Option<u64>) -> Result<(), Over> {
    if told.is_some_and(|told| told >= offset) {
        return Ok(());
    }
    *told = Some(offset);
    let checkpoint = Checkpoint { commit: offset, prepare: offset, timestamp: Some(timestamp()) };
    follower.send(Content::Checkpoint(checkpoint)).await
}

/// Follows one stream after a revision. Fails when the stream was deleted for ever.
pub fn follow_stream(
    caller: Caller,
    stream: String,
    from: From,
    form: Form,
    needs_leader: bool,
) -> Result<Answers, Status> {
    let next = {
        let log = caller.cluster.log.read();
        if log.is_tombstoned(&stream) {
            return Err(status::stream_deleted(&stream));
        }
        let visible = caller.cluster.visible(caller.node, &log);
        let end = log.current(&stream, visible).map_or(0, |current| current + 1);
        match from {
            From::Start => 0,
            From::End => end,
            From::At(revision) => revision.saturating_add(1),
        }
    };
    let (mut follower, answers) = Follower::start(caller, form, needs_leader);
    tokio::spawn(async move {
        let _ = run_stream(&mut follower, &stream, next).await;
    });
    Ok(answers)
}

async fn run_stream(follower: &mut Follower, stream: &str, mut next: u64) -> Result<(), Over> {
    follower.confirm().await?;
    let mut live = false;
    loop {
        follower.changed.mark_unchanged();
        let (page, current) = {
            let log = follower.caller.cluster.log.read();
            let visible = follower.caller.cluster.visible(follower.caller.node, &log);
            let current = log.current(stream, visible);
            let first = log
                .visible_revisions(stream, visible, crate::cluster::now())
                .map_or(next, |(first, _)| first);
            next = next.max(first.min(current.map_or(0, |current| current + 1)));
            let end = current.map_or(next, |current| (current + 1).min(next + PAGE as u64));
            let records = (next..end).filter_map(|revision| log.record(stream, revision));
            let page: Vec<_> = records
                .map(|record| (record.revision == DELETED, event_message(&log, record, follower.form)))
                .collect();
            (page, current)
        };
        if page.is_empty() {
            if !live {
                let stream_revision = current.map(|current| i64::try_from(current).unwrap_or(i64::MAX));
                let caught_up = CaughtUp { timestamp: Some(timestamp()), stream_revision, position: None };
                follower.send(Content::CaughtUp(caught_up)).await?;
                live = true;
            }
            follower.wait().await?;
            continue;
        }
        if !live {
            follower.check_catch_up().await?;
        }
        for (tombstone, message) in page {
            follower.send(message).await?;
            next += 1;
            if tombstone {
                follower.fail(status::stream_deleted(stream)).await?;
            }
        }
    }
}
