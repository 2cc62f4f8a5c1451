-- SQLite has no row-level security: one process alone has the file. The number is taken so that both databases
-- go by the same steps.
SELECT 1;
