-- Knowledge bases and their documents.
CREATE TABLE kb (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX kb_by_time ON kb (generation, client_id, created_at, id);

CREATE TABLE kb_documents (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    kb_id      BLOB NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    status     TEXT NOT NULL,
    chunks     INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX kb_documents_by_time ON kb_documents (generation, client_id, kb_id, created_at, id) WHERE NOT removed;
