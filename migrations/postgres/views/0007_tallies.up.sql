-- What views count beside their rows, by hour and by day.
CREATE TABLE tallies (
    generation bigint NOT NULL,              -- of the view
    view       text COLLATE "C" NOT NULL,    -- who counts
    client_id  uuid NOT NULL,
    span       text COLLATE "C" NOT NULL,    -- hour or day
    bucket     timestamptz NOT NULL,         -- when it begins
    subject    uuid NOT NULL,                -- an agent, a menu, an endpoint; zeros for none
    position   bigint NOT NULL,
    doc        text NOT NULL,
    PRIMARY KEY (generation, view, client_id, span, bucket, subject)
);

ALTER TABLE tallies ENABLE ROW LEVEL SECURITY;
ALTER TABLE tallies FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON tallies USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
