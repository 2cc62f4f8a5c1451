//! Notifications about changed rights of keys and users.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::principal::{Principal, Who};

/// One channel for each key or user that a long-lived answer depends on.
#[derive(Debug, Default)]
pub struct Watchers {
    subjects: Mutex<HashMap<Uuid, watch::Sender<()>>>,
}

/// A subscription to changes of a key's or user's rights.
#[derive(Debug)]
pub struct Watched {
    subject: Uuid,
    news: watch::Receiver<()>,
    watchers: Arc<Watchers>,
}

impl Watchers {
    /// Subscribes to the key or user behind `principal`, from now on.
    #[must_use]
    pub fn watch(self: &Arc<Self>, principal: &Principal) -> Watched {
        let subject = match principal.who {
            Who::Key { id, .. } => id.0,
            Who::User { id, .. } => id.0,
        };
        let mut subjects = self.subjects.lock();
        let news = subjects.entry(subject).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watched { subject, news, watchers: self.clone() }
    }

    /// Notifies all subscribers of this key or user.
    pub fn tell(&self, subject: Uuid) {
        let subjects = self.subjects.lock();
        if let Some(sender) = subjects.get(&subject) {
            sender.send_replace(());
        }
    }
}

impl Watched {
    /// Resolves after the next change.
    pub async fn changed(&mut self) {
        if self.news.changed().await.is_err() {
            pending().await
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut subjects = self.watchers.subjects.lock();
        let last = |sender: &watch::Sender<()>| sender.receiver_count() <= 1;
        if subjects.get(&self.subject).is_some_and(last) {
            subjects.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::{ApiKeyId, ClientId};
    use futures::FutureExt as _;

    use super::super::principal::Bounds;
    use super::super::scope::Scopes;
    use super::*;

    #[test]
    fn only_who_is_watched_is_told_of_and_nobody_is_kept() {
        let watchers = Arc::new(Watchers::default());
        let principal = |id| Principal {
            client: ClientId(Uuid::nil()),
            who: Who::Key { id: ApiKeyId(Uuid::from_u128(id)), bounds: Bounds::default() },
            scopes: Scopes::EVERYTHING,
            platform: false,
        };
        let [mut one, mut same, mut other] = [1, 1, 2].map(|id| watchers.watch(&principal(id)));
        watchers.tell(Uuid::from_u128(1));
        watchers.tell(Uuid::from_u128(3));
        assert!(one.changed().now_or_never().is_some() && same.changed().now_or_never().is_some());
        assert!(one.changed().now_or_never().is_none() && other.changed().now_or_never().is_none());
        drop(one);
        watchers.tell(Uuid::from_u128(1));
        assert!(same.changed().now_or_never().is_some());
        drop((same, other));
        assert!(watchers.subjects.lock().is_empty());
    }
}
