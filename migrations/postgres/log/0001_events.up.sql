-- The log. Positions and versions are 1, 2, 3 … without holes; see log_head.
CREATE TABLE events (
    position    bigint      PRIMARY KEY CHECK (position > 0),
    stream      text        COLLATE "C" NOT NULL,   -- <category>-<uuid>
    version     bigint      NOT NULL CHECK (version > 0),
    id          uuid        NOT NULL UNIQUE,        -- UUIDv7
    type        text        COLLATE "C" NOT NULL,   -- call.answered
    schema      integer     NOT NULL,
    client_id   uuid        NOT NULL,
    payload     bytea       NOT NULL,               -- MessagePack
    metadata    text        NOT NULL,               -- JSON, kept as the bytes that were written
    recorded_at timestamptz NOT NULL,
    UNIQUE (stream, version)
);

-- Position of the newest event. Every append bumps this one row in its own transaction, so appends commit one
-- after the other, in the order of their positions, and a failed append takes its positions back.
CREATE TABLE log_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    head     bigint  NOT NULL
) WITH (fillfactor = 10);

INSERT INTO log_head (head) VALUES (0);

CREATE FUNCTION refuse_to_change_the_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only';
END
$$;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_log();
