DROP TABLE users;
DROP TABLE api_keys;
DELETE FROM projection_generations WHERE projection IN ('api_keys', 'users');
DELETE FROM projections WHERE name IN ('api_keys', 'users');

CREATE TABLE api_keys (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    key_hash   BLOB NOT NULL,           -- SHA-256 of the key
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX api_keys_by_time ON api_keys (generation, client_id, created_at, id);
CREATE INDEX api_keys_by_hash ON api_keys (generation, key_hash);
