DROP TABLE key_nodes;
