DROP TABLE webhook_checkpoint;
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE public_events;
DROP TABLE webhook_targets;
DROP TABLE webhook_endpoints;
DELETE FROM projection_generations WHERE projection = 'webhook_endpoints';
DELETE FROM projections WHERE name = 'webhook_endpoints';
