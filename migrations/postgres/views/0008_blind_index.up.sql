-- Numbers and clients' names of sessions are searched by a keyed hash. The views of calls and sessions begin anew: the
-- log brings them back.
SET LOCAL voxledger.client = 'system';
DELETE FROM calls;
DELETE FROM ivr_sessions;
DELETE FROM tallies WHERE view IN ('calls', 'ivr_sessions');
DELETE FROM projection_generations WHERE projection IN ('calls', 'ivr_sessions');
DELETE FROM projections WHERE name IN ('calls', 'ivr_sessions');
