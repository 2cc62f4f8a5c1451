//! Rates that nodes share in PostgreSQL.

use adapters::database::Database;
use adapters::keys::{BucketKind, BucketName, BucketShare, KeysDb, SharedBucket, SharedBuckets};
use adapters::testing::postgres::Cluster;
use futures::future::join_all;
use sqlx::ConnectOptions as _;
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;
/// Longer than any statement here takes.
const SLACK: i64 = 30 * SECOND;

fn name(n: u128) -> BucketName {
    BucketName { kind: BucketKind::Key, id: Uuid::from_u128(n) }
}

/// So many requests of a minute each, the first of them just now, on a node that knew of nothing before.
fn share(n: u128, requests: i64) -> BucketShare {
    let taken = requests * 60 * SECOND;
    BucketShare { name: name(n), lead: taken, taken, age: 0 }
}

fn lead(buckets: &[SharedBucket], n: u128) -> Option<i64> {
    buckets.iter().find(|bucket| bucket.name == name(n)).map(|bucket| bucket.lead)
}

fn about(lead: Option<i64>, minutes: i64) -> bool {
    lead.is_some_and(|lead| (minutes * 60 * SECOND - SLACK..=minutes * 60 * SECOND).contains(&lead))
}

async fn nodes(cluster: &Cluster, count: usize) -> Vec<(KeysDb, SharedBuckets)> {
    nodes_of(&Database::Postgres(cluster.database().await), count).await
}

async fn nodes_of(database: &Database, count: usize) -> Vec<(KeysDb, SharedBuckets)> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        let db = KeysDb::open(database).await.unwrap();
        let shared = db.shared_buckets().unwrap();
        nodes.push((db, shared));
    }
    nodes
}

#[tokio::test]
async fn what_nodes_admitted_at_the_same_time_adds_up() {
    let cluster = Cluster::start();
    let url = cluster.database().await;
    let mut server = url.options().unwrap().connect().await.unwrap();
    let nodes = nodes_of(&Database::Postgres(url), 3).await;
    let shares = [share(1, 2), share(2, 5)];
    join_all(nodes.iter().map(|(_, shared)| shared.exchange(&shares, 0))).await;
    let told = nodes[0].1.exchange(&[], 0).await.unwrap();
    assert!(about(lead(&told.buckets, 1), 6) && about(lead(&told.buckets, 2), 15), "{told:?}");
    // told once, it is told again only for a moment: what nobody changes is no news
    assert_eq!(nodes[1].1.exchange(&[], told.seen).await.unwrap().buckets.len(), 2);
    sqlx::query("UPDATE limit_buckets SET changed_at = changed_at - 4000000")
        .execute(&mut server)
        .await
        .unwrap();
    assert_eq!(nodes[1].1.exchange(&[], told.seen).await.unwrap().buckets, []);
    for (db, _) in nodes {
        db.close().await;
    }
}

#[tokio::test]
async fn a_node_that_knows_of_more_is_believed_and_what_is_given_back_is_taken_off() {
    let cluster = Cluster::start();
    let nodes = nodes(&cluster, 1).await;
    let shared = &nodes[0].1;
    shared.exchange(&[share(1, 2)], 0).await.unwrap();
    // it had heard of ten minutes elsewhere, before the server lost them
    let heard = BucketShare { lead: 10 * 60 * SECOND, ..share(1, 1) };
    let told = shared.exchange(&[heard], 0).await.unwrap();
    assert!(about(lead(&told.buckets, 1), 10), "{told:?}");
    let given_back = BucketShare { lead: 0, taken: -60 * SECOND, ..share(1, 0) };
    let told = shared.exchange(&[given_back], 0).await.unwrap();
    assert!(about(lead(&told.buckets, 1), 9), "{told:?}");
    nodes[0].0.close().await;
}

#[tokio::test]
async fn what_is_paid_for_is_cleared_away_and_an_embedded_store_shares_nothing() {
    let cluster = Cluster::start();
    let nodes = nodes(&cluster, 1).await;
    let shared = &nodes[0].1;
    let paid = BucketShare { lead: -60 * SECOND, taken: SECOND, age: 120 * SECOND, name: name(1) };
    shared.exchange(&[paid, share(2, 1)], 0).await.unwrap();
    let told = shared.exchange(&[], 0).await.unwrap();
    assert_eq!((lead(&told.buckets, 1), told.buckets.len()), (None, 1));
    nodes[0].0.close().await;

    let folder = tempfile::tempdir().unwrap();
    let db = KeysDb::open(&Database::Sqlite(folder.path().join("keys.db"))).await.unwrap();
    assert!(db.shared_buckets().is_none());
    db.close().await;
}

#[tokio::test]
async fn without_the_server_an_exchange_says_so() {
    let cluster = Cluster::start();
    let nodes = nodes(&cluster, 1).await;
    cluster.stop();
    assert!(nodes[0].1.exchange(&[share(1, 1)], 0).await.is_err());
    nodes[0].0.close().await;
}
