-- Trees that were put aside because the log is not the one they are of: evidence, read by nobody but auditors.
CREATE TABLE superseded_heads (
    superseded_at bigint NOT NULL,  -- microseconds since 1970-01-01T00:00:00Z
    size          bigint NOT NULL,
    root          bytea NOT NULL,
    note          text NOT NULL,
    sealed_at     bigint NOT NULL,
    PRIMARY KEY (superseded_at, size)
);

CREATE TABLE superseded_tiles (
    superseded_at bigint NOT NULL,
    level         integer NOT NULL,
    number        bigint NOT NULL,
    hashes        bytea NOT NULL,
    PRIMARY KEY (superseded_at, level, number)
);
