CREATE TABLE subject_keys_by_rowid (
    id           blob PRIMARY KEY,
    client_id    blob NOT NULL,
    subject      blob NOT NULL,
    master_id    text NOT NULL,
    wrapped      blob,
    created_at   integer NOT NULL,
    destroyed_at integer,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
) STRICT;

INSERT INTO subject_keys_by_rowid SELECT id, client_id, subject, master_id, wrapped, created_at, destroyed_at FROM subject_keys;
DROP TABLE subject_keys;
ALTER TABLE subject_keys_by_rowid RENAME TO subject_keys;

CREATE UNIQUE INDEX subject_keys_alive ON subject_keys (client_id, subject) WHERE wrapped IS NOT NULL;
CREATE INDEX subject_keys_by_subject ON subject_keys (client_id, subject);
