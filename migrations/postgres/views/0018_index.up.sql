-- What is searched by vector and by words: memories, and later passages of documents.
CREATE TABLE index_spaces (
    client_id  uuid NOT NULL,
    collection uuid NOT NULL,           -- a knowledge base; of memories all zeros
    epoch      bigint NOT NULL,
    version    bigint NOT NULL,
    PRIMARY KEY (client_id, collection)
);

CREATE TABLE index_entries (
    client_id  uuid NOT NULL,
    collection uuid NOT NULL,
    id         uuid NOT NULL,
    owner      uuid NOT NULL,           -- the customer or the document
    body       text NOT NULL,
    changed    bigint NOT NULL,         -- version of the space
    removed    boolean NOT NULL,
    PRIMARY KEY (client_id, collection, id)
);

CREATE INDEX index_entries_by_change ON index_entries (client_id, collection, changed, id);
CREATE INDEX index_entries_by_owner ON index_entries (client_id, collection, owner);

CREATE TABLE index_vectors (
    client_id  uuid NOT NULL,
    collection uuid NOT NULL,
    model      text COLLATE "C" NOT NULL,          -- provider, model and dimensions
    id         uuid NOT NULL,
    vector     bytea NOT NULL,          -- little-endian f32
    PRIMARY KEY (client_id, collection, model, id)
);

CREATE TABLE index_progress (
    follower text PRIMARY KEY NOT NULL,
    position bigint NOT NULL
);

ALTER TABLE index_spaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE index_spaces FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON index_spaces USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE index_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE index_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON index_entries USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE index_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE index_vectors FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON index_vectors USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
