ALTER TABLE projection_generations DROP COLUMN event_id;
DROP TABLE views_log;

-- What is still to be done. Rows come and go with the checkpoint, in one transaction.
CREATE TABLE outbox (
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

CREATE INDEX outbox_by_due ON outbox (due);
CREATE INDEX outbox_by_call ON outbox (call_id, position);

CREATE TABLE timers (
    call_id        BLOB    NOT NULL,
    timer          TEXT    NOT NULL,
    client_id      BLOB    NOT NULL,
    due            INTEGER NOT NULL,
    event_id       BLOB    NOT NULL,
    correlation_id BLOB    NOT NULL,
    traceparent    TEXT,
    PRIMARY KEY (call_id, timer)
) STRICT, WITHOUT ROWID;

CREATE INDEX timers_by_due ON timers (due);

-- How far the log has been turned into work: one row.
CREATE TABLE work_checkpoint (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;

INSERT INTO work_checkpoint (only_row, position) VALUES (1, 0);

-- Endpoints as of the checkpoint below: what decides who gets an event.
CREATE TABLE webhook_targets (
    endpoint_id BLOB PRIMARY KEY,
    client_id   BLOB NOT NULL,
    doc         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is told, as the bytes that are sent.
CREATE TABLE public_events (
    position   INTEGER PRIMARY KEY,        -- of the fact it tells of
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    event_type TEXT    NOT NULL,
    subject_id BLOB    NOT NULL,
    agent_id   BLOB,
    created_at INTEGER NOT NULL,
    body       BLOB    NOT NULL
) STRICT;

CREATE INDEX public_events_by_id ON public_events (id);
CREATE INDEX public_events_by_client ON public_events (client_id, position);

-- A row a public event and endpoint that wants it.
CREATE TABLE webhook_deliveries (
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

CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, due, position) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (endpoint_id, subject_id, position)
    WHERE ordered AND status = 'pending';
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (endpoint_id, created_at, id);
CREATE INDEX webhook_deliveries_by_position ON webhook_deliveries (position);

CREATE TABLE webhook_attempts (
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

CREATE INDEX webhook_attempts_by_delivery ON webhook_attempts (delivery_id, number);
CREATE INDEX webhook_attempts_by_time ON webhook_attempts (endpoint_id, created_at, id);

-- How far the log has been turned into deliveries: one row.
CREATE TABLE webhook_checkpoint (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;

INSERT INTO webhook_checkpoint (only_row, position) VALUES (1, 0);
