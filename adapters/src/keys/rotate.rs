//! Replaces the master key: unwraps every data key with the old one and wraps it with the new one, all or none.

use domain::ports::ids::Ids;
use sqlx::Row as _;
use uuid::Uuid;

use super::db::{KeysDb, on};
use super::master::{MasterKey, NONCE};

/// Why the master key was not replaced; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The store could not be read or written.
    #[error("cannot change the key store")]
    Database(#[from] sqlx::Error),
    /// A data key is wrapped by a third master key.
    #[error("a key is wrapped by the master key {0}, which is neither the old nor the new one")]
    Foreign(String),
    /// A data key was altered and cannot be unwrapped.
    #[error("the data key {0} cannot be unwrapped: it was altered")]
    Damaged(Uuid),
}

/// Wraps all keys with `new` instead of `old`, in one transaction; answers how many. Keys that `new` wraps already,
/// from an attempt that was cut off, stay as they are.
pub async fn rotate(
    db: &KeysDb,
    old: &MasterKey,
    new: &MasterKey,
    ids: &dyn Ids,
) -> Result<usize, RotateError> {
    const ALL: [(&str, &str); 3] = [
        (
            "SELECT id, master_id, wrapped FROM data_keys ORDER BY id",
            "UPDATE data_keys SET master_id = $1, wrapped = $2 WHERE id = $3",
        ),
        (
            "SELECT id, master_id, wrapped FROM subject_keys WHERE wrapped IS NOT NULL ORDER BY id",
            "UPDATE subject_keys SET master_id = $1, wrapped = $2 WHERE id = $3 AND wrapped IS NOT NULL",
        ),
        (
            "SELECT id, master_id, wrapped FROM key_nodes ORDER BY id",
            "UPDATE key_nodes SET master_id = $1, wrapped = $2 WHERE id = $3",
        ),
    ];
    on!(db, pool => {
        let mut tx = pool.begin().await?;
        let mut wrapped_anew = 0;
        for (all, set) in ALL {
            for row in sqlx::query(all).fetch_all(&mut *tx).await? {
                let (id, master_id): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
                let wrapped: Vec<u8> = row.try_get(2)?;
                if master_id == new.id() {
                    continue;
                }
                if master_id != old.id() {
                    return Err(RotateError::Foreign(master_id));
                }
                let key = old.unwrap(id.as_bytes(), &wrapped).ok_or(RotateError::Damaged(id))?;
                let random = ids.secret();
                let nonce: [u8; NONCE] = std::array::from_fn(|at| random[at]);
                let wrapped = new.wrap(nonce, id.as_bytes(), &key).ok_or(RotateError::Damaged(id))?;
                sqlx::query(set).bind(new.id()).bind(wrapped).bind(id).execute(&mut *tx).await?;
                wrapped_anew += 1;
            }
        }
        tx.commit().await?;
        Ok(wrapped_anew)
    })
}
