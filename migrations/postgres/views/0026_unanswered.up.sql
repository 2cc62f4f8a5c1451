-- Answers for which nothing was found in the knowledge bases, and the questions before them. The messages begin anew, and
-- the log brings them back.
SET LOCAL voxledger.client = 'system';
DELETE FROM messages;
ALTER TABLE messages ADD COLUMN created_at timestamptz NOT NULL DEFAULT 'epoch';
ALTER TABLE messages ADD COLUMN part text COLLATE "C" NOT NULL DEFAULT ''; -- question, unanswered, or empty
CREATE INDEX messages_unanswered ON messages (generation, client_id, created_at, id) WHERE part = 'unanswered';
DELETE FROM projection_generations WHERE projection = 'messages';
DELETE FROM projections WHERE name = 'messages';
