//! Reads calls from the views.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::Position;
use domain::ids::{CallId, ClientId};
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::runner::Progress;

use super::CallSource;

/// How long to wait for views that lag behind: only streams of one client wait, and a call sent in its old state
/// would not be sent again.
const PATIENCE: Duration = Duration::from_secs(10);

/// The views, and their progress.
#[derive(Debug)]
pub struct ShownCalls {
    pub views: Arc<dyn Queries>,
    pub progress: Progress,
}

#[async_trait]
impl CallSource for ShownCalls {
    async fn caught_up(&self, position: Position) {
        self.progress.wait_for(position, PATIENCE).await;
    }

    async fn call(&self, client: ClientId, call: CallId) -> Result<Option<String>, StoreUnavailable> {
        Ok(self.views.one::<projections::calls::Calls>(client, call).await?.map(|stored| stored.json))
    }
}
