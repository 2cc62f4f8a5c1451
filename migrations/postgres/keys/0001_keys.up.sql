-- What can neither be rebuilt from the log nor should be kept for ever. Times are microseconds since 1970, UTC.

-- Keys that encrypt, each wrapped by a master key. Destroying one makes everything under it unreadable, so this
-- table wants backups of its own that do not live long.
CREATE TABLE data_keys (
    id         uuid PRIMARY KEY,
    owner      uuid NOT NULL,          -- the client; nil: the node itself
    label      text COLLATE "C" NOT NULL,
    master_id  text COLLATE "C" NOT NULL,
    wrapped    bytea NOT NULL,
    created_at bigint NOT NULL,
    UNIQUE (owner, label)
);
