-- States of long streams, so that they need not be read from their beginning. A cache: rows may be deleted at any time.
CREATE TABLE work_snapshots (
    client_id uuid NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    rules     text COLLATE "C" NOT NULL,   -- the build whose rules made it; others read it not
    version   bigint NOT NULL,
    event_id  uuid NOT NULL,               -- the event at that version
    state     bytea NOT NULL,              -- sealed under the keys of everybody whose data is in the stream
    saved_at  timestamptz NOT NULL,
    PRIMARY KEY (client_id, stream)
);

CREATE INDEX work_snapshots_by_age ON work_snapshots (saved_at);

ALTER TABLE work_snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE work_snapshots FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON work_snapshots USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
