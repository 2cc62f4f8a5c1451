//! Prints a resource's history from the log, or the resource as it was.

use std::io::{BufWriter, Write};

use adapters::privacy::EncryptingEventStore;
use anyhow::Context as _;
use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ids::{ApiKeyId, CallId, ClientId, IvrSessionId, MenuId, NumberId, stream_of};
use domain::merkle::log_id;
use domain::ports::event_store::Direction;
use projections::api_keys::ApiKeys;
use projections::calls::Calls;
use projections::clients::Clients;
use projections::edge::format_time;
use projections::ivr_menus::IvrMenus;
use projections::ivr_sessions::IvrSessions;
use projections::numbers::Numbers;
use projections::view::replay;
use serde::Serialize;
use uuid::Uuid;

use super::ReplayArgs;
use super::story::{head, line, resource};
use crate::out::Out;
use crate::stores;
use api_http::v1::HistoryEvent;
use api_node::config::Config;
use api_node::{open_log, open_private};

/// Events read in one page.
const PAGE: usize = 512;

pub(super) async fn run(config: &Config, args: &ReplayArgs) -> anyhow::Result<()> {
    let stream = stream(&args.id)?;
    stores::must_be_current(&stores::log(config)?).await?;
    let log = open_log(config, true).await?;
    let (private, _) = open_private(config, &log, true).await?;
    let events = read(&private.redacted(), &stream).await;
    log.close().await;
    let events = events?;
    anyhow::ensure!(!events.opened.is_empty(), "there is no event of {} in this log", args.id);
    let out = &mut BufWriter::new(Out);
    let moment = args.at.is_some() || args.version.is_some();
    let told = if moment { show(&stream, &events.opened, args, out) } else { tell(&events, args.json, out) };
    told.and_then(|()| Ok(out.flush()?))
}

/// The stream of a public id, or of a stream's own name.
pub(super) fn stream(id: &str) -> anyhow::Result<StreamId> {
    stream_of(id)
        .with_context(|| format!("`{id}` is neither an id like call_01h455vb4pex5vsknk084sn02q nor a stream"))
}

/// The events of a stream, encrypted and decrypted.
struct Events {
    log: Uuid,
    /// Events as they are stored.
    stored: Vec<Recorded>,
    /// Events with their personal values decrypted.
    opened: Vec<Recorded>,
}

async fn read(private: &EncryptingEventStore, stream: &StreamId) -> anyhow::Result<Events> {
    let log = private.stored();
    let first = log.read_all(Position::START, 1).await?;
    let id = first.first().map_or(Uuid::nil(), log_id);
    let mut stored: Vec<Recorded> = Vec::new();
    loop {
        let after = stored.last().map_or(Version::NONE, |last| last.version);
        let page = log.read_stream(stream, after, Direction::Forwards, PAGE).await?;
        let full = page.len() == PAGE;
        stored.extend(page);
        if !full {
            break;
        }
    }
    let opened = private.opened(stored.clone()).await?;
    Ok(Events { log: id, stored, opened })
}

/// Prints every event as a line.
fn tell(events: &Events, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(first) = events.opened.first() else { return Ok(()) };
    if !json {
        write!(out, "{}", head(first, events.opened.len()))?;
    }
    for (stored, opened) in events.stored.iter().zip(&events.opened) {
        if json {
            serde_json::to_writer(&mut *out, &HistoryEvent::with_leaf(events.log, stored, opened)?)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", line(opened, first.recorded_at)?)?;
        }
    }
    Ok(())
}

/// Prints the resource as it was.
fn show(
    stream: &StreamId,
    events: &[Recorded],
    args: &ReplayArgs,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let wanted = |event: &&Recorded| match (args.at, args.version) {
        (Some(at), _) => event.recorded_at <= at,
        (_, Some(version)) => event.version.0 <= version,
        _ => true,
    };
    let past: Vec<_> = events.iter().take_while(wanted).collect();
    let Some(last) = past.last() else {
        let first = events.first().map_or_else(String::new, |event| format_time(event.recorded_at));
        anyhow::bail!("{} did not exist then; its first event was recorded at {first}", args.id);
    };
    let state = state(stream, &past)?;
    if args.json {
        return Ok(writeln!(out, "{state}")?);
    }
    let (number, all, at) = (last.version, events.len(), format_time(last.recorded_at));
    writeln!(out, "{} after event {number} of {all}, {}, recorded at {at}\n", args.id, last.event_type)?;
    Ok(write!(out, "{}", resource(&state)?)?)
}

/// The resource's state in JSON, as its view would show it.
fn state(stream: &StreamId, events: &[&Recorded]) -> anyhow::Result<String> {
    let events = events.iter().copied();
    let shown = match stream.category() {
        CallId::CATEGORY => json(replay::<Calls>(events)?.map(|row| row.view))?,
        NumberId::CATEGORY => {
            json(replay::<Numbers>(events)?.filter(|row| !row.removed).map(|row| row.view))?
        }
        MenuId::CATEGORY => json(replay::<IvrMenus>(events)?.filter(|row| !row.removed).map(|row| row.view))?,
        IvrSessionId::CATEGORY => json(replay::<IvrSessions>(events)?.map(|row| row.view))?,
        ClientId::CATEGORY => json(replay::<Clients>(events)?.map(|row| row.view))?,
        ApiKeyId::CATEGORY => json(replay::<ApiKeys>(events)?.map(|row| row.view))?,
        other => anyhow::bail!("no view is made of `{other}` streams; leave out --at and --version"),
    };
    shown.context("there was no such resource then, or not any more")
}

fn json<T: Serialize>(view: Option<T>) -> serde_json::Result<Option<String>> {
    view.map(|view| serde_json::to_string_pretty(&view)).transpose()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_resource_is_found_by_its_id_or_its_stream() {
        let id = Uuid::from_u128(7);
        let call = CallId(id);
        assert_eq!(stream(&call.to_string()).unwrap(), call.stream());
        assert_eq!(stream(call.stream().as_str()).unwrap(), call.stream());
        assert_eq!(stream(&NumberId(id).to_string()).unwrap(), NumberId(id).stream());
        assert_eq!(stream(&ApiKeyId(id).to_string()).unwrap(), ApiKeyId(id).stream());
        for bad in ["", "call_", "call_1", "pet_00000000000000000000000007", "call"] {
            assert!(stream(bad).is_err(), "{bad}");
        }
    }
}
