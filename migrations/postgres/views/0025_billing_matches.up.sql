-- What a match with the carrier's records found. Calls know the carrier's ids of their legs: their view begins anew, and the
-- log brings it back.
SET LOCAL voxledger.client = 'system';
CREATE TABLE billing_matches (
    generation bigint NOT NULL,
    id         uuid    NOT NULL,
    client_id  uuid    NOT NULL,
    created_at timestamptz NOT NULL,           -- when the call began
    state      text COLLATE "C" NOT NULL,
    position   bigint NOT NULL,
    doc        text    NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX billing_matches_by_time ON billing_matches (generation, client_id, created_at, id);
CREATE INDEX billing_matches_by_state ON billing_matches (generation, client_id, state, created_at, id);

ALTER TABLE billing_matches ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_matches FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON billing_matches USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

DELETE FROM calls;
DELETE FROM tallies WHERE view = 'calls';
DELETE FROM projection_generations WHERE projection = 'calls';
DELETE FROM projections WHERE name = 'calls';
