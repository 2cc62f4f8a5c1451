//! Typed ids: plain UUIDs inside, [TypeIDs](https://github.com/jetify-com/typeid) at the edge.
//!
//! A TypeID is a prefix, an underscore and the UUID in 26 characters of Crockford's base32, for example
//! `call_01jd0x…`. Every id type names its prefix and its stream category once, here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::StreamId;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The text is not an id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct BadId;

/// Writes `id` as a TypeID.
#[must_use]
pub fn encode_type_id(prefix: &str, id: Uuid) -> String {
    let value = id.as_u128();
    let mut text = String::with_capacity(prefix.len() + 27);
    text.push_str(prefix);
    text.push('_');
    for digit in (0..26).rev() {
        text.push(char::from(ALPHABET[(value >> (digit * 5)) as usize & 31]));
    }
    text
}

/// Reads a TypeID with the given prefix. Fails when the prefix differs or the suffix is not 26 base32 characters
/// of at most 128 bits.
pub fn decode_type_id(prefix: &str, text: &str) -> Result<Uuid, BadId> {
    let suffix = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or(BadId)?;
    if suffix.len() != 26 || suffix.as_bytes()[0] > b'7' {
        return Err(BadId);
    }
    let mut value: u128 = 0;
    for byte in suffix.bytes() {
        let digit = ALPHABET.iter().position(|&c| c == byte).ok_or(BadId)?;
        value = value << 5 | digit as u128;
    }
    Ok(Uuid::from_u128(value))
}

/// An id with a prefix at the edge and a stream of its own.
pub trait TypedId: Copy + fmt::Display + FromStr<Err = BadId> + 'static {
    /// Prefix of the TypeID.
    const PREFIX: &'static str;

    fn uuid(self) -> Uuid;

    /// The stream that holds this one's events.
    fn stream(self) -> StreamId;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal in $category:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Prefix of the TypeID.
            pub const PREFIX: &'static str = $prefix;
            /// Category of the stream.
            pub const CATEGORY: &'static str = $category;

            /// The stream that holds this one's events.
            #[must_use]
            pub fn stream(self) -> StreamId {
                StreamId::new(Self::CATEGORY, self.0)
            }
        }

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;

            fn uuid(self) -> Uuid {
                self.0
            }

            fn stream(self) -> StreamId {
                Self::stream(self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode_type_id($prefix, self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                decode_type_id($prefix, text).map(Self)
            }
        }
    )*
        /// Prefix and stream category of every kind of id.
        const KINDS: &[(&str, &str)] = &[$(($prefix, $category)),*];
    };
}

ids! {
    /// A tenant of the installation.
    ClientId = "cli" in "client";
    /// A person who signs in.
    UserId = "usr" in "user";
    /// A key a program signs in with.
    ApiKeyId = "key" in "api_key";
    /// A login: a family of refresh tokens.
    LoginId = "login" in "login";
    /// A client's account with a provider; derived from the client and the kind.
    AccountId = "acct" in "provider";
    /// A call: one leg with a carrier, and the legs it is transferred to.
    CallId = "call" in "call";
    /// A phone number and where its calls go.
    NumberId = "num" in "number";
    MenuId = "ivrm" in "ivr_menu";
    /// A caller's walk through IVR menus.
    IvrSessionId = "ivrs" in "ivr_session";
    AgentId = "agt" in "agent";
    /// The copy of an agent at a hosted voice runtime; its id is the agent's. Never shown at the edge.
    AgentSyncId = "asy" in "agent_sync";
    ConversationId = "conv" in "conversation";
    /// A message of a conversation. It has no stream of its own.
    MessageId = "msg" in "message";
    CustomerId = "cus" in "customer";
    /// Something that is remembered of a customer.
    MemoryId = "mem" in "memory";
    /// A contact of HubSpot's that became a customer: derived from HubSpot's ids. Never shown at the edge.
    HubspotContactId = "hsc" in "hubspot_contact";
    /// A function of a client's own system that agents may call.
    ToolId = "tool" in "tool";
    /// Where a client's public events are delivered to.
    EndpointId = "whe" in "webhook_endpoint";
    /// The delivery of one public event to one endpoint.
    DeliveryId = "whd" in "delivery";
    /// A file that somebody may upload.
    UploadId = "upl" in "upload";
    /// Documents of a client that agents answer from.
    KnowledgeBaseId = "kb" in "kb";
    /// A document of a knowledge base.
    DocumentId = "doc" in "kb_document";
    /// A passage of a document. It has no stream of its own.
    ChunkId = "chunk" in "kb_chunk";
    /// An export of history.
    ExportId = "exp" in "export";
    /// The log itself: the id of its first event.
    LogId = "log" in "log";
    /// A carrier's leg, bound to the call it belongs to. Never shown at the edge.
    LegId = "leg" in "carrier_leg";
    /// A carrier's webhook that belongs to no call. Never shown at the edge.
    CarrierEventId = "cevt" in "carrier_event";
    /// Someone whom personal data belongs to: a pseudonym, a keyed hash within a client.
    SubjectId = "sub" in "subject";
    /// The ledger of a client's credit; its id is the client's.
    CreditAccountId = "cred" in "credit_account";
    /// A transaction of a credit account. It has no stream of its own.
    TransactionId = "led" in "ledger_transaction";
    /// The prices of the node.
    PriceBookId = "prb" in "price_book";
    /// What calls of a client may spend; its id is the client's.
    SpendLimitsId = "spl" in "spend_limits";
    /// What calls of a client under limits spend; its id is the client's.
    SpendGuardId = "spg" in "spend_guard";
    /// A purchase of credit.
    CheckoutId = "chk" in "checkout";
    /// A payment as the payment provider tells it; derived from its id. Never shown at the edge.
    PaymentId = "pay" in "payment";
    /// What a match with the carrier's records found of a client's day; derived from both.
    BillingMatchId = "mat" in "billing_match";
    /// A call or a record that a match found. It has no stream of its own.
    MatchFindingId = "matf" in "billing_match_finding";
    /// The days that are matched, for all clients together. Never shown at the edge.
    BillingMatchScheduleId = "mats" in "billing_match_schedule";
    /// An erasure or an export of a subject's personal data.
    PrivacyJobId = "prv" in "privacy_job";
}

