ALTER TABLE projection_generations DROP COLUMN event_id;
DROP TABLE views_log;

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

-- Endpoints as of the checkpoint below: what decides who gets an event.
CREATE TABLE webhook_targets (
    endpoint_id uuid PRIMARY KEY,
    client_id   uuid NOT NULL,
    doc         text NOT NULL
);

-- What is told, as the bytes that are sent.
CREATE TABLE public_events (
    position    bigint PRIMARY KEY,        -- of the fact it tells of
    id          uuid NOT NULL,
    client_id   uuid NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    subject_id  uuid NOT NULL,
    agent_id    uuid,
    created_at  timestamptz NOT NULL,
    body        bytea NOT NULL
);

CREATE INDEX public_events_by_id ON public_events (id);
CREATE INDEX public_events_by_client ON public_events (client_id, position);

-- A row a public event and endpoint that wants it.
CREATE TABLE webhook_deliveries (
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

CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, due, position) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (endpoint_id, subject_id, position)
    WHERE ordered AND status = 'pending';
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (endpoint_id, created_at, id);
CREATE INDEX webhook_deliveries_by_position ON webhook_deliveries (position);

CREATE TABLE webhook_attempts (
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

CREATE INDEX webhook_attempts_by_delivery ON webhook_attempts (delivery_id, number);
CREATE INDEX webhook_attempts_by_time ON webhook_attempts (endpoint_id, created_at, id);

-- How far the log has been turned into deliveries: one row.
CREATE TABLE webhook_checkpoint (
    only_row    integer PRIMARY KEY CHECK (only_row = 1),
    position    bigint NOT NULL
);

INSERT INTO webhook_checkpoint (only_row, position) VALUES (1, 0);

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON outbox USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE timers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON timers USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE webhook_targets ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_targets FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON webhook_targets USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE public_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public_events FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON public_events USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON webhook_deliveries USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE webhook_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON webhook_attempts USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
