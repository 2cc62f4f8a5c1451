-- Business actions, a row an audited event. Rows are never deleted: how far back they are shown is up to the query.
CREATE TABLE audit_log (
    generation    INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    id            BLOB NOT NULL,           -- the event's
    client_id     BLOB NOT NULL,
    created_at    INTEGER NOT NULL,
    action        TEXT NOT NULL,           -- API_KEY_CREATED
    actor_type    TEXT NOT NULL,
    actor_id      TEXT NOT NULL,           -- usr_…, key_…, or a name
    resource_type TEXT NOT NULL,
    resource_id   TEXT NOT NULL,           -- num_…
    doc           TEXT NOT NULL,
    PRIMARY KEY (generation, position)
) STRICT;

CREATE INDEX audit_log_by_time ON audit_log (generation, client_id, created_at, id);
CREATE INDEX audit_log_by_action ON audit_log (generation, client_id, action, created_at, id);
CREATE INDEX audit_log_by_actor ON audit_log (generation, client_id, actor_id, created_at, id);
CREATE INDEX audit_log_by_resource ON audit_log (generation, client_id, resource_id, created_at, id);
