DROP TABLE audit_log;
DELETE FROM projection_generations WHERE projection = 'audit_log';
DELETE FROM projections WHERE name = 'audit_log';
