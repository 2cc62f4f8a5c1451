//! A figure, hour by hour or day by day.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use domain::envelope::Time;
use domain::ids::{AgentId, EndpointId, MenuId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::figures::{average, count, quantile, sum};
use super::queries::Range;
use crate::tally::{Counted, Counts, Span, Tally};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    )*};
}

words! {
    /// What is looked at.
    Metric {
        /// Calls that began.
        Calls = "calls",
        /// Of those, the ones that were answered.
        Answered = "answered",
        /// Of those, the ones that never connected, or were broken by a fault.
        Failed = "failed",
        /// How long those took on average, in milliseconds.
        DurationAverage = "duration_ms_avg",
        /// The middle one.
        DurationP50 = "duration_ms_p50",
        /// Nineteen in twenty took no longer.
        DurationP95 = "duration_ms_p95",
        /// Sessions in menus that began.
        IvrEntries = "ivr_entries",
        /// Attempts to deliver webhooks.
        WebhookAttempts = "webhook_attempts",
        /// Of those, the ones that failed.
        WebhookFailures = "webhook_failures",
        /// Conversations that began.
        Conversations = "conversations",
        /// What models read and wrote in those.
        Tokens = "tokens",
        /// What the carrier charged for those calls, in millionths of the currency that is the group.
        Cost = "cost",
    }

    /// By what it is told apart.
    Grouping {
        /// Inbound or outbound.
        Direction = "direction",
        /// Ended or failed.
        Status = "status",
        /// Why calls ended.
        EndReason = "end_reason",
        /// Whose fault it was.
        Fault = "fault",
        /// The agent.
        Agent = "agent",
        /// The menu.
        Menu = "menu",
        /// The endpoint.
        Endpoint = "endpoint",
        /// What went wrong.
        Error = "error",
        /// Over the API, or on a call.
        Channel = "channel",
        /// Read or written by models: `input` or `output`.
        Kind = "kind",
        /// The currency.
        Currency = "currency",
    }
}

impl Metric {
    /// Who counts it.
    #[must_use]
    pub const fn counted(self) -> Counted {
        match self {
            Self::IvrEntries => Counted::Ivr,
            Self::WebhookAttempts | Self::WebhookFailures => Counted::Webhooks,
            Self::Conversations | Self::Tokens => Counted::Conversations,
            _ => Counted::Calls,
        }
    }

    /// By what it can be told apart.
    #[must_use]
    pub const fn groupings(self) -> &'static [Grouping] {
        match self {
            Self::Calls => &[
                Grouping::Direction,
                Grouping::Status,
                Grouping::EndReason,
                Grouping::Fault,
                Grouping::Agent,
            ],
            Self::IvrEntries => &[Grouping::Menu],
            Self::WebhookAttempts => &[Grouping::Endpoint],
            Self::WebhookFailures => &[Grouping::Endpoint, Grouping::Error],
            Self::Conversations => &[Grouping::Channel, Grouping::Agent],
            Self::Tokens => &[Grouping::Kind, Grouping::Agent],
            Self::Cost => &[Grouping::Currency],
            _ => &[Grouping::Agent],
        }
    }

    /// By what it always is, as its sums mean nothing otherwise.
    const fn always(self) -> Option<Grouping> {
        match self {
            Self::Cost => Some(Grouping::Currency),
            _ => None,
        }
    }

    /// Whether it is drawn from distributions; others are numbers.
    #[must_use]
    pub const fn is_of_sketches(self) -> bool {
        matches!(self, Self::DurationAverage | Self::DurationP50 | Self::DurationP95)
    }

    fn value(self, counts: &Counts) -> Option<u64> {
        match self {
            Self::Calls => Some(count(counts, "calls")),
            Self::Answered => Some(count(counts, "answered")),
            Self::Failed => Some(count(counts, "status:failed")),
            Self::DurationAverage => average(counts, "duration_ms"),
            Self::DurationP50 => quantile(counts, "duration_ms", 0.5),
            Self::DurationP95 => quantile(counts, "duration_ms", 0.95),
            Self::IvrEntries => Some(count(counts, "sessions")),
            Self::WebhookAttempts => Some(count(counts, "attempts")),
            Self::WebhookFailures => Some(sum(counts, "failed")),
            Self::Conversations => Some(count(counts, "conversations")),
            Self::Tokens => Some(sum(counts, "tokens")),
            Self::Cost => Some(sum(counts, "cost")),
        }
    }
}

