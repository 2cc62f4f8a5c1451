-- States of long streams, so that they need not be read from their beginning. A cache: rows may be deleted at any time.
CREATE TABLE work_snapshots (
    client_id BLOB    NOT NULL,
    stream    TEXT    NOT NULL,
    rules     TEXT    NOT NULL,            -- the build whose rules made it; others read it not
    version   INTEGER NOT NULL,
    event_id  BLOB    NOT NULL,            -- the event at that version
    state     BLOB    NOT NULL,            -- sealed under the keys of everybody whose data is in the stream
    saved_at  INTEGER NOT NULL,
    PRIMARY KEY (client_id, stream)
) STRICT, WITHOUT ROWID;

CREATE INDEX work_snapshots_by_age ON work_snapshots (saved_at);
