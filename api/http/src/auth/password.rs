//! Passwords: hashed with Argon2id (RFC 9106), verified at a bounded cost.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// Most hashes computed at a time: each takes 19 MiB and tens of milliseconds of a core.
const AT_ONCE: usize = 2;
/// Fewest characters of a password.
const SHORTEST: usize = 10;
/// Most bytes of a password.
const LONGEST: usize = 256;
/// A hash that no password has, verified for unknown addresses, so that they take as long as a wrong password. Its
/// parameters are those of real hashes.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$dm94bGVkZ2VyLW5vYm9keQ$\
                       6vhqBxoHkJcPPCYfzT0XvRXL8nGBdBA2x1cLH3dYIlU";

/// Hashes and checks passwords on threads of their own.
#[derive(Debug, Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("a password has at least 10 characters")]
    Short,
    #[error("a password has at most 256 bytes")]
    Long,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// Checks the length of a password.
    pub fn check(password: &str) -> Result<(), BadPassword> {
        if password.len() > LONGEST {
            return Err(BadPassword::Long);
        }
        if password.chars().count() < SHORTEST { Err(BadPassword::Short) } else { Ok(()) }
    }

    /// Hash of a password in PHC form; `None` when it cannot be computed.
    pub async fn hash(&self, password: String, salt: [u8; 16]) -> Option<String> {
        self.work(move || {
            let salt = SaltString::encode_b64(&salt).ok()?;
            Some(argon2()?.hash_password(password.as_bytes(), &salt).ok()?.to_string())
        })
        .await
    }

    /// Whether the password has this hash; without a hash `false`, after the same time.
    pub async fn matches(&self, password: String, hash: Option<String>) -> bool {
        // an overlong password never matches, but takes as long
        let hash = hash.filter(|_| password.len() <= LONGEST);
        let known = hash.is_some();
        let verified = self.work(move || {
            let hash = PasswordHash::new(hash.as_deref().unwrap_or(NOBODYS)).ok()?;
            let tried = &password.as_bytes()[..password.len().min(LONGEST)];
            argon2()?.verify_password(tried, &hash).ok()
        });
        verified.await.is_some() && known
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
        let _permit = self.permits.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok().flatten()
    }
}

/// The parameters OWASP recommends for Argon2id: 19 MiB, 2 passes, 1 lane.
fn argon2() -> Option<Argon2<'static>> {
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".to_owned(), [1; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches("correct horse".to_owned(), Some(hash.clone())).await);
        assert!(!passwords.matches("correct hors".to_owned(), Some(hash.clone())).await);
        assert_ne!(passwords.hash("correct horse".to_owned(), [2; 16]).await.unwrap(), hash);
    }

    #[tokio::test]
    async fn nobody_has_no_password_and_takes_as_long_as_somebody() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        assert_eq!(Params::try_from(&nobodys).unwrap().m_cost(), 19_456);
        let passwords = Passwords::default();
        assert!(!passwords.matches("correct horse".to_owned(), None).await);
        assert!(!passwords.matches(String::new(), None).await);
        // an overlong password with the right beginning does not match either
        let long = "x".repeat(LONGEST);
        let hash = passwords.hash(long.clone(), [3; 16]).await;
        assert!(passwords.matches(long.clone(), hash.clone()).await);
        assert!(!passwords.matches(format!("{long}x"), hash).await);
    }

    #[test]
    fn a_password_is_neither_short_nor_a_burden() {
        assert_eq!(Passwords::check("123456789"), Err(BadPassword::Short));
        assert_eq!(Passwords::check("1234567890"), Ok(()));
        assert_eq!(Passwords::check(&"é".repeat(128)), Ok(()));
        assert_eq!(Passwords::check(&"é".repeat(129)), Err(BadPassword::Long));
    }
}
