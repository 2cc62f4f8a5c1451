//! Which events are business actions, and what the audit log shows of each: one line for each action.

use domain::agent::sync::SyncEvent;
use domain::agent::{AgentEvent, AgentTerms};
use domain::api_key::{ApiKeyEvent, KeyTerms};
use domain::billing::account::{CreditEvent, TransactionKind};
use domain::billing::checkout::CheckoutEvent;
use domain::billing::matching::MatchScheduleEvent;
use domain::billing::price_book::PriceBookEvent;
use domain::call::CallEvent;
use domain::client::ClientEvent;
use domain::customer::CustomerEvent;
use domain::envelope::{Actor, Metadata, Recorded};
use domain::history::{ExportEvent, LogEvent};
use domain::ids::{
    AccountId, AgentId, AgentSyncId, ApiKeyId, BillingMatchScheduleId, CallId, CheckoutId, ClientId,
    CreditAccountId, CustomerId, DeliveryId, DocumentId, EndpointId, ExportId, KnowledgeBaseId, LogId,
    LoginId, MemoryId, MenuId, NumberId, PriceBookId, PrivacyJobId, SpendLimitsId, ToolId, UploadId, UserId,
};
use domain::ivr::menu::{MenuEvent, MenuTerms};
use domain::knowledge::{BaseTerms, DocumentEvent, KnowledgeBaseEvent};
use domain::login::{LoginEvent, RevokedFor};
use domain::memory::MemoryEvent;
use domain::number::NumberEvent;
use domain::origin::Origin;
use domain::personal::Personal;
use domain::phone::Party;
use domain::privacy::content::ContentLevel;
use domain::privacy::job::{JobKind, PrivacyJobEvent};
use domain::privacy::policy::PolicyEvent;
use domain::provider::{AccountTerms, ProviderEvent, ProviderKind};
use domain::spend::{SpendLimits, SpendLimitsEvent, SpendScope};
use domain::tool::{ToolEvent, ToolTerms};
use domain::upload::UploadEvent;
use domain::user::{UserEvent, UserTerms};
use domain::webhook::delivery::DeliveryEvent;
use domain::webhook::endpoint::{EndpointEvent, EndpointTerms};
use domain::wire::{DecodeError, DomainEvent};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::view::Resource;
use crate::clients::ClientLimitsView;
use crate::edge::format_time;
use crate::ivr_menus::{ActionShape, GlobalsShape, HoursShape, ItemShape};
use crate::numbers::RouteView;
use crate::webhooks::SpendScopeView;

/// Name of a business action, for example `API_KEY_CREATED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(&'static str);

/// The name is not one of a business action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such action; they are written like API_KEY_CREATED")]
pub struct UnknownAction;

impl Action {
    /// Name in the API, for example `API_KEY_CREATED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::str::FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        Self::ALL.iter().copied().find(|action| action.0 == word).ok_or(UnknownAction)
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What an event contributes to its audit entry, besides its envelope.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AuditDetails {
    /// What the action was done to; `None`: the subject of the stream.
    pub(super) on: Option<Resource>,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    pub(super) ip: Option<String>,
}

impl AuditDetails {
    fn on(self, user: UserId) -> Self {
        Self { on: Some(Resource::new(UserId::CATEGORY, &user)), ..self }
    }

    /// Names a provider account by its kind: a client has one account of each kind.
    fn account(self, kind: ProviderKind) -> Self {
        Self { on: Some(Resource::new(AccountId::CATEGORY, &kind.as_str())), ..self }
    }

