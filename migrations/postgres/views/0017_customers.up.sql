-- Customers, and what they are found by. Calls and conversations are found by their customer, and calls by the other party's
-- number. Their views begin anew: the log brings them back.
SET LOCAL voxledger.client = 'system';
CREATE TABLE customers (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    removed    boolean NOT NULL,
    listed     boolean NOT NULL,           -- whether it stands for itself: neither removed nor merged into another
    doc        text NOT NULL,
    name       text COLLATE "C",                       -- in lower case, to search in
    PRIMARY KEY (generation, id)
);

CREATE INDEX customers_by_time ON customers (generation, client_id, created_at, id) WHERE listed;
CREATE INDEX customers_by_name ON customers (generation, client_id, created_at, id, name)
    WHERE listed AND name IS NOT NULL;

CREATE TABLE customer_keys (
    generation bigint NOT NULL,
    owner      uuid NOT NULL,           -- the customer
    key_hash   text COLLATE "C" NOT NULL,           -- of a number, an address or the client's own name
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,           -- of the customer
    PRIMARY KEY (generation, owner, key_hash)
);

CREATE INDEX customer_keys_by_hash ON customer_keys (generation, client_id, key_hash, created_at, owner);

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON customers USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE customer_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON customer_keys USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

DELETE FROM calls;
DELETE FROM conversations;
DELETE FROM tallies WHERE view IN ('calls', 'conversations');
DELETE FROM projection_generations WHERE projection IN ('calls', 'conversations');
DELETE FROM projections WHERE name IN ('calls', 'conversations');
ALTER TABLE calls ADD COLUMN customer_id uuid;
ALTER TABLE calls ADD COLUMN person text COLLATE "C";  -- a keyed hash
ALTER TABLE conversations ADD COLUMN customer_id uuid;
CREATE INDEX calls_by_customer ON calls (generation, client_id, customer_id, created_at, id)
    WHERE customer_id IS NOT NULL;
CREATE INDEX calls_by_person ON calls (generation, client_id, person, created_at, id) WHERE person IS NOT NULL;
CREATE INDEX conversations_by_customer ON conversations (generation, client_id, customer_id, created_at, id)
    WHERE customer_id IS NOT NULL;
