-- The view of conversations begins anew, without sums.
SET LOCAL voxledger.client = 'system';
DELETE FROM conversations;
DELETE FROM tallies WHERE view = 'conversations';
DELETE FROM projection_generations WHERE projection = 'conversations';
DELETE FROM projections WHERE name = 'conversations';
