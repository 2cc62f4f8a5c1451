DROP TABLE seal_heads;
DROP TABLE seal_tiles;
