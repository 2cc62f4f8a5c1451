//! A client's own name of a customer is unique within the client, on all nodes.

use actors::session::CommandError;
use domain::customer::{Customer, CustomerEvent};
use domain::envelope::{Time, Version};
use domain::ids::{ClientId, CustomerId};
use domain::ports::event_store::Direction;
use domain::unique_name::UniqueNameRefusal;
use domain::wire::DomainEvent as _;
use domain::{aggregate::Aggregate as _, customer::Profile};

use super::super::commands::problem;
use crate::backend::{Backend, EXTERNAL_ID, Hold};
use crate::problem::{ApiError, Code};

const PAGE: usize = 200;

/// Reserves the name for the customer. Answers 409 when another customer has it.
pub(super) async fn reserve(
    backend: &Backend,
    client: ClientId,
    id: CustomerId,
    name: &str,
) -> Result<(), ApiError> {
    let value = format!("{client} {name}");
    let hold = async |owner, since| hold(backend, CustomerId(owner), name, since).await;
    match backend.claims.take_exchangeable(EXTERNAL_ID, &value, id.0, hold).await.map_err(problem)? {
        true => Ok(()),
        false => Err(ApiError::new(Code::ExternalIdTaken, "another customer has this external id")),
    }
}

/// What the customer that reserved the name at a time has made of it.
async fn hold(
    backend: &Backend,
    owner: CustomerId,
    name: &str,
    since: Time,
) -> Result<Hold, CommandError<UniqueNameRefusal>> {
    let (store, stream) = (&backend.runtime.store, owner.stream());
    let mut customer = Customer::default();
    let (mut after, mut used) = (Version::NONE, false);
    loop {
        let events = store.read_stream(&stream, after, Direction::Forwards, PAGE).await?;
        let Some(last) = events.last() else { break };
        after = last.version;
        for event in &events {
            let fact = CustomerEvent::decode(&event.event_type, event.schema, &event.payload);
            let fact = fact.map_err(|error| CommandError::Unavailable(error.to_string()))?;
            customer.evolve(&fact);
            let now = customer.profile().and_then(Profile::external);
            used |= event.recorded_at >= since && now == Some(name);
            used |= matches!(fact, CustomerEvent::Deleted(_));
        }
    }
    Ok(match customer.profile().and_then(Profile::external) {
        Some(now) if now == name => Hold::Held,
        _ if used => Hold::Over,
        _ => Hold::NotYet,
    })
}
