-- What was answered to a POST with an Idempotency-Key. Times are microseconds since 1970, UTC.
CREATE TABLE idempotency_keys (
    client_id    blob NOT NULL,
    key_hash     blob NOT NULL,        -- SHA-256 of the key; its text is not kept
    request_hash blob NOT NULL,
    seed         blob NOT NULL,        -- what the ids of the request's work derive from
    locked_until integer NOT NULL,     -- whose reservation it is; 0: given back
    sealed_under blob,                 -- the data key of the answer; null: not answered
    answer       blob,                 -- status, headers and body, sealed
    created_at   integer NOT NULL,
    expires_at   integer NOT NULL,
    PRIMARY KEY (client_id, key_hash),
    CHECK ((sealed_under IS NULL) = (answer IS NULL))
) STRICT;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
