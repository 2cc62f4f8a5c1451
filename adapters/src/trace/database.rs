//! Spans of database statements.

use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use super::context::is_exporting;

/// A span for a statement within a trace, with its operation and table. Disabled outside of a trace: the node's own
/// periodic statements belong to none. The span never holds the statement's text.
pub(crate) fn database(system: &'static str, namespace: &'static str, sql: &str) -> Span {
    if !is_exporting() || Span::current().is_none() {
        return Span::none();
    }
    let operation = sql.split_whitespace().next().unwrap_or_default();
    let table = table(sql);
    let name = match table {
        Some(table) => format!("{operation} {table}"),
        None => operation.to_owned(),
    };
    info_span!(
        "db.client",
        otel.kind = "client",
        otel.name = name,
        db.system.name = system,
        db.namespace = namespace,
        db.operation.name = operation,
        db.collection.name = table,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Runs the work within its span, and marks the span failed when the work fails.
pub(crate) async fn within<T, E>(span: Span, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let done = work.instrument(span.clone()).await;
    if done.is_err() {
        span.record("error.type", "unavailable");
        span.record("otel.status_code", "ERROR");
    }
    done
}

/// The table of a statement: the first name after FROM, INTO or UPDATE.
fn table(sql: &str) -> Option<&str> {
    let mut words = sql.split(|c: char| c.is_whitespace() || c == '(' || c == ')' || c == ',');
    while let Some(word) = words.next() {
        if matches!(word, "FROM" | "INTO" | "UPDATE") {
            let table = words.next().filter(|word| is_name(word));
            if table.is_some() {
                return table;
            }
        }
    }
    None
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_statement_is_about_the_first_table_it_names() {
        for (sql, expected) in [
            ("SELECT version, doc FROM calls WHERE id = $1", Some("calls")),
            ("SELECT (SELECT count(*) FROM work_outbox), 1", Some("work_outbox")),
            ("SELECT x FROM (SELECT y FROM inner_one) t", Some("inner_one")),
            ("INSERT INTO work_timers (call_id) VALUES ($1)", Some("work_timers")),
            ("UPDATE work_outbox SET due = $1", Some("work_outbox")),
            ("DELETE FROM work_outbox", Some("work_outbox")),
            ("SELECT 1", None),
        ] {
            assert_eq!(table(sql), expected, "{sql}");
        }
    }
}
