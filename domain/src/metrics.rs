//! The metrics of a node: each is declared once, here, and code that measures takes the name from here.
//!
//! Names follow Prometheus (<https://prometheus.io/docs/practices/naming/>): base units, `_total` on counters. No label
//! holds an id, a tenant or anything personal.

use crate::billing::account::TransactionKind;
use crate::billing::matching::MatchState;
use crate::call::Work;
use crate::call::terms::{CommandKind, EndReason};
use crate::conversation::{ToolOutcome, TurnFault};
use crate::ivr::session::{Heard, SessionStatus, WebhookOutcome};
use crate::knowledge::{DocumentFault, Grounds};
use crate::model::Provider;
use crate::ports::embeddings::EmbeddingProvider;
use crate::spend::LimitKind;
use crate::webhook::delivery::ErrorClass;

/// Type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A count that only grows; from 0 again when the process starts.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Sorted into buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// Unit of a metric's value. The metric's name ends in it, except for `Count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things, as the name says.
    Count,
    Seconds,
    Bytes,
}

/// A label of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Name of the label in Prometheus.
    pub name: &'static str,
    /// Values known beforehand: their series start at zero. Other values may come; empty where they
    /// depend on the settings.
    pub known: fn() -> Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Name in Prometheus, with its unit and, for a counter, `_total`.
    pub name: &'static str,
    /// Counter, gauge or histogram with its buckets.
    pub kind: Kind,
    pub unit: Unit,
    /// The text of its `# HELP` line: one sentence.
    pub help: &'static str,
    /// Labels that every series of it has.
    pub labels: &'static [Label],
}

macro_rules! metrics {
    ($(
        $(#[doc = $help:literal])*
        $constant:ident = $name:literal, $kind:expr, $unit:ident $(, $label:literal: $known:expr)*;
    )*) => {
        $(
            $(#[doc = $help])*
            pub const $constant: &str = $name;
        )*

        /// Every metric of a node.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: $kind,
            unit: Unit::$unit,
            help: concat!($($help),*).trim_ascii(),
            labels: &[$(Label { name: $label, known: $known }),*],
        }),*];
    };
}

/// Buckets in seconds, from a memory access to the longest a carrier waits.
const LATENCY: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];
/// Buckets in seconds for answers of other people's servers.
const OUTSIDE: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
/// Buckets in seconds for what somebody on the telephone waits for.
const SPEECH: &[f64] =
    &[0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0];
/// Buckets for sizes: powers of two.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0];

use Kind::{Counter, Gauge, Histogram};

fn any() -> Vec<&'static str> {
    Vec::new()
}

fn telnyx() -> Vec<&'static str> {
    vec!["telnyx"]
}

fn live_kinds() -> Vec<&'static str> {
    vec!["call", "ivr_session"]
}

fn effects() -> Vec<&'static str> {
    let others = [
        Work::Reconcile,
        Work::CheckLeg,
        Work::TellIvr,
        Work::OrderCall,
        Work::AskWebhook,
        Work::Converse,
        Work::SpeakReply,
        Work::MergeCall,
        Work::StoreRecording,
        Work::IngestDocument,
        Work::DropDocument,
        Work::DropKnowledgeBase,
        Work::Remember,
        Work::ChargeCall,
        Work::WatchCredit,
    ];
    CommandKind::ALL.iter().map(|kind| kind.as_str()).chain(others.map(Work::as_str)).collect()
}

