//! The figures of a period.

use domain::envelope::Time;
use serde::Serialize;
use utoipa::ToSchema;

use super::figures::{average, count, quantile, share, sum, together};
use super::queries::Period;
use crate::calls::MoneyView;
use crate::rollup::{Counts, Rollup};

/// Key figures of calls, menus, conversations and webhooks over a period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsOverview)]
pub struct Overview {
    /// Begin of the period, at a full hour.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    /// End of the period, at a full hour; not included.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Time,
    /// Calls that began in the period.
    pub calls: CallFigures,
    /// Durations of those calls, from answer to end.
    pub duration_ms: DurationFigures,
    /// Why those calls ended, the most frequent reason first.
    pub end_reasons: Vec<EndReasonCount>,
    /// Callers in IVR menus; a filter by agent does not apply.
    pub ivr: IvrFigures,
    /// Conversations that began in the period.
    pub conversations: ConversationFigures,
    /// Webhook deliveries to endpoints; a filter by agent does not apply.
    pub webhooks: WebhookFigures,
    /// What the carrier charged for those calls, one entry a currency.
    pub cost: Vec<MoneyView>,
}

/// Numbers of calls that began in the period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsCalls)]
pub struct CallFigures {
    /// Number of all calls.
    pub total: u64,
    /// Number of inbound calls.
    pub inbound: u64,
    /// Number of outbound calls.
    pub outbound: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that connected and are over.
    pub ended: u64,
    /// Calls that never connected, or that a fault broke off.
    pub failed: u64,
    /// Share of answered calls among those that are over, from 0 to 1; `null` when none is over.
    #[schema(required, minimum = 0, maximum = 1)]
    pub answer_rate: Option<f64>,
}

/// Call durations in milliseconds. The quantiles are off by less than 1 part in 64.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsDurations)]
pub struct DurationFigures {
    /// Average duration in milliseconds; `null` when no call is over.
    #[schema(required)]
    pub average: Option<u64>,
    /// Median duration in milliseconds; `null` when no call is over.
    #[schema(required)]
    pub p50: Option<u64>,
    /// Duration in milliseconds that 95 % of the calls do not exceed; `null` when no call is over.
    #[schema(required)]
    pub p95: Option<u64>,
    /// Duration in milliseconds that 99 % of the calls do not exceed; `null` when no call is over.
    #[schema(required)]
    pub p99: Option<u64>,
}

/// Number of calls that ended for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsEndReason)]
pub struct EndReasonCount {
    /// The reason, as in a call's `end_reason`.
    #[schema(value_type = crate::words::CallEndReason)]
    pub reason: String,
    /// Who was at fault, as in a call's `fault`.
    #[schema(value_type = crate::words::CallFault)]
    pub fault: String,
    /// Number of calls that ended so.
    pub count: u64,
}

/// Numbers of IVR sessions that began in the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsIvr)]
pub struct IvrFigures {
    /// Sessions that callers began.
    pub entries: u64,
    /// Sessions that reached an action that ends them.
    pub completed: u64,
    /// Sessions in which the caller hung up.
    pub abandoned: u64,
    /// Sessions that ended after too many wrong keys or silences.
    pub exhausted: u64,
}

/// Numbers of conversations with agents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsConversations)]
pub struct ConversationFigures {
    /// Conversations that began in the period.
    pub started: u64,
    /// Conversations that have ended since.
    pub ended: u64,
    /// Messages in those conversations.
    pub messages: u64,
    /// Tokens that models read.
    pub tokens_input: u64,
    /// Tokens that models wrote.
    pub tokens_output: u64,
    /// Average sentiment of the people's messages, from -1 (very bad) to 1 (very good); `null` when none was scored.
    #[schema(required, minimum = -1, maximum = 1)]
    pub sentiment: Option<f64>,
}

