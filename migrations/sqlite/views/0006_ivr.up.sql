-- Menus, and sessions in them.
CREATE TABLE ivr_menus (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX ivr_menus_by_time ON ivr_menus (generation, client_id, created_at, id);

CREATE TABLE ivr_sessions (
    generation  INTEGER NOT NULL,
    id          BLOB NOT NULL,
    client_id   BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    menu_id     BLOB NOT NULL,           -- the first one
    call_id     BLOB,
    external_id TEXT,        -- the client's own name of it
    position    INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    status      TEXT NOT NULL,
    ended_at    INTEGER,
    doc         TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX ivr_sessions_by_time ON ivr_sessions (generation, client_id, created_at, id);
CREATE INDEX ivr_sessions_by_status ON ivr_sessions (generation, client_id, status, created_at, id);
CREATE INDEX ivr_sessions_by_call ON ivr_sessions (generation, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX ivr_sessions_by_name ON ivr_sessions (generation, client_id, external_id) WHERE external_id IS NOT NULL;
