DROP TABLE keys_log;
