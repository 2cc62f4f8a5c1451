//! Lists every table where personal data may be kept, and how an erasure reaches it.
//!
//! Files in the object store are no rows: an erasure finds them by the events that name them, and removes them.
//!
//! Whoever adds a table adds it here: a test walks the migrations of all stores and accepts no other tables.

/// How an erasure reaches the personal data in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The table holds no personal data: ids, positions, hashes, settings.
    Nothing,
    /// Encrypted under the persons' keys, which the erasure destroys.
    Keys,
    /// The erasure itself deletes or empties it.
    Forgotten,
    /// Rebuilt from the log, where the personal data can no longer be read.
    MadeAnew,
    /// Holds work that is still to be done; doing it empties the table.
    Passing,
}

/// Every table of every store, sorted by name.
pub const COPIES: &[(&str, Reach)] = &[
    ("agents", Reach::MadeAnew),
    ("api_keys", Reach::MadeAnew),
    ("audit_log", Reach::MadeAnew),
    // ids of the carrier and amounts
    ("billing_matches", Reach::Nothing),
    ("calls", Reach::MadeAnew),
    ("clients", Reach::MadeAnew),
    ("content_keys", Reach::Nothing),
    ("conversations", Reach::MadeAnew),
    ("credit_accounts", Reach::Nothing),
    ("credit_transactions", Reach::Nothing),
    ("customer_keys", Reach::MadeAnew),
    ("customers", Reach::MadeAnew),
    ("data_keys", Reach::Nothing),
    ("events", Reach::Keys),
    ("idempotency_keys", Reach::Forgotten),
    ("index_entries", Reach::Forgotten),
    ("index_progress", Reach::Nothing),
    ("index_spaces", Reach::Nothing),
    ("index_vectors", Reach::Forgotten),
    ("ivr_menus", Reach::MadeAnew),
    ("ivr_sessions", Reach::MadeAnew),
    // names that the client gave, and of documents what the log can still read
    ("kb", Reach::MadeAnew),
    ("kb_documents", Reach::MadeAnew),
    ("kept_head", Reach::Nothing),
    ("key_nodes", Reach::Nothing),
    ("keys_log", Reach::Nothing),
    ("leases", Reach::Nothing),
    ("limit_buckets", Reach::Nothing),
    ("memories", Reach::MadeAnew),
    ("messages", Reach::MadeAnew),
    ("numbers", Reach::MadeAnew),
    ("privacy_exports", Reach::Forgotten),
    ("privacy_jobs", Reach::Nothing),
    ("projection_generations", Reach::Nothing),
    ("projection_skips", Reach::Nothing),
    ("projections", Reach::Nothing),
    ("seal_heads", Reach::Nothing),
    ("seal_tiles", Reach::Nothing),
    ("subject_keys", Reach::Keys),
    ("superseded_heads", Reach::Nothing),
    ("superseded_tiles", Reach::Nothing),
    ("tallies", Reach::Nothing),
    ("tools", Reach::MadeAnew),
    ("transcript_lines", Reach::MadeAnew),
    ("users", Reach::MadeAnew),
    ("views_log", Reach::Nothing),
    ("webhook_endpoints", Reach::MadeAnew),
    ("work_attempts", Reach::MadeAnew),
    ("work_deliveries", Reach::Nothing),
    ("work_followers", Reach::Nothing),
    ("work_leases", Reach::Nothing),
    ("work_log", Reach::Nothing),
    ("work_outbox", Reach::Passing),
    ("work_public_events", Reach::MadeAnew),
    ("work_snapshots", Reach::Keys),
    ("work_targets", Reach::Nothing),
    ("work_timers", Reach::Nothing),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::COPIES;

    /// The tables that remain after the migrations in a folder and its subfolders.
    fn tables(folder: &Path) -> BTreeSet<String> {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut found = BTreeSet::new();
        for file in files {
            if file.is_dir() {
                found.extend(tables(&file));
            } else if file.to_string_lossy().ends_with(".up.sql") {
                let text = std::fs::read_to_string(&file).unwrap();
                let words: Vec<&str> = text.split_whitespace().collect();
                for three in words.windows(3) {
                    let name = |word: &str| word.trim_end_matches([';', '(']).to_owned();
                    match three {
                        ["TABLE", table, "("] => drop(found.insert(name(table))),
                        ["DROP", "TABLE", table] => drop(found.remove(&name(table))),
                        ["RENAME", "TO", table] => drop(found.insert(name(table))),
                        ["ALTER", "TABLE", table]
                            if text.contains(&format!("ALTER TABLE {table} RENAME TO")) =>
                        {
                            found.remove(&name(table));
                        }
                        _ => {}
                    }
                }
            }
        }
        found
    }

    #[test]
    fn every_table_of_every_store_says_how_an_erasure_reaches_it() {
        let named: Vec<String> = COPIES.iter().map(|(table, _)| (*table).to_owned()).collect();
        assert!(named.is_sorted());
        for dialect in ["sqlite", "postgres"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(dialect);
            let there: Vec<String> =
                tables(&folder).into_iter().filter(|table| !PARTS.contains(&table.as_str())).collect();
            let known: Vec<&String> = named.iter().filter(|name| !PARTS.contains(&name.as_str())).collect();
            assert_eq!(there.iter().collect::<Vec<_>>(), known, "{dialect}");
        }
    }

    /// Tables that only one of the dialects has.
    const PARTS: &[&str] = &["log_head"];
}
