-- Nobody asks for unanswered questions.
DROP INDEX messages_unanswered;
ALTER TABLE messages DROP COLUMN part;
ALTER TABLE messages DROP COLUMN created_at;
