//! What all analytics endpoints share: the period of the query, and reading sums from the views.

use domain::envelope::Time;
use domain::ids::ClientId;
use projections::analytics::{MOST_ROLLUPS, Range, Wanted};
use projections::rollup::{Counted, Rollup};
use uuid::Uuid;

use crate::Query;
use crate::backend::Backend;
use crate::problem::ApiError;

/// Longest period that a query may cover.
const LONGEST: chrono::TimeDelta = chrono::TimeDelta::days(5 * 366);

/// Period of the query, as (from, to). Left out, `to` is now and `from` is `length` before `to`.
pub(super) fn period(query: &mut Query, now: Time, length: chrono::TimeDelta) -> (Time, Time) {
    let (from, to) = (query.time("from"), query.time("to").unwrap_or(now));
    let from = from.unwrap_or_else(|| to.checked_sub_signed(length).unwrap_or(to));
    if from >= to {
        query.fault("from", "must be before `to`");
    } else if to - from > LONGEST {
        query.fault("from", "must be at most five years before `to`");
    }
    (from, to)
}

/// The sums of all `ranges`, of one subject or of the whole client; `sketches` adds their distributions. Answers
/// 422 when there are too many sums, 503 when the views do not answer.
pub(super) async fn rollups(
    backend: &Backend,
    client: ClientId,
    (counted, subject): (Counted, Option<Uuid>),
    sketches: bool,
    ranges: &[Range],
) -> Result<Vec<Rollup>, ApiError> {
    let mut all = Vec::new();
    for range in ranges {
        let wanted = Wanted { counted, range: *range, subject, sketches };
        let found = backend.views.rollups(client, wanted).await;
        all.extend(found.map_err(ApiError::unavailable)?);
        if all.len() > MOST_ROLLUPS {
            let detail = "there is too much to add up; ask for a shorter time, or by day";
            return Err(ApiError::invalid("from", "too_many", detail));
        }
    }
    Ok(all)
}
