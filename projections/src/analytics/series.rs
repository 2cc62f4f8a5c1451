//! A time series of one metric, by hour or by day.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use domain::envelope::Time;
use domain::ids::{AgentId, EndpointId, MenuId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::figures::{average, count, quantile, sum};
use super::queries::Range;
use crate::rollup::{Counted, Counts, Rollup, Span};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All values, in the order they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Name in the API, for example `duration_ms_avg`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    )*};
}

words! {
    /// A metric that a time series shows.
    Metric {
        /// Calls that began in the hour or day.
        Calls = "calls",
        /// Those of the calls that were answered.
        Answered = "answered",
        /// Those of the calls that never connected, or that a fault broke off.
        Failed = "failed",
        /// Average duration of those calls in milliseconds.
        DurationAverage = "duration_ms_avg",
        /// Median duration of those calls in milliseconds.
        DurationP50 = "duration_ms_p50",
        /// Duration in milliseconds that 95 % of those calls do not exceed.
        DurationP95 = "duration_ms_p95",
        /// IVR sessions that began in the hour or day.
        IvrEntries = "ivr_entries",
        /// Attempts to deliver webhooks.
        WebhookAttempts = "webhook_attempts",
        /// Those of the attempts that failed.
        WebhookFailures = "webhook_failures",
        /// Conversations that began in the hour or day.
        Conversations = "conversations",
        /// Tokens that models read and wrote in those conversations.
        Tokens = "tokens",
        /// What the carrier charged for those calls, in millionths of the currency that is the group.
        Cost = "cost",
    }

    /// What a metric can be grouped by.
    Grouping {
        /// Direction of the call: `inbound` or `outbound`.
        Direction = "direction",
        /// Final status of the call: `ended` or `failed`.
        Status = "status",
        /// Why the call ended, as in `end_reason`.
        EndReason = "end_reason",
        /// Who was at fault, as in `fault`.
        Fault = "fault",
        /// Id of the agent, or `none`.
        Agent = "agent",
        /// Id of the IVR menu.
        Menu = "menu",
        /// Id of the webhook endpoint.
        Endpoint = "endpoint",
        /// Error that an attempt failed with, for example `timeout`.
        Error = "error",
        /// Channel of the conversation: `api` or `voice`.
        Channel = "channel",
        /// Whether models read or wrote the tokens: `input` or `output`.
        Kind = "kind",
        /// Currency of the cost, as an ISO 4217 code.
        Currency = "currency",
    }
}

impl Metric {
    /// The view that counts the metric.
    #[must_use]
    pub const fn counted(self) -> Counted {
        match self {
            Self::IvrEntries => Counted::Ivr,
            Self::WebhookAttempts | Self::WebhookFailures => Counted::Webhooks,
            Self::Conversations | Self::Tokens => Counted::Conversations,
            _ => Counted::Calls,
        }
    }

    /// What the metric can be grouped by.
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

    /// What the metric is always grouped by, because sums over it mean nothing; `None` for most metrics.
    const fn always(self) -> Option<Grouping> {
        match self {
            Self::Cost => Some(Grouping::Currency),
            _ => None,
        }
    }

    /// Whether the metric is computed from distributions, not from counts.
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

/// One value of a time series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsPoint)]
pub struct Point {
    /// When the hour or day begins.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub bucket: Time,
    /// Value of the metric; `null` for the duration of no calls.
    #[schema(required)]
    pub value: Option<u64>,
    /// Group the value belongs to; absent without grouping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A time series of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    pub metric: Metric,
    /// What the metric is grouped by; `None`: not grouped, unless it always is.
    pub group_by: Option<Grouping>,
    /// The hours or days of the series.
    pub range: Range,
}

impl Series {
    /// The points of the series: one for every hour or day, or for every group of every hour or day,
    /// also where nothing happened.
    #[must_use]
    pub fn points(self, rollups: &[Rollup]) -> Vec<Point> {
        let grouping = self.group_by.or(self.metric.always());
        let mut values: BTreeMap<(Time, Option<String>), Counts> = BTreeMap::new();
        for rollup in rollups {
            for (group, counts) in parts(grouping, rollup) {
                values.entry((rollup.key.bucket, group)).or_default().add(&counts, 1);
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
                    // `parts` has put the members of a family under this one name
                    Some(grouping) if is_family(grouping) => Some(count(counts, PART)),
                    _ => self.metric.value(counts),
                };
                points.push(Point { bucket, value, group: group.clone() });
            }
            bucket += self.range.span.length();
        }
        points
    }

    /// Number of hours or days in the series.
    #[must_use]
    pub fn buckets(self) -> u64 {
        let length = (self.range.to - self.range.from).num_seconds();
        u64::try_from(length / self.range.span.length().num_seconds()).unwrap_or(0)
    }
}

impl Range {
    /// The hours or days that overlap the time between the two.
    #[must_use]
    pub fn covering(span: Span, from: Time, to: Time) -> Self {
        let begin = span.begin(to);
        let to = if begin == to { to } else { begin + span.length() };
        Self { span, from: span.begin(from), to }
    }
}

/// Name under which `parts` counts a member of a family.
const PART: &str = "part";

const fn is_family(grouping: Grouping) -> bool {
    !matches!(grouping, Grouping::Agent | Grouping::Menu | Grouping::Endpoint)
}

/// The groups of a rollup, each with the counts that belong to it.
fn parts(grouping: Option<Grouping>, rollup: &Rollup) -> Vec<(Option<String>, Cow<'_, Counts>)> {
    let whole = |group: Option<String>| vec![(group, Cow::Borrowed(&rollup.counts))];
    let family = |family: &str, pick: fn(&str) -> &str| {
        let part = |(name, number): (&str, i64)| {
            let mut counts = Counts::default();
            counts.number(PART, number);
            (Some(pick(name).to_owned()), Cow::Owned(counts))
        };
        rollup.counts.family(family).map(part).collect()
    };
    let subject = |name: fn(Uuid) -> String| match rollup.key.subject {
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
