//! The vault on both databases.

use std::sync::Arc;

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey, MasterKeyError, RotateError, rotate};
use adapters::testing::postgres::Cluster;
use domain::ids::ClientId;
use domain::ports::vault::{Vault as _, VaultError};
use uuid::Uuid;

const ALICE: ClientId = ClientId(Uuid::from_u128(1));
const BOB: ClientId = ClientId(Uuid::from_u128(2));

fn master(n: u8) -> MasterKey {
    MasterKey::new([n; 32])
}

async fn vault(database: &Database, key: MasterKey) -> (KeysDb, KeyVault) {
    let db = KeysDb::open(database).await.unwrap();
    (db.clone(), KeyVault::new(db, key, Arc::new(SystemClock), Arc::new(RandomIds)))
}

async fn keeps_secrets(database: &Database) {
    let (db, vault) = vault(database, master(1)).await;
    let sealed = vault.seal(ALICE, "provider:telephony", b"KEY123").await.unwrap();
    assert!(!sealed.bytes.windows(6).any(|part| part == b"KEY123"));
    assert_eq!(vault.open(ALICE, "provider:telephony", &sealed).await.unwrap(), b"KEY123");
    // bound to its owner, its place and its bytes
    assert!(matches!(vault.open(ALICE, "provider:llm", &sealed).await, Err(VaultError::Forged)));
    assert!(vault.open(BOB, "provider:telephony", &sealed).await.is_err());
    for at in [0, 30, sealed.bytes.len() - 1] {
        let mut altered = sealed.clone();
        altered.bytes[at] ^= 1;
        assert!(matches!(vault.open(ALICE, "provider:telephony", &altered).await, Err(VaultError::Forged)));
    }
    // the same value twice does not look the same
    assert_ne!(vault.seal(ALICE, "provider:telephony", b"KEY123").await.unwrap(), sealed);
    assert_eq!(vault.secret("tokens").await.unwrap(), vault.secret("tokens").await.unwrap());
    assert_ne!(vault.secret("tokens").await.unwrap(), vault.secret("claims").await.unwrap());
    db.close().await;
}

async fn survives_a_new_master_key(database: &Database) {
    let (db, old) = vault(database, master(1)).await;
    let sealed = old.seal(ALICE, "a", b"secret").await.unwrap();
    let tokens = old.secret("tokens").await.unwrap();
    rotate(&db, &master(1), &master(2), &RandomIds).await.unwrap();
    // an attempt that was cut off after its commit is only repeated
    assert_eq!(rotate(&db, &master(1), &master(2), &RandomIds).await.unwrap(), 0);
    let (again, new) = vault(database, master(2)).await;
    new.check().await.unwrap();
    assert_eq!(new.open(ALICE, "a", &sealed).await.unwrap(), b"secret");
    assert_eq!(new.secret("tokens").await.unwrap(), tokens);
    let (third, stale) = vault(database, master(1)).await;
    assert!(matches!(stale.check().await, Err(VaultError::MasterKey(id)) if id == master(2).id()));
    assert!(stale.open(ALICE, "a", &sealed).await.is_err());
    assert!(matches!(
        rotate(&db, &master(3), &master(4), &RandomIds).await,
        Err(RotateError::Foreign(id)) if id == master(2).id()
    ));
    for db in [db, again, third] {
        db.close().await;
    }
}

/// Two nodes that make the same key at once agree on one.
async fn agrees_on_first_use(database: &Database) {
    let (one, two) = (vault(database, master(1)).await, vault(database, master(1)).await);
    let (a, b) = tokio::join!(one.1.secret("tokens"), two.1.secret("tokens"));
    assert_eq!(a.unwrap(), b.unwrap());
    one.0.close().await;
    two.0.close().await;
}

#[tokio::test]
async fn sqlite_keeps_secrets_and_survives_a_new_master_key() {
    let folder = tempfile::tempdir().unwrap();
    for (name, check) in [("a", 0), ("b", 1), ("c", 2)] {
        let database = Database::Sqlite(folder.path().join(name));
        match check {
            0 => keeps_secrets(&database).await,
            1 => survives_a_new_master_key(&database).await,
            _ => agrees_on_first_use(&database).await,
        }
    }
}

#[tokio::test]
async fn postgres_keeps_secrets_and_survives_a_new_master_key() {
    keeps_secrets(&Database::Postgres(Cluster::shared().database().await)).await;
    survives_a_new_master_key(&Database::Postgres(Cluster::shared().database().await)).await;
    agrees_on_first_use(&Database::Postgres(Cluster::shared().database().await)).await;
}

#[test]
fn a_key_file_is_made_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let made = MasterKey::read_or_create(&path, || [9; 32]).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(MasterKey::read_or_create(&path, || [1; 32]).unwrap(), made);
    assert_eq!(made, MasterKey::new([9; 32]));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(MasterKey::read(&path), Err(MasterKeyError::Open { .. })));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "hello").unwrap();
    assert!(matches!(MasterKey::read_or_create(&path, || [1; 32]), Err(MasterKeyError::Content { .. })));
    assert!(!format!("{made:?}").contains(&"09".repeat(4)));
}
