//! A head kept in memory.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use domain::merkle::KeptHead;
use domain::ports::head_keeper::{HeadKeeper, KeepError};

const KEY: [u8; 32] = [7; 32];

/// A [`HeadKeeper`] in memory.
#[derive(Debug, Default)]
pub struct MemoryHeadKeeper(Mutex<Row>);

#[derive(Debug, Default)]
struct Row {
    /// Whether a head was ever kept.
    used: bool,
    kept: Option<(KeptHead, [u8; 32])>,
}

impl MemoryHeadKeeper {
    /// Changes the kept head without going through the keeper, as an attacker would.
    pub fn damage(&self, change: impl FnOnce(&mut Option<(KeptHead, [u8; 32])>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).kept);
    }
}

fn read(row: &Row) -> Result<Option<KeptHead>, KeepError> {
    match row.kept {
        None if row.used => Err(KeepError::Gone),
        None => Ok(None),
        Some((head, code)) if head.is_authentic(&KEY, &code) => Ok(Some(head)),
        Some(_) => Err(KeepError::Forged),
    }
}

#[async_trait]
impl HeadKeeper for MemoryHeadKeeper {
    async fn kept(&self) -> Result<Option<KeptHead>, KeepError> {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn keep(&self, head: &KeptHead) -> Result<(), KeepError> {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&row)? {
            Some(kept) if kept.size > 0 && kept.log != head.log => return Err(KeepError::OtherLog(kept.log)),
            Some(kept) if kept.size == head.size && kept != *head => {
                return Err(KeepError::Conflict { size: kept.size });
            }
            Some(kept) if kept.size >= head.size => {}
            _ => *row = Row { used: true, kept: Some((*head, head.code(&KEY))) },
        }
        Ok(())
    }

    async fn keep_instead(&self, head: &KeptHead) -> Result<(), KeepError> {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *row = Row { used: true, kept: Some((*head, head.code(&KEY))) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::head_keeper::{Damage, Subject};

    async fn fresh() -> Subject {
        let keeper = Arc::new(MemoryHeadKeeper::default());
        let damaged = keeper.clone();
        Subject {
            keeper,
            damage: Box::new(move |damage| {
                let damaged = damaged.clone();
                Box::pin(async move {
                    damaged.damage(|kept| match damage {
                        Damage::Remove => *kept = None,
                        Damage::Shrink(size) => {
                            if let Some((head, _)) = kept {
                                head.size = size;
                            }
                        }
                    });
                })
            }),
            keep: Box::new(()),
        }
    }

    crate::head_keeper_suite!(super::fresh);
}
