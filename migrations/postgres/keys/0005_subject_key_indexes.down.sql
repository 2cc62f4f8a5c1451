DROP INDEX subject_keys_destroyed;
CREATE INDEX subject_keys_by_subject ON subject_keys (client_id, subject);