/// A value of a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsPoint)]
pub struct Point {
    /// When its hour or day begins.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub bucket: Time,
    /// What it was; `null` for the duration of no calls.
    #[schema(required)]
    pub value: Option<u64>,
    /// Of which group, if it is told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A figure over a time.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    /// Which.
    pub metric: Metric,
    /// By what it is told apart.
    pub group_by: Option<Grouping>,
    /// From when to when, in hours or days.
    pub range: Range,
}

impl Series {
    /// Its points: one for every hour or day, or for every group of every hour or day, also where nothing happened.
    #[must_use]
    pub fn points(self, tallies: &[Tally]) -> Vec<Point> {
        let grouping = self.group_by.or(self.metric.always());
        let mut values: BTreeMap<(Time, Option<String>), Counts> = BTreeMap::new();
        for tally in tallies {
            for (group, counts) in parts(grouping, tally) {
                values.entry((tally.key.bucket, group)).or_default().add(&counts, 1);
            }
        }
        let mut groups: BTreeSet<Option<String>> = values.keys().map(|(_, group)| group.clone()).collect();
        if groups.is_empty() {
            groups.insert(None);
        }
        let nothing = Counts::default();
        let mut points = Vec::new();
        let mut bucket = self.range.from;
        while bucket < self.range.to {
            for group in &groups {
                let counts = values.get(&(bucket, group.clone())).unwrap_or(&nothing);
                let value = match grouping {
                    // the parts of a family were put under the one name
                    Some(grouping) if is_family(grouping) => Some(count(counts, PART)),
                    _ => self.metric.value(counts),
                };
                points.push(Point { bucket, value, group: group.clone() });
            }
            bucket += self.range.span.length();
        }
        points
    }

    /// How many hours or days it has.
    #[must_use]
    pub fn buckets(self) -> u64 {
        let length = (self.range.to - self.range.from).num_seconds();
        u64::try_from(length / self.range.span.length().num_seconds()).unwrap_or(0)
    }
}

impl Range {
    /// The hours or days that hold any of the time between the two.
    #[must_use]
    pub fn covering(span: Span, from: Time, to: Time) -> Self {
        let begin = span.begin(to);
        let to = if begin == to { to } else { begin + span.length() };
        Self { span, from: span.begin(from), to }
    }
}

/// Under which name a member of a family is counted while it is put together.
const PART: &str = "part";

const fn is_family(grouping: Grouping) -> bool {
    !matches!(grouping, Grouping::Agent | Grouping::Menu | Grouping::Endpoint)
}

/// What a sum gives to which group.
fn parts(grouping: Option<Grouping>, tally: &Tally) -> Vec<(Option<String>, Cow<'_, Counts>)> {
    let whole = |group: Option<String>| vec![(group, Cow::Borrowed(&tally.counts))];
    let family = |family: &str, pick: fn(&str) -> &str| {
        let part = |(name, number): (&str, i64)| {
            let mut counts = Counts::default();
            counts.number(PART, number);
            (Some(pick(name).to_owned()), Cow::Owned(counts))
        };
        tally.counts.family(family).map(part).collect()
    };
    let subject = |name: fn(Uuid) -> String| match tally.key.subject {
        id if id.is_nil() => "none".to_owned(),
        id => name(id),
    };
    match grouping {
        None => whole(None),
        Some(Grouping::Agent) => whole(Some(subject(|id| AgentId(id).to_string()))),
        Some(Grouping::Menu) => whole(Some(subject(|id| MenuId(id).to_string()))),
        Some(Grouping::Endpoint) => whole(Some(subject(|id| EndpointId(id).to_string()))),
        Some(Grouping::Direction) => family("direction", |name| name),
        Some(Grouping::Status) => family("status", |name| name),
        Some(Grouping::EndReason) => family("end", |name| name.split(':').next().unwrap_or(name)),
        Some(Grouping::Fault) => family("end", |name| name.rsplit(':').next().unwrap_or(name)),
        Some(Grouping::Error) => family("failed", |name| name),
        Some(Grouping::Channel) => family("channel", |name| name),
        Some(Grouping::Kind) => family("tokens", |name| name),
        Some(Grouping::Currency) => family("cost", |name| name),
    }
}
