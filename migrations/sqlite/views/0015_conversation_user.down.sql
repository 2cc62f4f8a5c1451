-- Conversations are not found by persons.
DROP INDEX conversations_by_user;
ALTER TABLE conversations DROP COLUMN user_name;
