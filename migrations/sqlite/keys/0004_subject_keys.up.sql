-- Keys of personal data, one a client and subject. A destroyed key keeps its row, without the key: what was sealed
-- under it is known to be erased, and whose it was by pseudonym only.
CREATE TABLE subject_keys (
    id           blob PRIMARY KEY,
    client_id    blob NOT NULL,
    subject      blob NOT NULL,        -- keyed hash of a number, an address or an id
    master_id    text NOT NULL,
    wrapped      blob,                 -- null: destroyed
    created_at   integer NOT NULL,
    destroyed_at integer,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX subject_keys_alive ON subject_keys (client_id, subject) WHERE wrapped IS NOT NULL;
CREATE INDEX subject_keys_by_subject ON subject_keys (client_id, subject);

-- Erasures and exports that are not done; what they are stands in the log.
CREATE TABLE privacy_jobs (
    id         blob PRIMARY KEY,
    client_id  blob NOT NULL,
    created_at integer NOT NULL
) STRICT;

-- What was collected for an export, sealed under the client's key.
CREATE TABLE privacy_exports (
    id           blob PRIMARY KEY,
    client_id    blob NOT NULL,
    sealed_under blob NOT NULL,
    doc          blob NOT NULL,
    expires_at   integer NOT NULL
) STRICT;

CREATE INDEX privacy_exports_by_client ON privacy_exports (client_id);

-- Keys that end with the call or session they belong to: of content that is not kept.
CREATE TABLE content_keys (
    stream     text PRIMARY KEY,
    client_id  blob NOT NULL,
    created_at integer NOT NULL
) STRICT;
