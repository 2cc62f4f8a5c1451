//! Reads the carrier's records of an account and a period, an hour at a time.

use std::time::Duration;

use chrono::TimeDelta;
use domain::billing::matching::{CarrierRecord, RecordCollector, RecordTable, TooManyRecords};
use domain::envelope::Time;
use domain::ports::telephony::{CarrierAccount, CarrierError};
use futures::StreamExt as _;

use super::MatchDeps;

/// Hours that are read at the same time.
const AT_ONCE: usize = 4;
/// How often an hour is begun anew before the account is given up for now.
const ATTEMPTS: u32 = 5;
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
}

/// The records of the account in the period; `None` when there is no such account.
pub(super) async fn load(
    deps: &MatchDeps,
    account: CarrierAccount,
    (from, to): (Time, Time),
    most: usize,
) -> Result<Option<RecordTable>, LoadError> {
    let begins = std::iter::successors(Some(from), |at| Some(*at + TimeDelta::hours(1)));
    let hours = begins.take_while(|at| *at < to).map(|at| (at, to.min(at + TimeDelta::hours(1))));
    let mut hours = futures::stream::iter(hours)
        .map(|hour| patiently(deps, account, hour, most))
        .buffer_unordered(AT_ONCE);
    let mut collector = RecordCollector::new(most);
    while let Some(records) = hours.next().await {
        match records {
            Ok(records) => {
                for record in &records {
                    collector.add(record)?;
                }
            }
            Err(LoadError::Carrier(CarrierError::NotConfigured)) => return Ok(None),
            Err(error) => return Err(error),
        }
        // other tasks of this thread run between two hours
        tokio::task::yield_now().await;
    }
    Ok(Some(collector.finish()?))
}

/// The records of an hour. What may pass is waited for.
async fn patiently(
    deps: &MatchDeps,
    account: CarrierAccount,
    hour: (Time, Time),
    most: usize,
) -> Result<Vec<CarrierRecord>, LoadError> {
    let mut attempt = 1;
    loop {
        match hour_of(deps, account, hour, most).await {
            Err(LoadError::Carrier(CarrierError::Unavailable { retry_after, .. })) if attempt < ATTEMPTS => {
                let pause = retry_after.unwrap_or(Duration::from_secs(1 << attempt)).min(LONGEST_PAUSE);
                deps.runtime.clock.sleep(pause).await;
                attempt += 1;
            }
            read => return read,
        }
    }
}

async fn hour_of(
    deps: &MatchDeps,
    account: CarrierAccount,
    hour: (Time, Time),
    most: usize,
) -> Result<Vec<CarrierRecord>, LoadError> {
    let (mut records, mut after) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = deps.telephony.call_records(account, hour, after.as_deref()).await?;
        // a leg has a few records at most
        if records.len() > most.saturating_mul(4) {
            return Err(TooManyRecords(most).into());
        }
        records.extend(page.records);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(records),
        }
    }
    Err(LoadError::Endless)
}
