//! How the generic resource code reads numbers.

use domain::envelope::StreamId;
use domain::ids::{ClientId, NumberId};
use domain::number::Number;
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::numbers::Numbers;
use projections::page::Stored;

use super::super::resource::Resource;

#[derive(Debug)]
pub(super) struct NumberResource;

impl Resource for NumberResource {
    type Id = NumberId;
    type Rules = Number;
    type View = Numbers;

    fn stream(id: NumberId) -> StreamId {
        id.stream()
    }

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: NumberId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.number(client, id).await
    }
}
