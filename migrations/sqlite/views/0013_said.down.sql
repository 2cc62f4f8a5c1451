-- What was told late stands where it was told.
DROP INDEX transcript_lines_by_place;
ALTER TABLE transcript_lines DROP COLUMN said_at;
ALTER TABLE transcript_lines DROP COLUMN place;
DROP INDEX messages_by_place;
ALTER TABLE messages DROP COLUMN said_at;
ALTER TABLE messages DROP COLUMN place;
