DROP TABLE kept_head;
