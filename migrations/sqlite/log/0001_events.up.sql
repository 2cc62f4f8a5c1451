-- The log. Positions and versions are 1, 2, 3 … without holes, assigned by the one writer.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY CHECK (position > 0),
    stream      TEXT    NOT NULL,             -- <category>-<uuid>
    version     INTEGER NOT NULL CHECK (version > 0),
    id          TEXT    NOT NULL UNIQUE,      -- UUIDv7, hyphenated
    type        TEXT    NOT NULL,             -- call.answered
    schema      INTEGER NOT NULL,
    client_id   TEXT    NOT NULL,             -- UUID, hyphenated
    payload     BLOB    NOT NULL,             -- MessagePack
    metadata    TEXT    NOT NULL,             -- JSON
    recorded_at INTEGER NOT NULL,             -- microseconds since 1970-01-01T00:00:00Z
    UNIQUE (stream, version)
) STRICT;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only');
END;
