//! PostgreSQL keeps clients apart by itself, whatever a query forgets to say. Tested by plain SQL as the node's own
//! role, on every table that has rows of clients: one that is added later is tested, too.

use std::sync::atomic::{AtomicI64, Ordering};

use adapters::database::{
    Database, Part, SecretUrl, migrate_down, migrate_up, migration_status, role_exempt_from_row_security,
};
use adapters::outbox::SqlOutbox;
use adapters::read_models::{PostgresSettings, SqlViews};
use adapters::testing::call_lives::client;
use adapters::testing::postgres::Cluster;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

const REFUSED: &str = "violates row-level security policy";

/// A table with rows of clients, as the catalogue has it.
#[derive(Debug)]
struct Owned {
    table: String,
    /// The column that says whose a row is.
    owner: String,
    enabled: bool,
    forced: bool,
    policies: i64,
}

async fn connect(url: &SecretUrl) -> PgConnection {
    url.options().unwrap().disable_statement_logging().connect().await.unwrap()
}

async fn owned_tables(tool: &mut PgConnection) -> Vec<Owned> {
    let ask = "SELECT c.relname::text AS table, a.attname::text AS owner, c.relrowsecurity AS enabled, \
               c.relforcerowsecurity AS forced, \
               (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies \
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped \
               WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace \
               AND (a.attname = 'client_id' OR (c.relname = 'clients' AND a.attname = 'id')) ORDER BY 1";
    let found: Vec<(String, String, bool, bool, i64)> = sqlx::query_as(ask).fetch_all(tool).await.unwrap();
    assert!(found.len() >= 7, "{found:?}");
    let owned = |(table, owner, enabled, forced, policies)| Owned { table, owner, enabled, forced, policies };
    found.into_iter().map(owned).collect()
}

/// The views of a fresh database, opened as the node does.
async fn fresh() -> (SecretUrl, PgConnection) {
    let url = Cluster::shared().database().await;
    SqlViews::open_postgres(&url, PostgresSettings::default()).await.unwrap();
    SqlOutbox::open(&Database::Postgres(url.clone())).await.unwrap();
    let tool = connect(&url).await;
    (url, tool)
}

/// What one statement did in a transaction of its own: how many rows it gave or changed, or why it was refused.
/// Nothing of it stays.
async fn attempt(tool: &mut PgConnection, who: Option<&str>, sql: &str) -> Result<u64, String> {
    tool.execute("BEGIN").await.unwrap();
    if let Some(who) = who {
        let set = sqlx::query("SELECT set_config('voxledger.client', $1, true)").bind(who);
        set.execute(&mut *tool).await.unwrap();
    }
    let done = tool.execute(AssertSqlSafe(sql.to_owned())).await;
    tool.execute("ROLLBACK").await.unwrap();
    done.map(|done| done.rows_affected()).map_err(|error| error.to_string())
}

/// A statement that adds a row of `owner`, with something in every column.
async fn insert(tool: &mut PgConnection, table: &Owned, owner: &str) -> String {
    let ask = "SELECT string_agg(format('%I', column_name), ', '), string_agg(CASE \
               WHEN column_name = $2 THEN quote_literal($3) || '::uuid' \
               WHEN column_name = 'position' THEN $4::text WHEN column_name = 'stream' THEN quote_literal($4::text) \
               WHEN data_type = 'uuid' THEN 'gen_random_uuid()' WHEN data_type = 'timestamp with time zone' THEN 'now()' \
               WHEN data_type = 'jsonb' THEN '''{}''' WHEN data_type = 'boolean' THEN 'false' \
               WHEN data_type IN ('bigint', 'integer') THEN '1' ELSE '''1''' END, ', ') \
               FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1";
    let ask = sqlx::query_as(ask).bind(&table.table).bind(&table.owner).bind(owner);
    // a position or a stream may be what a row is found by
    static ROWS: AtomicI64 = AtomicI64::new(1);
    let ask = ask.bind(ROWS.fetch_add(1, Ordering::Relaxed));
    let (columns, values): (String, String) = ask.fetch_one(tool).await.unwrap();
    format!("INSERT INTO {} ({columns}) VALUES ({values})", table.table)
}

#[tokio::test]
async fn every_table_with_rows_of_clients_is_under_a_policy() {
    let (url, mut tool) = fresh().await;
    for table in owned_tables(&mut tool).await {
        assert!(table.enabled && table.forced && table.policies > 0, "{table:?} shows clients to each other");
    }
    let database = Database::Postgres(url);
    assert_eq!(role_exempt_from_row_security(&database).await.unwrap(), None);
    // and all steps after the first can be taken back and again
    let steps = migration_status(&database, Part::Views).await.unwrap().len() - 1;
    migrate_down(&database, Part::Views, steps).await.unwrap();
    let of_views = |it: &&Owned| !it.table.starts_with("work_");
    assert!(
        owned_tables(&mut tool)
            .await
            .iter()
            .filter(of_views)
            .all(|it| !it.enabled && !it.forced && it.policies == 0)
    );
    migrate_up(&database, Part::Views).await.unwrap();
    assert!(owned_tables(&mut tool).await.iter().all(|it| it.enabled && it.forced && it.policies == 1));
}