fn turn_outcomes(done: &'static str) -> Vec<&'static str> {
    [done].into_iter().chain(TurnFault::ALL.iter().map(|fault| fault.as_str())).collect()
}

metrics! {
    /// Always 1; its label tells the version of the node.
    BUILD_INFO = "voxledger_build_info", Gauge, Count, "version": any;

    /// Time from the request of an append until it is on disk.
    APPEND_SECONDS = "voxledger_append_seconds", Histogram(LATENCY), Seconds, "engine": any;
    /// Events in one commit of the log.
    APPEND_BATCH_EVENTS = "voxledger_append_batch_events", Histogram(SIZES), Count, "engine": any;
    /// Appends that wait in the queue of the writer.
    APPEND_QUEUE_DEPTH = "voxledger_append_queue_depth", Gauge, Count, "engine": any;

    /// Commands that wait in the mailboxes of actors.
    MAILBOX_DEPTH = "voxledger_mailbox_depth", Gauge, Count, "kind": live_kinds;
    /// Actors held in memory.
    LIVE_ACTORS = "voxledger_live_actors", Gauge, Count, "kind": live_kinds;
    /// Actors that ended unexpectedly and were replaced.
    ACTOR_RESTARTS = "voxledger_actor_restarts_total", Counter, Count, "kind": live_kinds;

    /// Calls under way in the whole deployment, as this node knows them from the log: take the
    /// highest of all nodes.
    CALLS_ACTIVE = "voxledger_calls_active", Gauge, Count;
    /// Calls that this node saw end, by reason.
    CALLS_ENDED = "voxledger_calls_ended_total", Counter, Count,
        "reason": || EndReason::ALL.iter().map(|reason| reason.as_str()).collect();

    /// Position of the last event a view holds.
    PROJECTION_POSITION = "voxledger_projection_position", Gauge, Count, "projection": any;
    /// Events a view has not taken in yet.
    PROJECTION_LAG_EVENTS = "voxledger_projection_lag_events", Gauge, Count, "projection": any;
    /// Age of the oldest event a view has not taken in yet.
    PROJECTION_LAG_SECONDS = "voxledger_projection_lag_seconds", Gauge, Seconds, "projection": any;
    /// 1 while a view is stalled until an operator acts, else 0.
    PROJECTION_STALLED = "voxledger_projection_stalled", Gauge, Count, "projection": any;
    /// Times a view was made anew because it held events that are not in the log.
    PROJECTION_MADE_ANEW = "voxledger_projection_made_anew_total", Counter, Count, "projection": any;

    /// How long the oldest due effect has been due.
    OUTBOX_AGE_SECONDS = "voxledger_outbox_age_seconds", Gauge, Seconds;
    /// Effects in the outbox that are not settled.
    OUTBOX_PENDING = "voxledger_outbox_pending", Gauge, Count;
    /// Durable timers that are set.
    TIMERS = "voxledger_timers", Gauge, Count;
    /// Attempts to perform effects, by outcome.
    EFFECT_ATTEMPTS = "voxledger_effect_attempts_total", Counter, Count,
        "kind": effects, "outcome": || vec!["finished", "postponed"];

    /// Transactions posted to the clients' ledgers by this node.
    LEDGER_POSTINGS = "voxledger_ledger_postings_total", Counter, Count,
        "kind": || TransactionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    /// Calls of prepaid clients that were refused or ended because the credit did not cover them.
    CALLS_WITHOUT_COVER = "voxledger_calls_without_cover_total", Counter, Count,
        "when": || vec!["begin", "under_way"];
    /// Calls that could not be charged: somebody must look.
    CALLS_NOT_CHARGED = "voxledger_calls_not_charged_total", Counter, Count,
        "because": || vec!["other_currency", "too_old", "refused", "prices", "unreadable"];
    /// Calls and transfers that were refused by a spend limit.
    SPEND_LIMITS_REACHED = "voxledger_spend_limits_reached_total", Counter, Count,
        "limit": || LimitKind::ALL.iter().map(|limit| limit.as_str()).collect();
    /// Runs of the match with the carrier's records over a day, by their outcome.
    MATCH_RUNS = "voxledger_match_runs_total", Counter, Count, "outcome": || vec!["complete", "partial", "later"];
    /// Findings that the match listed, by state: each once, and again when it changes or agrees.
    MATCH_LISTED = "voxledger_match_listed_total", Counter, Count,
        "state": || MatchState::ALL.iter().map(|state| state.as_str()).collect();
    /// Time that a run of the match over a day took.
    MATCH_RUN_SECONDS = "voxledger_match_run_seconds", Histogram(OUTSIDE), Seconds;
    /// Events of Stripe's webhooks, by what became of them.
    STRIPE_EVENTS = "voxledger_stripe_events_total", Counter, Count,
        "outcome": || vec!["applied", "repeated", "flagged", "foreign", "unused"];

    /// Lines of imported customers, by what became of them.
    CUSTOMERS_IMPORTED = "voxledger_customers_imported_total", Counter, Count,
        "outcome": || vec!["taken", "rejected"];

    /// Webhooks from carriers, by outcome.
    CARRIER_INGRESS = "voxledger_carrier_ingress_total", Counter, Count,
        "provider": || vec!["telnyx", "hubspot"], "outcome": || vec!["taken", "repeated", "signature_invalid", "unavailable"];
    /// Time from a carrier's webhook to its answer.
    CARRIER_INGRESS_SECONDS = "voxledger_carrier_ingress_seconds", Histogram(LATENCY), Seconds,
        "provider": || vec!["telnyx", "hubspot", "stripe"];
    /// Events of HubSpot's webhooks, by what became of them.
    HUBSPOT_EVENTS = "voxledger_hubspot_events_total", Counter, Count,
        "outcome": || vec!["recorded", "repeated", "unused", "foreign", "unknown"];
    /// How far a carrier's clock is ahead of the node's, by its last webhook; time on the way counts as behind.
    CARRIER_CLOCK_AHEAD_SECONDS = "voxledger_carrier_clock_ahead_seconds", Gauge, Seconds, "provider": any;
    /// Requests to a carrier's API, by the class of the answer's status; `error` where no answer came.
    CARRIER_REQUESTS = "voxledger_carrier_requests_total", Counter, Count,
        "provider": telnyx, "operation": carrier_operations, "status": || vec!["2xx", "4xx", "5xx", "error"];
    /// Time from a request to a carrier's API to the head of its answer.
    CARRIER_REQUEST_SECONDS = "voxledger_carrier_request_seconds", Histogram(OUTSIDE), Seconds,
        "provider": telnyx, "operation": carrier_operations;

    /// Bytes of the budget for bodies that requests under way hold.
    HTTP_BODY_BYTES_HELD = "voxledger_http_body_held_bytes", Gauge, Bytes;
    /// Bodies of requests that were refused because they came too slowly or the budget had no room.
    HTTP_BODIES_REFUSED = "voxledger_http_bodies_refused_total", Counter, Count,
        "reason": || vec!["too_slow", "no_room"];
    /// Streams of server-sent events that are open.
    HTTP_STREAMS_OPEN = "voxledger_http_streams_open", Gauge, Count;
    /// Requests answered, by group of routes, method and class of the status.
    HTTP_REQUESTS = "voxledger_http_requests_total", Counter, Count, "group": any, "method": any, "status": any;
    /// Time from a request's head to its response, by group of routes.
    HTTP_REQUEST_SECONDS = "voxledger_http_request_seconds", Histogram(LATENCY), Seconds, "group": any, "method": any;
    /// API requests that may run at once; fewer while threads are late.
    HTTP_CONCURRENCY = "voxledger_http_concurrency", Gauge, Count;
    /// API requests that are running.
    HTTP_IN_FLIGHT = "voxledger_http_in_flight", Gauge, Count;
    /// API requests that wait to run.
    HTTP_WAITING = "voxledger_http_waiting", Gauge, Count;
    /// API requests refused because they could not run in time.
    HTTP_REFUSED = "voxledger_http_refused_total", Counter, Count;

    /// Requests with an idempotency key, by what the key stood for.
    IDEMPOTENCY = "voxledger_idempotency_total", Counter, Count,
        "outcome": || vec!["fresh", "taken_over", "replayed", "in_progress", "reused", "unavailable"];
    /// Answers cut off because the key or token they were given for ended, by the code a new request gets.
    ANSWERS_CUT = "voxledger_answers_cut_total", Counter, Count, "code": || vec!["api_key_revoked", "api_key_expired", "token_expired", "token_revoked"];
    /// Fetches of the identity provider's keys, by outcome.
    JWKS_FETCHES = "voxledger_jwks_fetches_total", Counter, Count, "outcome": || vec!["ok", "failed"];
    /// Attempts to log in, by outcome; `unknown` is an e-mail address without a user.
    LOGINS = "voxledger_logins_total", Counter, Count, "outcome": || vec!["succeeded", "failed", "unknown"];
    /// Requests answered 429, by the limit that refused them.
    LIMIT_REFUSALS = "voxledger_limit_refusals_total", Counter, Count, "limit": limits;
    /// Exchanges of request rates with the other nodes, by outcome.
    LIMIT_EXCHANGES = "voxledger_limit_exchanges_total", Counter, Count, "outcome": || vec!["told", "failed"];

    /// Attempts to deliver webhooks to clients' endpoints, by outcome.
    WEBHOOK_ATTEMPTS = "voxledger_webhook_attempts_total", Counter, Count,
        "outcome": || ["succeeded"].into_iter().chain(ErrorClass::ALL.map(ErrorClass::as_str)).collect();
    /// Time until an endpoint answered or the attempt was given up.
    WEBHOOK_ATTEMPT_SECONDS = "voxledger_webhook_attempt_seconds", Histogram(LATENCY), Seconds;
    /// Time from the recording of an event to the first attempt to deliver it.
    WEBHOOK_FIRST_ATTEMPT_SECONDS = "voxledger_webhook_first_attempt_seconds", Histogram(LATENCY), Seconds;
    /// Webhook deliveries that have not ended.
    WEBHOOK_PENDING = "voxledger_webhook_pending", Gauge, Count;
    /// How long the oldest due delivery has been overdue; those of held and waiting endpoints count.
    WEBHOOK_OLDEST_DUE_SECONDS = "voxledger_webhook_oldest_due_seconds", Gauge, Seconds;
    /// Circuit breakers that are not closed, by what they guard: carrier, model or webhook.
    BREAKERS_OPEN = "voxledger_breakers_open", Gauge, Count, "guards": || vec!["carrier", "model", "webhook"];

    /// Objects written to the object store.
    OBJECTS_WRITTEN = "voxledger_objects_written_total", Counter, Count;
    /// Bytes of the objects written to the object store.
    OBJECTS_WRITTEN_BYTES = "voxledger_objects_written_bytes_total", Counter, Bytes;
    /// Attempts to fetch recordings from the carrier, by outcome; `later` is tried again.
    RECORDING_FETCHES = "voxledger_recording_fetches_total", Counter, Count,
        "outcome": || vec!["stored", "later", "given_up"];
    /// Time to fetch and store a recording.
    RECORDING_FETCH_SECONDS = "voxledger_recording_fetch_seconds", Histogram(OUTSIDE), Seconds;

    /// Contents of documents that became ready or failed, by what came of them; `refilled`: passages that the index lacked
    /// were made anew.
    DOCUMENTS_INGESTED = "voxledger_documents_ingested_total", Counter, Count,
        "outcome": || ["ready", "refilled"].into_iter().chain(DocumentFault::ALL.map(DocumentFault::as_str)).collect();
    /// Time to store the content of a document and read its text.
    DOCUMENT_READ_SECONDS = "voxledger_document_read_seconds", Histogram(OUTSIDE), Seconds;
    /// Turns of agents that looked passages up, by what came of it.
    RETRIEVALS = "voxledger_retrievals_total", Counter, Count,
        "outcome": || Grounds::ALL.map(Grounds::as_str).to_vec();
    /// Time a turn waited for passages.
    RETRIEVAL_SECONDS = "voxledger_retrieval_seconds", Histogram(LATENCY), Seconds;

    /// Time from the recording of a key press to the request for the prompt it leads to.
    IVR_ANSWER_SECONDS = "voxledger_ivr_answer_seconds", Histogram(LATENCY), Seconds;
    /// Steps of IVR sessions, by kind of input.
    IVR_STEPS = "voxledger_ivr_steps_total", Counter, Count,
        "heard": || Heard::ALL.iter().map(|heard| heard.as_str()).collect();
    /// IVR sessions that ended, by status.
    IVR_SESSIONS = "voxledger_ivr_sessions_total", Counter, Count,
        "status": || SessionStatus::ALL.iter().map(|status| status.as_str()).filter(|word| *word != "active").collect();
    /// Requests of IVR menus to clients' own systems, by outcome.
    IVR_WEBHOOKS = "voxledger_ivr_webhooks_total", Counter, Count,
        "outcome": || WebhookOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();

    /// Conversation turns that are being answered.
    TURNS_RUNNING = "voxledger_turns_running", Gauge, Count;
    /// Conversation turns that are over, by outcome.
    TURNS = "voxledger_turns_total", Counter, Count, "outcome": || turn_outcomes("completed");
    /// Time from a message to the end of its answer.
    TURN_SECONDS = "voxledger_turn_seconds", Histogram(SPEECH), Seconds;
    /// Time from a message to the first word of its answer.
    TURN_FIRST_TOKEN_SECONDS = "voxledger_turn_first_token_seconds", Histogram(SPEECH), Seconds;
    /// Requests to language models, by outcome.
    LLM_REQUESTS = "voxledger_llm_requests_total", Counter, Count,
        "provider": || Provider::ALL.map(Provider::as_str).to_vec(), "outcome": || turn_outcomes("answered");
    /// Time from a request to a language model to the first piece of its answer.
    LLM_FIRST_TOKEN_SECONDS = "voxledger_llm_first_token_seconds", Histogram(SPEECH), Seconds, "provider": any;
    /// Requests for embeddings that were not in the cache, by outcome.
    EMBEDDING_REQUESTS = "voxledger_embedding_requests_total", Counter, Count,
        "provider": || EmbeddingProvider::ALL.map(EmbeddingProvider::as_str).to_vec(),
        "outcome": || turn_outcomes("embedded");
    /// Time to find what is known of a customer, vectors of the query included.
    RECALL_SECONDS = "voxledger_recall_seconds", Histogram(LATENCY), Seconds;
    /// Times that memories were left out because something was late or failed.
    RECALLS_DEGRADED = "voxledger_recalls_degraded_total", Counter, Count,
        "reason": || vec!["embedding_late", "embedding_failed", "search_late", "search_failed"];
    /// Tool calls by agents, by outcome.
    TOOL_USES = "voxledger_tool_uses_total", Counter, Count,
        "outcome": || ToolOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();

    /// Position of the last event that the newest signed head covers.
    SEALED_POSITION = "voxledger_sealed_position", Gauge, Count;
    /// Time to sign and store a head of the log.
    SEAL_SECONDS = "voxledger_seal_seconds", Histogram(LATENCY), Seconds;
    /// Stored events that were checked against the sealed tree again.
    HISTORY_RECHECKED = "voxledger_history_rechecked_total", Counter, Count;
    /// Places of the history that differ from what was sealed, as far as this node has checked.
    HISTORY_FAULTS = "voxledger_history_faults", Gauge, Count;
    /// Signed heads handed to witnesses, by outcome.
    WITNESS = "voxledger_witness_total", Counter, Count, "witness": || vec!["http", "file"], "outcome": || vec!["told", "failed", "left_out"];

    /// Lines of the log that were lost because nobody read the output in time.
    LOG_LINES_LOST = "voxledger_log_lines_lost_total", Counter, Count;

    /// Processor time the process has used.
    PROCESS_CPU_SECONDS = "process_cpu_seconds_total", Counter, Seconds;
    /// Memory of the process that is in RAM.
    PROCESS_RESIDENT_MEMORY_BYTES = "process_resident_memory_bytes", Gauge, Bytes;
    /// Address space of the process.
    PROCESS_VIRTUAL_MEMORY_BYTES = "process_virtual_memory_bytes", Gauge, Bytes;
    /// Files and sockets the process has open.
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, Count;
    /// Files and sockets the process may have open.
    PROCESS_MAX_FDS = "process_max_fds", Gauge, Count;
    /// Threads of the process.
    PROCESS_THREADS = "process_threads", Gauge, Count;
    /// Start time of the process, in seconds since 1970.
    PROCESS_START_TIME_SECONDS = "process_start_time_seconds", Gauge, Seconds;
}

fn carrier_operations() -> Vec<&'static str> {
    vec![
        "dial",
        "answer",
        "reject",
        "hangup",
        "speak",
        "gather_using_speak",
        "transfer",
        "send_dtmf",
        "transcription_start",
        "record_start",
        "retrieve",
        "list_active_calls",
        "delete_recording",
        "retrieve_recording",
    ]
}

fn limits() -> Vec<&'static str> {
    vec![
        "key_rate",
        "client_rate",
        "login_rate",
        "key_quota",
        "calls_per_day",
        "concurrent_calls",
        "storage_bytes",
        "streams",
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_say_what_is_measured_in_base_units_and_each_once() {
        let mut seen = HashSet::new();
        for metric in METRICS {
            let Metric { name, kind, unit, help, .. } = metric;
            assert!(seen.insert(name), "{name} is declared twice");
            assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
            assert_eq!(*kind == Counter, name.ends_with("_total"), "{name}");
            let stem = name.trim_end_matches("_total");
            assert_eq!(*unit == Unit::Seconds, stem.ends_with("_seconds"), "{name}");
            assert_eq!(*unit == Unit::Bytes, stem.ends_with("_bytes"), "{name}");
            if let Histogram(buckets) = kind {
                assert!(buckets.is_sorted() && !buckets.is_empty(), "{name}");
            }
            for label in metric.labels {
                let known = (label.known)();
                assert_eq!(known.iter().collect::<HashSet<_>>().len(), known.len(), "{name}, {}", label.name);
            }
        }
    }
}
