-- Calls are found by the last digits of either party, and by the carrier's id of their leg. The view of calls begins anew:
-- the log brings it back.
DELETE FROM calls;
DELETE FROM tallies WHERE view = 'calls';
DELETE FROM projection_generations WHERE projection = 'calls';
DELETE FROM projections WHERE name = 'calls';
ALTER TABLE calls ADD COLUMN provider_id TEXT;
ALTER TABLE calls ADD COLUMN from_last TEXT;
ALTER TABLE calls ADD COLUMN to_last TEXT;
CREATE INDEX calls_by_provider_id ON calls (generation, client_id, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX calls_by_from_last ON calls (generation, client_id, from_last) WHERE from_last IS NOT NULL;
CREATE INDEX calls_by_to_last ON calls (generation, client_id, to_last) WHERE to_last IS NOT NULL;
