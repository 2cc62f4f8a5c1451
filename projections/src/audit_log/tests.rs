//! Each action as the audit log shows it, from the stored bytes of every event ever released.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::api_key::ApiKeyEvent;
use domain::call::CallEvent;
use domain::envelope::{Actor, Metadata, Position, Recorded, StreamId, Time, Version};
use domain::ids::{ClientId, UserId, encode_type_id};
use domain::login::{LoginEvent, LoginRevoked, RevokedFor};
use domain::number::{NumberEvent, NumberRerouted, Route};
use domain::origin::Origin;
use domain::personal::Personal;
use domain::ports::vault::Sealed;
use domain::testing::ids::sequential;
use domain::user::{Role, UserCreated, UserEvent};
use domain::wire::{DecodeError, DomainEvent};
use serde_json::{Value, json};

use super::{Action, AuditEntry, AuditLog};
use crate::view::{View, replay};

/// The secrets of the sample events are bytes that count up; every hash and every sealed value contains these.
const SECRET: std::ops::Range<u8> = 4..24;
/// User id in the sample events of logins, whose stream is another one.
const ANN: &str = "usr_01je7pmavwfmf8m0000000000n";

fn at() -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_001).unwrap()
}

fn metadata(actor: Actor) -> Metadata {
    let request_id = Some("req-7".to_owned());
    Metadata { actor, request_id, ..Metadata::system("", sequential(1)) }
}

fn recorded(event_type: &str, schema: u16, payload: Vec<u8>, actor: Actor) -> Recorded {
    let category = match event_type.split('.').next().unwrap() {
        "user" => "user",
        "api_key" => "api_key",
        "login" => "login",
        "provider" => "provider",
        "number" => "number",
        "ivr_menu" => "ivr_menu",
        "ivr_session" => "ivr_session",
        "client" => "client",
        "agent" => "agent",
        "tool" => "tool",
        "conversation" => "conversation",
        "webhook" => "webhook_endpoint",
        "delivery" => "delivery",
        "upload" => "upload",
        _ => "call",
    };
    Recorded {
        position: Position(42),
        stream: StreamId::new(category, sequential(5)),
        version: Version(1),
        id: sequential(6),
        event_type: event_type.to_owned(),
        schema,
        client_id: ClientId(sequential(9)),
        payload: payload.into(),
        metadata: serde_json::to_vec(&metadata(actor)).unwrap().into(),
        recorded_at: at(),
    }
}

fn of(event: &impl DomainEvent, actor: Actor) -> Option<AuditEntry> {
    entry(&recorded(event.event_type(), event.schema(), event.encode(), actor))
}

fn entry(event: &Recorded) -> Option<AuditEntry> {
    let row = replay::<AuditLog>([event]).unwrap()?;
    assert_eq!((row.client, row.event), (event.client_id, event.id));
    Some(row.view)
}

fn user() -> Actor {
    Actor::User(sequential(3))
}

