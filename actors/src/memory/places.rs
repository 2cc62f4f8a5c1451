//! How many conversations are looked at for memories at the same time: models are slow, and calls must not wait for them.

use std::collections::HashMap;
use std::sync::Arc;

use domain::ids::ClientId;
use parking_lot::Mutex;

/// Conversations looked at at the same time, of all clients and of one client.
const ALL: usize = 8;
const OF_ONE: usize = 2;

/// The conversations that are being looked at. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RememberPlaces(Arc<Mutex<HashMap<ClientId, usize>>>);

impl RememberPlaces {
    /// A place until it is dropped; `None` while all are taken, or the client has its share.
    pub(crate) fn take(&self, client: ClientId) -> Option<Place> {
        let mut taken = self.0.lock();
        let own = taken.get(&client).copied().unwrap_or_default();
        if own >= OF_ONE || taken.values().sum::<usize>() >= ALL {
            return None;
        }
        taken.insert(client, own + 1);
        Some(Place { client, taken: self.0.clone() })
    }
}

#[derive(Debug)]
pub(crate) struct Place {
    client: ClientId,
    taken: Arc<Mutex<HashMap<ClientId, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(own) = taken.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_client_leaves_places_to_others_and_all_together_have_a_limit() {
        let places = RememberPlaces::default();
        let client = |n| ClientId(Uuid::from_u128(n));
        let mut held: Vec<_> = (0..OF_ONE).map(|_| places.take(client(1)).unwrap()).collect();
        assert!(places.take(client(1)).is_none());
        for n in 2..=4 {
            held.extend((0..OF_ONE).map(|_| places.take(client(n)).unwrap()));
        }
        assert!(places.take(client(9)).is_none(), "all are taken");
        held.remove(0);
        assert!(places.take(client(9)).is_some());
        drop(held);
        assert!(places.0.lock().is_empty());
    }
}
