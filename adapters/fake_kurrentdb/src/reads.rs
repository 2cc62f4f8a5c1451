//! The call Read with a count: pages of a stream or of `$all`, in both directions.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tonic::Status;

use crate::cluster::now;
use crate::filter::Filter;
use crate::log::{Log, Record};
use crate::messages::read_options::{Count, Filtering, Source};
use crate::messages::read_resp::Content;
use crate::messages::{
    ReadEvent, ReadOptions, ReadResp, RecordedEvent, StreamIdentifier, StreamNotFound, UuidMessage,
    all_options, read_event, stream_options, uuid_option,
};
use crate::status;
use crate::writes::{Caller, stream_name};

/// Events that are read at a time.
pub const PAGE: usize = 32;

/// Where a read or a subscription begins.
#[derive(Debug, Clone, Copy)]
pub enum From {
    Start,
    End,
    At(u64),
}

/// A request in a form that has no impossible combinations.
#[derive(Debug)]
pub enum Plan {
    Stream { stream: String, from: From, backwards: bool, count: u64, compatible: bool },
    All { from: From, backwards: bool, count: u64, filter: Option<Filter> },
    FollowStream { stream: String, from: From },
    FollowAll { from: From, filter: Option<Filter> },
}

/// How events are written into responses.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub structured_ids: bool,
    pub resolve_links: bool,
}

impl Plan {
    /// Fails as the server does when parts are missing or do not go together.
    pub fn of(options: ReadOptions) -> Result<(Self, Form), Status> {
        let bad = || Status::invalid_argument("the combination of read options is not supported");
        let structured = match options.uuids.and_then(|uuids| uuids.form).ok_or_else(bad)? {
            uuid_option::Form::Structured(()) => true,
            uuid_option::Form::Text(()) => false,
        };
        let form = Form { structured_ids: structured, resolve_links: options.resolve_links };
        let backwards = options.direction == 1;
        let count = match options.count.ok_or_else(bad)? {
            Count::Count(0) => return Err(status::thrown()),
            Count::Count(count) => Some(count),
            Count::Subscription(()) => None,
        };
        let filter = match options.filtering.ok_or_else(bad)? {
            Filtering::Filter(filter) => Some(Filter::of(&filter, count.is_none())?),
            Filtering::NoFilter(()) => None,
        };
        let plan = match (options.source.ok_or_else(bad)?, count) {
            (Source::Stream(source), count) if filter.is_none() => {
                let from = match source.from.ok_or_else(bad)? {
                    stream_options::From::Revision(revision) => From::At(revision),
                    stream_options::From::Start(()) => From::Start,
                    stream_options::From::End(()) => From::End,
                };
                let stream = stream_name(source.stream)?;
                let compatible = options.control.is_some_and(|control| control.compatibility >= 1);
                match count {
                    Some(count) => Self::Stream { stream, from, backwards, count, compatible },
                    None if backwards => return Err(bad()),
                    None => Self::FollowStream { stream, from },
                }
            }
            (Source::All(source), count) => {
                let from = match source.from.ok_or_else(bad)? {
                    all_options::From::Position(position) => From::At(position.commit),
                    all_options::From::Start(()) => From::Start,
                    all_options::From::End(()) => From::End,
                };
                match count {
                    Some(count) => Self::All { from, backwards, count, filter },
                    None if backwards => return Err(bad()),
                    None => Self::FollowAll { from, filter },
                }
            }
            _ => return Err(bad()),
        };
        Ok((plan, form))
    }
}

/// An event as a response holds it.
pub fn event_message(log: &Log, record: &Record, form: Form) -> ReadResp {
    let recorded = |record: &Record| RecordedEvent {
        id: Some(UuidMessage::of(record.event.id, form.structured_ids)),
        stream: Some(StreamIdentifier::of(&record.stream)),
        revision: record.revision,
        prepare_position: record.offset,
        commit_position: record.offset,
        metadata: [
            ("type", record.event.event_type.clone()),
            ("created", record.created.to_string()),
            ("content-type", content_type(record).to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
        custom_metadata: record.event.metadata.clone(),
        data: record.event.data.clone(),
    };
    let commit = Some(read_event::Commit::Position(record.offset));
    let message = if form.resolve_links && record.event.event_type == "$>" {
        let target = link_target(log, record).map(recorded);
        ReadEvent { event: target, link: Some(recorded(record)), commit }
    } else {
        ReadEvent { event: Some(recorded(record)), link: None, commit }
    };
    Content::Event(message).into()
}

fn content_type(record: &Record) -> &'static str {
    if record.event.is_json { "application/json" } else { "application/octet-stream" }
}

/// The event that a link names as `revision@stream`.
fn link_target<'a>(log: &'a Log, record: &Record) -> Option<&'a Record> {
    let text = std::str::from_utf8(&record.event.data).ok()?;
    let (revision, stream) = text.split_once('@')?;
    log.record(stream, revision.parse().ok()?).filter(|target| !target.gone)
}

