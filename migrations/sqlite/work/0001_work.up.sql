-- Work: the outbox of effects, the timers, deliveries of webhooks, and who owns these jobs. All of it follows from the
-- log and stands in a database of its own beside it: views may fail without it. UUIDs are 16 bytes, times are
-- microseconds since 1970-01-01T00:00:00Z.

-- The log all of it follows from: one row, once the log has an event.
CREATE TABLE work_log (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    log_id   BLOB    NOT NULL
) STRICT;

-- How far the log has been turned into work: `outbox` (effects and timers) and `deliveries`.
CREATE TABLE work_followers (
    name     TEXT    PRIMARY KEY,
    position INTEGER NOT NULL,
    event_id BLOB                          -- the event at this position; null: none yet
) STRICT, WITHOUT ROWID;

INSERT INTO work_followers (name, position) VALUES ('outbox', 0), ('deliveries', 0);

CREATE TABLE work_leases (
    job        TEXT    PRIMARY KEY,
    owner      TEXT    NOT NULL,           -- empty: given up
    epoch      INTEGER NOT NULL,
    expires_at INTEGER                     -- null: one process only, nothing to expire
) STRICT;

-- What is still to be done. Rows come and go with the checkpoint, in one transaction.
CREATE TABLE work_outbox (
    effect_id      BLOB    PRIMARY KEY,
    call_id        BLOB    NOT NULL,
    client_id      BLOB    NOT NULL,
    work           TEXT    NOT NULL,
    ordered        INTEGER NOT NULL,       -- waits for earlier ordered effects of the same call
    due            INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    event_id       BLOB    NOT NULL,
    correlation_id BLOB    NOT NULL,
    traceparent    TEXT,
    last_error     TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX work_outbox_by_due ON work_outbox (due);
CREATE INDEX work_outbox_by_call ON work_outbox (call_id, position);

CREATE TABLE work_timers (
    call_id        BLOB    NOT NULL,
    timer          TEXT    NOT NULL,
    client_id      BLOB    NOT NULL,
    due            INTEGER NOT NULL,
    event_id       BLOB    NOT NULL,
    correlation_id BLOB    NOT NULL,
    traceparent    TEXT,
    PRIMARY KEY (call_id, timer)
) STRICT, WITHOUT ROWID;

CREATE INDEX work_timers_by_due ON work_timers (due);

-- Endpoints as of the follower `deliveries`: what decides who gets an event.
CREATE TABLE work_targets (
    endpoint_id BLOB PRIMARY KEY,
    client_id   BLOB NOT NULL,
    doc         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is told, as the bytes that are sent.
CREATE TABLE work_public_events (
    position   INTEGER PRIMARY KEY,        -- of the fact it tells of
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    event_type TEXT    NOT NULL,
    subject_id BLOB    NOT NULL,
    agent_id   BLOB,
    created_at INTEGER NOT NULL,
    body       BLOB    NOT NULL
) STRICT;

CREATE INDEX work_public_events_by_id ON work_public_events (id);
CREATE INDEX work_public_events_by_client ON work_public_events (client_id, position);

-- A row a public event and endpoint that wants it.
CREATE TABLE work_deliveries (
    id          BLOB    PRIMARY KEY,
    client_id   BLOB    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    event_id    BLOB    NOT NULL,
    event_type  TEXT    NOT NULL,
    position    INTEGER NOT NULL,          -- of the public event
    subject_id  BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    attempts    INTEGER NOT NULL,
    earlier     INTEGER NOT NULL,          -- attempts before it was last asked for
    due         INTEGER,                   -- null: over, or waits for an earlier one
    ordered     INTEGER NOT NULL,
    version     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX work_deliveries_pending ON work_deliveries (endpoint_id, due, position) WHERE status = 'pending';
CREATE INDEX work_deliveries_in_order ON work_deliveries (endpoint_id, subject_id, position)
    WHERE ordered AND status = 'pending';
CREATE INDEX work_deliveries_by_time ON work_deliveries (endpoint_id, created_at, id);
CREATE INDEX work_deliveries_by_position ON work_deliveries (position);

CREATE TABLE work_attempts (
    id          BLOB    PRIMARY KEY,       -- the event's
    client_id   BLOB    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    delivery_id BLOB    NOT NULL,
    number      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    event_type  TEXT    NOT NULL,
    succeeded   INTEGER NOT NULL,
    doc         TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX work_attempts_by_delivery ON work_attempts (delivery_id, number);
CREATE INDEX work_attempts_by_time ON work_attempts (endpoint_id, created_at, id);
