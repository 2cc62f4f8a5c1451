-- Keys with their terms and use, and users. The view of keys begins anew: the log brings it back.
DROP TABLE api_keys;
DELETE FROM projection_generations WHERE projection = 'api_keys';
DELETE FROM projections WHERE name = 'api_keys';

CREATE TABLE api_keys (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    key_hash   BLOB NOT NULL,           -- SHA-256 of the key
    removed    INTEGER NOT NULL,
    doc        TEXT NOT NULL,
    fold       TEXT NOT NULL,            -- replaced hashes, use by day and endpoint
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX api_keys_by_time ON api_keys (generation, client_id, created_at, id);

CREATE TABLE users (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,     -- tokens given out before are void
    doc        TEXT NOT NULL,
    fold       TEXT NOT NULL,            -- logins ended lately
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX users_by_time ON users (generation, client_id, created_at, id);
