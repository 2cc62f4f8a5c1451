-- The newest sealed head of the log, apart from the log and its tree: who can write those can neither forge it nor,
-- without a trace, remove it. Never set back.
CREATE TABLE kept_head (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    log      uuid NOT NULL,       -- the id of its first event; nil while size is 0
    size     bigint NOT NULL CHECK (size >= 0),
    root     bytea NOT NULL,
    code     bytea NOT NULL,      -- HMAC-SHA256 under the data key of the purpose `kept head`
    kept_at  bigint NOT NULL      -- microseconds since 1970-01-01T00:00:00Z
);
