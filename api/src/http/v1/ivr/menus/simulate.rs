//! A way through a menu that is only thought through.

use std::sync::Arc;

use actix_web::{post, web};
use chrono::{DateTime, Utc};
use domain::ids::MenuId;
use domain::ivr::session::{Asked, IvrSession, SessionEvent, SimulatedInput, SimulatedStep, simulate};
use domain::wire::{DomainEvent as _, readable};
use projections::words;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::http::auth::Caller;
use crate::http::auth::permissions::IvrWrite;
use crate::http::{Answer, Enveloped, JsonBody, PathId};
use crate::node::Backend;
use crate::problem::{ApiError, Fields, Problem};

const MAX_INPUTS: usize = 200;

/// What a caller does: one of the three.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrSimulatedInput)]
pub(crate) struct Input {
    /// Presses keys.
    #[schema(example = "1")]
    digits: Option<String>,
    /// Does nothing until the timer runs out.
    silence: Option<bool>,
    /// Hangs up.
    hangup: Option<bool>,
}

/// A way to think through.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewIvrSimulation)]
pub(crate) struct Way {
    /// What the caller does, at most 200 things.
    #[serde(default)]
    inputs: Vec<Input>,
    /// When, which matters for hours; now by default. It is judged by the time zone rules in use, named by `zone_data`
    /// of `ivr_session.menu_entered`.
    at: Option<DateTime<Utc>>,
}

/// A step on the way.
#[derive(Serialize, ToSchema)]
#[schema(as = IvrSimulatedStep)]
pub(crate) struct StepView {
    /// What the caller did; `null` on entering.
    #[schema(value_type = Option<Object>, required)]
    input: Value,
    /// What followed, as the history of a session would show it.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// Why nothing did.
    #[schema(required)]
    refused: Option<String>,
    /// `active`, `completed`, `abandoned` or `exhausted`.
    #[schema(value_type = words::IvrSessionStatus)]
    status: &'static str,
    /// The menu the caller is in.
    #[schema(required)]
    menu_id: Option<String>,
    /// The way there.
    menu_stack: Vec<String>,
    /// What the caller hears now.
    #[schema(required)]
    prompt: Option<String>,
}

/// A whole way.
#[derive(Serialize, ToSchema)]
#[schema(as = IvrSimulation)]
pub(crate) struct SimulationView {
    /// From entering on.
    steps: Vec<StepView>,
    /// Where it came to.
    #[schema(value_type = words::IvrSessionStatus)]
    status: &'static str,
    /// Turns it took.
    turn_count: u32,
}

/// Simulate a way through a menu.
///
/// Nothing is stored and nobody is called: a `webhook` step is taken to answer that the menu goes on. The same
/// request gives the same trace.
#[utoipa::path(post, path = "/api/v1/ivr/menus/{id}/simulate", tag = "ivr", operation_id = "simulateIvrMenu",
    params(("id" = String, Path, description = "The menu")), request_body = Way,
    responses((status = 200, description = "The trace", body = Enveloped<SimulationView>), Problem))]
#[post("/ivr/menus/{id}/simulate")]
pub(crate) async fn simulate_ivr_menu(
    caller: Caller<IvrWrite>,
    PathId(id): PathId<MenuId>,
    body: JsonBody<Way>,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let menus = backend.menus.all(caller.client);
    if menus.page(id).is_none() {
        return Err(ApiError::not_found("menu"));
    }
    let inputs = inputs(&body.value.inputs)?;
    let book = Arc::new(menus.below(id));
    let at = body.value.at.unwrap_or_else(|| backend.runtime.clock.now());
    let simulation = simulate(id, &book, at, &inputs);
    let (status, turn_count) = simulation
        .steps
        .last()
        .map_or(("active", 0), |step| (step.state.status().as_str(), step.state.turns()));
    let steps = simulation.steps.iter().map(view).collect::<Result<_, _>>()?;
    Ok(Answer::data(&SimulationView { steps, status, turn_count }))
}

fn inputs(given: &[Input]) -> Result<Vec<SimulatedInput>, ApiError> {
    let (mut fields, mut inputs) = (Fields::default(), Vec::new());
    if given.len() > MAX_INPUTS {
        fields.fault("inputs", "invalid", format!("give at most {MAX_INPUTS}"));
    }
    for (at, input) in given.iter().enumerate().take(MAX_INPUTS) {
        match (&input.digits, input.silence, input.hangup) {
            (Some(digits), None, None) if domain::ivr::session::are_keys(digits) => {
                inputs.push(SimulatedInput::Digits(digits.clone()));
            }
            (Some(_), None, None) => {
                let refusal = domain::ivr::session::SessionRefusal::NotKeys;
                fields.fault(format!("inputs[{at}].digits"), "invalid", refusal.to_string());
            }
            (None, Some(true), None) => inputs.push(SimulatedInput::Silence),
            (None, None, Some(true)) => inputs.push(SimulatedInput::HangUp),
            _ => fields.fault(
                format!("inputs[{at}]"),
                "invalid",
                "give one of digits, `silence: true` or `hangup: true`",
            ),
        }
    }
    fields.finish()?;
    Ok(inputs)
}

fn view(step: &SimulatedStep) -> Result<StepView, ApiError> {
    let event = |event: &SessionEvent| {
        let data = readable(event.event_type(), &event.encode()).map_err(ApiError::internal)?;
        Ok::<_, ApiError>(json!({ "type": event.event_type(), "data": data }))
    };
    let stack: Vec<String> = step.state.stack().iter().map(ToString::to_string).collect();
    Ok(StepView {
        input: match &step.input {
            None => Value::Null,
            Some(SimulatedInput::Digits(digits)) => json!({ "digits": digits }),
            Some(SimulatedInput::Silence) => json!({ "silence": true }),
            Some(SimulatedInput::HangUp) => json!({ "hangup": true }),
        },
        events: step.events.iter().map(event).collect::<Result<_, _>>()?,
        refused: step.refusal.as_ref().map(ToString::to_string),
        status: step.state.status().as_str(),
        menu_id: stack.last().cloned(),
        menu_stack: stack,
        prompt: prompt(&step.state),
    })
}

fn prompt(state: &IvrSession) -> Option<String> {
    match &state.waiting()?.asked {
        Asked::Keys(ask) => Some(ask.text.clone()),
        Asked::Webhook(_) | Asked::Transfer { .. } => None,
    }
}
