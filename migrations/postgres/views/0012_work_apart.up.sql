-- The outbox, the timers and deliveries are kept beside the log now, in a database of their own: they are made again
-- from the log there.
DROP TABLE outbox;
DROP TABLE timers;
DROP TABLE work_checkpoint;
DROP TABLE webhook_targets;
DROP TABLE public_events;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_attempts;
DROP TABLE webhook_checkpoint;

-- The log these views follow from: one row, once the log has an event.
CREATE TABLE views_log (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    log_id   uuid NOT NULL
);

-- The event at the position: the same position of another history holds another one. Null: not known.
ALTER TABLE projection_generations ADD COLUMN event_id uuid;
