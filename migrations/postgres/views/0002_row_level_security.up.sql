-- Rows of one client are hidden from every other. A transaction says whose rows it may see and change:
--   SET LOCAL voxledger.client = '<the client's id>', or 'system' for the node's own work.
-- Without it there are no rows. FORCE holds the owner of the tables to it, too.
--
-- A new table with a column `client_id` gets the same three statements in the migration that creates it; a test
-- walks all tables and fails until it has. The sub-select is asked once a statement, not once a row. A migration
-- that touches rows of such a table begins with SET LOCAL voxledger.client = 'system', or it finds none.

ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON calls USING (
    (SELECT current_setting('voxledger.client', true)) = 'system'
    OR (SELECT current_setting('voxledger.client', true)) = client_id::text
);

ALTER TABLE transcript_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE transcript_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON transcript_lines USING (
    (SELECT current_setting('voxledger.client', true)) = 'system'
    OR (SELECT current_setting('voxledger.client', true)) = client_id::text
);

ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON numbers USING (
    (SELECT current_setting('voxledger.client', true)) = 'system'
    OR (SELECT current_setting('voxledger.client', true)) = client_id::text
);

ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE clients FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON clients USING (
    (SELECT current_setting('voxledger.client', true)) = 'system'
    OR (SELECT current_setting('voxledger.client', true)) = id::text
);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON api_keys USING (
    (SELECT current_setting('voxledger.client', true)) = 'system'
    OR (SELECT current_setting('voxledger.client', true)) = client_id::text
);

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON outbox USING (
    (SELECT current_setting('voxledger.client', true)) = 'system'
    OR (SELECT current_setting('voxledger.client', true)) = client_id::text
);

ALTER TABLE timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE timers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON timers USING (
    (SELECT current_setting('voxledger.client', true)) = 'system'
    OR (SELECT current_setting('voxledger.client', true)) = client_id::text
);
