-- Rate limits that nodes share. Worth nothing after an hour; not logged, so a crash of the server empties it.
CREATE UNLOGGED TABLE limit_buckets (
    kind       smallint NOT NULL,  -- 1 key, 2 client, 3 address of a login, 4 e-mail address of a login
    id         uuid NOT NULL,      -- of the key or client; else the beginning of a hash
    tat        bigint NOT NULL,    -- when all that was admitted is paid for: nanoseconds since 1970, by this server
    since      bigint NOT NULL,    -- what a node told last: from when on,
    taken      bigint NOT NULL,    -- and how much, in nanoseconds
    changed_at bigint NOT NULL,    -- microseconds since 1970, by this server
    PRIMARY KEY (kind, id)
);

CREATE INDEX limit_buckets_by_change ON limit_buckets (changed_at);
CREATE INDEX limit_buckets_by_tat ON limit_buckets (tat);
