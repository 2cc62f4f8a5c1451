DROP TABLE seal_heads;
DROP FUNCTION refuse_to_change_a_head();
DROP TABLE seal_tiles;