    /// Adds the IP address of the request, which every event has in the same place of its payload.
    fn from(self, origin: &Origin) -> Self {
        Self { ip: origin.ip.as_ref().and_then(|ip| ip.shown(String::clone)), ..self }
    }
}

fn party(party: &Personal<Party>) -> Option<String> {
    party.shown(|party| party.as_str().to_owned())
}

fn done() -> AuditDetails {
    AuditDetails::default()
}

/// A resource was created.
fn made(after: Value) -> AuditDetails {
    AuditDetails { after: Some(after), ..AuditDetails::default() }
}

/// A resource was removed.
fn ended(before: Value) -> AuditDetails {
    AuditDetails { before: Some(before), ..AuditDetails::default() }
}

/// A resource was changed: keeps only the fields that differ.
fn changed(before: Value, after: Value) -> AuditDetails {
    let differing = |mine: &Value, theirs: &Value| match mine {
        Value::Object(fields) => {
            fields.iter().filter(|(name, value)| theirs.get(name) != Some(value)).map(own).collect()
        }
        other => other.clone(),
    };
    AuditDetails {
        before: Some(differing(&before, &after)),
        after: Some(differing(&after, &before)),
        ..done()
    }
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn anybody(_: &Actor) -> bool {
    true
}

/// Accepts actors of the REST API only: what actors and carriers do on a call is the call's history, not an action.
fn asked_for(actor: &Actor) -> bool {
    matches!(actor, Actor::User(_) | Actor::ApiKey(_))
}

/// Declares the actions of each kind of event: the event's stored name, its pattern, the action, what is shown.
macro_rules! audited {
    ($($events:ident of $resource:ident by $who:ident as |$id:pat_param| {
        $($type:literal, $variant:ident($fact:pat) $(if $holds:expr)? => $action:ident: $told:expr;)*
    })*) => {
        impl Action {
            /// Every action, in the order they are declared.
            pub const ALL: &'static [Action] = &[$($(Action(stringify!($action)),)*)*];
        }

        /// Types of events that may be actions.
        pub(super) const TYPES: &[&str] = &[$($($type,)*)*];

        /// The action that an event is, with its resource, metadata and content; `None` when it is none.
        #[allow(clippy::allow_attributes, unreachable_patterns, reason = "an event may be two actions, and all events of a kind actions")]
        pub(super) fn read(event: &Recorded) -> Result<Option<(Action, Resource, Metadata, AuditDetails)>, DecodeError> {
            let event_type = event.event_type.as_str();
            $(if matches!(event_type, $($type)|*) {
                let metadata = event.metadata();
                let metadata = metadata
                    .map_err(|_| DecodeError::Metadata { event_type: event_type.to_owned() })?;
                if !$who(&metadata.actor) {
                    return Ok(None);
                }
                let id = $resource(event.stream.id());
                let (action, mut told) = match $events::decode(event_type, event.schema, &event.payload)? {
                    $($events::$variant($fact) $(if $holds)? => {
                        let $id = &id;
                        (Action(stringify!($action)), $told)
                    })*
                    _ => return Ok(None),
                };
                told = told.from(&Origin::stamped_on(&event.payload));
                let resource = told.on.take().unwrap_or_else(|| Resource::new($resource::CATEGORY, &id));
                return Ok(Some((action, resource, metadata, told)));
            })*
            Ok(None)
        }
    };
}

audited! {
    ClientEvent of ClientId by anybody as |_| {
        "client.created", Created(e) => CLIENT_CREATED: made(json!({"name": e.name}));
        "client.renamed", Renamed(e) => CLIENT_RENAMED:
            changed(json!({"name": e.before}), json!({"name": e.after}));
        "client.limits_changed", LimitsChanged(e) => CLIENT_LIMITS_CHANGED:
            changed(json!(ClientLimitsView::from(e.before)), json!(ClientLimitsView::from(e.after)));
        "client.billing_changed", BillingChanged(e) => CLIENT_BILLING_CHANGED:
            changed(json!(e.before), json!(e.after));
    }
    // the node posts by itself what calls cost; that is in the ledger
    CreditEvent of CreditAccountId by asked_for as |_| {
        "credit_account.posted", Posted(e) if e.kind == TransactionKind::Grant => CREDITS_GRANTED: made(json!({
            "amount_micros": e.amount(), "currency": e.currency, "reason": e.reason,
        }));
    }
    PriceBookEvent of PriceBookId by asked_for as |_| {
        "price_book.prices_set", Set(e) => PRICES_SET: made(json!({
            "client_id": e.client.map(|id| id.to_string()), "currency": e.currency,
            "effective_from": format_time(e.effective_from), "prices": e.prices,
        }));
    }
    SpendLimitsEvent of SpendLimitsId by anybody as |_| {
        "spend_limits.changed", Changed(e) => SPEND_LIMITS_CHANGED:
            spend_limits_changed(e.scope, &e.before, &e.after);
    }
    MatchScheduleEvent of BillingMatchScheduleId by asked_for as |_| {
        "billing_match_schedule.requested", Requested(e) => BILLING_MATCH_REQUESTED: made(json!({"date": e.day}));
    }
    CheckoutEvent of CheckoutId by asked_for as |_| {
        "checkout.requested", Requested(e) => CHECKOUT_REQUESTED: made(json!({
            "amount_micros": e.amount, "currency": e.currency,
        }));
    }
    ApiKeyEvent of ApiKeyId by anybody as |_| {
        "api_key.created", Created(e) => API_KEY_CREATED: made(json!({
            "name": e.name, "key_prefix": e.key_prefix, "scopes": e.scopes, "rate_limit": e.rate_limit,
            "usage_quota": e.usage_quota, "expires_at": e.expires_at.map(format_time),
        }));
        "api_key.updated", Updated(e) => API_KEY_UPDATED:
            changed(key_terms(&e.before), key_terms(&e.after));
        "api_key.rotated", Rotated(e) => API_KEY_ROTATED: made(json!({
            "key_prefix": e.key_prefix, "old_valid_until": format_time(e.old_valid_until),
        }));
        "api_key.revoked", Revoked(_) => API_KEY_REVOKED: done();
        "api_key.deleted", Deleted(_) => API_KEY_DELETED: done();
    }
    UserEvent of UserId by anybody as |_| {
        "user.created", Created(e) => USER_CREATED:
            made(json!({"email": e.email.shown(String::clone), "role": e.role}));
        "user.updated", Updated(e) => USER_UPDATED:
            changed(user_terms(e.before), user_terms(e.after));
        "user.password_changed", PasswordChanged(_) => USER_PASSWORD_CHANGED: done();
        "user.signed_out", SignedOut(_) => USER_SIGNED_OUT: done();
        "user.login_failed", LoginFailed(_) => USER_LOGIN_FAILED: done();
        "user.deleted", Deleted(_) => USER_DELETED: done();
    }
    // a refreshed token continues a login: only the login's begin and end are shown
    LoginEvent of LoginId by anybody as |login| {
        "login.started", Started(e) => USER_LOGIN: made(json!({
            "login_id": login.to_string(), "expires_at": format_time(e.expires_at),
        })).on(e.user);
        "login.revoked", Revoked(e) if e.reason == RevokedFor::SignOut => USER_LOGOUT:
            ended(json!({"login_id": login.to_string()})).on(e.user);
        "login.revoked", Revoked(e) if e.reason == RevokedFor::Reuse => REFRESH_TOKEN_REUSED:
            ended(json!({"login_id": login.to_string()})).on(e.user);
    }
    ProviderEvent of AccountId by anybody as |_| {
        "provider.configured", Configured(e) => PROVIDER_CONFIGURED: AuditDetails {
            before: e.before.as_ref().map(account_terms),
            ..made(account_terms(&e.after))
        }.account(e.kind);
        "provider.removed", Removed(e) => PROVIDER_REMOVED:
            ended(account_terms(&e.before)).account(e.kind);
    }
    NumberEvent of NumberId by anybody as |_| {
        "number.added", Added(e) => NUMBER_ADDED:
            made(json!({"number": e.number.shown(|number| number.as_str().to_owned()), "route": RouteView::from(e.route)}));
        "number.rerouted", Rerouted(e) => NUMBER_REROUTED: AuditDetails {
            before: e.before.map(|route| json!({"route": RouteView::from(route)})),
            ..made(json!({"route": RouteView::from(e.route)}))
        };
        "number.removed", Removed(_) => NUMBER_REMOVED: done();
    }
    EndpointEvent of EndpointId by anybody as |_| {
        "webhook.created", Created(e) => WEBHOOK_CREATED: made(endpoint_terms(&e.terms));
        "webhook.updated", Updated(e) => WEBHOOK_UPDATED:
            changed(endpoint_terms(&e.before), endpoint_terms(&e.after));
        "webhook.secret_rotated", SecretRotated(e) => WEBHOOK_SECRET_ROTATED: made(json!({
            "old_valid_until": format_time(e.old_valid_until),
        }));
        "webhook.disabled", Disabled(e) => WEBHOOK_DISABLED: made(json!({"reason": e.reason}));
        "webhook.replay_requested", ReplayRequested(e) => WEBHOOK_REPLAY_REQUESTED: made(json!({
            "since": format_time(e.since), "until": e.until.map(format_time), "events": e.events,
            "only_failed": e.only_failed,
        }));
        "webhook.deleted", Deleted(_) => WEBHOOK_DELETED: done();
    }
    // the node makes attempts by itself; they are in the delivery's history
    DeliveryEvent of DeliveryId by asked_for as |_| {
        "delivery.redelivery_requested", RedeliveryRequested(_) => WEBHOOK_REDELIVERY_REQUESTED:
            done();
        "delivery.cancelled", Cancelled(_) => WEBHOOK_DELIVERY_CANCELLED: done();
    }
    // the person is known by pseudonym only
    PrivacyJobEvent of PrivacyJobId by asked_for as |_| {
        "privacy_job.requested", Requested(e) if e.kind == JobKind::Erase => SUBJECT_ERASURE_REQUESTED:
            made(json!({"subject": e.subject.to_string(), "named_by": e.named_by.as_str()}));
        "privacy_job.requested", Requested(e) if e.kind == JobKind::Export => SUBJECT_EXPORT_REQUESTED:
            made(json!({"subject": e.subject.to_string(), "named_by": e.named_by.as_str()}));
    }
    PolicyEvent of ClientId by asked_for as |_| {
        "privacy_policy.changed", Changed(e) => PRIVACY_SETTINGS_CHANGED:
            made(json!({"call_content": e.call_content.map(ContentLevel::as_str)}));
    }
    MenuEvent of MenuId by anybody as |_| {
        "ivr_menu.created", Created(e) => IVR_MENU_CREATED: made(menu_terms(&e.terms));
        "ivr_menu.updated", Updated(e) => IVR_MENU_UPDATED:
            changed(menu_terms(&e.before), menu_terms(&e.after));
        "ivr_menu.deleted", Deleted(_) => IVR_MENU_DELETED: done();
    }
    // names, numbers and the client's own data are not repeated here
    CustomerEvent of CustomerId by anybody as |_| {
        "customer.created", Created(_) => CUSTOMER_CREATED: done();
        "customer.updated", Updated(e) => CUSTOMER_UPDATED: made(json!({"fields": e.fields}));
        "customer.deleted", Deleted(e) => CUSTOMER_DELETED:
            e.erasure.map_or_else(done, |job| made(json!({"erasure": job.to_string()})));
        "customer.merged", Merged(e) => CUSTOMER_MERGED: made(json!({"other_id": e.other.to_string()}));
        "customer.merge_undone", MergeUndone(e) => CUSTOMER_MERGE_UNDONE:
            made(json!({"other_id": e.other.to_string()}));
    }
    // titles and addresses of documents are not repeated here: they may contain anything
    KnowledgeBaseEvent of KnowledgeBaseId by anybody as |_| {
        "kb.created", Created(e) => KB_CREATED: made(base_terms(&e.terms));
        "kb.updated", Updated(e) => KB_UPDATED:
            changed(base_terms(&e.before), base_terms(&e.after));
        "kb.deleted", Deleted(_) => KB_DELETED: done();
    }
    DocumentEvent of DocumentId by asked_for as |_| {
        "kb_document.ingested", Ingested(e) => KB_DOCUMENT_INGESTED: made(json!({
            "knowledge_base_id": e.base.to_string(), "revision": e.revision,
        }));
        "kb_document.retried", Retried(e) => KB_DOCUMENT_RETRIED:
            made(json!({"revision": e.revision}));
        "kb_document.deleted", Deleted(e) => KB_DOCUMENT_DELETED:
            ended(json!({"knowledge_base_id": e.base.to_string()}));
    }
    // what is remembered is not repeated here
    MemoryEvent of MemoryId by anybody as |_| {
        "memory.recorded", Recorded(e) => MEMORY_CREATED:
            made(json!({"customer_id": e.customer.to_string(), "kind": e.kind.as_str(), "source": e.source.as_str()}));
        "memory.updated", Updated(e) => MEMORY_UPDATED: made(json!({"fields": e.fields}));
        "memory.superseded", Superseded(e) => MEMORY_SUPERSEDED: made(json!({"by": e.by.to_string()}));
        "memory.forgotten", Forgotten(_) => MEMORY_DELETED: done();
        "memory.expired", Expired(_) => MEMORY_EXPIRED: done();
    }
    AgentEvent of AgentId by anybody as |_| {
        "agent.created", Created(e) => AGENT_CREATED: made(agent_terms(&e.terms));
        "agent.updated", Updated(e) => AGENT_UPDATED:
            changed(agent_terms(&e.before), agent_terms(&e.after));
        "agent.deployed", Deployed(e) => AGENT_DEPLOYED: made(json!({"version": e.version}));
    }
    // what the node does by itself follows from deployments and accounts
    SyncEvent of AgentSyncId by asked_for as |id| {
        "agent_sync.requested", Requested(e) => AGENT_SYNC_REQUESTED: AuditDetails {
            on: Some(Resource::new(AgentId::CATEGORY, &id.agent())),
            ..made(json!({"overwrite": e.overwrite}))
        };
    }
    ToolEvent of ToolId by anybody as |_| {
        "tool.created", Created(e) => TOOL_CREATED: made(tool_terms(&e.terms));
        "tool.updated", Updated(e) => TOOL_UPDATED:
            changed(tool_terms(&e.before), tool_terms(&e.after));
        "tool.secret_rotated", SecretRotated(e) => TOOL_SECRET_ROTATED: made(json!({
            "old_valid_until": format_time(e.old_valid_until),
        }));
        "tool.deleted", Deleted(_) => TOOL_DELETED: done();
    }
    ExportEvent of ExportId by anybody as |_| {
        "export.requested", Requested(e) => EXPORT_REQUESTED: made(json!({
            "client_id": e.filter.client.map(|id| id.to_string()), "stream": e.filter.stream,
            "types": e.filter.types, "correlation_id": e.filter.correlation_id,
            "from": e.filter.from.map(format_time), "to": e.filter.to.map(format_time),
            "first_position": e.first, "last_position": e.last,
        }));
    }
    LogEvent of LogId by anybody as |_| {
        "log.accepted", Accepted(e) => LOG_ACCEPTED:
            made(json!({"events": e.size, "root": e.root, "events_before": e.superseded_size}));
    }
    // speech, keys and the client's own data are not repeated here: they may contain anything
    CallEvent of CallId by asked_for as |_| {
        "call.queued", Queued(e) => CALL_PLACED: made(json!({
            "to": party(&e.to), "from": e.from.as_ref().and_then(party),
            "agent_id": e.agent_id.map(|id| id.to_string()),
            "ivr_menu_id": e.menu_id.map(|id| id.to_string()),
            "max_duration_ms": e.max_duration_ms, "ring_timeout_ms": e.ring_timeout_ms, "record": e.record,
        }));
        "call.hangup_requested", HangUpRequested(_) => CALL_HANGUP_REQUESTED: done();
        "call.transfer_requested", TransferRequested(e) => CALL_TRANSFER_REQUESTED:
            made(json!({"to": party(&e.to)}));
        "call.speech_requested", SpeechRequested(_) => CALL_SPEECH_REQUESTED: done();
        "call.dtmf_requested", DtmfRequested(_) => CALL_DTMF_REQUESTED: done();
        "call.metadata_changed", MetadataChanged(_) => CALL_METADATA_CHANGED: done();
    }
    // whoever holds the URL puts the file, and the node removes what nobody used
    UploadEvent of UploadId by asked_for as |_| {
        "upload.presigned", Presigned(e) => UPLOAD_PRESIGNED: made(json!({
            "content_type": e.content_type, "max_bytes": e.max_bytes, "expires_at": format_time(e.expires_at),
        }));
        "upload.used", Used(e) => UPLOAD_USED: made(json!({"by": e.by}));
    }
}

/// Removes the query string of every `url`: it may contain a secret.
fn bare(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                *field = match field.as_str() {
                    Some(url) if name == "url" => url.split('?').next().unwrap_or_default().into(),
                    _ => bare(std::mem::take(field)),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = bare(std::mem::take(item))),
        _ => {}
    }
    value
}

fn menu_terms(terms: &MenuTerms) -> Value {
    bare(json!({
        "name": terms.name, "prompt": terms.prompt, "short_prompt": terms.short_prompt,
        "items": terms.items.iter().map(ItemShape::from).collect::<Vec<_>>(),
        "timeout_ms": terms.timeout_ms, "inter_digit_timeout_ms": terms.inter_digit_timeout_ms,
        "max_retries": terms.max_retries, "invalid_prompt": terms.invalid_prompt,
        "timeout_prompt": terms.timeout_prompt,
        "parent_menu_id": terms.parent_menu_id.map(|id| id.to_string()),
        "on_exhausted": ActionShape::from(&terms.on_exhausted), "globals": GlobalsShape::from(&terms.globals),
        "hours": terms.hours.as_ref().map(HoursShape::from),
    }))
}

fn agent_terms(terms: &AgentTerms) -> Value {
    json!({
        "name": terms.name, "system_prompt": terms.system_prompt, "provider": terms.model.provider,
        "model": terms.model.model, "temperature_permille": terms.temperature_permille,
        "max_tokens": terms.max_tokens, "tools": terms.tools.iter().map(ToolId::to_string).collect::<Vec<_>>(),
        "greeting": terms.greeting, "apology": terms.apology,
        "call_content": terms.call_content.map(ContentLevel::as_str), "voice_id": terms.voice_id, "runtime": terms.runtime, "fallback": terms.fallback,
        "knowledge_base_ids": terms.knowledge_bases.iter().map(KnowledgeBaseId::to_string).collect::<Vec<_>>(),
        "retrieval": terms.retrieval,
        "memory": terms.memory,
    })
}

fn base_terms(terms: &BaseTerms) -> Value {
    json!({"name": terms.name, "description": terms.description, "embedding": terms.embedding})
}

fn tool_terms(terms: &ToolTerms) -> Value {
    bare(json!({
        "name": terms.name, "description": terms.description, "parameters": terms.parameters, "url": terms.url,
        "method": terms.method, "headers": terms.headers.shown, "timeout_ms": terms.timeout_ms,
        "auth": {"type": terms.auth.kind, "name": terms.auth.name},
    }))
}

fn key_terms(terms: &KeyTerms) -> Value {
    json!({
        "name": terms.name, "scopes": terms.scopes, "rate_limit": terms.rate_limit,
        "usage_quota": terms.usage_quota, "enabled": terms.enabled,
    })
}

fn account_terms(terms: &AccountTerms) -> Value {
    json!({"provider": terms.provider, "key_last4": terms.key_last4, "settings": terms.settings})
}

fn endpoint_terms(terms: &EndpointTerms) -> Value {
    json!({
        "url": terms.url, "events": terms.events, "agent_id": terms.agent_id.map(|id| id.to_string()),
        "description": terms.description, "enabled": terms.enabled, "headers": terms.headers.shown,
        "ordering": terms.ordering, "rate_limit_per_second": terms.rate_limit_per_second,
    })
}

fn spend_limits_changed(scope: SpendScope, before: &SpendLimits, after: &SpendLimits) -> AuditDetails {
    let limits = |limits: &SpendLimits| {
        json!({
            "destinations": limits.destinations, "max_rate_per_minute": limits.max_rate_per_minute,
            "daily_spend": limits.daily_spend, "calls_per_minute": limits.calls_per_minute,
            "calls_per_number": limits.calls_per_number,
        })
    };
    let mut told = changed(limits(before), limits(after));
    if let Some(after) = &mut told.after {
        after["scope"] = json!(SpendScopeView::from(scope));
    }
    told
}

fn user_terms(terms: UserTerms) -> Value {
    json!({"role": terms.role, "enabled": terms.enabled})
}
