DROP TABLE users;
DROP TABLE api_keys;
DELETE FROM projection_generations WHERE projection IN ('api_keys', 'users');
DELETE FROM projections WHERE name IN ('api_keys', 'users');

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

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON api_keys USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
