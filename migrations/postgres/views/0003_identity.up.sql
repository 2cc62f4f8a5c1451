-- Keys with their terms and use, and users. The view of keys begins anew: the log brings it back.
DROP TABLE api_keys;
DELETE FROM projection_generations WHERE projection = 'api_keys';
DELETE FROM projections WHERE name = 'api_keys';

CREATE TABLE api_keys (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    key_hash   bytea NOT NULL,           -- SHA-256 of the key
    removed    boolean NOT NULL,
    doc        text NOT NULL,
    fold       text NOT NULL,            -- replaced hashes, use by day and endpoint
    PRIMARY KEY (generation, id)
);

CREATE INDEX api_keys_by_time ON api_keys (generation, client_id, created_at, id);

CREATE TABLE users (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    removed    boolean NOT NULL,
    valid_from timestamptz NOT NULL,     -- tokens given out before are void
    doc        text NOT NULL,
    fold       text NOT NULL,            -- logins ended lately
    PRIMARY KEY (generation, id)
);

CREATE INDEX users_by_time ON users (generation, client_id, created_at, id);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON api_keys USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON users USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
