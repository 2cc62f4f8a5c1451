-- What can neither be rebuilt from the log nor should be kept for ever. Times are microseconds since 1970, UTC.

-- Keys that encrypt, each wrapped by a master key. Destroying one makes everything under it unreadable, so this
-- table wants backups of its own that do not live long.
CREATE TABLE data_keys (
    id         blob PRIMARY KEY,
    owner      blob NOT NULL,          -- the client; nil: the node itself
    label      text NOT NULL,
    master_id  text NOT NULL,
    wrapped    blob NOT NULL,
    created_at integer NOT NULL,
    UNIQUE (owner, label)
) STRICT;