type Answers = BoxStream<'static, Result<ReadResp, Status>>;

/// Pages of one stream, then how far it goes.
pub fn read_stream(
    caller: Caller,
    (stream, from, backwards): (String, From, bool),
    count: u64,
    compatible: bool,
    form: Form,
) -> Result<Answers, Status> {
    let log = caller.cluster.log.read();
    let visible = caller.cluster.visible(caller.node, &log);
    if log.is_tombstoned(&stream) {
        return Err(status::stream_deleted(&stream));
    }
    let Some((first, last)) = log.visible_revisions(&stream, visible, now()) else {
        let stream = Some(StreamIdentifier::of(&stream));
        let not_found = Content::StreamNotFound(StreamNotFound { stream }).into();
        return Ok(stream::iter([Ok(not_found)]).boxed());
    };
    drop(log);
    let mut before = None;
    let asked = match (from, backwards) {
        (From::Start, _) => 0,
        (From::End, true) => last,
        (From::End, false) => last + 1,
        (From::At(revision), _) => revision,
    };
    let range = if backwards {
        first..asked.min(last).saturating_add(1).max(first)
    } else {
        if compatible && asked.saturating_add(PAGE as u64) <= first {
            before = Some(Content::FirstStreamPosition(first));
        } else if compatible && asked > last + 1 {
            before = Some(Content::FirstStreamPosition(last + 1));
        }
        asked.clamp(first, last + 1)..last + 1
    };
    let after = compatible.then_some(Content::LastStreamPosition(last));
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let revisions: Box<dyn Iterator<Item = u64> + Send> =
        if backwards { Box::new(range.rev().take(wanted)) } else { Box::new(range.take(wanted)) };
    let events = pages(revisions.peekable(), move |revisions| {
        let log = caller.cluster.log.read();
        let record = |revision| log.record(&stream, revision).filter(|record| !record.gone);
        revisions.into_iter().filter_map(record).map(|record| event_message(&log, record, form)).collect()
    });
    let say = |content: Option<Content>| stream::iter(content.map(|content| Ok(content.into())));
    Ok(say(before).chain(events).chain(say(after)).boxed())
}

/// Pages of `$all`: forwards with the event at the position, backwards without it.
pub fn read_all(
    caller: Caller,
    (from, backwards): (From, bool),
    count: u64,
    filter: Option<Filter>,
    form: Form,
) -> Result<Answers, Status> {
    let log = caller.cluster.log.read();
    let visible = caller.cluster.visible(caller.node, &log);
    let at = match from {
        From::Start => 0,
        From::End => visible,
        From::At(offset) if log.is_inside(offset) => {
            let text = format!("Unexpected ReadAllResult: InvalidPosition {offset}");
            return Err(Status::unknown(text));
        }
        From::At(offset) => log.index_at(offset).min(visible),
    };
    drop(log);
    let indices: Box<dyn Iterator<Item = usize> + Send> =
        if backwards { Box::new((0..at).rev()) } else { Box::new(at..visible) };
    let left = usize::try_from(count).unwrap_or(usize::MAX);
    let state = (caller, indices, filter, left);
    let events = stream::unfold(state, move |(caller, mut indices, filter, mut left)| async move {
        let mut page = Vec::new();
        {
            let log = caller.cluster.log.read();
            while page.len() < PAGE && left > 0 {
                let Some(index) = indices.next() else { break };
                let Some(record) = log.records().get(index) else { break };
                if !record.gone && filter.as_ref().is_none_or(|filter| filter.allows(record)) {
                    page.push(Ok(event_message(&log, record, form)));
                    left -= 1;
                }
            }
        }
        (!page.is_empty()).then(|| (stream::iter(page), (caller, indices, filter, left)))
    });
    Ok(events.flatten().boxed())
}

/// Turns items into responses, a page at a time.
fn pages<T: Send + 'static>(
    items: std::iter::Peekable<Box<dyn Iterator<Item = T> + Send>>,
    read: impl Fn(Vec<T>) -> Vec<ReadResp> + Send + 'static,
) -> Answers {
    stream::unfold((items, read), |(mut items, read)| async move {
        items.peek()?;
        let page: Vec<_> = read(items.by_ref().take(PAGE).collect()).into_iter().map(Ok).collect();
        Some((stream::iter(page), (items, read)))
    })
    .flatten()
    .boxed()
}
