-- A tool does not say whether its requests are signed.
DELETE FROM tools;
DELETE FROM projection_generations WHERE projection = 'tools';
DELETE FROM projections WHERE name = 'tools';
