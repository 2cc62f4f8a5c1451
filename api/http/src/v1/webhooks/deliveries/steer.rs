//! Commands on a delivery: redeliver and cancel.

use actors::Session;
use domain::ids::DeliveryId;
use domain::webhook::delivery::{Delivery, DeliveryCommand, DeliveryRefusal, DeliveryStatus};

use super::super::super::commands::{AsProblem, context, problem};
use super::super::super::resource::marked;
use crate::auth::Principal;
use crate::backend::Backend;
use crate::problem::ApiError;
use crate::{Answer, RequestContext};

impl AsProblem for DeliveryRefusal {
    const KIND: &'static str = "delivery";

    fn as_problem(&self) -> ApiError {
        match self {
            DeliveryRefusal::Over => ApiError::conflict(self.to_string()),
        }
    }
}

/// Executes a command and answers with the delivery as its view row shows it now.
pub(super) async fn steer(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: DeliveryId,
    command: &DeliveryCommand,
) -> Result<Answer, ApiError> {
    let known = backend
        .webhooks
        .deliveries
        .delivery_summary(caller.client, id)
        .await
        .map_err(ApiError::unavailable)?;
    let known = known.ok_or_else(|| ApiError::not_found(DeliveryRefusal::KIND))?;
    // the deletion of its endpoint is no event of the delivery's own stream
    let gone = backend
        .views
        .one::<projections::webhooks::Endpoints>(caller.client, known.of.endpoint)
        .await
        .map_err(ApiError::unavailable)?;
    if gone.is_none() {
        return Err(ApiError::conflict("the endpoint does not exist any more"));
    }
    if matches!(command, DeliveryCommand::Cancel { .. }) && known.status != DeliveryStatus::Pending {
        return Err(DeliveryRefusal::Over.as_problem());
    }
    let mut session = Session::<Delivery>::new(backend.runtime.clone(), id.stream());
    let context = context(caller, request, id.0);
    let receipt = session.execute(command, &context, None).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.webhooks.caught_up(position, backend.read_your_writes).await;
    }
    let shown =
        backend.webhooks.deliveries.delivery(caller.client, id).await.map_err(ApiError::unavailable)?;
    let shown = shown.ok_or_else(|| ApiError::not_found(DeliveryRefusal::KIND))?;
    Ok(marked(shown).accepted().written_at(receipt.position))
}
