-- Business actions, a row an audited event. Rows are never deleted: how far back they are shown is up to the query.
CREATE TABLE audit_log (
    generation    bigint NOT NULL,
    position      bigint NOT NULL,
    id            uuid NOT NULL,           -- the event's
    client_id     uuid NOT NULL,
    created_at    timestamptz NOT NULL,
    action        text NOT NULL,           -- API_KEY_CREATED
    actor_type    text NOT NULL,
    actor_id      text NOT NULL,           -- usr_…, key_…, or a name
    resource_type text NOT NULL,
    resource_id   text NOT NULL,           -- num_…
    doc           text NOT NULL,
    PRIMARY KEY (generation, position)
);

CREATE INDEX audit_log_by_time ON audit_log (generation, client_id, created_at, id);
CREATE INDEX audit_log_by_action ON audit_log (generation, client_id, action, created_at, id);
CREATE INDEX audit_log_by_actor ON audit_log (generation, client_id, actor_id, created_at, id);
CREATE INDEX audit_log_by_resource ON audit_log (generation, client_id, resource_id, created_at, id);

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON audit_log USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
