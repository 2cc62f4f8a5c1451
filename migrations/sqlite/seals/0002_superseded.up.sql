-- Trees that were put aside because the log is not the one they are of: evidence, read by nobody but auditors.
CREATE TABLE superseded_heads (
    superseded_at INTEGER NOT NULL,  -- microseconds since 1970-01-01T00:00:00Z
    size          INTEGER NOT NULL,
    root          BLOB NOT NULL,
    note          TEXT NOT NULL,
    sealed_at     INTEGER NOT NULL,
    PRIMARY KEY (superseded_at, size)
) STRICT, WITHOUT ROWID;

CREATE TABLE superseded_tiles (
    superseded_at INTEGER NOT NULL,
    level         INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    hashes        BLOB NOT NULL,
    PRIMARY KEY (superseded_at, level, number)
) STRICT, WITHOUT ROWID;
