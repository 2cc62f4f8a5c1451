-- What a match with the carrier's records found. Calls know the carrier's ids of their legs: their view begins anew, and the
-- log brings it back.
CREATE TABLE billing_matches (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,           -- when the call began
    state      TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    doc        TEXT    NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX billing_matches_by_time ON billing_matches (generation, client_id, created_at, id);
CREATE INDEX billing_matches_by_state ON billing_matches (generation, client_id, state, created_at, id);

DELETE FROM calls;
DELETE FROM tallies WHERE view = 'calls';
DELETE FROM projection_generations WHERE projection = 'calls';
DELETE FROM projections WHERE name = 'calls';
