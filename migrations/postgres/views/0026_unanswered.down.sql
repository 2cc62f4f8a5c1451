-- Nobody asks for unanswered questions.
SET LOCAL voxledger.client = 'system';
DROP INDEX messages_unanswered;
ALTER TABLE messages DROP COLUMN part;
ALTER TABLE messages DROP COLUMN created_at;
