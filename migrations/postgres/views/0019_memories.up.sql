-- What is remembered of customers.
CREATE TABLE memories (
    generation  bigint NOT NULL,
    id          uuid NOT NULL,
    client_id   uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    customer_id uuid NOT NULL,
    position    bigint NOT NULL,
    version     bigint NOT NULL,
    removed     boolean NOT NULL,
    kind        text NOT NULL,
    status      text NOT NULL,
    doc         text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX memories_by_customer ON memories (generation, client_id, customer_id, created_at, id) WHERE NOT removed;

ALTER TABLE memories ENABLE ROW LEVEL SECURITY;
ALTER TABLE memories FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON memories USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