#[tokio::test]
async fn no_statement_of_one_client_reaches_a_row_of_another() {
    let (url, mut tool) = fresh().await;
    let (mine, theirs) = (client(1).0.to_string(), client(2).0.to_string());
    for table in owned_tables(&mut tool).await {
        let Owned { table: name, owner, .. } = &table;
        for whose in [&mine, &theirs] {
            let insert = insert(&mut tool, &table, whose).await;
            tool.execute("BEGIN; SET LOCAL voxledger.client = 'system'").await.unwrap();
            tool.execute(AssertSqlSafe(insert)).await.unwrap();
            tool.execute("COMMIT").await.unwrap();
        }
        let select = format!("SELECT * FROM {name}");
        let of_theirs = format!("SELECT * FROM {name} WHERE {owner} = '{theirs}'");
        let update = format!("UPDATE {name} SET {owner} = {owner}");
        let give_away = format!("UPDATE {name} SET {owner} = '{theirs}'");
        let delete = format!("DELETE FROM {name}");
        let add_mine = insert(&mut tool, &table, &mine).await;
        let add_theirs = insert(&mut tool, &table, &theirs).await;

        // everything, for the node; nothing, for somebody who says nothing, or nonsense
        assert_eq!(attempt(&mut tool, Some("system"), &select).await, Ok(2), "{name}");
        for nobody in
            [None, Some(""), Some("System"), Some("%"), Some("00000000-0000-0000-0000-000000000000")]
        {
            for sql in [&select, &update, &delete] {
                assert_eq!(attempt(&mut tool, nobody, sql).await, Ok(0), "{nobody:?}: {sql}");
            }
            let refused = attempt(&mut tool, nobody, &add_theirs).await.unwrap_err();
            assert!(refused.contains(REFUSED), "{nobody:?}: {refused}");
        }
        // one client: its own row and no other
        for sql in [&select, &update, &delete] {
            assert_eq!(attempt(&mut tool, Some(&mine), sql).await, Ok(1), "{sql}");
        }
        if name != "clients" {
            assert_eq!(attempt(&mut tool, Some(&mine), &add_mine).await, Ok(1), "{name}");
        }
        assert_eq!(attempt(&mut tool, Some(&mine), &of_theirs).await, Ok(0), "{name}");
        assert_eq!(attempt(&mut tool, Some(&theirs), &of_theirs).await, Ok(1), "{name}");
        for sql in [&give_away, &add_theirs] {
            let refused = attempt(&mut tool, Some(&mine), sql).await.unwrap_err();
            assert!(refused.contains(REFUSED), "{sql}: {refused}");
        }
        let mut superuser = connect(&Cluster::shared().as_superuser(&url)).await;
        assert_eq!(attempt(&mut superuser, None, &select).await, Ok(2), "{name}");
    }
}

#[tokio::test]
async fn the_nodes_role_cannot_step_out_of_the_policies() {
    let (url, mut tool) = fresh().await;
    let tables = owned_tables(&mut tool).await;
    let mine = client(1).0.to_string();
    for table in &tables {
        let insert = insert(&mut tool, table, &client(2).0.to_string()).await;
        tool.execute("BEGIN; SET LOCAL voxledger.client = 'system'").await.unwrap();
        tool.execute(AssertSqlSafe(insert)).await.unwrap();
        tool.execute("COMMIT").await.unwrap();
    }
    for way in [
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "SET session_replication_role = replica",
        "CREATE ROLE helper BYPASSRLS",
    ] {
        assert!(attempt(&mut tool, Some(&mine), way).await.is_err(), "{way}");
    }
    for Owned { table, .. } in &tables {
        // instead of showing more, the server refuses to show anything
        let off = format!("SET LOCAL row_security = off; SELECT * FROM {table}");
        let refused = attempt(&mut tool, Some(&mine), &off).await;
        assert!(
            refused.as_ref().is_err_and(|error| error.contains("row-level security")),
            "{table}: {refused:?}"
        );
        let copy = format!("COPY {table} TO STDOUT");
        let copied = copied(&mut tool, &mine, &copy).await;
        assert_eq!(copied, 0, "{table}");
        // code with the owner's rights has no more rights than the owner
        let sneak = format!(
            "CREATE FUNCTION sneak() RETURNS SETOF {table} LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM {table}'; \
             CREATE VIEW peek AS SELECT * FROM {table}; SELECT 1 FROM sneak() UNION ALL SELECT 1 FROM peek"
        );
        let seen = attempt(&mut tool, Some(&mine), &sneak).await;
        assert_eq!(seen, Ok(0), "{table}");
    }
    let superuser = Cluster::shared().as_superuser(&url);
    let exempt = role_exempt_from_row_security(&Database::Postgres(superuser)).await.unwrap();
    assert_eq!(exempt.as_deref(), Some("postgres"), "who may, is told apart");
}

/// How many bytes a `COPY` gives.
async fn copied(tool: &mut PgConnection, who: &str, copy: &str) -> usize {
    use futures::TryStreamExt as _;
    tool.execute("BEGIN").await.unwrap();
    let set = sqlx::query("SELECT set_config('voxledger.client', $1, true)").bind(who);
    set.execute(&mut *tool).await.unwrap();
    let out = tool.copy_out_raw(copy).await.unwrap();
    let bytes: Vec<_> = out.try_collect().await.unwrap();
    tool.execute("ROLLBACK").await.unwrap();
    bytes.iter().map(|part| part.len()).sum()
}
