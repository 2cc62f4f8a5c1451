-- What is remembered of customers.
CREATE TABLE memories (
    generation  INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    client_id   BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    customer_id BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    removed     INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    doc         TEXT    NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX memories_by_customer ON memories (generation, client_id, customer_id, created_at, id) WHERE NOT removed;
