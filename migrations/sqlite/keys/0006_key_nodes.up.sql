-- Trees of keys: what is left of each node whose own key is gone. A client's tree begins as one node.
CREATE TABLE key_nodes (
    id        blob PRIMARY KEY,        -- hash of client and way
    client_id blob NOT NULL,
    way       text NOT NULL,    -- hexadecimal digits from the root
    master_id text NOT NULL,
    wrapped   blob NOT NULL            -- the keys under it that are left
) STRICT, WITHOUT ROWID;

CREATE INDEX key_nodes_by_client ON key_nodes (client_id);
