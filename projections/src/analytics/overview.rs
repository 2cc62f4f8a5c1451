//! The figures of a period.

use domain::envelope::Time;
use serde::Serialize;
use utoipa::ToSchema;

use super::figures::{average, count, quantile, share, sum, together};
use super::queries::Period;
use crate::calls::MoneyView;
use crate::tally::{Counts, Tally};

/// How a period went.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsOverview)]
pub struct Overview {
    /// Its beginning, at a full hour.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    /// Its end, at a full hour.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Time,
    /// Calls that began in it.
    pub calls: CallFigures,
    /// How long those took, from answer to end.
    pub duration_ms: DurationFigures,
    /// Why those ended, the most frequent reason first.
    pub end_reasons: Vec<EndReasonCount>,
    /// Callers in menus. Not told apart by agent.
    pub ivr: IvrFigures,
    /// Conversations that began in it.
    pub conversations: ConversationFigures,
    /// Webhooks to endpoints. Not told apart by agent.
    pub webhooks: WebhookFigures,
    /// What the carrier charged for those calls, by currency.
    pub cost: Vec<MoneyView>,
}

/// Numbers of calls.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsCalls)]
pub struct CallFigures {
    /// All.
    pub total: u64,
    /// That came in.
    pub inbound: u64,
    /// That were placed.
    pub outbound: u64,
    /// That were answered.
    pub answered: u64,
    /// That are over, having connected.
    pub ended: u64,
    /// That never connected, or were broken by a fault.
    pub failed: u64,
    /// Answered among those that are over, from 0 to 1; `null` when none is.
    #[schema(required, minimum = 0, maximum = 1)]
    pub answer_rate: Option<f64>,
}

/// How long calls took, in milliseconds. The quantiles are off by less than 1 part in 64.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsDurations)]
pub struct DurationFigures {
    /// On average; `null` when none is over.
    #[schema(required)]
    pub average: Option<u64>,
    /// The middle one.
    #[schema(required)]
    pub p50: Option<u64>,
    /// Nineteen in twenty took no longer.
    #[schema(required)]
    pub p95: Option<u64>,
    /// Ninety-nine in a hundred took no longer.
    #[schema(required)]
    pub p99: Option<u64>,
}

/// Calls with an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsEndReason)]
pub struct EndReasonCount {
    /// The call's `end_reason`.
    #[schema(value_type = crate::words::CallEndReason)]
    pub reason: String,
    /// Whose fault it was.
    #[schema(value_type = crate::words::CallFault)]
    pub fault: String,
    /// How many.
    pub count: u64,
}

/// Callers in menus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsIvr)]
pub struct IvrFigures {
    /// Sessions that began.
    pub entries: u64,
    /// That got where the menus lead.
    pub completed: u64,
    /// That ended by hanging up.
    pub abandoned: u64,
    /// That used up their tries.
    pub exhausted: u64,
}

/// Conversations with agents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsConversations)]
pub struct ConversationFigures {
    /// That began.
    pub started: u64,
    /// That are over.
    pub ended: u64,
    /// What was said in them.
    pub messages: u64,
    /// Read by models.
    pub tokens_input: u64,
    /// Written by models.
    pub tokens_output: u64,
    /// How what people said was meant on average, from -1 (very bad) to 1 (very good); `null` when none was judged.
    #[schema(required, minimum = -1, maximum = 1)]
    pub sentiment: Option<f64>,
}

/// Attempts to deliver webhooks.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsWebhooks)]
pub struct WebhookFigures {
    /// All.
    pub attempts: u64,
    /// Answered with 2xx.
    pub succeeded: u64,
    /// The others.
    pub failed: u64,
    /// Those answered with 2xx among all, from 0 to 1; `null` of none.
    #[schema(required, minimum = 0, maximum = 1)]
    pub success_rate: Option<f64>,
    /// How long endpoints took to answer.
    pub latency_ms: LatencyFigures,
}

/// How long answers took, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsLatency)]
pub struct LatencyFigures {
    /// The middle one; `null` of none.
    #[schema(required)]
    pub p50: Option<u64>,
    /// Nineteen in twenty took no longer.
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

/// The sums that an overview is drawn from.
#[derive(Debug)]
pub struct OverviewTallies {
    /// Of calls.
    pub calls: Vec<Tally>,
    /// Of steps in menus.
    pub ivr: Vec<Tally>,
    /// Of conversations.
    pub conversations: Vec<Tally>,
    /// Of webhooks.
    pub webhooks: Vec<Tally>,
}

impl Overview {
    /// The figures of a period, from its sums.
    #[must_use]
    pub fn of(period: Period, tallies: &OverviewTallies) -> Self {
        let calls = together(&tallies.calls);
        let (ivr, webhooks) = (together(&tallies.ivr), together(&tallies.webhooks));
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
            conversations: ConversationFigures::of(&together(&tallies.conversations)),
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
