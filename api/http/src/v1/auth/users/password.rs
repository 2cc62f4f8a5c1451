//! Hashes a user's password and seals the hash in the vault.

use domain::ids::{ClientId, UserId};
use domain::ports::vault::{Sealed, VaultError};

use crate::auth::Passwords;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields};

fn place(user: UserId) -> String {
    format!("{}:password", user.stream())
}

fn sixteen(random: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| random[at])
}

/// Notes a fault when the password breaks the rules.
pub(super) fn check(fields: &mut Fields, password: &str) {
    fields.keep("password", Passwords::check(password));
}

pub(super) async fn seal_password(
    backend: &Backend,
    client: ClientId,
    user: UserId,
    password: String,
) -> Result<Sealed, ApiError> {
    let hash = backend.passwords.hash(password, sixteen(backend.runtime.ids.secret())).await;
    let hash = hash.ok_or_else(|| ApiError::internal("the password could not be hashed"))?;
    backend.vault.seal(client, &place(user), hash.as_bytes()).await.map_err(vault_problem)
}

/// Opens the sealed hash of a password, in PHC form.
pub(in crate::v1::auth) async fn open_password(
    backend: &Backend,
    client: ClientId,
    user: UserId,
    sealed: &Sealed,
) -> Result<String, ApiError> {
    let bytes = backend.vault.open(client, &place(user), sealed).await.map_err(vault_problem)?;
    String::from_utf8(bytes).map_err(ApiError::internal)
}

fn vault_problem(error: VaultError) -> ApiError {
    match error {
        VaultError::Unavailable(_) => ApiError::unavailable(error),
        _ => ApiError::internal(error),
    }
}
