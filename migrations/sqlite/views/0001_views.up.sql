-- Read models and work, all of it derived from the log. UUIDs are 16 bytes, times are microseconds since
-- 1970-01-01T00:00:00Z, `doc` is the resource as the API shows it.

-- A row a view; `generation` is the set of its rows that queries read.
CREATE TABLE projections (
    name             TEXT    PRIMARY KEY,
    generation       INTEGER NOT NULL,
    stalled_position INTEGER,
    stalled_type     TEXT,
    stalled_reason   TEXT
) STRICT;

-- How far each set of rows has come. A rebuild fills a second one beside the first.
CREATE TABLE projection_generations (
    projection TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    PRIMARY KEY (projection, generation)
) STRICT, WITHOUT ROWID;

-- Events an operator told a view to pass over.
CREATE TABLE projection_skips (
    projection TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    PRIMARY KEY (projection, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    job        TEXT    PRIMARY KEY,
    owner      TEXT    NOT NULL,           -- empty: given up
    epoch      INTEGER NOT NULL,
    expires_at INTEGER                     -- null: one process only, nothing to expire
) STRICT;

CREATE TABLE calls (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    direction  TEXT    NOT NULL,
    from_party TEXT,
    to_party   TEXT,
    agent_id   BLOB,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    end_reason TEXT,
    tags       TEXT    NOT NULL,           -- the metadata, every value as text
    doc        TEXT    NOT NULL,
    recording  TEXT    NOT NULL,
    fold       TEXT    NOT NULL,           -- what the next event needs to know and nobody is shown
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX calls_by_time ON calls (generation, client_id, created_at, id);
CREATE INDEX calls_by_status ON calls (generation, client_id, status, created_at, id);
CREATE INDEX calls_by_from ON calls (generation, client_id, from_party, created_at, id);
CREATE INDEX calls_by_to ON calls (generation, client_id, to_party, created_at, id);
CREATE INDEX calls_by_agent ON calls (generation, client_id, agent_id, created_at, id) WHERE agent_id IS NOT NULL;
CREATE INDEX calls_by_end ON calls (generation, client_id, end_reason, created_at, id) WHERE end_reason IS NOT NULL;

CREATE TABLE transcript_lines (
    generation INTEGER NOT NULL,
    call_id    BLOB    NOT NULL,
    seq        INTEGER NOT NULL,
    client_id  BLOB    NOT NULL,
    position   INTEGER NOT NULL,
    doc        TEXT    NOT NULL,
    PRIMARY KEY (generation, call_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE numbers (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    doc        TEXT    NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX numbers_by_time ON numbers (generation, client_id, created_at, id);

CREATE TABLE clients (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    doc        TEXT    NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX clients_by_time ON clients (generation, created_at, id);

CREATE TABLE api_keys (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    key_hash   BLOB    NOT NULL,           -- SHA-256 of the key
    doc        TEXT    NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX api_keys_by_time ON api_keys (generation, client_id, created_at, id);
CREATE INDEX api_keys_by_hash ON api_keys (generation, key_hash);

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
