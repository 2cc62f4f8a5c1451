-- Nothing is searched by vector or by words.
DROP TABLE index_progress;
DROP TABLE index_vectors;
DROP TABLE index_entries;
DROP TABLE index_spaces;
