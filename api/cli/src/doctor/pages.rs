//! Checks that the pages of every store can be read, and says what to do where they cannot.

use std::path::Path;
use std::time::Duration;

use adapters::database::{Database, Pages, ServerPages, check_postgres, check_sqlite, in_words};

use super::Finding;
use api_node::config::Config;
use api_node::{embedded_files, keys_database, log_database, views_database};

/// Time limit for each store unless `--deep` is given.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn examine(config: &Config, deep: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (store, path) in embedded_files(config) {
        if path.exists() {
            findings.push(embedded(store, &path, deep).await);
        }
    }
    let servers =
        [log_database(config).ok().flatten(), keys_database(config).ok(), views_database(config).ok()];
    let mut asked: Vec<Database> = Vec::new();
    for database in servers.into_iter().flatten() {
        if let Database::Postgres(url) = &database
            && !asked.contains(&database)
        {
            // another check reports a server that cannot be reached
            if let Ok(pages) = check_postgres(url).await {
                findings.push(server(&url.to_string(), pages));
            }
            asked.push(database);
        }
    }
    findings
}

async fn embedded(store: &'static str, path: &Path, deep: bool) -> Finding {
    let (what, shown) = (name_of(store), path.display());
    match check_sqlite(path, deep, (!deep).then_some(LIMIT)).await {
        Ok(Pages::Whole) => Finding::ok(what, format!("every page of {shown} can be read")),
        Ok(Pages::Damaged(faults)) => {
            Finding::fail(what, format!("{shown} is damaged: {}", faults.join("; ")), remedy(store, path))
        }
        Ok(Pages::Unfinished) => Finding::warn(
            what,
            format!("nothing is wrong with what could be read of {shown} in {} s", LIMIT.as_secs()),
            "`voxledger doctor --deep` reads everything",
        ),
        Err(error) => {
            Finding::fail(what, format!("{shown} cannot be checked: {}", in_words(&error)), "see the message")
        }
    }
}

fn name_of(store: &str) -> &'static str {
    match store {
        "log" => "pages of the log",
        "seals" => "pages of the seals",
        "keys" => "pages of the keys",
        "views" => "pages of the views",
        _ => "pages of the work",
    }
}

/// What to do about a damaged store.
fn remedy(store: &str, path: &Path) -> String {
    let shown = path.display();
    match store {
        "log" => "stop the node and restore the log with its keys: `voxledger restore --replace DIR`; nothing else \
                  brings events back"
            .to_owned(),
        "keys" => "stop the node and restore the keys with their log: `voxledger restore --replace DIR`; nothing else \
                   brings keys back"
            .to_owned(),
        _ => format!("stop the node, delete {shown}, {shown}-wal and {shown}-shm, and start it: the log makes them again"),
    }
}

fn server(shown: &str, pages: ServerPages) -> Finding {
    const WHAT: &str = "server's pages";
    match pages {
        ServerPages { failures: 1.., .. } => Finding::fail(
            WHAT,
            format!("{shown} has read {} damaged pages", pages.failures),
            "ask who runs the server: move to a replica, or restore (api/docs/backup.md)",
        ),
        ServerPages { checksums: false, .. } => Finding::warn(
            WHAT,
            format!("{shown} keeps no checksums: damage goes unnoticed"),
            "stop the server and run `pg_checksums --enable`",
        ),
        ServerPages { .. } => Finding::ok(WHAT, format!("{shown} keeps checksums, and none failed")),
    }
}

/// Checks which other users may read the node's files.
pub(super) fn others(config: &Config) -> Vec<Finding> {
    const WHAT: &str = "who may read";
    let folder = config.storage.data_dir.display();
    let open = api_node::OpenToOthers::of(config);
    let mut findings = Vec::new();
    if open.folder {
        findings.push(Finding::warn(
            WHAT,
            format!("others can use {folder}"),
            match open.folder_is_ours {
                true => format!("chmod 700 {folder}, which the next start does, too"),
                false => format!(
                    "it holds other things, too: give the node a folder of its own, or chmod 700 {folder}"
                ),
            },
        ));
    }
    for path in open.files {
        let file = path.display();
        let (found, advice) =
            (format!("others can read {file}"), format!("chmod 600 {file}, which the next start does, too"));
        findings.push(match open.folder {
            true => Finding::fail(WHAT, found, advice),
            // others cannot reach the files inside
            false => Finding::warn(WHAT, found, advice),
        });
    }
    if findings.is_empty() && config.storage.data_dir.is_dir() {
        findings.push(Finding::ok(WHAT, format!("{folder} and what is in it is its owner's alone")));
    }
    findings
}
