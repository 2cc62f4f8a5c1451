-- Trees of keys: what is left of each node whose own key is gone. A client's tree begins as one node.
CREATE TABLE key_nodes (
    id        uuid PRIMARY KEY,        -- hash of client and way
    client_id uuid NOT NULL,
    way       text COLLATE "C" NOT NULL,    -- hexadecimal digits from the root
    master_id text COLLATE "C" NOT NULL,
    wrapped   bytea NOT NULL            -- the keys under it that are left
);

CREATE INDEX key_nodes_by_client ON key_nodes (client_id);
