-- Calls are found by their parties' whole numbers alone.
DROP INDEX calls_by_provider_id;
DROP INDEX calls_by_from_last;
DROP INDEX calls_by_to_last;
ALTER TABLE calls DROP COLUMN provider_id;
ALTER TABLE calls DROP COLUMN from_last;
ALTER TABLE calls DROP COLUMN to_last;
