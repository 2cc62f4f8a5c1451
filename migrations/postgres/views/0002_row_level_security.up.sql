-- Rows of one client are hidden from every other. A transaction says whose rows it may see and change:
--   SET LOCAL voxledger.client = '<the client's id>', or 'system' for the node's own work.
-- Without it there are no rows. FORCE holds the owner of the tables to it, too.
--
-- A new table with a column `client_id` gets the same three statements in the migration that creates it; a test
-- walks all tables and fails until it has. A migration that touches rows of such a table begins with
-- SET LOCAL voxledger.client = 'system', or it finds none.
--
-- The sub-selects are asked once a statement, not once a row; CASE rather than OR, because the planner takes the
-- OR for a condition that hardly any row meets and chooses its plans accordingly.

ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON calls USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE transcript_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE transcript_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON transcript_lines USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON numbers USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE clients FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON clients USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON api_keys USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON outbox USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE timers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON timers USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

-- Under a policy only operators that are marked LEAKPROOF may search an index, and `@>` is not: nobody can use
-- this one any more. A search by metadata goes through the client's own calls, as in SQLite.
DROP INDEX calls_by_tags;
