//! What handlers need of webhooks to clients.

use std::sync::Arc;
use std::time::Duration;

use actors::webhooks::Courier;
use adapters::webhooks::Guard;
use domain::envelope::Position;
use domain::ports::deliveries::DeliveryStore;
use projections::webhooks::DeliveryQueries;

/// How often it is looked whether the rows have come up.
const PAUSE: Duration = Duration::from_millis(10);

/// What handlers need of webhooks to clients.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Makes attempts.
    pub courier: Arc<Courier>,
    /// Says where to may be delivered.
    pub guard: Guard,
    /// Deliveries and attempts, as they are shown.
    pub deliveries: Arc<dyn DeliveryQueries>,
    pub(super) store: Arc<dyn DeliveryStore>,
}

impl Webhooks {
    /// Waits, for at most `limit`, until deliveries show what was written at `position`. They are derived by
    /// whichever node has the job, so the store is asked.
    pub async fn caught_up(&self, position: Position, limit: Duration) {
        let wait = async {
            while self.store.checkpoint().await.is_ok_and(|at| at.position < position) {
                tokio::time::sleep(PAUSE).await;
            }
        };
        // whoever reads too early reads again
        let _ = tokio::time::timeout(limit, wait).await;
    }
}
