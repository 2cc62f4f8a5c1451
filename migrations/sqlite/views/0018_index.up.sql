-- What is searched by vector and by words: memories, and later passages of documents.
CREATE TABLE index_spaces (
    client_id  BLOB NOT NULL,
    collection BLOB NOT NULL,           -- a knowledge base; of memories all zeros
    epoch      INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (client_id, collection)
) STRICT, WITHOUT ROWID;

CREATE TABLE index_entries (
    client_id  BLOB NOT NULL,
    collection BLOB NOT NULL,
    id         BLOB NOT NULL,
    owner      BLOB NOT NULL,           -- the customer or the document
    body       TEXT NOT NULL,
    changed    INTEGER NOT NULL,        -- version of the space
    removed    INTEGER NOT NULL,
    PRIMARY KEY (client_id, collection, id)
) STRICT;

CREATE INDEX index_entries_by_change ON index_entries (client_id, collection, changed, id);
CREATE INDEX index_entries_by_owner ON index_entries (client_id, collection, owner);

CREATE TABLE index_vectors (
    client_id  BLOB NOT NULL,
    collection BLOB NOT NULL,
    model      TEXT NOT NULL,           -- provider, model and dimensions
    id         BLOB NOT NULL,
    vector     BLOB NOT NULL,           -- little-endian f32
    PRIMARY KEY (client_id, collection, model, id)
) STRICT;

CREATE TABLE index_progress (
    follower TEXT PRIMARY KEY NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
