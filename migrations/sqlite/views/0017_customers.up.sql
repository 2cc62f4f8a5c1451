-- Customers, and what they are found by. Calls and conversations are found by their customer, and calls by the other party's
-- number. Their views begin anew: the log brings them back.
CREATE TABLE customers (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    listed     INTEGER NOT NULL,           -- whether it stands for itself: neither removed nor merged into another
    doc        TEXT    NOT NULL,
    name       TEXT,                       -- in lower case, to search in
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX customers_by_time ON customers (generation, client_id, created_at, id) WHERE listed;
CREATE INDEX customers_by_name ON customers (generation, client_id, created_at, id, name)
    WHERE listed AND name IS NOT NULL;

CREATE TABLE customer_keys (
    generation INTEGER NOT NULL,
    owner      BLOB    NOT NULL,           -- the customer
    key_hash   TEXT    NOT NULL,           -- of a number, an address or the client's own name
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,           -- of the customer
    PRIMARY KEY (generation, owner, key_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX customer_keys_by_hash ON customer_keys (generation, client_id, key_hash, created_at, owner);

DELETE FROM calls;
DELETE FROM conversations;
DELETE FROM tallies WHERE view IN ('calls', 'conversations');
DELETE FROM projection_generations WHERE projection IN ('calls', 'conversations');
DELETE FROM projections WHERE name IN ('calls', 'conversations');
ALTER TABLE calls ADD COLUMN customer_id BLOB;
ALTER TABLE calls ADD COLUMN person TEXT;  -- a keyed hash
ALTER TABLE conversations ADD COLUMN customer_id BLOB;
CREATE INDEX calls_by_customer ON calls (generation, client_id, customer_id, created_at, id)
    WHERE customer_id IS NOT NULL;
CREATE INDEX calls_by_person ON calls (generation, client_id, person, created_at, id) WHERE person IS NOT NULL;
CREATE INDEX conversations_by_customer ON conversations (generation, client_id, customer_id, created_at, id)
    WHERE customer_id IS NOT NULL;
