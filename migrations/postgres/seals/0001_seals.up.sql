-- The Merkle tree over the log, and its signed heads. Both follow from the log and the node's key: what is lost here
-- is made again, with the same roots.

-- Level 0 holds hashes of events, level n those of complete subtrees with 256^n events; 32 bytes a hash, at most 256.
CREATE TABLE seal_tiles (
    level  integer NOT NULL CHECK (level >= 0),
    number bigint  NOT NULL CHECK (number >= 0),
    hashes bytea   NOT NULL CHECK (length(hashes) % 32 = 0 AND length(hashes) BETWEEN 32 AND 8192),
    PRIMARY KEY (level, number)
);
-- hashes do not compress
ALTER TABLE seal_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE seal_heads (
    size      bigint PRIMARY KEY CHECK (size > 0),    -- events covered
    root      bytea  NOT NULL,
    note      text   NOT NULL,                        -- the signed checkpoint (C2SP signed note)
    sealed_at bigint NOT NULL                         -- microseconds since 1970-01-01T00:00:00Z
);

CREATE FUNCTION refuse_to_change_a_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a signed head is never changed';
END
$$;

CREATE TRIGGER heads_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON seal_heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_a_head();
