-- Work: the outbox of effects, the timers, deliveries of webhooks, and who owns these jobs. All of it follows from the
-- log and stands beside it, apart from the views: those may fail without it.

-- The log all of it follows from: one row, once the log has an event.
CREATE TABLE work_log (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    log_id   uuid NOT NULL
);

-- How far the log has been turned into work: `outbox` (effects and timers) and `deliveries`.
CREATE TABLE work_followers (
    name     text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL,
    event_id uuid                          -- the event at this position; null: none yet
);

INSERT INTO work_followers (name, position) VALUES ('outbox', 0), ('deliveries', 0);

CREATE TABLE work_leases (
    job        text COLLATE "C" PRIMARY KEY,
    owner      text COLLATE "C" NOT NULL,           -- empty: given up
    epoch      bigint NOT NULL,
    expires_at timestamptz -- null: one process only, nothing to expire
);

-- What is still to be done. Rows come and go with the checkpoint, in one transaction.
CREATE TABLE work_outbox (
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

CREATE INDEX work_outbox_by_due ON work_outbox (due);
CREATE INDEX work_outbox_by_call ON work_outbox (call_id, position);

CREATE TABLE work_timers (
    call_id        uuid NOT NULL,
    timer          text COLLATE "C" NOT NULL,
    client_id      uuid NOT NULL,
    due            timestamptz NOT NULL,
    event_id       uuid NOT NULL,
    correlation_id uuid NOT NULL,
    traceparent    text,
    PRIMARY KEY (call_id, timer)
);

CREATE INDEX work_timers_by_due ON work_timers (due);

-- Endpoints as of the follower `deliveries`: what decides who gets an event.
CREATE TABLE work_targets (
    endpoint_id uuid PRIMARY KEY,
    client_id   uuid NOT NULL,
    doc         text NOT NULL
);

-- What is told, as the bytes that are sent.
CREATE TABLE work_public_events (
    position    bigint PRIMARY KEY,        -- of the fact it tells of
    id          uuid NOT NULL,
    client_id   uuid NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    subject_id  uuid NOT NULL,
    agent_id    uuid,
    created_at  timestamptz NOT NULL,
    body        bytea NOT NULL
);

CREATE INDEX work_public_events_by_id ON work_public_events (id);
CREATE INDEX work_public_events_by_client ON work_public_events (client_id, position);

-- A row a public event and endpoint that wants it.
CREATE TABLE work_deliveries (
    id          uuid PRIMARY KEY,
    client_id   uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id    uuid NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    position    bigint NOT NULL,          -- of the public event
    subject_id  uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    status      text COLLATE "C" NOT NULL,
    attempts    bigint NOT NULL,
    earlier     bigint NOT NULL,          -- attempts before it was last asked for
    due         timestamptz,            -- null: over, or waits for an earlier one
    ordered     boolean NOT NULL,
    version     bigint NOT NULL
);

CREATE INDEX work_deliveries_pending ON work_deliveries (endpoint_id, due, position) WHERE status = 'pending';
CREATE INDEX work_deliveries_in_order ON work_deliveries (endpoint_id, subject_id, position)
    WHERE ordered AND status = 'pending';
CREATE INDEX work_deliveries_by_time ON work_deliveries (endpoint_id, created_at, id);
CREATE INDEX work_deliveries_by_position ON work_deliveries (position);

CREATE TABLE work_attempts (
    id          uuid PRIMARY KEY,       -- the event's
    client_id   uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number      bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    succeeded   boolean NOT NULL,
    doc         text NOT NULL
);

CREATE INDEX work_attempts_by_delivery ON work_attempts (delivery_id, number);
CREATE INDEX work_attempts_by_time ON work_attempts (endpoint_id, created_at, id);

-- Rows of one client are hidden from every other, as in the views.

ALTER TABLE work_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE work_outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON work_outbox USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE work_timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE work_timers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON work_timers USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE work_targets ENABLE ROW LEVEL SECURITY;
ALTER TABLE work_targets FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON work_targets USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE work_public_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE work_public_events FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON work_public_events USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE work_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE work_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON work_deliveries USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE work_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE work_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON work_attempts USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
