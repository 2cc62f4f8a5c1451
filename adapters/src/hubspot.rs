//! HubSpot's webhooks: their signature (v3) and their events.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::envelope::Time;
use domain::hubspot::{ContactChange, MAX_VALUE};
use domain::ids::PrivacyJobId;
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;

/// Header with the signature: base64 of an HMAC-SHA256.
pub const SIGNATURE_HEADER: &str = "x-hubspot-signature-v3";
/// Header with the time of sending, in Unix milliseconds.
pub const TIMESTAMP_HEADER: &str = "x-hubspot-request-timestamp";
/// How far HubSpot's clock may differ from ours in either direction, in milliseconds.
const TOLERANCE_MS: u64 = 300_000;
/// Most events of a webhook.
pub const MAX_EVENTS: usize = 100;
/// Most contacts that one merge names.
const MAX_MERGED: usize = 50;

/// Why a webhook is rejected. No error text repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("header {0} is missing")]
    MissingHeader(&'static str),
    #[error("header x-hubspot-request-timestamp is not a number of unix milliseconds")]
    BadTimestamp,
    /// Sent too long ago, or in the future: a replay, or a wrong clock.
    #[error("webhook was sent {0} ms before or after now, more than 300000; check this machine's clock")]
    Stale(u64),
    /// Another body, address or client secret.
    #[error(
        "signature does not fit; check the app's client secret, and that VOXLEDGER_PUBLIC_URL is the address HubSpot calls"
    )]
    WrongSignature,
}

/// What is signed: all of it exactly as received.
#[derive(Clone, Copy)]
pub struct SignedParts<'a> {
    /// Value of the header [`SIGNATURE_HEADER`].
    pub signature: Option<&'a [u8]>,
    /// Value of the header [`TIMESTAMP_HEADER`].
    pub timestamp: Option<&'a [u8]>,
    /// The address HubSpot called: scheme, host, path and query.
    pub uri: &'a str,
    /// The body before any parsing.
    pub body: &'a [u8],
}

impl fmt::Debug for SignedParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedParts").field("body_len", &self.body.len()).finish_non_exhaustive()
    }
}

/// Verifies a POST received at `now` with any of the app's client secrets; takes the same time for a right and a wrong
/// signature.
pub fn verify(parts: &SignedParts<'_>, secrets: &[&str], now: Time) -> Result<(), SignatureError> {
    let signature = parts.signature.ok_or(SignatureError::MissingHeader(SIGNATURE_HEADER))?;
    let timestamp = parts.timestamp.ok_or(SignatureError::MissingHeader(TIMESTAMP_HEADER))?;
    let text = std::str::from_utf8(timestamp).map_err(|_| SignatureError::BadTimestamp)?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let sent: i64 = text.parse().ok().filter(|_| digits).ok_or(SignatureError::BadTimestamp)?;
    let apart = now.timestamp_millis().abs_diff(sent);
    if apart > TOLERANCE_MS {
        return Err(SignatureError::Stale(apart));
    }
    let claimed = STANDARD.decode(signature).map_err(|_| SignatureError::WrongSignature)?;
    let uri = decoded(parts.uri);
    let mut right = false;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        let Ok(mac) = mac else { continue };
        let mac =
            mac.chain_update("POST").chain_update(&uri).chain_update(parts.body).chain_update(timestamp);
        // compares in constant time
        right |= mac.verify_slice(&claimed).is_ok();
    }
    if right { Ok(()) } else { Err(SignatureError::WrongSignature) }
}

/// The sequences that HubSpot decodes before it signs; all others stay encoded.
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

