use std::time::Duration;

use serde_json::json;

use super::*;
use crate::origin::Origin;
use crate::ports::vault::Sealed;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};
use crate::webhook::endpoint::CustomHeaders;
use crate::webhook::secrets::Rotation;

fn terms() -> ToolTerms {
    ToolTerms {
        name: "find_booking".into(),
        description: "Looks a booking up by phone number".into(),
        parameters: json!({"type": "object", "properties": {"phone": {"type": "string"}}, "required": ["phone"]}),
        url: "https://clinic.example/bookings".into(),
        method: ToolMethod::Post,
        headers: CustomHeaders::default(),
        timeout_ms: 2_000,
        auth: ToolAuth::default(),
    }
}

fn create(terms: ToolTerms) -> ToolCommand {
    created(terms, None)
}

fn created(terms: ToolTerms, secret: Option<Sealed>) -> ToolCommand {
    ToolCommand::Create(Box::new(ToolCreated { terms, secret, origin: Origin::default(), at: at(1) }))
}

fn update(patch: ToolPatch) -> ToolCommand {
    ToolCommand::Update { patch: Box::new(patch), origin: Origin::default(), now: at(2) }
}

fn there() -> Scenario<Tool> {
    scenario::<Tool>().after([create(terms())])
}

#[test]
fn what_a_tool_cannot_be_is_refused_with_its_field() {
    for (field, wrong) in [
        ("name", ToolTerms { name: "find booking".into(), ..terms() }),
        ("name", ToolTerms { name: "x".repeat(65), ..terms() }),
        ("description", ToolTerms { description: String::new(), ..terms() }),
        ("parameters", ToolTerms { parameters: json!("object"), ..terms() }),
        ("parameters", ToolTerms { parameters: json!({"type": "array"}), ..terms() }),
        ("parameters", ToolTerms { parameters: json!({"description": "x".repeat(17_000)}), ..terms() }),
        ("url", ToolTerms { url: String::new(), ..terms() }),
        ("timeout_ms", ToolTerms { timeout_ms: 99, ..terms() }),
        ("timeout_ms", ToolTerms { timeout_ms: 30_001, ..terms() }),
    ] {
        let then = scenario::<Tool>().when(create(wrong));
        assert!(matches!(then.decision(), Err(ToolRefusal::Invalid(at, _)) if *at == field), "{field}");
    }
}

#[test]
fn a_tool_is_created_once_changed_and_removed() {
    there().when(create(terms())).then_nothing();
    there().when(create(ToolTerms { name: "other".into(), ..terms() })).then_refused(ToolRefusal::Exists);
    there().when(update(ToolPatch::default())).then_nothing();
    there()
        .when(update(ToolPatch { timeout_ms: Some(500), ..ToolPatch::default() }))
        .then_types(["tool.updated"]);
    let delete = || ToolCommand::Delete { origin: Origin::default(), now: at(3) };
    let gone = there().when(delete()).then_types(["tool.deleted"]).and();
    assert!(gone.state().terms().is_none());
    gone.clone().when(delete()).then_refused(ToolRefusal::Unknown);
    gone.when(update(ToolPatch::default())).then_refused(ToolRefusal::Unknown);
}

fn sealed(byte: u8) -> Sealed {
    Sealed { key: uuid::Uuid::from_u128(1), bytes: serde_bytes::ByteBuf::from([byte; 40]) }
}

fn rotate(secret: u8, overlap: u64, seconds: i64) -> ToolCommand {
    let (secret, overlap) = (sealed(secret), Duration::from_secs(overlap));
    ToolCommand::Rotate(Rotation { secret, overlap, origin: Origin::default(), now: at(seconds) })
}

#[test]
fn a_tool_signs_with_its_secret_and_during_an_overlap_with_the_old_one_too() {
    let signs = |tool: &Scenario<Tool>, seconds| {
        tool.state().secrets().valid(at(seconds)).map(|held| held.sealed.clone()).collect::<Vec<_>>()
    };
    let tool = scenario::<Tool>().after([created(terms(), Some(sealed(1)))]);
    assert_eq!(signs(&tool, 2), [sealed(1)]);
    let tool = tool.when(rotate(2, 60, 10)).then_types(["tool.secret_rotated"]).and();
    assert_eq!(signs(&tool, 69), [sealed(2), sealed(1)]);
    assert_eq!(signs(&tool, 70), [sealed(2)]);
    tool.clone()
        .when(rotate(3, 604_801, 80))
        .then_refused(ToolRefusal::Invalid("overlap_seconds", "must be 0 to 604800 (7 days)"));
    let delete = ToolCommand::Delete { origin: Origin::default(), now: at(90) };
    let gone = tool.when(delete).then_types(["tool.deleted"]).and();
    assert!(gone.state().secrets().all().is_empty());
    gone.when(rotate(3, 0, 95)).then_refused(ToolRefusal::Unknown);
}

#[test]
fn a_tool_older_than_signatures_gets_its_first_secret_by_a_rotation() {
    assert!(there().state().secrets().all().is_empty());
    let tool = there().when(rotate(1, 86_400, 2)).then_types(["tool.secret_rotated"]).and();
    assert_eq!(tool.state().secrets().valid(at(3)).count(), 1);
}

#[test]
fn another_server_gets_no_secret_that_was_given_for_the_first() {
    let headers =
        |byte| CustomHeaders { shown: [("x-key".into(), "***".into())].into(), sealed: Some(sealed(byte)) };
    let auth = |byte| ToolAuth { kind: AuthKind::Bearer, name: None, secret: Some(sealed(byte)) };
    let secretive = ToolTerms { headers: headers(1), auth: auth(1), ..terms() };
    let there = || scenario::<Tool>().after([create(secretive.clone())]);
    let moved = |url: &str, headers, auth| {
        let patch = ToolPatch { url: Some(url.into()), headers, auth, ..ToolPatch::default() };
        let then = there().when(update(patch)).then_types(["tool.updated"]).and();
        then.state().terms().unwrap().clone()
    };
    let same = moved("https://clinic.example/other", None, None);
    assert_eq!((same.headers, same.auth), (headers(1), auth(1)));
    for elsewhere in
        ["https://evil.example/", "http://clinic.example/bookings", "https://clinic.example:8443/"]
    {
        let bare = moved(elsewhere, None, None);
        assert_eq!((bare.headers, bare.auth), (CustomHeaders::default(), ToolAuth::default()), "{elsewhere}");
        let again = moved(elsewhere, None, Some(auth(2)));
        assert_eq!((again.headers, again.auth), (CustomHeaders::default(), auth(2)), "{elsewhere}");
    }
    // nor does it come back with the address
    let there =
        there().when(update(ToolPatch { url: Some("https://evil.example/".into()), ..ToolPatch::default() }));
    let back = ToolPatch { url: Some("https://clinic.example/bookings".into()), ..ToolPatch::default() };
    let back = there.then_types(["tool.updated"]).and().when(update(back)).then_types(["tool.updated"]).and();
    assert_eq!(back.state().terms().unwrap().auth, ToolAuth::default());
}
