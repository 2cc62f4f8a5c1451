DROP TABLE superseded_tiles;
DROP TABLE superseded_heads;
