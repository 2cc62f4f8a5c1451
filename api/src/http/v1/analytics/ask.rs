//! What the figures have in common: the time they are about, and reading their sums.

use domain::envelope::Time;
use domain::ids::ClientId;
use projections::analytics::{MOST_TALLIES, Range, Wanted};
use projections::tally::{Counted, Tally};
use uuid::Uuid;

use crate::http::Query;
use crate::node::Backend;
use crate::problem::ApiError;

/// The longest time that can be looked at.
const LONGEST: chrono::TimeDelta = chrono::TimeDelta::days(5 * 366);

/// From when to when; until now and from `length` before, unless the query says otherwise.
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

/// The sums of some ranges together: who counts them, and of what alone; with their distributions, or without.
///
/// # Errors
/// 422 when they are too many, 503 when the views do not answer.
pub(super) async fn tallies(
    backend: &Backend,
    client: ClientId,
    (counted, subject): (Counted, Option<Uuid>),
    sketches: bool,
    ranges: &[Range],
) -> Result<Vec<Tally>, ApiError> {
    let mut all = Vec::new();
    for range in ranges {
        let wanted = Wanted { counted, range: *range, subject, sketches };
        let found = backend.views.tallies(client, wanted).await;
        all.extend(found.map_err(ApiError::unavailable)?);
        if all.len() > MOST_TALLIES {
            let detail = "there is too much to add up; ask for a shorter time, or by day";
            return Err(ApiError::invalid("from", "too_many", detail));
        }
    }
    Ok(all)
}
