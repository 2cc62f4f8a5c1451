-- A new key is written on the way of the first event of every person: into as few trees as can be.
DROP INDEX subject_keys_by_subject;
CREATE INDEX subject_keys_destroyed ON subject_keys (client_id, subject) WHERE wrapped IS NULL;
