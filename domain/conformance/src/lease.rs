//! What every [`Leases`] must do, as functions over a fresh, empty store.
//!
//! `lease_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ports::lease::Leases;

/// A lease store under test.
pub struct Subject {
    pub leases: Arc<dyn Leases>,
    /// Whether only one process can write the store, so that every request for a lease is granted.
    pub exclusive: bool,
    /// Whatever must outlive them: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("leases", &self.leases).finish_non_exhaustive()
    }
}

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(30);

/// A free job is granted, and granted again to the same owner, with the same epoch.
pub async fn an_owner_may_ask_again(subject: &Subject) {
    let first = subject.leases.acquire("job", "one", LONG).await.unwrap().unwrap();
    assert_eq!((first.job.as_str(), first.owner.as_str()), ("job", "one"));
    let again = subject.leases.acquire("job", "one", LONG).await.unwrap().unwrap();
    assert_eq!(again, first);
    assert!(subject.leases.renew(&first, LONG).await.unwrap());
}

/// A job held by another is refused, unless nobody else can be there.
pub async fn a_held_job_is_refused_to_others(subject: &Subject) {
    let first = subject.leases.acquire("job", "one", LONG).await.unwrap().unwrap();
    let second = subject.leases.acquire("job", "two", LONG).await.unwrap();
    if subject.exclusive {
        assert!(second.unwrap().epoch > first.epoch);
        assert!(!subject.leases.renew(&first, LONG).await.unwrap());
    } else {
        assert_eq!(second, None);
        assert!(subject.leases.renew(&first, LONG).await.unwrap());
    }
}

/// Leases of different jobs are independent.
pub async fn jobs_are_apart(subject: &Subject) {
    let one = subject.leases.acquire("job a", "one", LONG).await.unwrap().unwrap();
    let two = subject.leases.acquire("job b", "two", LONG).await.unwrap().unwrap();
    subject.leases.release(&two).await.unwrap();
    assert!(subject.leases.renew(&one, LONG).await.unwrap());
}

/// A lease given up is free at once, its old holder lost it, and the epoch grows.
pub async fn a_released_job_is_free_at_once(subject: &Subject) {
    let first = subject.leases.acquire("job", "one", LONG).await.unwrap().unwrap();
    subject.leases.release(&first).await.unwrap();
    assert!(!subject.leases.renew(&first, LONG).await.unwrap());
    let second = subject.leases.acquire("job", "two", LONG).await.unwrap().unwrap();
    assert!(second.epoch > first.epoch);
    // a late release by the first holder takes nothing from the second
    subject.leases.release(&first).await.unwrap();
    assert!(subject.leases.renew(&second, LONG).await.unwrap());
}

/// A lease nobody renews can be taken over, and then its old holder notices.
pub async fn an_expired_lease_is_taken_over(subject: &Subject) {
    let first = subject.leases.acquire("job", "one", SHORT).await.unwrap().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let second = loop {
        if let Some(lease) = subject.leases.acquire("job", "two", LONG).await.unwrap() {
            break lease;
        }
        assert!(Instant::now() < deadline, "the lease does not expire");
        tokio::task::yield_now().await;
    };
    assert!(second.epoch > first.epoch);
    assert!(!subject.leases.renew(&first, LONG).await.unwrap());
}

/// Of many who ask at the same time for a free job, one gets it.
pub async fn one_of_many_wins(subject: &Subject) {
    let asking = (0..16).map(|n| {
        let leases = subject.leases.clone();
        async move { leases.acquire("job", &format!("node {n}"), LONG).await.unwrap() }
    });
    let granted: Vec<_> = futures::future::join_all(asking).await.into_iter().flatten().collect();
    if subject.exclusive {
        let epochs: std::collections::BTreeSet<_> = granted.iter().map(|lease| lease.epoch).collect();
        assert_eq!(epochs.len(), 16, "each takes over from the one before");
    } else {
        assert_eq!(granted.len(), 1);
    }
    let mut holding = 0;
    for lease in &granted {
        holding += usize::from(subject.leases.renew(lease, LONG).await.unwrap());
    }
    assert_eq!(holding, 1);
}

/// Makes a test of every case.
#[macro_export]
macro_rules! lease_suite {
    ($fresh:path) => {
        $crate::port_cases!($fresh, lease:
            an_owner_may_ask_again,
            a_held_job_is_refused_to_others,
            jobs_are_apart,
            a_released_job_is_free_at_once,
            an_expired_lease_is_taken_over,
            one_of_many_wins,
        );
    };
}
