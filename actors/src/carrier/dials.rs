//! Dials whose answer is not here yet: a webhook that names an unknown leg may be about one of them.

use domain::ids::ClientId;
use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The dials that this node has sent and whose answer is not bound to their call yet.
#[derive(Debug, Default)]
pub(super) struct DialsInFlight(Mutex<Vec<(ClientId, CancellationToken)>>);

impl DialsInFlight {
    /// Counts a dial as in flight until the guard is dropped.
    pub(super) fn begin(&self, client: ClientId) -> DropGuard {
        let answered = CancellationToken::new();
        let mut dials = self.0.lock();
        dials.retain(|(_, answered)| !answered.is_cancelled());
        dials.push((client, answered.clone()));
        answered.drop_guard()
    }

    /// The dials now in flight, of this client alone if one is given. Each token is cancelled once its dial is
    /// answered and bound, or given up.
    pub(super) fn now(&self, client: Option<ClientId>) -> Vec<CancellationToken> {
        let dials = self.0.lock();
        let wanted = |(of, answered): &&(ClientId, CancellationToken)| {
            client.is_none_or(|client| client == *of) && !answered.is_cancelled()
        };
        dials.iter().filter(wanted).map(|(_, answered)| answered.clone()).collect()
    }
}
