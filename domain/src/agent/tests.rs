use uuid::Uuid;

use super::*;
use crate::envelope::Version;
use crate::ids::ToolId;
use crate::model::{ModelRef, Provider};
use crate::origin::Origin;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};

fn terms() -> AgentTerms {
    AgentTerms {
        name: "Reception".into(),
        system_prompt: "You answer the phone for a clinic.".into(),
        model: ModelRef::new(Provider::Scripted, "scripted-1"),
        temperature_permille: Some(400),
        max_tokens: Some(300),
        tools: vec![],
        greeting: Some("Hello, this is the clinic.".into()),
        apology: None,
        call_content: None,
        voice_id: None,
        fallback: vec![],
        knowledge_bases: vec![],
        retrieval: None,
        memory: None,
        runtime: AgentRuntime::Carrier,
    }
}

fn create(terms: AgentTerms) -> AgentCommand {
    AgentCommand::Create(Box::new(AgentCreated { terms, origin: Origin::default(), at: at(1) }))
}

fn update(patch: AgentPatch) -> AgentCommand {
    AgentCommand::Update { patch: Box::new(patch), origin: Origin::default(), now: at(2) }
}

fn named(name: &str) -> AgentCommand {
    update(AgentPatch { name: Some(name.into()), ..AgentPatch::default() })
}

fn deploy(version: Option<u64>) -> AgentCommand {
    AgentCommand::Deploy { version: version.map(Version), origin: Origin::default(), now: at(3) }
}

fn there() -> Scenario<Agent> {
    scenario::<Agent>().after([create(terms())])
}

#[test]
fn an_agent_is_created_once_and_the_same_request_again_is_no_news() {
    scenario::<Agent>().when(create(terms())).then_types(["agent.created"]);
    there().when(create(terms())).then_nothing();
    there().when(create(AgentTerms { name: "Other".into(), ..terms() })).then_refused(AgentRefusal::Exists);
    scenario::<Agent>().when(named("x")).then_refused(AgentRefusal::Unknown);
    scenario::<Agent>().when(deploy(None)).then_refused(AgentRefusal::Unknown);
}

#[test]
fn what_an_agent_cannot_be_is_refused_with_its_field() {
    let model = |name: &str| ModelRef::new(Provider::Groq, name);
    let tool = ToolId(Uuid::from_u128(1));
    for (field, wrong) in [
        ("name", AgentTerms { name: " ".into(), ..terms() }),
        ("name", AgentTerms { name: "x".repeat(101), ..terms() }),
        ("system_prompt", AgentTerms { system_prompt: "x".repeat(32_001), ..terms() }),
        ("model", AgentTerms { model: model("a b"), ..terms() }),
        ("temperature", AgentTerms { temperature_permille: Some(2_001), ..terms() }),
        ("max_tokens", AgentTerms { max_tokens: Some(0), ..terms() }),
        ("tools", AgentTerms { tools: vec![tool, tool], ..terms() }),
        ("greeting", AgentTerms { greeting: Some("x".repeat(1_001)), ..terms() }),
        ("apology", AgentTerms { apology: Some(" ".into()), ..terms() }),
        ("voice_id", AgentTerms { voice_id: Some(String::new()), ..terms() }),
        ("fallback", AgentTerms { fallback: vec![model("m"); 6], ..terms() }),
        ("fallback", AgentTerms { fallback: vec![model("")], ..terms() }),
        ("memory", AgentTerms { memory: Some(AgentMemory { limit: 0 }), ..terms() }),
    ] {
        let then = scenario::<Agent>().when(create(wrong));
        assert!(matches!(then.decision(), Err(AgentRefusal::Invalid(at, _)) if *at == field), "{field}");
    }
}

#[test]
fn only_a_real_change_makes_a_version() {
    there().when(update(AgentPatch::default())).then_nothing();
    there().when(named("Reception")).then_nothing();
    let changed = there().when(named("Front desk")).then_types(["agent.updated"]);
    assert_eq!(
        changed.state().newest().map(|(version, terms)| (version.0, &*terms.name)),
        Some((2, "Front desk"))
    );
}

#[test]
fn conversations_run_the_newest_version_until_one_is_deployed_and_then_that_one() {
    let live = |agent: &Scenario<Agent>| {
        agent.state().live().map(|(version, terms)| (version.0, terms.name.clone())).unwrap()
    };
    let draft = there().after([named("second")]);
    assert_eq!(live(&draft), (2, "second".into()));
    let deployed = draft.after([deploy(None), named("third")]);
    assert_eq!(live(&deployed), (2, "second".into()));
    deployed.clone().when(deploy(Some(3))).then_nothing();
    // the third fact was the deployment: the terms of the second held then
    let again = deployed.after([deploy(None)]);
    assert_eq!(live(&again), (4, "third".into()));
    assert_eq!(live(&again.after([deploy(Some(1))])), (1, "Reception".into()));
}

#[test]
fn only_a_version_that_is_there_is_deployed() {
    for version in [0, 2, 99] {
        let then = there().when(deploy(Some(version)));
        assert!(matches!(then.decision(), Err(AgentRefusal::Invalid("version", _))), "{version}");
    }
    there().after([deploy(None)]).when(deploy(None)).then_nothing();
}