fn decoded(uri: &str) -> String {
    let mut text = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let plain = rest.get(..3).and_then(|three| {
            DECODED.iter().find(|(encoded, _)| encoded.eq_ignore_ascii_case(three)).map(|(_, plain)| *plain)
        });
        match plain {
            Some(plain) => {
                text.push_str(plain);
                rest = &rest[3..];
            }
            None => {
                text.push('%');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// One event of a webhook.
#[derive(Debug, Clone)]
pub struct HubspotEvent {
    /// The HubSpot account that it is about.
    pub portal: u64,
    pub occurred_at: Time,
    /// HubSpot's name of the type, for example `contact.creation`.
    pub event_type: String,
    /// Tells it from all others: HubSpot's number of the event alone does not.
    pub key: String,
    pub about: About,
    /// The event as it was sent.
    pub raw: Vec<u8>,
}

/// What an event is about.
#[derive(Debug, Clone)]
pub enum About {
    /// Changes of contacts, by HubSpot's ids of them.
    Contacts(Vec<(u64, ContactChange)>),
    /// A type that means nothing to this version.
    Unknown,
}

/// The body is not a batch of HubSpot's events: the reason, without any content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBatch {
    #[error("the body is not a JSON array of events: line {line}, column {column}")]
    NotEvents { line: usize, column: usize },
    #[error("a webhook holds at most 100 events")]
    TooMany,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    event_id: u64,
    #[serde(default)]
    subscription_id: u64,
    portal_id: u64,
    #[serde(default)]
    app_id: u64,
    occurred_at: i64,
    #[serde(alias = "eventType")]
    subscription_type: String,
    #[serde(default)]
    object_id: u64,
    property_name: Option<String>,
    property_value: Option<serde_json::Value>,
    primary_object_id: Option<u64>,
    #[serde(default)]
    merged_object_ids: Vec<u64>,
    new_object_id: Option<u64>,
}

/// Reads a batch. `wanted` says which properties matter; `job` names the erasure of a contact in a portal.
pub fn parse(
    body: &[u8],
    wanted: impl Fn(&str) -> bool,
    job: impl Fn(u64, u64) -> PrivacyJobId,
) -> Result<Vec<HubspotEvent>, BadBatch> {
    let bad = |error: serde_json::Error| BadBatch::NotEvents { line: error.line(), column: error.column() };
    let batch: Vec<&RawValue> = serde_json::from_slice(body).map_err(bad)?;
    if batch.len() > MAX_EVENTS {
        return Err(BadBatch::TooMany);
    }
    let event = |value: &&RawValue| {
        let raw: Raw = serde_json::from_str(value.get()).map_err(bad)?;
        let occurred_at = Time::from_timestamp_millis(raw.occurred_at).unwrap_or_default();
        let property = raw.property_name.as_deref().unwrap_or_default();
        let key = format!(
            "{} {} {} {} {} {} {property}",
            raw.app_id, raw.portal_id, raw.subscription_id, raw.event_id, raw.occurred_at, raw.object_id
        );
        let about = about(&raw, occurred_at, &wanted, &job);
        Ok(HubspotEvent {
            portal: raw.portal_id,
            occurred_at,
            event_type: raw.subscription_type.chars().take(100).collect(),
            key,
            about,
            raw: value.get().as_bytes().to_vec(),
        })
    };
    batch.iter().map(event).collect()
}

fn about(
    raw: &Raw,
    occurred_at: Time,
    wanted: &impl Fn(&str) -> bool,
    job: &impl Fn(u64, u64) -> PrivacyJobId,
) -> About {
    let of = |change| About::Contacts(vec![(raw.object_id, change)]);
    match raw.subscription_type.as_str() {
        "contact.creation" => of(ContactChange::Created { occurred_at }),
        "contact.deletion" => of(ContactChange::Deleted { occurred_at }),
        "contact.privacyDeletion" => {
            of(ContactChange::PrivacyDeleted { job: job(raw.portal_id, raw.object_id), occurred_at })
        }
        "contact.propertyChange" => match raw.property_name.as_deref() {
            Some(property) if wanted(property) => {
                let value = match &raw.property_value {
                    Some(serde_json::Value::String(text)) => text.clone(),
                    Some(serde_json::Value::Null) | None => String::new(),
                    Some(other) => other.to_string(),
                };
                let end = value.floor_char_boundary(MAX_VALUE);
                let value = value[..end].to_owned().into();
                let (property, event_id) = (property.to_owned(), raw.event_id);
                of(ContactChange::Property { property, value, occurred_at, event_id })
            }
            _ => About::Contacts(Vec::new()),
        },
        "contact.merge" => {
            let primary = raw.primary_object_id.unwrap_or(raw.object_id);
            let stays = raw.new_object_id.filter(|id| *id != 0).unwrap_or(primary);
            let mut others: Vec<u64> = raw.merged_object_ids.iter().copied().take(MAX_MERGED).collect();
            others.push(primary);
            others.sort_unstable();
            others.dedup();
            others.retain(|other| *other != stays);
            let gone = |other: &u64| (*other, ContactChange::MergedInto { into: stays, occurred_at });
            let mut changes: Vec<_> = others.iter().map(gone).collect();
            changes.push((stays, ContactChange::Merged { others, occurred_at }));
            About::Contacts(changes)
        }
        _ => About::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    const URL: &str = "https://www.example.com/webhook_uri";
    const H1: &str = r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#;

    fn outcome(
        uri: &str,
        body: &str,
        timestamp: &str,
        signature: &str,
        now_ms: i64,
    ) -> Result<(), SignatureError> {
        let parts = SignedParts {
            signature: Some(signature.as_bytes()),
            timestamp: Some(timestamp.as_bytes()),
            uri,
            body: body.as_bytes(),
        };
        verify(&parts, &["another", SECRET], Time::from_timestamp_millis(now_ms).unwrap())
    }

    #[test]
    fn signatures_of_hubspots_own_libraries_are_right() {
        // the first is from HubSpot's Python SDK; the last needs the address decoded
        let query = "https://www.example.com/webhook_uri?src=hs%3Aapp%2fv3&x=%28a%29&n=a%20b";
        for (uri, body, timestamp, signature) in [
            (
                URL,
                "{'example_field':'example_value'}",
                "15000000",
                "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
            ),
            (
                URL,
                r#"{"example_field":"example_value"}"#,
                "1700000000000",
                "rQEKkaNUiu+1qGF//O/pw4BCzstSqO1PyUnGICmf+7o=",
            ),
            (URL, H1, "1700000000000", "/pXDSgWeGksQpwCsgqd43P0eY6gBIse9UX0tfkudUrE="),
            (
                query,
                r#"{"example_field":"example_value"}"#,
                "1700000000000",
                "B4VGKAj39GTGZ9XSIVk+CPAnU7OOiBraC0dOHBLYrgE=",
            ),
        ] {
            let now: i64 = timestamp.parse().unwrap();
            assert_eq!(outcome(uri, body, timestamp, signature, now), Ok(()));
            assert_eq!(outcome(uri, body, timestamp, signature, now + 300_000), Ok(()));
            assert_eq!(outcome(uri, body, timestamp, signature, now - 300_000), Ok(()));
            for late in [now + 300_001, now - 300_001] {
                assert_eq!(
                    outcome(uri, body, timestamp, signature, late),
                    Err(SignatureError::Stale(300_001))
                );
            }
            let wrong = Err(SignatureError::WrongSignature);
            assert_eq!(outcome(uri, &format!("{body} "), timestamp, signature, now), wrong);
            assert_eq!(outcome("https://www.example.com/", body, timestamp, signature, now), wrong);
            assert_eq!(outcome(uri, body, timestamp, "AAAA", now), wrong);
            assert_eq!(outcome(uri, body, timestamp, "not base64", now), wrong);
        }
        assert_eq!(outcome(URL, H1, "1.7e12", "", 0), Err(SignatureError::BadTimestamp));
        let undecoded = outcome(
            query,
            r#"{"example_field":"example_value"}"#,
            "1700000000000",
            "E5ilSJK4T0FRcV4c4VeMlLLzU6rAeEmVWF9jad5VA64=",
            1_700_000_000_000,
        );
        assert_eq!(undecoded, Err(SignatureError::WrongSignature));
    }

    fn read(body: &str) -> Result<Vec<HubspotEvent>, BadBatch> {
        parse(
            body.as_bytes(),
            |property| property == "email",
            |portal, object| PrivacyJobId(Uuid::from_u64_pair(portal, object)),
        )
    }

    fn changes(body: &str) -> Vec<(u64, ContactChange)> {
        let About::Contacts(changes) = read(body).unwrap().remove(0).about else { panic!("unknown") };
        changes
    }

    #[test]
    fn a_batch_is_read_and_what_is_not_one_is_refused() {
        let at = Time::from_timestamp_millis(1_564_113_600_000).unwrap();
        assert_eq!(changes(H1), [(123, ContactChange::Created { occurred_at: at })]);
        let merge = H1.replace("contact.creation", "contact.merge").replace(
            "\"appId\"",
            "\"primaryObjectId\":1,\"mergedObjectIds\":[2,3],\"newObjectId\":4,\"appId\"",
        );
        let gone = |other| (other, ContactChange::MergedInto { into: 4, occurred_at: at });
        let stays = (4, ContactChange::Merged { others: vec![1, 2, 3], occurred_at: at });
        assert_eq!(changes(&merge), [gone(1), gone(2), gone(3), stays]);
        let property = |name: &str, value: &str| {
            H1.replace("contact.creation", "contact.propertyChange").replace(
                "\"appId\"",
                &format!("\"propertyName\":\"{name}\",\"propertyValue\":{value},\"appId\""),
            )
        };
        assert_eq!(changes(&property("lifecyclestage", "\"x\"")), []);
        for (value, expected) in [("\"a@x.test\"", "a@x.test"), ("null", ""), ("7", "7")] {
            let [(123, ContactChange::Property { value, event_id: 1, .. })] =
                &changes(&property("email", value))[..]
            else {
                panic!("no property")
            };
            assert_eq!(value.reveal().map(String::as_str), Some(expected));
        }
        let long = changes(&property("email", &format!("\"{}\"", "é".repeat(MAX_VALUE))));
        let (_, ContactChange::Property { value, .. }) = &long[0] else { panic!("no property") };
        assert!(value.reveal().unwrap().len() <= MAX_VALUE);
        let unknown = read(&H1.replace("contact.creation", "company.creation")).unwrap();
        assert!(matches!(unknown[0].about, About::Unknown));
        let old = read(&H1.replace("subscriptionType", "eventType")).unwrap();
        assert_eq!(old[0].event_type, "contact.creation");
        for bad in ["", "{}", "[1]", "[{}]", &H1.replace("62515", "\"x\"")] {
            assert!(matches!(read(bad), Err(BadBatch::NotEvents { .. })), "{bad}");
        }
        let one = &H1[1..H1.len() - 1];
        let many = |n: usize| format!("[{}]", vec![one; n].join(","));
        assert_eq!(read(&many(100)).unwrap().len(), 100);
        assert_eq!(read(&many(101)).err(), Some(BadBatch::TooMany));
    }
}
