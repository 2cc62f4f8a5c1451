-- Conversations are counted by hour and day. Their view begins anew: the log brings it back, with its sums.
DELETE FROM conversations;
DELETE FROM tallies WHERE view = 'conversations';
DELETE FROM projection_generations WHERE projection = 'conversations';
DELETE FROM projections WHERE name = 'conversations';
