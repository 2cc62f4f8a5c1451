//! One append at an exact revision, tried until its outcome is known.
//!
//! Every try has the same event ids and the same revision. The database recognises them, so a try that is written
//! after all changes nothing; and once another event has taken the revision, no earlier try can be written any more.

use std::time::{Duration, Instant};

use domain::envelope::{Recorded, Version};
use eventstore::{EventData, StreamPosition};

use super::codec::{encode, stream_name};
use super::connection::Connection;
use super::injected::{Injected, LostAnswer};
use super::outcome::{CallError, Fate};

/// How long the outcome of an append is looked for.
const SETTLE: Duration = Duration::from_secs(5);
/// Pause after a failure; it doubles each time.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What became of an append.
#[derive(Debug)]
pub(super) enum Done {
    /// The events stand in the stream; the last one at this place in the log.
    Written { commit: u64 },
    /// The stream is not at this revision: nothing was written, nor will be.
    Clash,
    /// Nothing was written, nor will be.
    NotWritten(String),
    /// The events may be stored or not.
    Unknown(String),
    /// The stream was deleted behind the node's back.
    Deleted,
}

/// Appends events of one stream after its first `before` ones.
pub(super) async fn append_exactly(
    connection: &Connection,
    injected: &Injected,
    mut lost: Option<LostAnswer>,
    before: Version,
    events: &[&Recorded],
) -> Done {
    let Some(first) = events.first() else { return Done::Clash };
    let stream = stream_name(&connection.address().prefix, &first.stream);
    let encoded: Result<Vec<EventData>, _> = events.iter().map(|event| encode(event)).collect();
    let encoded = match encoded {
        Ok(encoded) => encoded,
        Err(error) => return Done::NotWritten(format!("the metadata cannot be stored: {error}")),
    };
    let (started, mut pause, mut doubt, mut first_try) = (Instant::now(), PAUSE, false, true);
    loop {
        let tried = match lost.take() {
            Some(LostAnswer { written: false }) => Err(CallError::Late),
            Some(LostAnswer { written: true }) => {
                let _ = connection.append(&stream, before.0, encoded.clone()).await;
                Err(CallError::Late)
            }
            None if injected.is_blind() => Err(CallError::Late),
            // the shared call is fast; one of its own tells what is wrong, and finds the leader
            None if first_try => connection.append_shared(&stream, before.0, encoded.clone()).await,
            None => connection.append(&stream, before.0, encoded.clone()).await,
        };
        first_try = false;
        let error = match tried {
            Ok(stored) if stored.revision + 1 == before.0 + events.len() as u64 => {
                match stored.commit {
                    // the database knows the events, but not their place
                    0 => CallError::Late,
                    commit => return Done::Written { commit },
                }
            }
            // an answer that does not fit the question
            Ok(_) => CallError::Broken,
            Err(error) => error,
        };
        let fate = error.fate();
        match fate {
            Fate::Deleted => return Done::Deleted,
            Fate::Refused if !doubt => return Done::NotWritten(error.to_string()),
            Fate::Conflict if !doubt => return Done::Clash,
            Fate::NotWritten => {}
            Fate::Unknown | Fate::Refused => doubt = true,
            Fate::Conflict => match look(connection, &stream, before, events).await {
                Ok(Some(commit)) => return Done::Written { commit },
                Ok(None) => return Done::Clash,
                Err(_) => {}
            },
        }
        // a place that the answer left out is read
        if matches!(fate, Fate::Unknown)
            && !injected.is_blind()
            && let Ok(Some(commit)) = look(connection, &stream, before, events).await
        {
            return Done::Written { commit };
        }
        if started.elapsed() + pause > SETTLE {
            let why = error.to_string();
            return if doubt { Done::Unknown(why) } else { Done::NotWritten(why) };
        }
        tracing::debug!(%error, ?pause, stream, "an append is tried again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks whether these very events stand after the stream's first `before` ones. Returns the place of the last one.
async fn look(
    connection: &Connection,
    stream: &str,
    before: Version,
    events: &[&Recorded],
) -> Result<Option<u64>, CallError> {
    let from = StreamPosition::Position(before.0);
    let found = connection.read_stream(stream, from, false, events.len(), usize::MAX).await?;
    let records: Vec<_> = found.iter().filter_map(|found| found.event.as_ref()).collect();
    let same = records.len() == events.len()
        && records.iter().zip(events).all(|(record, event)| record.id == event.id);
    Ok(records.last().filter(|_| same).map(|last| last.position.commit))
}
