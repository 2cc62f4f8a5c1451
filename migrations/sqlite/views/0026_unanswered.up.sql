-- Answers for which nothing was found in the knowledge bases, and the questions before them. The messages begin anew, and
-- the log brings them back.
DELETE FROM messages;
ALTER TABLE messages ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN part TEXT NOT NULL DEFAULT ''; -- question, unanswered, or empty
CREATE INDEX messages_unanswered ON messages (generation, client_id, created_at, id) WHERE part = 'unanswered';
DELETE FROM projection_generations WHERE projection = 'messages';
DELETE FROM projections WHERE name = 'messages';
