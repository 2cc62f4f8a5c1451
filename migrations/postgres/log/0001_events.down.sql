DROP TABLE events;
DROP TABLE log_head;
DROP FUNCTION refuse_to_change_the_log();
