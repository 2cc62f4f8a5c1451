-- The view of conversations begins anew, without sums.
DELETE FROM conversations;
DELETE FROM tallies WHERE view = 'conversations';
DELETE FROM projection_generations WHERE projection = 'conversations';
DELETE FROM projections WHERE name = 'conversations';