/// Attempts to deliver webhooks in the period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsWebhooks)]
pub struct WebhookFigures {
    /// Number of all attempts.
    pub attempts: u64,
    /// Attempts that were answered with 2xx.
    pub succeeded: u64,
    /// Attempts that were not answered with 2xx.
    pub failed: u64,
    /// Share of attempts answered with 2xx, from 0 to 1; `null` without attempts.
    #[schema(required, minimum = 0, maximum = 1)]
    pub success_rate: Option<f64>,
    /// How long the attempts took, until the answer or the failure.
    pub latency_ms: LatencyFigures,
}

/// How long attempts took, until the answer or the failure, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsLatency)]
pub struct LatencyFigures {
    /// Median in milliseconds; `null` without attempts.
    #[schema(required)]
    pub p50: Option<u64>,
    /// Milliseconds that 95 % of the attempts do not exceed; `null` without attempts.
    #[schema(required)]
    pub p95: Option<u64>,
}

impl ConversationFigures {
    fn of(counts: &Counts) -> Self {
        let judged = counts.get("judged");
        Self {
            started: count(counts, "conversations"),
            ended: count(counts, "ended"),
            messages: count(counts, "messages"),
            tokens_input: count(counts, "tokens:input"),
            tokens_output: count(counts, "tokens:output"),
            sentiment: (judged > 0).then(|| (counts.get("judged_permille") / judged) as f64 / 1_000.0),
        }
    }
}

/// The sums that an overview is computed from.
#[derive(Debug)]
pub struct OverviewTallies {
    pub calls: Vec<Rollup>,
    /// Sums of the steps in IVR menus.
    pub ivr: Vec<Rollup>,
    pub conversations: Vec<Rollup>,
    /// Sums of the attempts to deliver webhooks.
    pub webhooks: Vec<Rollup>,
}

impl Overview {
    /// Computes the figures of a period from its sums.
    #[must_use]
    pub fn of(period: Period, rollups: &OverviewTallies) -> Self {
        let calls = together(&rollups.calls);
        let (ivr, webhooks) = (together(&rollups.ivr), together(&rollups.webhooks));
        let (ended, failed) = (count(&calls, "status:ended"), count(&calls, "status:failed"));
        let mut end_reasons: Vec<_> = calls
            .family("end")
            .filter_map(|(name, number)| {
                let (reason, fault) = name.split_once(':')?;
                let count = u64::try_from(number).ok()?;
                Some(EndReasonCount { reason: reason.to_owned(), fault: fault.to_owned(), count })
            })
            .collect();
        end_reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        let cost = calls
            .family("cost")
            .map(|(currency, amount_micros)| MoneyView { amount_micros, currency: currency.to_owned() });
        let (attempts, succeeded) = (count(&webhooks, "attempts"), count(&webhooks, "succeeded"));
        let duration = |share| quantile(&calls, "duration_ms", share);
        Self {
            from: period.from(),
            to: period.to(),
            calls: CallFigures {
                total: count(&calls, "calls"),
                inbound: count(&calls, "direction:inbound"),
                outbound: count(&calls, "direction:outbound"),
                answered: count(&calls, "answered"),
                ended,
                failed,
                answer_rate: share(count(&calls, "answered").min(ended + failed), ended + failed),
            },
            duration_ms: DurationFigures {
                average: average(&calls, "duration_ms"),
                p50: duration(0.5),
                p95: duration(0.95),
                p99: duration(0.99),
            },
            end_reasons,
            ivr: IvrFigures {
                entries: count(&ivr, "sessions"),
                completed: count(&ivr, "ended:completed"),
                abandoned: count(&ivr, "ended:abandoned"),
                exhausted: count(&ivr, "ended:exhausted"),
            },
            conversations: ConversationFigures::of(&together(&rollups.conversations)),
            webhooks: WebhookFigures {
                attempts,
                succeeded,
                failed: sum(&webhooks, "failed"),
                success_rate: share(succeeded, attempts),
                latency_ms: LatencyFigures {
                    p50: quantile(&webhooks, "latency_ms", 0.5),
                    p95: quantile(&webhooks, "latency_ms", 0.95),
                },
            },
            cost: cost.collect(),
        }
    }
}
