//! Queries of webhook endpoints.

use async_trait::async_trait;
use domain::ids::{ClientId, EndpointId};
use domain::ports::StoreUnavailable;
use projections::page::{Page, PageRequest, Stored};
use projections::webhooks::WebhookQueries;

use super::SqlViews;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::Value;

const ENDPOINT: &str = "SELECT version, doc FROM webhook_endpoints WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'webhook_endpoints') AND id = $1 AND client_id = $2 AND NOT removed";

#[async_trait]
impl WebhookQueries for SqlViews {
    async fn endpoint(&self, client: ClientId, id: EndpointId) -> Result<Option<Stored>, StoreUnavailable> {
        self.db.stored(Of::Client(client), ENDPOINT, [Value::Uuid(id.0), Value::Uuid(client.0)]).await
    }

    async fn endpoints(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        let select = Select::from("webhook_endpoints", "webhook_endpoints", Of::Client(client));
        select.and("removed = ?", Value::Bool(false)).page(&self.db, page).await
    }
}
