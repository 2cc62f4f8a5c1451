-- Read models and work, all of it derived from the log. `doc` is the resource as the API shows it, kept as the
-- bytes that were written.

-- A row a view; `generation` is the set of its rows that queries read.
CREATE TABLE projections (
    name             text COLLATE "C" PRIMARY KEY,
    generation       bigint NOT NULL,
    stalled_position bigint,
    stalled_type     text COLLATE "C",
    stalled_reason   text
);

-- How far each set of rows has come. A rebuild fills a second one beside the first.
CREATE TABLE projection_generations (
    projection text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (projection, generation)
);

-- Events an operator told a view to pass over.
CREATE TABLE projection_skips (
    projection text COLLATE "C" NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (projection, position)
);

CREATE TABLE leases (
    job        text COLLATE "C" PRIMARY KEY,
    owner      text COLLATE "C" NOT NULL,           -- empty: given up
    epoch      bigint NOT NULL,
    expires_at timestamptz -- null: one process only, nothing to expire
);

CREATE TABLE calls (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    direction  text COLLATE "C" NOT NULL,
    from_party text COLLATE "C",
    to_party   text COLLATE "C",
    agent_id   uuid,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    status     text COLLATE "C" NOT NULL,
    end_reason text COLLATE "C",
    tags       jsonb NOT NULL,           -- the metadata, every value as text
    doc        text NOT NULL,
    recording  text NOT NULL,
    fold       text NOT NULL,           -- what the next event needs to know and nobody is shown
    PRIMARY KEY (generation, id)
);

CREATE INDEX calls_by_time ON calls (generation, client_id, created_at, id);
CREATE INDEX calls_by_status ON calls (generation, client_id, status, created_at, id);
CREATE INDEX calls_by_from ON calls (generation, client_id, from_party, created_at, id);
CREATE INDEX calls_by_to ON calls (generation, client_id, to_party, created_at, id);
CREATE INDEX calls_by_agent ON calls (generation, client_id, agent_id, created_at, id) WHERE agent_id IS NOT NULL;
CREATE INDEX calls_by_end ON calls (generation, client_id, end_reason, created_at, id) WHERE end_reason IS NOT NULL;

-- Only calls that have metadata; a query for it names the same condition.
CREATE INDEX calls_by_tags ON calls USING gin (tags jsonb_path_ops) WHERE tags <> '{}'::jsonb;

CREATE TABLE transcript_lines (
    generation bigint NOT NULL,
    call_id    uuid NOT NULL,
    seq        bigint NOT NULL,
    client_id  uuid NOT NULL,
    position   bigint NOT NULL,
    doc        text NOT NULL,
    PRIMARY KEY (generation, call_id, seq)
);

CREATE TABLE numbers (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    removed    boolean NOT NULL,
    doc        text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX numbers_by_time ON numbers (generation, client_id, created_at, id);

CREATE TABLE clients (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    doc        text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX clients_by_time ON clients (generation, created_at, id);

CREATE TABLE api_keys (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    key_hash   bytea NOT NULL,           -- SHA-256 of the key
    doc        text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX api_keys_by_time ON api_keys (generation, client_id, created_at, id);
CREATE INDEX api_keys_by_hash ON api_keys (generation, key_hash);

-- What is still to be done. Rows come and go with the checkpoint, in one transaction.
CREATE TABLE outbox (
    effect_id      uuid PRIMARY KEY,
    call_id        uuid NOT NULL,
    client_id      uuid NOT NULL,
    work           text COLLATE "C" NOT NULL,
    ordered        boolean NOT NULL,       -- waits for earlier ordered effects of the same call
    due            timestamptz NOT NULL,
    attempts       bigint NOT NULL,
    position       bigint NOT NULL,
    event_id       uuid NOT NULL,
    correlation_id uuid NOT NULL,
    traceparent    text,
    last_error     text
);

CREATE INDEX outbox_by_due ON outbox (due);
CREATE INDEX outbox_by_call ON outbox (call_id, position);

CREATE TABLE timers (
    call_id        uuid NOT NULL,
    timer          text COLLATE "C" NOT NULL,
    client_id      uuid NOT NULL,
    due            timestamptz NOT NULL,
    event_id       uuid NOT NULL,
    correlation_id uuid NOT NULL,
    traceparent    text,
    PRIMARY KEY (call_id, timer)
);

CREATE INDEX timers_by_due ON timers (due);

-- How far the log has been turned into work: one row.
CREATE TABLE work_checkpoint (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    position bigint NOT NULL
);

INSERT INTO work_checkpoint (only_row, position) VALUES (1, 0);
