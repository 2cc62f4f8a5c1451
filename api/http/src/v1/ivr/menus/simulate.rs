//! Endpoint that simulates a caller in a menu.

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

use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, JsonBody, PathId};

const MAX_INPUTS: usize = 200;

/// One input of the simulated caller: exactly one of the three fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrSimulatedInput)]
pub(crate) struct Input {
    /// The caller presses these keys, which are of `0-9 A-D * #`.
    #[schema(example = "1")]
    digits: Option<String>,
    /// `true`: the caller does nothing until the timer runs out.
    silence: Option<bool>,
    /// `true`: the caller hangs up.
    hangup: Option<bool>,
}

/// A caller to simulate in a menu.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewIvrSimulation)]
pub(crate) struct NewSimulation {
    /// Inputs of the caller in their order, at most 200.
    #[serde(default)]
    inputs: Vec<Input>,
    /// Time of the call, which decides about opening hours; now by default. The time zone rules are those in use,
    /// named by `zone_data` of `ivr_session.menu_entered`.
    at: Option<DateTime<Utc>>,
}

/// One step of the simulation.
#[derive(Serialize, ToSchema)]
#[schema(as = IvrSimulatedStep)]
pub(crate) struct StepView {
    /// Input of the caller; `null` for the step that enters the menu.
    #[schema(value_type = Option<Object>, required)]
    input: Value,
    /// Events of the step, as a session's history would show them.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// Why the input had no effect; `null` when it had one.
    #[schema(required)]
    refused: Option<String>,
    /// Status of the session after the step: `active`, `completed`, `abandoned` or `exhausted`.
    #[schema(value_type = words::IvrSessionStatus)]
    status: &'static str,
    /// Id of the menu that the caller is in; `null` when in none.
    #[schema(required)]
    menu_id: Option<String>,
    /// Ids of the menus from the first one to the current one.
    menu_stack: Vec<String>,
    /// Text that the caller hears while the session waits for keys; otherwise `null`.
    #[schema(required)]
    prompt: Option<String>,
}

/// Trace of a simulated caller.
#[derive(Serialize, ToSchema)]
#[schema(as = IvrSimulation)]
pub(crate) struct SimulationView {
    /// All steps, beginning with the one that enters the menu.
    steps: Vec<StepView>,
    /// Status of the session at the end.
    #[schema(value_type = words::IvrSessionStatus)]
    status: &'static str,
    /// Number of turns until the end.
    turn_count: u32,
}

/// Simulate a caller in an IVR menu.
///
/// Nothing is stored, called or sent: the simulation assumes that every `webhook` step answers that the menu goes
/// on. The same request gives the same trace.
#[utoipa::path(post, path = "/api/v1/ivr/menus/{id}/simulate", tag = "ivr", operation_id = "simulateIvrMenu",
    params(("id" = String, Path, description = "Id of the menu: `ivrm_…`")), request_body = NewSimulation,
    responses((status = 200, description = "The trace of the simulated caller",
        body = Enveloped<SimulationView>), Problem))]
#[post("/ivr/menus/{id}/simulate")]
pub(crate) async fn simulate_ivr_menu(
    caller: Caller<IvrWrite>,
    PathId(id): PathId<MenuId>,
    body: JsonBody<NewSimulation>,
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
        fields.fault("inputs", "too_many", format!("give at most {MAX_INPUTS} inputs"));
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
