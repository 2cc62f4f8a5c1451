-- The log these keys open: one row, once the log has an event.
CREATE TABLE keys_log (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    log_id   uuid NOT NULL
);
