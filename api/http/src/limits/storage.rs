//! Measures how much clients with a storage quota have stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use parking_lot::Mutex;
use projections::Queries;
use tokio_util::sync::CancellationToken;

use super::calls::CallQuota;
use super::gate::Gate;

/// Pause between two measurements.
const PAUSE: Duration = Duration::from_secs(60);

/// Bytes of call records and transcripts: as measured in the views, plus what the log added since. Clients without
/// a quota are not included.
#[derive(Debug, Default)]
pub(super) struct StorageBook(Mutex<HashMap<ClientId, u64>>);

impl StorageBook {
    /// Whether the client may store more. A client that was never measured may.
    pub(super) fn check(&self, client: ClientId, most: Option<u64>) -> Result<(), CallQuota> {
        match most {
            Some(most) if self.0.lock().get(&client).is_some_and(|stored| *stored >= most) => {
                Err(CallQuota::Storage(most))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn grow(&self, client: ClientId, bytes: usize) {
        if let Some(stored) = self.0.lock().get_mut(&client) {
            *stored = stored.saturating_add(bytes as u64);
        }
    }

    fn measured(&self, client: ClientId, bytes: u64) {
        self.0.lock().insert(client, bytes);
    }

    fn keep_only(&self, clients: &[ClientId]) {
        self.0.lock().retain(|client, _| clients.contains(client));
    }
}

impl Gate {
    /// Measures the storage of all clients with a storage quota. Fails when the views cannot be read; then
    /// earlier measurements stay valid.
    pub async fn measure_storage(&self, views: &dyn Queries) -> Result<(), StoreUnavailable> {
        let limited = self.tenants.with_storage();
        for client in &limited {
            self.measure_storage_of(*client, views).await?;
        }
        self.storage.keep_only(&limited);
        Ok(())
    }

    /// Measures one client, if it has a storage quota. Fails when the views cannot be read.
    pub async fn measure_storage_of(
        &self,
        client: ClientId,
        views: &dyn Queries,
    ) -> Result<(), StoreUnavailable> {
        if self.tenants.limits(client).storage_bytes.is_some() {
            self.storage.measured(client, views.stored_bytes(client).await?);
        }
        Ok(())
    }
}

/// Measures repeatedly until `stop`.
pub async fn watch_storage(
    gate: Arc<Gate>,
    views: Arc<dyn Queries>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(PAUSE) => {}
        }
        if let Err(error) = gate.measure_storage(&*views).await {
            tracing::warn!(%error, "what clients have stored cannot be measured now");
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_stored_grows_with_the_log_from_the_last_measurement_on() {
        let (book, client) = (StorageBook::default(), ClientId(Uuid::from_u128(1)));
        book.grow(client, 1_000);
        assert_eq!(book.check(client, Some(0)), Ok(()), "never measured");
        book.measured(client, 90);
        assert_eq!(book.check(client, Some(100)), Ok(()));
        book.grow(client, 10);
        assert_eq!(book.check(client, Some(100)), Err(CallQuota::Storage(100)));
        assert_eq!(book.check(client, Some(101)), Ok(()));
        assert_eq!(book.check(client, None), Ok(()));
        book.measured(client, 50);
        assert_eq!(book.check(client, Some(100)), Ok(()));
        book.keep_only(&[]);
        assert_eq!(book.check(client, Some(0)), Ok(()));
    }
}
