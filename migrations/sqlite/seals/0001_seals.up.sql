-- The Merkle tree over the log, and its signed heads. Both follow from the log and the node's key: what is lost here
-- is made again, with the same roots.

-- Level 0 holds hashes of events, level n those of complete subtrees with 256^n events; 32 bytes a hash, at most 256.
CREATE TABLE seal_tiles (
    level  INTEGER NOT NULL CHECK (level >= 0),
    number INTEGER NOT NULL CHECK (number >= 0),
    hashes BLOB    NOT NULL CHECK (length(hashes) % 32 = 0 AND length(hashes) BETWEEN 32 AND 8192),
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE seal_heads (
    size      INTEGER PRIMARY KEY CHECK (size > 0),   -- events covered
    root      BLOB    NOT NULL,
    note      TEXT    NOT NULL,                       -- the signed checkpoint (C2SP signed note)
    sealed_at INTEGER NOT NULL                        -- microseconds since 1970-01-01T00:00:00Z
) STRICT;

CREATE TRIGGER heads_are_never_changed BEFORE UPDATE ON seal_heads
BEGIN
    SELECT RAISE(ABORT, 'a signed head is never changed');
END;

CREATE TRIGGER heads_are_never_deleted BEFORE DELETE ON seal_heads
BEGIN
    SELECT RAISE(ABORT, 'a signed head is never deleted');
END;
