//! Dependencies of handlers for webhooks to clients.

use std::sync::Arc;
use std::time::Duration;

use actors::webhooks::DeliverySender;
use adapters::webhooks::Guard;
use domain::envelope::Position;
use domain::ports::deliveries::DeliveryStore;
use projections::webhooks::DeliveryQueries;

/// Pause between two checks whether deliveries have caught up.
const PAUSE: Duration = Duration::from_millis(10);

/// Dependencies of handlers for webhooks to clients.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Makes delivery attempts on request.
    pub delivery_sender: Arc<DeliverySender>,
    /// Decides which addresses may be delivered to.
    pub guard: Guard,
    /// Queries of deliveries and attempts.
    pub deliveries: Arc<dyn DeliveryQueries>,
    pub store: Arc<dyn DeliveryStore>,
}

impl Webhooks {
    /// Waits, for at most `limit`, until deliveries show the event at `position`. Another node may derive them, so
    /// the store is polled.
    pub async fn caught_up(&self, position: Position, limit: Duration) {
        let wait = async {
            while self.store.checkpoint().await.is_ok_and(|at| at.position < position) {
                tokio::time::sleep(PAUSE).await;
            }
        };
        // a client that reads too early can read again
        let _ = tokio::time::timeout(limit, wait).await;
    }
}
