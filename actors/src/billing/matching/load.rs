//! Reads the carrier's records of an account and a period, an hour at a time.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use domain::billing::matching::{CarrierId, CarrierRecord, RecordCollector, RecordTable, TooManyRecords};
use domain::envelope::Time;
use domain::ports::telephony::{CarrierAccount, CarrierError, RecordPage, RecordPart};
use futures::StreamExt as _;
use parking_lot::Mutex;

use super::MatchDeps;

/// Hours that are read at the same time.
const AT_ONCE: usize = 4;
/// Failures in a row after which the node's account is given up for now, and a client's: others wait behind it.
const ATTEMPTS: (u32, u32) = (5, 3);
/// How often a part is begun anew before its records are taken to change all the time.
const RESTARTS: u32 = 5;
/// Pages of an hour after which the carrier's answers are taken to lead nowhere.
const MOST_PAGES: usize = 20_000;
/// Longest pause that a carrier is given between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why the records of an account cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error(transparent)]
    TooMany(#[from] TooManyRecords),
    #[error("the carrier's pages do not end")]
    Endless,
    #[error("the carrier's records change while they are read")]
    Changing,
    #[error("the account was replaced while its records were read")]
    Replaced,
}

impl LoadError {
    /// Whether another attempt soon may succeed.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Carrier(error) => {
                matches!(error, CarrierError::Unavailable { .. } | CarrierError::Unknown { .. })
            }
            Self::Changing | Self::Replaced => true,
            Self::TooMany(_) | Self::Endless => false,
        }
    }
}

/// The records of an account in a period.
#[derive(Debug)]
pub(super) struct Records {
    pub table: RecordTable,
    /// The connection that they are of; `None` where an account is all one.
    pub connection: Option<CarrierId>,
}

/// The records of the account in the period; `None` when there is no such account.
pub(super) async fn load(
    deps: &MatchDeps,
    account: CarrierAccount,
    (from, to): (Time, Time),
    most: usize,
) -> Result<Option<Records>, LoadError> {
    let begins = std::iter::successors(Some(from), |at| Some(*at + TimeDelta::hours(1)));
    let hours = begins.take_while(|at| *at < to).map(|at| (at, to.min(at + TimeDelta::hours(1))));
    let reading = Reading {
        deps,
        account,
        most,
        collector: Mutex::new(RecordCollector::new(most)),
        connection: Mutex::new(None),
        rests_until: Mutex::new(None),
    };
    {
        let mut hours =
            futures::stream::iter(hours).map(|hour| reading.read_hour(hour)).buffer_unordered(AT_ONCE);
        while let Some(read) = hours.next().await {
            match read {
                Ok(()) => {}
                Err(LoadError::Carrier(CarrierError::NotConfigured)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
    let connection = reading.connection.into_inner().flatten();
    Ok(Some(Records { table: reading.collector.into_inner().finish()?, connection }))
}

/// An account while it is read, by several readers at once.
struct Reading<'a> {
    deps: &'a MatchDeps,
    account: CarrierAccount,
    most: usize,
    collector: Mutex<RecordCollector>,
    /// As the first page said it.
    connection: Mutex<Option<Option<CarrierId>>>,
    /// A carrier that asked one reader to wait is left alone by all of them.
    rests_until: Mutex<Option<Instant>>,
}

impl Reading<'_> {
    async fn read_hour(&self, hour: (Time, Time)) -> Result<(), LoadError> {
        let (mut part, mut begin, mut after) = (Vec::new(), None, None);
        let (mut restarts, mut compared) = (0, false);
        for _ in 0..MOST_PAGES {
            let page = self.page(hour, after.as_deref()).await?;
            self.is_same(page.connection)?;
            if part.len() > self.most.saturating_mul(4) {
                return Err(TooManyRecords(self.most).into());
            }
            let is_last = page.next.is_none();
            after = page.next;
            match page.part {
                RecordPart::Again => {
                    part.clear();
                    restarts += 1;
                    if restarts >= RESTARTS {
                        return Err(LoadError::Changing);
                    }
                    self.rest(Duration::from_secs(1 << restarts));
                    continue;
                }
                RecordPart::GoesOn => part.extend(page.records),
                RecordPart::Complete => {
                    part.extend(page.records);
                    // a record that moved from page to page: the carrier has as many, and another one was not seen
                    if !compared && repeats(&mut part) {
                        part.clear();
                        (after, compared) = (begin.clone(), true);
                        continue;
                    }
                    self.keep(&mut part).await?;
                    (restarts, compared) = (0, false);
                    begin.clone_from(&after);
                }
            }
            if is_last {
                return self.keep(&mut part).await;
            }
        }
        Err(LoadError::Endless)
    }

    /// The page, once the carrier gives it. What may pass is waited for.
    async fn page(&self, hour: (Time, Time), after: Option<&str>) -> Result<RecordPage, LoadError> {
        let attempts = match self.account {
            CarrierAccount::Node => ATTEMPTS.0,
            CarrierAccount::Client(_) => ATTEMPTS.1,
        };
        let mut attempt = 1;
        loop {
            self.wait().await;
            match self.deps.telephony.call_records(self.account, hour, after).await {
                Err(CarrierError::Unavailable { retry_after, .. }) if attempt < attempts => {
                    self.rest(retry_after.unwrap_or(Duration::from_secs(1 << attempt)));
                    attempt += 1;
                }
                read => return Ok(read?),
            }
        }
    }

    /// Has all readers of the account wait.
    fn rest(&self, pause: Duration) {
        let until = self.deps.runtime.clock.monotonic() + pause.min(LONGEST_PAUSE);
        let mut rests = self.rests_until.lock();
        *rests = (*rests).max(Some(until));
    }

    async fn wait(&self) {
        let clock = &self.deps.runtime.clock;
        loop {
            let until = *self.rests_until.lock();
            let left = until.map(|until| until.saturating_duration_since(clock.monotonic()));
            match left.filter(|left| !left.is_zero()) {
                Some(left) => clock.sleep(left).await,
                None => return,
            }
        }
    }

    /// Fails when the account became another one.
    fn is_same(&self, connection: Option<CarrierId>) -> Result<(), LoadError> {
        let first = *self.connection.lock().get_or_insert(connection);
        if first == connection { Ok(()) } else { Err(LoadError::Replaced) }
    }

    async fn keep(&self, part: &mut Vec<CarrierRecord>) -> Result<(), LoadError> {
        {
            let mut collector = self.collector.lock();
            for record in part.drain(..) {
                collector.add(&record)?;
            }
        }
        // other tasks of this thread run between two parts
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// Whether a record stands twice.
fn repeats(part: &mut [CarrierRecord]) -> bool {
    part.sort_by_key(|record| (record.leg, record.started_at));
    part.windows(2).any(|two| two[0] == two[1])
}
