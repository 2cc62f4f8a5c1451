-- The node that works on the request, where others can tell whether it is alive (an advisory lock of its id).
ALTER TABLE idempotency_keys ADD COLUMN holder blob;
