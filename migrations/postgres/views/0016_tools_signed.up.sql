-- A tool says whether its requests are signed. The view of tools begins anew: the log brings it back.
SET LOCAL voxledger.client = 'system';
DELETE FROM tools;
DELETE FROM projection_generations WHERE projection = 'tools';
DELETE FROM projections WHERE name = 'tools';
