use serde_json::json;

use super::*;
use crate::origin::Origin;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};
use crate::webhook::endpoint::CustomHeaders;

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
    ToolCommand::Create(Box::new(ToolCreated { terms, origin: Origin::default(), at: at(1) }))
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
