-- Conversations are found by the client's own name of the person. The view of conversations begins anew: the log brings it
-- back.
SET LOCAL voxledger.client = 'system';
DELETE FROM conversations;
DELETE FROM tallies WHERE view = 'conversations';
DELETE FROM projection_generations WHERE projection = 'conversations';
DELETE FROM projections WHERE name = 'conversations';
ALTER TABLE conversations ADD COLUMN user_name text COLLATE "C"; -- a keyed hash
CREATE INDEX conversations_by_user ON conversations (generation, client_id, user_name, created_at, id)
    WHERE user_name IS NOT NULL;
