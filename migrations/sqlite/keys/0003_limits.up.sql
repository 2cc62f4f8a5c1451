-- Rate limits that nodes share: an embedded store has one node, so the table stays empty. It is here so that both
-- databases have the same tables.
CREATE TABLE limit_buckets (
    kind       integer NOT NULL,
    id         blob NOT NULL,
    tat        integer NOT NULL,
    since      integer NOT NULL,
    taken      integer NOT NULL,
    changed_at integer NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;

CREATE INDEX limit_buckets_by_change ON limit_buckets (changed_at);
CREATE INDEX limit_buckets_by_tat ON limit_buckets (tat);
