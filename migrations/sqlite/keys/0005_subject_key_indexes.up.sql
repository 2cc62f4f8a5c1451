-- A new key is written on the way of the first event of every person: into as few trees as can be. Ids grow with time.
CREATE TABLE subject_keys_by_id (
    id           blob PRIMARY KEY,
    client_id    blob NOT NULL,
    subject      blob NOT NULL,        -- keyed hash of a number, an address or an id
    master_id    text NOT NULL,
    wrapped      blob,                 -- null: destroyed
    created_at   integer NOT NULL,
    destroyed_at integer,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO subject_keys_by_id SELECT id, client_id, subject, master_id, wrapped, created_at, destroyed_at FROM subject_keys;
DROP TABLE subject_keys;
ALTER TABLE subject_keys_by_id RENAME TO subject_keys;

CREATE UNIQUE INDEX subject_keys_alive ON subject_keys (client_id, subject) WHERE wrapped IS NOT NULL;
CREATE INDEX subject_keys_destroyed ON subject_keys (client_id, subject) WHERE wrapped IS NULL;
