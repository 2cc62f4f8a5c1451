-- Menus, and sessions in them.
CREATE TABLE ivr_menus (
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

CREATE INDEX ivr_menus_by_time ON ivr_menus (generation, client_id, created_at, id);

CREATE TABLE ivr_sessions (
    generation  bigint NOT NULL,
    id          uuid NOT NULL,
    client_id   uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    menu_id     uuid NOT NULL,           -- the first one
    call_id     uuid,
    external_id text COLLATE "C",        -- the client's own name of it
    position    bigint NOT NULL,
    version     bigint NOT NULL,
    status      text COLLATE "C" NOT NULL,
    ended_at    timestamptz,
    doc         text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX ivr_sessions_by_time ON ivr_sessions (generation, client_id, created_at, id);
CREATE INDEX ivr_sessions_by_status ON ivr_sessions (generation, client_id, status, created_at, id);
CREATE INDEX ivr_sessions_by_call ON ivr_sessions (generation, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX ivr_sessions_by_name ON ivr_sessions (generation, client_id, external_id) WHERE external_id IS NOT NULL;

ALTER TABLE ivr_menus ENABLE ROW LEVEL SECURITY;
ALTER TABLE ivr_menus FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON ivr_menus USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE ivr_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE ivr_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON ivr_sessions USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
