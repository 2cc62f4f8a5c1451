//! What every [`HeadKeeper`] must do, as functions over a fresh, empty one.
//!
//! `head_keeper_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use domain::merkle::{Hash, KeptHead};
use domain::ports::head_keeper::{HeadKeeper, KeepError};

/// Damage that somebody without the key can do.
#[derive(Debug, Clone, Copy)]
pub enum Damage {
    Remove,
    /// The stored size is overwritten with this one.
    Shrink(u64),
}

/// Damages the stored head without going through the keeper.
pub type Damaging = Box<dyn Fn(Damage) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A keeper under test.
pub struct Subject {
    pub keeper: Arc<dyn HeadKeeper>,
    pub damage: Damaging,
    /// Whatever must outlive it: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

fn head(size: u64) -> KeptHead {
    KeptHead { log: Uuid::from_u128(1), size, root: Hash([size as u8; 32]) }
}

/// A new keeper keeps no head.
pub async fn nothing_is_kept_at_first(subject: &Subject) {
    assert_eq!(subject.keeper.kept().await.unwrap(), None);
}

/// The newest head is kept, and an older one changes nothing.
pub async fn it_never_moves_backwards(subject: &Subject) {
    let keeper = &subject.keeper;
    keeper.keep(&KeptHead::NOTHING).await.unwrap();
    assert_eq!(keeper.kept().await.unwrap(), Some(KeptHead::NOTHING));
    for (size, kept) in [(5, 5), (9, 9), (7, 9), (9, 9), (1_u64 << 40, 1 << 40)] {
        keeper.keep(&head(size)).await.unwrap();
        assert_eq!(keeper.kept().await.unwrap(), Some(head(kept)), "{size}");
    }
    keeper.keep(&KeptHead::NOTHING).await.unwrap_err();
}

/// Another log's head, and another head of the same size, are refused and change nothing.
pub async fn another_history_is_refused(subject: &Subject) {
    let keeper = &subject.keeper;
    keeper.keep(&head(5)).await.unwrap();
    let other = KeptHead { log: Uuid::from_u128(2), ..head(9) };
    let refused = keeper.keep(&other).await;
    assert!(matches!(refused, Err(KeepError::OtherLog(log)) if log == head(5).log), "{refused:?}");
    let fork = KeptHead { root: Hash([1; 32]), ..head(5) };
    let refused = keeper.keep(&fork).await;
    assert!(matches!(refused, Err(KeepError::Conflict { size: 5 })), "{refused:?}");
    assert_eq!(keeper.kept().await.unwrap(), Some(head(5)));
}

/// Of many heads that are kept at once the largest stays.
pub async fn of_many_the_largest_stays(subject: &Subject) {
    let keeping: Vec<_> = (1..=20_u64)
        .map(|n| {
            let keeper = subject.keeper.clone();
            tokio::spawn(async move { keeper.keep(&head((n * 7) % 20 + 1)).await })
        })
        .collect();
    for kept in keeping {
        kept.await.unwrap().unwrap();
    }
    assert_eq!(subject.keeper.kept().await.unwrap(), Some(head(20)));
}

/// Nobody without the key can change or remove the head unnoticed, and no later head hides that.
pub async fn damage_is_noticed(subject: &Subject) {
    let keeper = &subject.keeper;
    keeper.keep(&head(9)).await.unwrap();
    (subject.damage)(Damage::Shrink(3)).await;
    assert!(matches!(keeper.kept().await, Err(KeepError::Forged)));
    assert!(matches!(keeper.keep(&head(12)).await, Err(KeepError::Forged)));
    (subject.damage)(Damage::Remove).await;
    assert!(matches!(keeper.kept().await, Err(KeepError::Gone)));
    assert!(matches!(keeper.keep(&head(12)).await, Err(KeepError::Gone)));
    assert!(matches!(keeper.kept().await, Err(KeepError::Gone)));
}

/// An operator may replace whatever head was kept.
pub async fn an_operator_begins_anew(subject: &Subject) {
    let keeper = &subject.keeper;
    keeper.keep_instead(&head(9)).await.unwrap();
    let other = KeptHead { log: Uuid::from_u128(2), ..head(4) };
    keeper.keep_instead(&other).await.unwrap();
    assert_eq!(keeper.kept().await.unwrap(), Some(other));
    for damage in [Damage::Shrink(2), Damage::Remove] {
        (subject.damage)(damage).await;
        keeper.keep_instead(&head(4)).await.unwrap();
        assert_eq!(keeper.kept().await.unwrap(), Some(head(4)));
    }
}

/// Makes a test of every case; `$fresh` is an `async fn() -> Subject`.
#[macro_export]
macro_rules! head_keeper_suite {
    ($fresh:path) => {
        $crate::port_cases! { $fresh, head_keeper:
            nothing_is_kept_at_first,
            it_never_moves_backwards,
            another_history_is_refused,
            of_many_the_largest_stays,
            damage_is_noticed,
            an_operator_begins_anew,
        }
    };
}