/// The stored payload of every event version ever released, by type and schema.
fn released() -> Vec<(String, u16, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../domain/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "msgpack"));
    files.sort();
    let read = |path: PathBuf| {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (event_type, schema) = stem.rsplit_once(".v").unwrap();
        (event_type.to_owned(), schema.parse().unwrap(), std::fs::read(&path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// The audit entry of each action among the golden files.
fn shown() -> BTreeMap<&'static str, AuditEntry> {
    let entries = released()
        .into_iter()
        .filter_map(|(event_type, schema, payload)| entry(&recorded(&event_type, schema, payload, user())));
    entries.map(|entry| (entry.action.as_str(), entry)).collect()
}

#[test]
fn every_action_shows_what_was_done_and_nothing_else() {
    const IP: Option<&str> = Some("203.0.113.7");
    let (no, none) = (Value::Null, None);
    let own = |prefix| encode_type_id(prefix, sequential(5));
    let login = json!({"login_id": own("login")});
    let account = |last4| json!({"provider": "telnyx", "key_last4": last4, "settings": {"connection_id": "1900000000000000001"}});
    let menu = json!({"type": "ivr_menu", "id": "ivrm_01je7pmavwfmf8m00000000002"});
    let agent = "agt_01je7pmavwfmf8m00000000003";
    let other_customer = json!({"other_id": "cus_01je7pmavwfmf8m0000000000z"});
    let call = |action, after: Value| (action, "call", own("call"), Value::Null, after, None);
    let webhook =
        |action, before: Value, after: Value| (action, "webhook_endpoint", own("whe"), before, after, IP);
    let endpoint = json!({
        "url": "https://hooks.example.com/voxledger?x=1", "events": ["call.*", "credits.low"],
        "agent_id": "agt_01je7pmavwfmf8m00000000002", "description": "back office", "enabled": true,
        "headers": {"x-tenant": "7"}, "ordering": "per_subject", "rate_limit_per_second": 20});
    let wanted = [
        ("CLIENT_CREATED", "client", own("cli"), no.clone(), json!({"name": "Example Travel"}), none),
        (
            "CLIENT_RENAMED",
            "client",
            own("cli"),
            json!({"name": "Example Travel"}),
            json!({"name": "Example Travels"}),
            IP,
        ),
        (
            "CLIENT_LIMITS_CHANGED",
            "client",
            own("cli"),
            json!({"requests_per_minute": null, "calls_per_day": null, "concurrent_calls": null,
                "storage_bytes": null}),
            json!({"requests_per_minute": 600, "calls_per_day": 10_000, "concurrent_calls": 50,
                "storage_bytes": 1_073_741_824}),
            IP,
        ),
        (
            "API_KEY_CREATED",
            "api_key",
            own("key"),
            no.clone(),
            json!({
            "name": "back office", "key_prefix": "vx_AbCdEfG", "scopes": ["calls:read", "calls:write"],
            "rate_limit": null, "usage_quota": null, "expires_at": null}),
            none,
        ),
        (
            "API_KEY_UPDATED",
            "api_key",
            own("key"),
            json!({"name": "a", "enabled": true}),
            json!({"name": "b", "enabled": false}),
            IP,
        ),
        (
            "API_KEY_ROTATED",
            "api_key",
            own("key"),
            no.clone(),
            json!({
            "key_prefix": "vx_Another", "old_valid_until": "2026-01-15T10:20:30.123516Z"}),
            IP,
        ),
        ("API_KEY_REVOKED", "api_key", own("key"), no.clone(), no.clone(), IP),
        ("API_KEY_DELETED", "api_key", own("key"), no.clone(), no.clone(), IP),
        (
            "USER_CREATED",
            "user",
            own("usr"),
            no.clone(),
            json!({"email": "ann@example.com", "role": "developer"}),
            IP,
        ),
        (
            "USER_UPDATED",
            "user",
            own("usr"),
            json!({"role": "developer", "enabled": true}),
            json!({"role": "viewer", "enabled": false}),
            IP,
        ),
        ("USER_PASSWORD_CHANGED", "user", own("usr"), no.clone(), no.clone(), IP),
        ("USER_SIGNED_OUT", "user", own("usr"), no.clone(), no.clone(), IP),
        ("USER_LOGIN_FAILED", "user", own("usr"), no.clone(), no.clone(), IP),
        ("USER_DELETED", "user", own("usr"), no.clone(), no.clone(), IP),
        (
            "USER_LOGIN",
            "user",
            ANN.to_owned(),
            no.clone(),
            json!({
            "login_id": own("login"), "expires_at": "2026-01-15T10:20:30.123556Z"}),
            IP,
        ),
        ("REFRESH_TOKEN_REUSED", "user", ANN.to_owned(), login, no.clone(), IP),
        ("PROVIDER_CONFIGURED", "provider", "telephony".to_owned(), account("0001"), account("0002"), IP),
        ("PROVIDER_REMOVED", "provider", "telephony".to_owned(), account("0002"), no.clone(), IP),
        (
            "NUMBER_ADDED",
            "number",
            own("num"),
            no.clone(),
            json!({"number": "+12025550188", "route": {"type": "agent", "id": agent}}),
            none,
        ),
        ("NUMBER_REROUTED", "number", own("num"), no.clone(), json!({"route": menu}), none),
        ("NUMBER_REMOVED", "number", own("num"), no.clone(), no.clone(), none),
        call(
            "CALL_PLACED",
            json!({
            "to": "+12025550123", "from": "+12025550188", "agent_id": agent,
            "ivr_menu_id": "ivrm_01je7pmavwfmf8m00000000002", "max_duration_ms": 3_600_000,
            "ring_timeout_ms": 30_000, "record": true}),
        ),
        call("CALL_HANGUP_REQUESTED", no.clone()),
        call("CALL_TRANSFER_REQUESTED", json!({"to": "+12025550155"})),
        call("CALL_SPEECH_REQUESTED", no.clone()),
        call("CALL_DTMF_REQUESTED", no.clone()),
        call("CALL_METADATA_CHANGED", no.clone()),
        (
            "UPLOAD_PRESIGNED",
            "upload",
            own("upl"),
            no.clone(),
            json!({"content_type": "audio/mpeg", "max_bytes": 1_000_000,
                "expires_at": "2026-01-15T10:35:30.123456Z"}),
            none,
        ),
        (
            "UPLOAD_USED",
            "upload",
            own("upl"),
            no.clone(),
            json!({"by": "call_01jd0xq8v4e5vsknk084sn02q7"}),
            none,
        ),
        ("CUSTOMER_CREATED", "customer", own("cus"), no.clone(), no.clone(), none),
        ("CUSTOMER_UPDATED", "customer", own("cus"), no.clone(), json!({"fields": ["phones"]}), none),
        (
            "CUSTOMER_DELETED",
            "customer",
            own("cus"),
            no.clone(),
            json!({"erasure": "prv_01je7pmavwfmf8m00000000011"}),
            none,
        ),
        ("CUSTOMER_MERGED", "customer", own("cus"), no.clone(), other_customer.clone(), none),
        ("CUSTOMER_MERGE_UNDONE", "customer", own("cus"), no.clone(), other_customer, none),
        webhook("WEBHOOK_CREATED", no.clone(), endpoint),
        webhook("WEBHOOK_UPDATED", json!({"enabled": true}), json!({"enabled": false})),
        webhook(
            "WEBHOOK_SECRET_ROTATED",
            no.clone(),
            json!({"old_valid_until": "2026-01-15T10:20:30.123465Z"}),
        ),
        ("WEBHOOK_DISABLED", "webhook_endpoint", own("whe"), no.clone(), json!({"reason": "gone"}), none),
        webhook(
            "WEBHOOK_REPLAY_REQUESTED",
            no.clone(),
            json!({
            "since": "2026-01-15T10:20:30.123456Z", "until": "2026-01-15T10:20:30.123460Z",
            "events": ["call.ended"], "only_failed": true}),
        ),
        webhook("WEBHOOK_DELETED", no.clone(), no.clone()),
        ("WEBHOOK_REDELIVERY_REQUESTED", "delivery", own("whd"), no.clone(), no.clone(), IP),
        ("WEBHOOK_DELIVERY_CANCELLED", "delivery", own("whd"), no.clone(), no.clone(), IP),
    ];
    let mut shown = shown();
    for (action, kind, id, before, after, ip) in wanted {
        let entry = shown.remove(action).unwrap_or_else(|| panic!("no event is {action}"));
        let entry = serde_json::to_value(entry).unwrap();
        let wanted = json!({
            "id": encode_type_id("evt", sequential(6)), "action": action,
            "actor": {"type": "user", "id": UserId(sequential(3)).to_string()},
            "resource": {"type": kind, "id": id}, "before": before, "after": after, "ip": ip,
            "request_id": "req-7", "at": "2026-01-01T00:00:00.000001Z", "position": 42});
        assert_eq!(entry, wanted, "{action}");
    }
    for (action, kind, prefix, field) in [
        ("AGENT_CREATED", "agent", "agt", "system_prompt"),
        ("AGENT_UPDATED", "agent", "agt", "name"),
        ("AGENT_DEPLOYED", "agent", "agt", "version"),
        ("AGENT_SYNC_REQUESTED", "agent", "agt", "overwrite"),
        ("TOOL_CREATED", "tool", "tool", "url"),
        ("TOOL_UPDATED", "tool", "tool", "timeout_ms"),
        ("TOOL_SECRET_ROTATED", "tool", "tool", "old_valid_until"),
        ("TOOL_DELETED", "tool", "tool", ""),
    ] {
        let entry = shown.remove(action).unwrap_or_else(|| panic!("no event is {action}"));
        assert_eq!((entry.resource.kind.as_str(), entry.resource.id), (kind, own(prefix)), "{action}");
        let after = entry.after.unwrap_or_default();
        assert_eq!(field.is_empty(), after[field].is_null(), "{action}: {after}");
    }
    let mut menu = |action| {
        let entry = shown.remove(action).unwrap_or_else(|| panic!("no event is {action}"));
        assert_eq!((entry.resource.kind.as_str(), entry.resource.id), ("ivr_menu", own("ivrm")));
        (entry.before.unwrap_or_default(), entry.after.unwrap_or_default())
    };
    let (before, after) = menu("IVR_MENU_CREATED");
    assert_eq!(
        (before, &after["name"], &after["items"][3]["digit"]),
        (no.clone(), &json!("Clinic"), &json!("4"))
    );
    // the query string of an address may contain a secret
    assert_eq!(after["items"][8]["target"]["url"], "https://hooks.example.test/ivr");
    let (before, after) = menu("IVR_MENU_UPDATED");
    assert_eq!(after, json!({"items": [], "hours": null}));
    assert_eq!(before.as_object().map(|fields| fields.len()), Some(2));
    assert_eq!(menu("IVR_MENU_DELETED"), (no.clone(), no.clone()));
    let mut made = |action| {
        let entry = shown.remove(action).unwrap_or_else(|| panic!("no event is {action}"));
        assert_eq!(entry.before, None, "{action}");
        (entry.resource.kind, entry.after.unwrap_or_default())
    };
    let (kind, after) = made("EXPORT_REQUESTED");
    assert_eq!(
        (kind.as_str(), &after["first_position"], &after["last_position"]),
        ("export", &json!(1), &json!(1_000))
    );
    let (kind, after) = made("LOG_ACCEPTED");
    assert_eq!((kind.as_str(), &after["events"], &after["events_before"]), ("log", &json!(250), &json!(300)));
    let (kind, after) = made("PRIVACY_SETTINGS_CHANGED");
    assert_eq!((kind.as_str(), after), ("client", json!({"call_content": "basic_attributes_only"})));
    let (kind, after) = made("SUBJECT_ERASURE_REQUESTED");
    assert_eq!((kind.as_str(), &after["named_by"]), ("privacy_job", &json!("customer_id")));
    let (kind, after) = made("CHECKOUT_REQUESTED");
    assert_eq!((kind.as_str(), &after["currency"]), ("checkout", &json!("USD")));
    let (kind, after) = made("BILLING_MATCH_REQUESTED");
    assert_eq!((kind.as_str(), after), ("billing_match_schedule", json!({"date": "2026-05-01"})));
    let (kind, after) = made("PRICES_SET");
    assert_eq!((kind.as_str(), after["prices"].as_array().map(Vec::len)), ("price_book", Some(1)));
    let entry = shown.remove("SPEND_LIMITS_CHANGED").unwrap();
    let after = entry.after.unwrap();
    assert_eq!((entry.resource.kind.as_str(), &after["scope"]["type"]), ("spend_limits", &json!("agent")));
    assert_eq!(entry.before.unwrap()["daily_spend"], json!(null));
    let entry = shown.remove("CLIENT_BILLING_CHANGED").unwrap();
    assert_eq!(entry.resource.kind, "client");
    assert_ne!(entry.before, entry.after);
    for (action, kind, field) in [
        ("KB_CREATED", "kb", "name"),
        ("KB_UPDATED", "kb", "name"),
        ("KB_DELETED", "kb", ""),
        ("KB_DOCUMENT_INGESTED", "kb_document", "revision"),
        ("KB_DOCUMENT_RETRIED", "kb_document", "revision"),
        ("KB_DOCUMENT_DELETED", "kb_document", ""),
        ("MEMORY_CREATED", "memory", "customer_id"),
        ("MEMORY_UPDATED", "memory", "fields"),
        ("MEMORY_SUPERSEDED", "memory", "by"),
        ("MEMORY_DELETED", "memory", ""),
        ("MEMORY_EXPIRED", "memory", ""),
    ] {
        let entry = shown.remove(action).unwrap_or_else(|| panic!("no event is {action}"));
        assert_eq!(entry.resource.kind, kind, "{action}");
        let after = entry.after.unwrap_or_default();
        assert_eq!(field.is_empty(), after[field].is_null(), "{action}: {after}");
        assert!(after["title"].is_null() && after["text"].is_null(), "{action}: {after}");
    }
    assert!(shown.is_empty(), "not looked at: {:?}", shown.keys());
}

#[test]
fn every_action_of_the_list_is_some_released_event() {
    let shown = shown();
    // the sample of an ended login was ended by reuse, that of a job erases, that of a transaction charges a call
    let missing = Action::ALL.iter().filter(|action| !shown.contains_key(action.as_str()));
    assert_eq!(
        missing.map(|action| action.as_str()).collect::<Vec<_>>(),
        ["CREDITS_GRANTED", "USER_LOGOUT", "SUBJECT_EXPORT_REQUESTED"]
    );
    assert!(Action::ALL.iter().all(|action| action.as_str().parse() == Ok(*action)));
    assert!("api_key_created".parse::<Action>().is_err());
}

#[test]
fn why_a_login_ended_makes_the_action() {
    for (reason, action) in
        [(RevokedFor::SignOut, "USER_LOGOUT"), (RevokedFor::Reuse, "REFRESH_TOKEN_REUSED")]
    {
        let user = UserId(sequential(8));
        let revoked = LoginRevoked { reason, user, origin: Origin::default(), at: at() };
        let entry = of(&LoginEvent::from(revoked), Actor::System("login".to_owned())).unwrap();
        assert_eq!((entry.action.as_str(), entry.resource.id), (action, user.to_string()));
    }
}

/// The ways in which bytes may appear in a text.
fn forms(bytes: &[u8]) -> Vec<String> {
    let hex = |upper: bool| -> String {
        bytes.iter().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect()
    };
    let numbers = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let escaped = serde_json::to_string(&String::from_utf8_lossy(bytes)).unwrap();
    vec![hex(false), hex(true), numbers, escaped.trim_matches('"').to_owned()]
}

#[test]
fn no_secret_of_any_event_enters_the_log() {
    let secret: Vec<u8> = SECRET.collect();
    // base64 of bytes that count up, at each of the three offsets a run may begin at
    let base64 = ["BAUGBwgJCgsMDQ4P", "BQYHCAkKCwwNDg8Q", "BgcICQoLDA0ODxAR"];
    let mut with_secret = Vec::new();
    for (event_type, schema, payload) in released() {
        let holds = payload.windows(secret.len()).any(|run| run == secret);
        let Some(entry) = entry(&recorded(&event_type, schema, payload, user())) else { continue };
        let json = serde_json::to_string(&entry).unwrap();
        let compact: String = json.split_whitespace().collect();
        let forms = forms(&secret).into_iter().chain(base64.map(str::to_owned));
        for form in forms {
            assert!(!compact.contains(&form), "{event_type} shows {form}: {json}");
        }
        for word in ["hash", "password", "sealed", "plain", "secret"] {
            let told = json!([entry.before, entry.after]).to_string();
            // the flag that digits are to be kept secret is not a secret
            let told = told.replace("\"secret\":true", "");
            assert!(!told.contains(word), "{event_type} shows a {word}: {told}");
        }
        if holds {
            with_secret.push(entry.action.as_str());
        }
    }
    let wanted =
        ["API_KEY_CREATED", "API_KEY_ROTATED", "USER_LOGIN", "USER_CREATED", "USER_PASSWORD_CHANGED"];
    for action in wanted {
        assert!(with_secret.contains(&action), "the test looks for secrets where there are none: {action}");
    }
}

#[test]
fn what_was_erased_is_null() {
    let created = UserCreated {
        email: Personal::erased(),
        password: Sealed { key: sequential(7), bytes: vec![1; 40].into() },
        role: Role::Viewer,
        origin: Origin { ip: Some(Personal::erased()) },
        at: at(),
    };
    let entry = of(&UserEvent::from(created), user()).unwrap();
    assert_eq!((entry.after, entry.ip), (Some(json!({"email": null, "role": "viewer"})), None));
}

#[test]
fn a_rerouting_shows_both_routes() {
    let (before, route) = (Some(Route::Reject), Route::Agent { id: None });
    let rerouted = NumberEvent::from(NumberRerouted { before, route, at: at() });
    let entry = of(&rerouted, user()).unwrap();
    assert_eq!(entry.before, Some(json!({"route": {"type": "reject"}})));
    assert_eq!(entry.after, Some(json!({"route": {"type": "agent", "id": null}})));
}

#[test]
fn whoever_did_it_is_named_and_what_a_call_does_by_itself_is_no_action() {
    let deleted = ApiKeyEvent::from(domain::api_key::ApiKeyDeleted { origin: Origin::default(), at: at() });
    let hung_up = CallEvent::from(domain::call::HangUpRequested {
        effect_id: sequential(1),
        reason: domain::call::terms::EndReason::ApiHangup,
        by: domain::call::terms::EndedBy::Operator,
        at: at(),
    });
    let actors = [
        (user(), "user", encode_type_id("usr", sequential(3)), true),
        (Actor::ApiKey(sequential(4)), "api_key", encode_type_id("key", sequential(4)), true),
        (Actor::Carrier("telnyx".to_owned()), "carrier", "telnyx".to_owned(), false),
        (Actor::System("bootstrap".to_owned()), "system", "bootstrap".to_owned(), false),
    ];
    for (actor, kind, id, by_rest) in actors {
        let entry = of(&deleted, actor.clone()).unwrap();
        assert_eq!((entry.actor.kind.as_str(), entry.actor.id), (kind, id));
        assert_eq!(of(&hung_up, actor).is_some(), by_rest, "{kind}");
    }
}

#[test]
fn an_event_that_cannot_be_read_is_an_error_only_if_it_matters() {
    let bad = |event_type: &str, schema| recorded(event_type, schema, b"no".to_vec(), user());
    for (event_type, schema) in [("user.created", 1), ("user.created", 99), ("call.queued", 1)] {
        assert!(AuditLog::read(&bad(event_type, schema)).is_err(), "{event_type} {schema}");
    }
    for event_type in ["call.ringing", "login.refreshed", "user.teleported", "claim.taken"] {
        assert!(AuditLog::read(&bad(event_type, 1)).unwrap().is_none(), "{event_type}");
    }
    let mut torn = bad("user.created", 1);
    torn.metadata = b"{}".to_vec().into();
    let event_type = "user.created".to_owned();
    assert_eq!(AuditLog::read(&torn).unwrap_err(), DecodeError::Metadata { event_type });
}