/// The stream of a resource, named by its TypeID or by the stream's own name. Fails when the text is neither.
pub fn stream_of(text: &str) -> Result<StreamId, BadId> {
    if let Ok(stream) = text.parse() {
        return Ok(stream);
    }
    let found = KINDS
        .iter()
        .find_map(|(prefix, category)| Some(StreamId::new(category, decode_type_id(prefix, text).ok()?)));
    found.ok_or(BadId)
}

/// Writes an event's id as the edge shows it: `evt_…`.
#[must_use]
pub fn event_type_id(id: Uuid) -> String {
    encode_type_id("evt", id)
}

/// Reads an event's id in the form `evt_…`. Fails when the text is not one.
pub fn parse_event_type_id(text: &str) -> Result<Uuid, BadId> {
    decode_type_id("evt", text)
}

impl DeliveryId {
    /// The id of an event's delivery to an endpoint: always the same for the same pair.
    #[must_use]
    pub fn of(endpoint: EndpointId, event: Uuid) -> Self {
        Self(Uuid::new_v5(&endpoint.0, event.as_bytes()))
    }
}

/// Derives an id from another one and a purpose: always the same for the same pair (RFC 9562 §5.5).
#[must_use]
pub fn derive(from: Uuid, purpose: &str) -> Uuid {
    Uuid::new_v5(&from, purpose.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_of_any_kind_names_its_stream() {
        let id = Uuid::from_u128(7);
        for (prefix, category) in KINDS {
            let stream = stream_of(&encode_type_id(prefix, id)).unwrap();
            assert_eq!(stream, StreamId::new(category, id), "{prefix}");
        }
        assert_eq!(stream_of(&ToolId(id).stream().to_string()).unwrap(), ToolId(id).stream());
        assert!(stream_of("tool_x").is_err());
    }

    #[test]
    fn ids_agree_with_the_typeid_specification() {
        // valid.yml of the TypeID specification, version 0.3
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(encode_type_id("prefix", uuid), "prefix_01h455vb4pex5vsknk084sn02q");
        assert_eq!(decode_type_id("prefix", "prefix_01h455vb4pex5vsknk084sn02q"), Ok(uuid));
        assert_eq!(encode_type_id("x", Uuid::max()), "x_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    }

    #[test]
    fn a_malformed_id_is_refused() {
        let good = CallId(Uuid::from_u128(99)).to_string();
        assert_eq!(good.parse::<CallId>(), Ok(CallId(Uuid::from_u128(99))));
        for bad in [
            "".to_owned(),
            "call_".to_owned(),
            good.to_uppercase(),
            good.replace("call", "num"),
            format!("{good}0"),
            "call_8zzzzzzzzzzzzzzzzzzzzzzzzz".to_owned(),
            "call_0000000000000000000000000u".to_owned(),
        ] {
            assert_eq!(bad.parse::<CallId>(), Err(BadId), "{bad}");
        }
    }
}
