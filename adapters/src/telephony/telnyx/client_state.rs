//! `client_state`: our tag on a leg, which Telnyx echoes in every later webhook of that leg.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use domain::call::report::{LegRole, LegTag};
use domain::ids::{CallId, ClientId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Accepts base64 with and without padding, because the value went through a third party.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The most bytes decoded: anything longer is not ours.
const MAX_LEN: usize = 1024;

/// The JSON inside `client_state`. Names are short because it travels with every webhook; `v` tells
/// our state from others'.
#[derive(Serialize, Deserialize)]
struct State {
    v: u8,
    #[serde(with = "uuid::serde::simple")]
    client: Uuid,
    #[serde(with = "uuid::serde::simple")]
    call: Uuid,
    leg: Leg,
    /// Id of the gather that the leg was told to perform; nil for none.
    #[serde(with = "uuid::serde::simple", skip_serializing_if = "Uuid::is_nil", default)]
    ask: Uuid,
}

#[derive(Serialize, Deserialize)]
enum Leg {
    #[serde(rename = "main")]
    Main,
    #[serde(rename = "target")]
    Target,
}

/// Encodes a tag as `client_state`: base64 of JSON, about 150 characters.
#[must_use]
pub fn encode_client_state(tag: &LegTag) -> String {
    encode(tag, Uuid::nil())
}

/// Encodes a tag with the id of the gather that this command starts, so that the gather's webhooks carry it.
#[must_use]
pub(super) fn encode_with_ask(tag: &LegTag, ask: Uuid) -> String {
    encode(tag, ask)
}

fn encode(tag: &LegTag, ask: Uuid) -> String {
    let leg = match tag.role {
        LegRole::Main => Leg::Main,
        LegRole::TransferTarget => Leg::Target,
    };
    let state = State { v: 1, client: tag.client.0, call: tag.call.0, leg, ask };
    // a struct of plain fields always serialises
    STANDARD.encode(serde_json::to_vec(&state).unwrap_or_default())
}

/// Decodes a tag; `None` for anything that is not ours.
#[must_use]
pub fn decode_client_state(text: &str) -> Option<LegTag> {
    decode(text).map(|(tag, _)| tag)
}

/// Decodes a tag and the id of the gather that the leg was last told to perform.
pub(super) fn decode(text: &str) -> Option<(LegTag, Option<Uuid>)> {
    if text.len() > MAX_LEN {
        return None;
    }
    let json = LENIENT.decode(text).ok()?;
    let state: State = serde_json::from_slice(&json).ok().filter(|state: &State| state.v == 1)?;
    let role = match state.leg {
        Leg::Main => LegRole::Main,
        Leg::Target => LegRole::TransferTarget,
    };
    let tag = LegTag { client: ClientId(state.client), call: CallId(state.call), role };
    Some((tag, (!state.ask.is_nil()).then_some(state.ask)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(role: LegRole) -> LegTag {
        LegTag { client: ClientId(Uuid::max()), call: CallId(Uuid::from_u128(7)), role }
    }

    #[test]
    fn a_tag_survives_the_way_through_the_carrier_and_stays_small() {
        for role in [LegRole::Main, LegRole::TransferTarget] {
            let text = encode_client_state(&tag(role));
            assert!(text.len() < 200, "{} characters", text.len());
            assert_eq!(decode_client_state(&text), Some(tag(role)));
            assert_eq!(decode_client_state(text.trim_end_matches('=')), Some(tag(role)));
        }
    }

    #[test]
    fn a_gather_is_named_beside_the_tag_and_read_as_the_same_tag() {
        let (tag, ask) = (tag(LegRole::Main), Uuid::from_u128(9));
        let text = encode_with_ask(&tag, ask);
        assert!(text.len() < 250, "{} characters", text.len());
        assert_eq!(decode(&text), Some((tag, Some(ask))));
        assert_eq!(decode_client_state(&text), Some(tag));
        assert_eq!(decode(&encode_client_state(&tag)), Some((tag, None)));
    }

    #[test]
    fn the_state_of_a_stranger_is_not_a_tag() {
        let ours = encode_client_state(&tag(LegRole::Main));
        let json = String::from_utf8(STANDARD.decode(&ours).unwrap()).unwrap();
        let version_2 = STANDARD.encode(json.replace("\"v\":1", "\"v\":2"));
        let other_role = STANDARD.encode(json.replace("main", "boss"));
        let bad_id = STANDARD.encode(json.replace("ffff", "gggg"));
        for foreign in [
            "",
            "eyJ2IjoxfQ==",
            "aGF2ZSBhIG5pY2UgZGF5ID1d",
            "not base64",
            &json,
            &version_2,
            &other_role,
            &bad_id,
        ] {
            assert_eq!(decode_client_state(foreign), None, "{foreign}");
        }
        assert_eq!(decode_client_state(&"A".repeat(4096)), None);
        let extended = STANDARD.encode(json.replace("\"v\":1", "\"v\":1,\"new\":[]"));
        assert_eq!(decode_client_state(&extended), Some(tag(LegRole::Main)), "later fields are tolerated");
    }
}
